"""struere-local export and import"""

import json
import re
import stat
from pathlib import Path
from typing import Any

import pytest

from tests.conftest import START
from tests.server import run_on_terminal

from .conftest import Ended, Run, assert_misused, assert_refused

DEFINITION = "slug: customer\nname: Customer\nschema: {}\n"
ENTITIES = [
    {"id": "k17b", "type": "customer", "status": "active", "data": {"b": 1, "a": 1.0}, "createdAt": 5, "updatedAt": 9},
    {"id": "k17a", "type": "customer", "status": "archived", "data": {"n": 2**63 - 1}, "createdAt": 3, "updatedAt": 3},
    {"id": "k17c", "type": "player", "status": "active", "data": {"name": "é ☃"}, "createdAt": 0, "updatedAt": START},
]
LINES = "".join(json.dumps(entity, ensure_ascii=False, separators=(",", ":")) + "\n" for entity in ENTITIES)


@pytest.fixture(autouse=True)
def applied(struere: Run, folder: Path) -> None:
    """Define customer and player in development and production, customer in another organization."""
    types = folder / "entity-types"
    types.mkdir()
    (types / "customer.yaml").write_text(DEFINITION)
    struere("types", "apply", ".", "--organization", "other")
    (types / "player.yaml").write_text(DEFINITION.replace("customer", "player"))
    for environment in ("development", "production"):
        struere("types", "apply", ".", "--environment", environment)


@pytest.fixture
def store(struere: Run) -> Run:
    """Import lines from a file."""

    def store(lines: str, *options: str) -> Ended:
        Path("new.jsonl").write_text(lines)
        return struere("import", "new.jsonl", *options)

    return store


def test_an_export_has_the_lines_that_were_imported(struere: Run, store: Run) -> None:
    assert store(LINES) == (0, "", "Entities imported: 3\n")
    assert struere("export") == (0, LINES, "")


def test_an_export_goes_into_another_environment_by_files(struere: Run, store: Run, folder: Path) -> None:
    store(LINES)
    assert struere("export", "all.jsonl") == (0, "", "Entities exported: 3\n")
    assert stat.S_IMODE((folder / "all.jsonl").stat().st_mode) == 0o600
    assert not (folder / ".all.jsonl.struere-draft").exists()
    assert struere("import", "all.jsonl", "--environment", "production").code == 0
    assert struere("export", "--environment", "production").stdout == LINES


def test_an_export_replaces_a_file_only_by_force(struere: Run, store: Run, folder: Path) -> None:
    (folder / "all.jsonl").write_text("old " * 1000)
    store(LINES)
    assert_refused(struere("export", "all.jsonl"), "exists; name another file, or replace it with --force")
    assert (folder / "all.jsonl").read_text() == "old " * 1000
    struere("export", "--force", "all.jsonl")
    assert (folder / "all.jsonl").read_text() == LINES


def test_an_export_of_one_type_has_no_other(struere: Run, store: Run) -> None:
    store(LINES)
    assert struere("export", "--type", "player").stdout == LINES.splitlines(keepends=True)[-1]


def test_an_export_of_nothing_is_empty(struere: Run) -> None:
    assert struere("export") == (0, "", "")


def test_organizations_are_kept_apart(struere: Run, store: Run) -> None:
    assert store('{"type":"customer","data":{}}\n', "--organization", "other") == (0, "", "Entities imported: 1\n")
    assert struere("export").stdout == ""
    assert len(struere("export", "--organization", "other").stdout.splitlines()) == 1


def test_a_line_needs_type_and_data_alone(struere: Run, store: Run) -> None:
    store('{"type": "customer", "data": {"a": 1}}')
    entity = struere("export").json
    assert len(entity.pop("id")) == 32
    assert entity.pop("createdAt") == entity.pop("updatedAt") > START
    assert entity == {"type": "customer", "status": "active", "data": {"a": 1}}


def line(**changes: Any) -> str:
    return json.dumps({"type": "customer", "data": {}} | changes)


