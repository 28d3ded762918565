"""The README and docs/api.md against the product: what they show is what happens."""

import json
import os
import re
import shlex
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

import click
import pytest
from flask import Flask

from app import create_app
from app.cli import commands
from app.config import SETTINGS
from app.project import read_definitions, read_entities
from app.storage import group_commit, ranking
from app.storage.entity_types import EntityTypes
from app.storage.filters import OPERATORS
from app.storage.organizations import Environment, ensure_organization
from app.storage.repository import EntityRepository
from app.storage.transfer import Transfer
from tests.server import COMMAND, PATIENCE, Server, end, environment

ROOT = Path(__file__).parents[1]
TARGETS = re.findall("^([a-z-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE)
README = (ROOT / "README.md").read_text()
REFERENCE = (ROOT / "docs" / "api.md").read_text()
PAGES = [ROOT / "README.md", ROOT / "docs" / "api.md", ROOT / "CHANGELOG.md", ROOT / "SECURITY.md"]

# What differs from run to run, and what stands for it in a comparison. An id gets a number besides: the same all along.
ENTITY_ID = re.compile("k17[0-9a-hjkmnp-tv-z]{29}")
VARYING = {
    '"(pid|timestamp|createdAt|updatedAt)": [0-9]+': r'"\1": <number>',
    "http://127.0.0.1:[0-9]+": "<url>",
    "sk_dev_[a-z0-9]{40}": "<key>",
    '"/[^"]*/struere-local-[^/"]+/struere.db"': "<database>",
}


class Step(NamedTuple):
    """A command of the README with the JSON that it is said to answer, or an assignment without one."""

    command: str
    answer: str


def blocks(language: str, text: str = README) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```$", text, re.DOTALL | re.MULTILINE)


def steps(block: str) -> list[Step]:
    found = re.findall(r"^\$ ((?:.*\\\n)*.*)\n((?:(?!\$ ).*\n)*)", block, re.MULTILINE)
    return [Step(command, answer) for command, answer in found]


def rows(header: str, text: str = README) -> list[list[str]]:
    """Return the cells of the table under a header, code marks off."""
    table = re.search(rf"^\| {re.escape(header)}.*\n\|[ |-]+\n((?:\|.*\n)+)", text, re.MULTILINE)
    assert table, f"no table {header}"
    return [[cell.strip().strip("`") for cell in line.strip("|").split(" |")] for line in table[1].splitlines()]


STEPS = [step for block in blocks("console") for step in steps(block)]
SERVE = next(step for step in STEPS if step.command.startswith("struere-local serve"))
CONVERSATION = [step for step in STEPS if step is not SERVE]


class Comparison:
    """Writes one side's answers, documented or real, so that equal ones are equal texts."""

    def __init__(self) -> None:
        self.ids: list[str] = []

    def __call__(self, answer: str) -> str:
        text = json.dumps(json.loads(answer), ensure_ascii=False, indent=1)
        for pattern, name in VARYING.items():
            text = re.sub(pattern, name, text)
        return ENTITY_ID.sub(lambda match: f"<id {self._number(match[0])}>", text)

    def _number(self, entity_id: str) -> int:
        if entity_id not in self.ids:
            self.ids.append(entity_id)
        return self.ids.index(entity_id)


@pytest.fixture
def elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A folder with the examples, the command, and nobody's settings."""
    (tmp_path / "examples").symlink_to(ROOT / "examples")
    monkeypatch.chdir(tmp_path)
    for name in set(os.environ) - set(environment()):
        monkeypatch.delenv(name)
    for name, value in environment({"PATH": f"{COMMAND.parent}{os.pathsep}{os.environ['PATH']}"}).items():
        monkeypatch.setenv(name, value)


@contextmanager
def serving() -> Iterator[Server]:
    """Run the README's throwaway instance."""
    with (
        tempfile.TemporaryFile("w+") as errors,
        subprocess.Popen(shlex.split(SERVE.command), stdout=subprocess.PIPE, stderr=errors, text=True) as process,
    ):
        try:
            yield Server(process, errors)
        finally:
            end(process)


@pytest.mark.usefixtures("elsewhere")
def test_the_start_line_is_as_shown() -> None:
    with serving() as server:
        assert Comparison()(json.dumps(server.announced)) == Comparison()(SERVE.answer)
        # An answer first: a SIGTERM before the worker listens for signals can be lost, which is for test_serve to tell.
        server.get("/health")


@pytest.mark.skipif(not shutil.which("curl"), reason="the README talks by curl")
@pytest.mark.usefixtures("elsewhere")
def test_the_conversation_goes_as_shown() -> None:
    documented, real = Comparison(), Comparison()
    with serving() as server:
        variables = {"URL": server.url, "KEY": server.announced["keys"]["development"]}
        for command, answer in CONVERSATION:
            if assignment := re.fullmatch(r"([A-Z]+)=(\S+)", command):
                variables[assignment[1]] = real.ids[documented.ids.index(assignment[2])]
                continue
            shell = ["bash", "-euc", command]
            run = subprocess.run(
                shell, env={**os.environ, **variables}, capture_output=True, text=True, timeout=PATIENCE
            )
            assert run.returncode == 0, f"{command}\n{run.stderr}"
            assert real(run.stdout) == documented(answer), command


def test_every_command_that_talks_to_the_server_is_tried() -> None:
    assert README.count("curl -s") == sum("curl -s" in step.command for step in CONVERSATION)
    assert not any("curl" in block for block in blocks("bash"))


def test_the_conversation_uses_every_kind_of_route() -> None:
    talk = " ".join(step.command for step in CONVERSATION)
    for part in ("/health", "/query", "/search", "-X PATCH", "-X DELETE", "/$ID", "/v1/data/customer -H"):
        assert part in talk


@pytest.mark.usefixtures("elsewhere")
def test_the_fixture_for_pytest_works(tmp_path: Path) -> None:
    (example,) = blocks("python")
    (tmp_path / "test_example.py").write_text(example)
    run = [sys.executable, "-W", "error", "-m", "pytest", "-q", "-p", "no:cacheprovider", "--rootdir", str(tmp_path)]
    result = subprocess.run(
        [*run, "-c", os.devnull, "test_example.py"], capture_output=True, text=True, timeout=PATIENCE
    )
    assert result.returncode == 0, result.stdout + result.stderr
    assert "1 passed" in result.stdout


# Tables

PARAMETERS = {"slug": ":type", "entity_id:entity_id": ":id"}


def test_the_routes_are_those_of_the_application(application: Flask) -> None:
    routed = {
        (method, re.sub("<(.*?)>", lambda name: PARAMETERS[name[1]], rule.rule))
        for rule in application.url_map.iter_rules()
        for method in (rule.methods or set()) - {"HEAD", "OPTIONS"}
    }
    assert {(method, path) for method, path, _ in rows("Method | Path")} == routed


def test_the_operators_are_those_of_the_filters() -> None:
    assert [operator for operator, *_ in rows("Operator")] == ["(none)", *OPERATORS]
    (documented,) = re.findall(r"\*\*filters-9\*\* The operators are (.*?);", REFERENCE, re.DOTALL)
    assert re.findall(r"`(\$\w+)`", documented) == list(OPERATORS)


@pytest.mark.parametrize(("operator", "filters", "found"), [(row[0], row[2], row[3]) for row in rows("Operator")])
def test_an_operator_finds_what_its_row_says(application: Flask, operator: str, filters: str, found: str) -> None:
    assert operator in filters or operator == "(none)"
    body = json.dumps({"filters": json.loads(filters)})
    response = ask(application, ALL, "POST", "/v1/data/customer/query", body)
    assert ", ".join(entity["data"]["name"] for entity in response.get_json()["data"]) == found


def test_the_settings_are_those_that_exist() -> None:
    options = {str(option.name).upper(): option.opts[0] for option in commands.commands["serve"].params}
    documented = [(variable, option, default) for variable, option, default, _ in rows("Variable")]
    assert documented == [
        (f"STRUERE_{setting.name}", options.get(setting.name, ""), default_of(setting.name)) for setting in SETTINGS
    ]


def default_of(name: str) -> str:
    default = next(setting.default for setting in SETTINGS if setting.name == name)
    return "instance/struere.db" if name == "DATABASE" else default or ""


def test_the_commands_are_those_that_exist() -> None:
    assert {name for name, _ in rows("Command")} == set(leaves(commands))


def leaves(group: click.Group, prefix: str = "") -> Iterator[str]:
    for name, command in group.commands.items():
        if isinstance(command, click.Group):
            yield from leaves(command, f"{prefix}{name} ")
        else:
            yield prefix + name


LINES = [line for block in blocks("(?:bash|console)") for line in block.splitlines()]
INLINE = re.findall("`([^`\n]*)`", re.sub("^```.*?^```", "", README, flags=re.DOTALL | re.MULTILINE))
WRITTEN = [line.removeprefix("$ ") for line in LINES + INLINE if line.removeprefix("$ ").startswith("struere-local ")]


@pytest.mark.usefixtures("elsewhere")
@pytest.mark.parametrize("line", WRITTEN)
def test_a_command_is_written_as_it_must_be(tmp_path: Path, line: str) -> None:
    (tmp_path / "customers.jsonl").touch()
    command: click.Command = commands
    arguments = shlex.split(line, comments=True)[1:]
    while isinstance(command, click.Group):
        command = command.commands[arguments.pop(0)]
    # Parses the options and arguments, and runs nothing.
    command.make_context("struere-local", arguments).close()


def test_there_are_commands_to_check() -> None:
    assert len(WRITTEN) >= 10


@pytest.mark.parametrize(
    ("told", "documents"),
    [
        (f"more than {ranking.COMMON:,}", ["docs/api.md", "README.md"]),
        (f"{group_commit.GATHERING * 1000:g} ms at most", ["README.md", "CHANGELOG.md"]),
    ],
)
def test_a_number_is_told_as_it_is(told: str, documents: list[str]) -> None:
    assert all(told in " ".join((ROOT / document).read_text().split()) for document in documents)


def test_the_make_targets_exist() -> None:
    written = re.findall("make ([a-z-]+)", " ".join(LINES + INLINE))
    assert {"serve", "test"} <= set(written) <= set(TARGETS)


def test_make_tells_what_each_target_does() -> None:
    variables = {"PATH": os.environ["PATH"]}  # without those of the make that runs this
    done = subprocess.run(["make"], cwd=ROOT, env=variables, capture_output=True, text=True, check=True)
    told = dict(re.findall("^make ([a-z-]+) +([A-Z].*[.])$", done.stdout, re.MULTILINE))
    assert list(told) == TARGETS == [line.split()[1] for line in done.stdout.splitlines()]
    assert len(set(told.values())) == len(told)


# Errors

ALL: dict[str, Any] = {}
CUSTOMER = "/v1/data/customer"
ERRORS: dict[tuple[int, str], tuple[dict[str, Any] | None, str, str, str]] = {
    (400, "data object is required"): (ALL, "POST", CUSTOMER, "{}"),
    (401, "Unauthorized"): (None, "GET", CUSTOMER, ""),
    (403, "API key does not have data permission"): ({"permissions": ("chat",)}, "GET", CUSTOMER, ""),
    (403, "The API key's scope does not include this entity"): (
        {"scope": {"customer": {"plan": "pro"}}}, "POST", CUSTOMER, '{"data": {"plan": "free"}}',
    ),
    (404, "Entity type unicorn not found"): (ALL, "GET", "/v1/data/unicorn", ""),
    (404, "Entity not found"): (ALL, "GET", f"{CUSTOMER}/k17", ""),
    (404, "Entity has been deleted"): (ALL, "DELETE", f"{CUSTOMER}/twice", ""),
    (405, "PUT is not allowed here; allowed are GET, HEAD, OPTIONS, POST"): (ALL, "PUT", CUSTOMER, ""),
    (413, "The request body must not be larger than 8388608 bytes"): (ALL, "POST", CUSTOMER, " " * (2**23 + 1)),
    (429, "Rate limit exceeded"): (ALL, "GET", f"{CUSTOMER}?often", ""),
    (500, "Storage is full"): (ALL, "POST", CUSTOMER, '{"data": {"name": "%s"}}' % (100_000 * "x")),
    (500, "Internal error"): (ALL, "GET", f"{CUSTOMER}/broken", ""),
}  # fmt: skip


@pytest.fixture
def application(elsewhere: None, tmp_path: Path) -> Iterator[Flask]:
    """The example customers, served within this process."""
    application = create_app({"DATABASE": tmp_path / "struere.db"})
    parts = application.extensions["struere"]
    environment = environment_of(application)
    project = ROOT / "examples" / "customers"
    definitions = read_definitions(project)
    EntityTypes(parts.database, parts.outside, environment).apply(definitions)
    transfer = Transfer(parts.database, parts.outside, environment)
    transfer.import_(read_entities(project, definitions, parts.limits))
    yield application
    parts.database.close()


def environment_of(application: Flask) -> Environment:
    parts = application.extensions["struere"]
    return Environment(ensure_organization(parts.database, parts.outside, "local"), "development")


def ask(application: Flask, key: dict[str, Any] | None, method: str, path: str, body: str = "") -> Any:
    """Send a request with a new key, or with none."""
    headers = {}
    if key is not None:
        keys = application.extensions["struere"].keys
        headers = {"Authorization": f"Bearer {keys.create(environment_of(application), 'a key', **key)[1]}"}
    client = application.test_client()
    if path.endswith("?often"):
        for _ in range(60):
            assert client.open(path, method=method, headers=headers).status_code == 200
    if path.endswith("/twice"):
        created = client.post(CUSTOMER, data='{"data": {}}', headers=headers)
        path = created.headers["Location"]
        assert client.delete(path, headers=headers).status_code == 200
    return client.open(path, method=method, headers=headers, data=body)


def test_the_errors_are_those_that_are_tried() -> None:
    assert {(int(status), text) for status, text, _ in rows("Status | Example")} == set(ERRORS)


@pytest.mark.parametrize(("status", "text"), ERRORS, ids=str)
def test_an_error_is_as_shown(application: Flask, monkeypatch: pytest.MonkeyPatch, status: int, text: str) -> None:
    if text == "Storage is full":
        application.extensions["struere"].database.write(lambda connection: connection.pragma("max_page_count", 1))
    if text == "Internal error":
        monkeypatch.setattr(EntityRepository, "get", lambda self, entity_id: 1 // 0)
    response = ask(application, *ERRORS[status, text])
    assert (response.status_code, response.get_json()["error"]) == (status, text)
    assert set(response.get_json()) == ({"error", "retryAt"} if status == 429 else {"error"})


def test_the_reference_has_every_error_of_the_readme() -> None:
    reference = {(status, pattern(text)) for status, text, _ in rows("Status | Text", REFERENCE)}
    for status, text, _ in rows("Status | Example"):
        assert any(status == other and re.fullmatch(shape, text) for other, shape in reference), text


def pattern(text: str) -> str:
    return re.sub("<[^>]*>", ".*", re.escape(text))


# Links and rules


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_link_leads_somewhere(page: Path) -> None:
    links = re.findall(r"\]\(([^)]+)\)", page.read_text())
    assert links
    for link in links:
        if "://" in link:
            continue
        path, _, anchor = link.partition("#")
        target = page.parent / path if path else page
        assert target.is_file(), link
        assert not anchor or anchor in anchors(target), link


def anchors(page: Path) -> set[str]:
    """Return the anchors of a page: those written, and those that GitHub makes of headings."""
    text = page.read_text()
    headings = re.findall("^#+ (.*)$", text, re.MULTILINE)
    made = {re.sub(r"[^\w\- ]", "", re.sub("<.*?>", "", heading)).lower().replace(" ", "-") for heading in headings}
    return made | set(re.findall('<a id="(.*?)">', text))


def test_the_rules_are_numbered_without_a_gap() -> None:
    sections = re.split(r'^## <a id="(.*?)"></a>.*$', REFERENCE, flags=re.MULTILINE)[1:]
    for name, section in zip(sections[::2], sections[1::2], strict=True):
        rules = re.findall(r'^- <a id="(.*?)"></a>\*\*(.*?)\*\* ', section, re.MULTILINE)
        assert rules == [(f"{name}-{number}",) * 2 for number in range(1, len(rules) + 1)]
        assert rules, name
