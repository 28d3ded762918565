"""struere-local types, and the files that define entity types."""

import json
from pathlib import Path
from typing import Any

import pytest

from .conftest import Run, assert_misused, assert_refused

YAML = "slug: customer\nname: Customer\nschema: {name: string, email: string}\nsearchFields: [name, email]\n"
JSON = '{"slug": "player", "name": "Player", "schema": {"type": "object", "properties": {}}, "searchFields": []}'
PLAYER = {"slug": "player", "name": "Player", "schema": {"type": "object", "properties": {}}, "searchFields": []}
CUSTOMER = {
    "slug": "customer",
    "name": "Customer",
    "schema": {"name": "string", "email": "string"},
    "searchFields": ["name", "email"],
}


@pytest.fixture
def project(folder: Path) -> Path:
    """A project folder with two entity types."""
    types = folder / "project" / "entity-types"
    types.mkdir(parents=True)
    (types / "customer.yaml").write_text(YAML)
    (types / "player.json").write_text(JSON)
    return folder / "project"


def defined(struere: Run, *options: str) -> list[Any]:
    found: list[Any] = struere("types", "list", "--json", *options).json
    return found


def store(struere: Run, count: int) -> None:
    Path("customers.jsonl").write_text('{"type": "customer", "data": {}}\n' * count)
    assert struere("import", "customers.jsonl").code == 0


def test_a_folder_is_applied_and_each_type_told(struere: Run, project: Path) -> None:
    assert struere("types", "apply", str(project)) == (0, "+ customer\n+ player\n", "")
    assert struere("types", "apply", str(project / "entity-types")) == (0, "= customer\n= player\n", "")
    assert defined(struere) == [CUSTOMER, PLAYER]


def test_a_changed_file_changes_its_type(struere: Run, project: Path) -> None:
    struere("types", "apply", str(project))
    (project / "entity-types" / "player.json").write_text(JSON.replace('"Player"', '"Spieler"'))
    assert struere("types", "apply", str(project)).stdout == "= customer\n~ player\n"
    assert defined(struere) == [CUSTOMER, PLAYER | {"name": "Spieler"}]


def test_a_type_gone_from_the_folder_is_kept_and_told(struere: Run, project: Path) -> None:
    struere("types", "apply", str(project))
    (project / "entity-types" / "player.json").unlink()
    told = struere("types", "apply", str(project)).stdout
    assert told == "= customer\n- player (kept; --remove removes it)\n"
    assert defined(struere) == [CUSTOMER, PLAYER]


def test_a_type_gone_from_the_folder_is_removed_on_demand(struere: Run, project: Path) -> None:
    struere("types", "apply", str(project))
    (project / "entity-types" / "player.json").unlink()
    assert struere("types", "apply", str(project), "--remove").stdout == "= customer\n- player (removed)\n"
    assert defined(struere) == [CUSTOMER]


def test_a_type_is_removed_with_its_entities_only_by_force(struere: Run, project: Path) -> None:
    struere("types", "apply", str(project))
    store(struere, 2)
    (project / "entity-types" / "customer.yaml").unlink()
    refusal = "Entity type customer still has entities (2); --force removes them with it"
    assert_refused(struere("types", "apply", str(project), "--remove"), refusal)
    assert_refused(struere("types", "remove", "customer"), refusal)
    assert defined(struere) == [CUSTOMER, PLAYER]
    assert struere("types", "apply", str(project), "--remove", "--force").stdout == "= player\n- customer (removed)\n"
    assert defined(struere) == [PLAYER]


@pytest.mark.parametrize(
    ("count", "told"),
    [(0, "Removed customer; entities removed with it: 0\n"), (2, "Removed customer; entities removed with it: 2\n")],
    ids=["none", "two"],
)
def test_a_removal_tells_how_many_entities_went_with_the_type(
    struere: Run, project: Path, count: int, told: str
) -> None:
    struere("types", "apply", str(project))
    store(struere, count)
    assert struere("types", "remove", "customer", "--force") == (0, told, "")
    assert defined(struere) == [PLAYER]


def test_the_list_has_a_line_a_type(struere: Run, project: Path) -> None:
    struere("types", "apply", str(project))
    assert struere("types", "list").stdout.splitlines() == [
        "SLUG      NAME      SEARCH FIELDS",
        "customer  Customer  name, email",
        "player    Player    -",
    ]