BAD: dict[str, tuple[str, str]] = {
    "no JSON": ("{", "Malformed JSON"),
    "no object": ("[]", "an entity must be a JSON object"),
    "NaN": ('{"type": "customer", "data": {"a": NaN}}', "NaN and Infinity are not JSON"),
    "no data": ('{"type": "customer"}', "data object is required"),
    "data beyond a limit": (line(data={"$a": 1}), "A field name in data must not start with $"),
    "no type": ('{"data": {}}', "type must be the slug of an entity type"),
    "an unknown type": (line(type="planet"), "entity type planet is not defined; apply its file first"),
    "the status deleted": (line(status="deleted"), "status must be a non-empty string other than deleted"),
    "an empty status": (line(status=""), "status must be a non-empty string other than deleted"),
    "an id with a slash": (line(id="a/b"), "id must be 1 to 64 letters, digits, - or _"),
    "an empty id": (line(id=""), "id must be 1 to 64 letters, digits, - or _"),
    "an id that is taken": (line(id="k17a"), "id k17a is taken"),
    "an id of an earlier line": (line(id="first"), "id first is taken"),
    "a time that is no number": (line(createdAt="2024-01-31"), "createdAt must be Unix milliseconds"),
    "a time with a fraction": (line(updatedAt=1.5), "updatedAt must be Unix milliseconds"),
    "a time before 1970": (line(createdAt=-1), "createdAt must be Unix milliseconds"),
}


@pytest.mark.parametrize(("bad", "sentence"), BAD.values(), ids=BAD)
def test_a_bad_line_is_named_and_nothing_is_imported(struere: Run, store: Run, bad: str, sentence: str) -> None:
    store(LINES)
    assert_refused(store(f"{line(id='first')}\n\n{bad}\n"), "new.jsonl, line 3: ", sentence)
    assert struere("export").stdout == LINES


@pytest.mark.parametrize("name", ["query", "search"])
def test_an_id_that_a_route_has_is_refused(store: Run, name: str) -> None:
    assert_refused(store(line(id=name)), "id")


def test_a_file_that_is_not_there_is_wrong_usage(struere: Run) -> None:
    assert_misused(struere("import", "nowhere.jsonl"), "'nowhere.jsonl': No such file or directory")


def test_an_export_into_a_folder_that_is_not_there_is_refused(struere: Run) -> None:
    assert_refused(struere("export", "nowhere/all.jsonl"), "There is no folder")


@pytest.mark.parametrize("ending", ["", "-wal", "-shm", "-limits", "-queue"])
def test_an_export_never_replaces_the_database_or_what_belongs_to_it(
    struere: Run, store: Run, tmp_path: Path, ending: str
) -> None:
    store(LINES)
    target = tmp_path / f"struere.db{ending}"
    assert_refused(struere("export", str(target)), "belongs to the database")
    link = tmp_path / "link"
    if target.exists():
        link.hardlink_to(target)
        assert_refused(struere("export", str(link)), "belongs to the database" if ending else "has a second name")
        link.unlink()
    assert struere("export").stdout == LINES


def test_an_export_never_replaces_what_is_no_file(struere: Run, folder: Path) -> None:
    (folder / "device").symlink_to("/dev/null")
    struere("export", "device")
    assert (folder / "device").is_symlink()


def test_an_export_of_an_unknown_type_is_refused_and_keeps_the_file(struere: Run, folder: Path) -> None:
    (folder / "all.jsonl").write_text("old")
    assert_refused(struere("export", "--type", "planet", "all.jsonl"), "Entity type planet not found")
    assert (folder / "all.jsonl").read_text() == "old"


def test_an_export_needs_a_database(struere_local: Run, folder: Path) -> None:
    assert_refused(struere_local("export"), "There is no database")
    assert not (folder / "instance").exists()


def test_the_executable_is_a_filter(executable: Run, folder: Path) -> None:
    options = ["--database", "struere.db"]
    assert executable("import", *options, input=LINES) == (0, "", "Entities imported: 3\n")
    assert executable("export", *options, "--type", "player").json == ENTITIES[-1]
    assert_refused(executable("import", *options, input="\n{\n"), "<stdin>, line 2: Malformed JSON")


@pytest.mark.parametrize(("command", "label"), [("import", "Importing"), ("export", "Exporting")])
def test_a_terminal_sees_how_far_it_is(store: Run, folder: Path, command: str, label: str) -> None:
    (folder / "lines").write_text(LINES)
    if command == "export":
        store(LINES)
    file = "lines" if command == "import" else "exported"
    shown = run_on_terminal(command, "--database", "struere.db", file, folder=folder)
    assert re.search(rf"{label} .*100%", shown), shown