def test_environments_and_organizations_are_kept_apart(struere: Run, project: Path) -> None:
    for options in (["--environment", "eval"], ["--organization", "other"]):
        assert struere("types", "apply", str(project), *options).stdout == "+ customer\n+ player\n"
        struere("types", "remove", "customer", *options)
        assert defined(struere, *options) == [PLAYER]
    assert defined(struere) == []


def test_colors_are_not_for_files_and_not_where_they_are_not_wanted(
    struere: Run, project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    colored = struere("types", "apply", str(project), color=True)
    assert colored.stdout.startswith("\x1b[32m+ customer\x1b[0m\n")
    assert "\x1b" not in struere("types", "apply", str(project)).stdout
    monkeypatch.setenv("NO_COLOR", "1")
    assert struere("types", "apply", str(project), color=True).stdout == "= customer\n= player\n"
    assert "\x1b" not in struere("types", "list", color=True).stdout


def deep(levels: int) -> str:
    """Return a definition whose schema has so many levels."""
    return '{"slug": "a", "name": "A", "schema": ' + '{"a": ' * (levels - 1) + "{}" + "}" * levels


READ: dict[str, tuple[str, str, Any]] = {
    "without search fields": ("a.json", '{"slug": "a", "name": "A", "schema": {}}', {}),
    "with search fields that are null": ("a.yaml", "{slug: a, name: A, schema: {}, searchFields: null}", {}),
    "as .yml": ("a.yml", "{slug: a, name: A, schema: {x: [1, 1.5, true, null, é]}}", {"x": [1, 1.5, True, None, "é"]}),
    "with a date in YAML, which stays its text": (
        "a.yaml",
        "{slug: a, name: A, schema: {x: 2024-01-31, y: 2024-01-31T10:00:00Z}}",
        {"x": "2024-01-31", "y": "2024-01-31T10:00:00Z"},
    ),
    "with what only YAML takes for numbers and literals, which stays its text": (
        "a.yaml",
        "{slug: a, name: A, schema: {a: 12:30, b: 010, c: 0x1f, d: 1_000, e: yes, f: off, g: .inf, h: +1, i: True}}",
        {
            "a": "12:30",
            "b": "010",
            "c": "0x1f",
            "d": "1_000",
            "e": "yes",
            "f": "off",
            "g": ".inf",
            "h": "+1",
            "i": "True",
        },
    ),
    "with all that JSON takes for them": (
        "a.yaml",
        "{slug: a, name: A, schema: {a: -7, b: 1.5e3, c: 1E+2, d: true, e: null, f: ~, g: '1'}}",
        {"a": -7, "b": 1500.0, "c": 100.0, "d": True, "e": None, "f": None, "g": "1"},
    ),
    "with a schema as deep as it may be": ("a.json", deep(230), json.loads(deep(230))["schema"]),
    "with schema fields in their order": ("a.yaml", "{slug: a, name: A, schema: {z: 1, a: 2}}", {"z": 1, "a": 2}),
}


@pytest.mark.parametrize(("name", "text", "schema"), READ.values(), ids=READ)
def test_a_type_is_read_from_a_file(struere: Run, folder: Path, name: str, text: str, schema: Any) -> None:
    (folder / name).write_text(text)
    (folder / "notes.txt").write_text("no type")
    assert struere("types", "apply", ".").stdout == "+ a\n"
    [found] = defined(struere)
    assert found == {"slug": "a", "name": "A", "schema": schema, "searchFields": []}
    assert list(found["schema"]) == list(schema)


def yaml(**changes: str) -> str:
    """Return a valid definition with keys changed, added or, where empty, gone."""
    values = {"slug": "a", "name": "A", "schema": "{}"} | changes
    return "".join(f"{key}: {value}\n" for key, value in values.items() if value)


BAD: dict[str, tuple[str, str | bytes, str]] = {
    "an unknown key": ("a.yaml", yaml(searchfields="[]"), "unknown key searchfields; the keys are name, slug, schema"),
    "no slug": ("a.yaml", yaml(slug=""), "slug must be 1 to 64 letters, digits, - or _"),
    "a slug that is a number": ("a.yaml", yaml(slug="1"), "slug must be"),
    "a slug with a slash": ("a.yaml", yaml(slug="a/b"), "slug must be"),
    "a slug too long": ("a.yaml", yaml(slug="a" * 65), "slug must be"),
    "no name": ("a.yaml", yaml(name=""), "name must be a non-empty string"),
    "no schema": ("a.yaml", yaml(schema=""), "schema must be an object"),
    "a schema that is an array": ("a.yaml", yaml(schema="[]"), "schema must be an object"),
    "search fields that are no list": ("a.yaml", yaml(searchFields="name"), "searchFields must be a list"),
    "search fields that are no names": ("a.yaml", yaml(searchFields="[1]"), "searchFields must be a list"),
    "NaN in JSON": ("a.json", '{"slug": "a", "name": "A", "schema": {"x": NaN}}', "NaN and Infinity are not JSON"),
    "too many levels": ("a.json", deep(252), "nested deeper than 240 levels"),
    "too many levels in YAML": ("a.yaml", yaml(schema="{a: " * 250 + "1" + "}" * 250), "a.yaml"),
    "levels without end in YAML": ("a.yaml", yaml(schema="{a: " * 3_000 + "1" + "}" * 3_000), "nested too deeply"),
    "NaN in YAML": ("a.yaml", yaml(schema="{x: !!float .nan}"), "NaN"),
    "a number beyond every double in YAML": ("a.yaml", yaml(schema="{x: -1e400}"), "Infinity"),
    "a number as a key in YAML": ("a.yaml", yaml(schema="{1: x}"), "what JSON cannot"),
    "a set in YAML": ("a.yaml", yaml(schema="{x: !!set {y}}"), "what JSON cannot"),
    "an integer beyond 64 bits in YAML": ("a.yaml", yaml(schema="{x: 9223372036854775808}"), "64 bits"),
    "a tag that does not fit in YAML": ("a.yaml", yaml(schema="{x: !!float y}"), "a.yaml"),
    "a tag of Python in YAML": ("a.yaml", yaml(schema="{x: !!python/name:os.system }"), "is not YAML"),
    "a reference to itself in YAML": ("a.yaml", yaml(schema="&a {x: *a}"), "a.yaml"),
    "a key twice in YAML": ("a.yaml", yaml() + "name: B\n", "is not YAML: name is there twice"),
    "a key twice within in YAML": ("a.yaml", yaml(schema="{a: x, b: y, a: z}"), "is not YAML: a is there twice"),
    "no YAML": ("a.yaml", "slug: [", "is not YAML"),
    "no JSON": ("a.json", "{", "Malformed JSON"),
    "no UTF-8": ("a.json", b'{"slug": "\xff"}', "UTF-8"),
    "no UTF-8 in YAML": ("a.yaml", b"slug: \xff", "is not YAML"),
    "an array": ("a.json", "[]", "must hold an object with name, slug, schema, searchFields"),
    "nothing": ("a.yaml", "", "must hold an object"),
}


@pytest.mark.parametrize(("name", "text", "sentence"), BAD.values(), ids=BAD)
def test_a_file_that_defines_no_type_is_refused_and_nothing_applied(
    struere: Run, folder: Path, name: str, text: str | bytes, sentence: str
) -> None:
    (folder / "0.yaml").write_text(YAML)
    (folder / name).write_bytes(text if isinstance(text, bytes) else text.encode())
    assert_refused(struere("types", "apply", "."), name, sentence)
    assert defined(struere) == []


def test_two_files_with_one_slug_are_refused(struere: Run, folder: Path) -> None:
    (folder / "a.yaml").write_text(YAML)
    (folder / "b.yaml").write_text(YAML)
    assert_refused(struere("types", "apply", "."), "b.yaml has the slug customer of a.yaml")


FOLDERS: dict[str, tuple[str, str]] = {
    "that is not there": ("nowhere", "nowhere is not a folder"),
    "that is a file": ("file.txt", "file.txt is not a folder"),
    "without a type": ("empty", "empty defines no entity type"),
}


@pytest.mark.parametrize(("name", "sentence"), FOLDERS.values(), ids=FOLDERS)
def test_a_folder_is_refused(struere: Run, folder: Path, name: str, sentence: str) -> None:
    (folder / "file.txt").write_text("")
    (folder / "empty").mkdir()
    assert_refused(struere("types", "apply", name), sentence, ".json, .yaml or .yml")


def test_an_unknown_type_cannot_be_removed(struere: Run) -> None:
    assert_refused(struere("types", "remove", "planet"), "Entity type planet not found")


def test_applying_needs_a_folder(struere: Run) -> None:
    assert_misused(struere("types", "apply"), "Missing argument 'FOLDER'")
