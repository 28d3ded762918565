"""The parts of the benchmarks that need no server: they would rot unseen, since make test runs no benchmark."""

import json
import math
import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import closing
from pathlib import Path

import pytest
from flask import Flask

from app.config import load
from app.serve import SETTINGS
from benchmarks import cache, expected, floor, imports, instructions, options, report, results, tasks
from benchmarks.entities import BLOCK, COMMON_WORDS, SEARCH_FIELDS, SHARING, TOPICS, account, data, entity, entity_id
from benchmarks.fill import fill
from benchmarks.flask_floor import PINNED, FlaskFloor, configuration
from benchmarks.floor import CONSTANT
from benchmarks.load import write_requests
from benchmarks.peers.__main__ import PEERS
from benchmarks.peers.datasette import Datasette
from benchmarks.peers.json_server import JsonServer0
from benchmarks.peers.pocketbase import PocketBase
from benchmarks.peers.report import report as peers_report
from benchmarks.peers.soul import Soul
from benchmarks.process import tool
from benchmarks.ratios import Row, Side, Spread, ratio
from benchmarks.raw import Raw
from benchmarks.raw_floor import RawFloor
from benchmarks.struere import Struere, request_of
from benchmarks.tasks import OPERATIONS, Operation, tasks_of
from tests import reference
from tests.server import PATIENCE

SIZE = 400
ENTITIES = [entity(number) for number in range(SIZE)]

each_operation = pytest.mark.parametrize("operation", OPERATIONS, ids=lambda operation: operation.name)


def row(operation: str, contender: str, number: int, size: int = 1_000, **found: float) -> Row:
    values = {"rate": 1, "requests": 1, "p50": 1, "p99": 1, "cpu": 1, "memory": 1} | found
    return Row(operation, contender, size, number, **values)  # type: ignore[arg-type]


def a_run(sizes: Sequence[int] = (1_000, 2_000)) -> list[Row]:
    """Two rounds of two operations; the server is half as fast as its floor, and slower where there is more."""
    rows = []
    for name in ("start", "get", "create", report.AFTER_ALL):
        for number in range(2):
            rows.append(row(name, report.FLASK, number, sizes[0], rate=1_000 + number, p50=1_000))
            for size in sizes:
                rows.append(row(name, report.SERVER, number, size, rate=500, p50=size, p99=5))
                rows.append(row(name, report.APSW, number, size, rate=10_000))
    return rows


def test_an_entity_is_the_same_in_every_run() -> None:
    assert entity(7) == entity(7)
    assert data(7)["email"] == "denkalril.0000007@example.com"
    assert len({entity_id(number) for number in range(5_000)}) == 5_000


def test_the_data_of_an_entity_is_about_300_bytes() -> None:
    sizes = [len(json.dumps(each["data"], ensure_ascii=False, separators=(",", ":")).encode()) for each in ENTITIES]
    assert 280 <= min(sizes) <= max(sizes) <= 320


def test_20_entities_share_an_account() -> None:
    sharing = [number for number in range(3 * BLOCK) if account(number) == account(BLOCK + 7)]
    assert len(sharing) == SHARING
    assert sharing[0] >= BLOCK


def test_the_words_that_are_searched_for_are_as_common_as_they_should_be() -> None:
    texts = [reference.words(reference.text(each, SEARCH_FIELDS)) for each in ENTITIES]
    assert all(word in text for text in texts for word in COMMON_WORDS)
    assert all(len([word for word in text if word in TOPICS]) == 1 for text in texts)


@each_operation
def test_tasks_are_the_same_in_every_run_and_many(operation: Operation) -> None:
    made = tasks_of(operation, 100_000)
    assert made == tasks_of(operation, 100_000)
    assert len({str(task) for task in made}) > 100 or operation.name in ("list", "search medium", "search common")


def test_operations_are_chosen_by_how_their_names_begin() -> None:
    assert [each.name for each in tasks.chosen(["list", "patch"])] == ["list", "list deep", "patch"]
    assert tasks.chosen([]) == list(OPERATIONS)
    with pytest.raises(ValueError, match="There is no operation lisp"):
        tasks.chosen(["lisp"])


@pytest.fixture(scope="module")
def database(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("benchmark") / "struere.db"
    fill(path, SIZE)
    return path


@pytest.fixture(scope="module")
def answers() -> dict[str, list[dict[str, object]]]:
    return dict(expected.answers(ENTITIES))


@each_operation
def test_raw_apsw_reads_what_the_reference_does(
    operation: Operation, database: Path, answers: dict[str, list[dict[str, object]]], tmp_path: Path
) -> None:
    if operation.kind in expected.WRITES:
        assert operation.name not in answers
        return
    made = tasks_of(operation, SIZE)[: expected.CHECKED]
    lines = write_requests(tmp_path / "requests.txt", map(request_of, made)).read_text().splitlines()
    raw = Raw(database)
    found = [[row[0] for row in raw.parse(line)()] for line in lines]
    pages = [answer.get("data") if operation.kind != "get" else [answer] for answer in answers[operation.name]]
    assert found == [[each["id"] for each in page] for page in pages]  # type: ignore[union-attr]


def test_the_answers_of_a_search_are_those_of_the_whole_reference(answers: dict[str, list[dict[str, object]]]) -> None:
    for operation in (each for each in OPERATIONS if each.kind == "search"):
        for task, answer in zip(tasks_of(operation, SIZE), answers[operation.name], strict=False):
            whole = reference.search(ENTITIES, task.words, SEARCH_FIELDS)[: tasks.SEARCH_LIMIT]
            assert answer["data"] == [each for each, _ in whole]


def plant_a_bug(database: Path) -> None:
    """Change a field of every entity."""
    with closing(sqlite3.connect(database)) as connection, connection:
        connection.execute("UPDATE entity SET data = json_set(data, '$.plan', 'gold')")


@pytest.fixture
def prepared(monkeypatch: pytest.MonkeyPatch, database: Path, answers: dict[str, list[dict[str, object]]]) -> None:
    """Nothing is kept in the cache: the database and the answers of these tests."""
    monkeypatch.setattr(cache, "database", lambda size: database)
    monkeypatch.setattr(cache, "answers", lambda size: answers)


@pytest.fixture
def cpus() -> dict[str, set[int]]:
    return options.cpus(1)


@pytest.mark.usefixtures("prepared")
def test_the_server_is_checked_on_every_operation(tmp_path: Path, cpus: dict[str, set[int]]) -> None:
    with closing(Struere(SIZE, tmp_path, cpus)) as server:
        assert 0 < server.start() < PATIENCE
        assert [operation.name for operation in OPERATIONS if not server.prepare(operation)] == []
        plant_a_bug(server.folder / "struere.db")
        with pytest.raises(SystemExit, match="struere-local answers get wrongly"):
            server.prepare(OPERATIONS[0])
        assert server.running().memory() > 10 * 2**20
        assert server.running().cpu() > 0


@pytest.mark.usefixtures("prepared")
def test_raw_apsw_is_checked_on_every_operation(tmp_path: Path, cpus: dict[str, set[int]]) -> None:
    raw = RawFloor(SIZE, tmp_path, cpus)
    assert all(raw.prepare(operation) for operation in OPERATIONS)
    plant_a_bug(tmp_path / f"apsw-{SIZE}" / "struere.db")
    with pytest.raises(SystemExit, match="apsw answers get wrongly"):
        raw.prepare(OPERATIONS[0])


def test_the_floor_answers_a_constant_of_300_bytes(tmp_path: Path, cpus: dict[str, set[int]]) -> None:
    assert len(CONSTANT) == 300
    with closing(FlaskFloor(SIZE, tmp_path, cpus, load())) as floor:
        floor.start()
        assert [operation.name for operation in OPERATIONS if not floor.prepare(operation)] == []


def test_a_ratio_is_of_rounds_side_by_side() -> None:
    rows = [row("get", "one", 0, rate=10), row("get", "one", 1, rate=30), row("get", "one", 2, rate=5)]
    rows += [row("get", "other", 0, rate=20), row("get", "other", 1, rate=30), row("get", "other", 3, rate=1)]
    assert ratio(rows, "get", "rate", Side("one", 1_000), Side("other", 1_000)) == Spread(0.75, 0.5, 1.0)
    assert ratio(rows, "list", "rate", Side("one", 1_000), Side("other", 1_000)) is None


def test_a_side_without_an_answer_is_as_slow_as_can_be() -> None:
    rows = [row("get", "one", 0, rate=10), row("get", "other", 0, rate=0)]
    one, other = Side("one", 1_000), Side("other", 1_000)
    assert ratio(rows, "get", "rate", one, other) == Spread(math.inf, math.inf, math.inf)
    assert ratio(rows, "get", "rate", other, one) == Spread(0, 0, 0)


def test_rows_are_read_as_they_were_written(tmp_path: Path) -> None:
    results.write(tmp_path / "results" / "run.json", ["a machine"], a_run())
    assert results.read(tmp_path / "results" / "run.json") == (["a machine"], a_run())


def test_a_report_shows_ratios_and_what_misses_its_goal() -> None:
    text = report.report(a_run(), ["a machine"])
    [create] = [line for line in text.splitlines() if line.startswith("| create | 500 |")][:1]
    assert "| **0.50** (0.50 to 0.50) ✗ | 0.50 |" in create
    assert "| **5.00** (5.00 to 5.00) ✗ |" in create
    assert "| get | 1.00 | 2.00 | **2.00** (2.00 to 2.00) ✗ | 1.15 |" in text
    assert "| flask | 0.001 | **1.00** (1.00 to 1.00) |" in text


def test_a_report_of_one_size_has_no_growth() -> None:
    assert "Growth" not in report.report(a_run([1_000]), [])


PEER_LINES = {
    "a constant would miss the goal too": (
        "list", JsonServer0.label,
        "**4.00** (4.00 to 4.00) ✗ | 10 | **8.00** (8.00 to 8.00) ✗ | **9.00** (9.00 to 9.00) ✗ |",
    ),
    "a constant would reach the goal": (
        "list", PocketBase.label,
        "**0.80** (0.80 to 0.80) ✗ | 1.3 | **1.60** (1.60 to 1.60) | **1.80** (1.80 to 1.80) |",
    ),
    "how it does it": ("create", PocketBase.label, "answered before it is on the disk |"),
    "why it cannot": ("create", Datasette.label, f"{'- | ' * 9}its API only reads |"),
    "what was not measured": ("create", Soul.label, f"{'- | ' * 9}not measured |"),
    "the floor": ("list", report.FLASK, "**0.44** (0.44 to 0.44) | - | **0.89** (0.89 to 0.89) | 1 |"),
    "the server": ("list", report.SERVER, "1 | - | 1 | **2.25** (2.25 to 2.25) |"),
}  # fmt: skip


@pytest.mark.parametrize(("operation", "contender", "cells"), PEER_LINES.values(), ids=PEER_LINES)
def test_a_report_beside_peers_shows(operation: str, contender: str, cells: str) -> None:
    costs = {
        report.SERVER: (400, 50),
        report.FLASK: (900, 44.5),
        JsonServer0.label: (100, 400),
        PocketBase.label: (500, 80),
    }
    rows = [
        row(name, each, 0, rate=rate, cpu=cpu) for name in ("list", "create") for each, (rate, cpu) in costs.items()
    ]
    lines = peers_report(rows, [], PEERS).splitlines()
    [line] = [line for line in lines if line.startswith(f"| {operation} | {contender} |")]
    assert cells in line


def test_a_report_beside_peers_needs_no_floor() -> None:
    assert "| list | struere-local | 1.0 | 1 | - | 1 | - |" in peers_report([row("list", report.SERVER, 0)], [], PEERS)


def test_the_floor_has_gunicorns_settings_and_none_of_the_servers_hooks() -> None:
    written = configuration({**SETTINGS, "workers": 3, "threads": 2, "bind": "127.0.0.1:1"})
    assert "worker_class = 'gthread'\nkeepalive = 15\n" in written
    assert written.endswith(f"workers = 3\nthreads = 2\n{PINNED}")
    with pytest.raises(SystemExit, match="does not know the server's on_exit"):
        configuration({"on_exit": print})


def test_cpus_are_shared_only_where_there_are_too_few() -> None:
    found = options.cpus(10**6)
    assert found["server"] == found["wrk"]


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["--sizes", "10"], "sizes are whole numbers from 200"),
        (["--only", "lisp"], "There is no operation lisp"),
        (["--rounds", "0"], "invalid _positive value"),
    ],
)
def test_wrong_options_are_told(arguments: list[str], sentence: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        options.parse(None, "name", "1000", arguments)
    assert sentence in capsys.readouterr().err


def test_a_missing_program_is_told_in_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "")
    with pytest.raises(SystemExit, match=r"^The benchmarks need wrk; on Debian: apt-get install wrk$"):
        tool("wrk", "wrk")


def test_raw_apsw_imports_what_an_import_does(tmp_path: Path, database: Path) -> None:
    lines, path = tmp_path / "entities.jsonl", tmp_path / "raw.db"
    lines.write_bytes(b"".join(imports.lines_of(range(SIZE))))
    fill(path, 0)
    imports.insert(str(path), str(lines))
    with closing(sqlite3.connect(path)) as raw, closing(sqlite3.connect(database)) as own:
        for sql in ("SELECT * FROM entity", "SELECT * FROM search_1_content", "SELECT count(*) FROM search_1_idx"):
            assert raw.execute(sql).fetchall() == own.execute(sql).fetchall()


# Requests a second are another at each run, and Python's instructions the same.
MOST = {"get": 1.15, "list": 1.55, "query": 1.85, "search": 1.6, "create": 1.25, "patch": 1.35}


@pytest.fixture(scope="module")
def application(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Flask]:
    filled = instructions.filled(tmp_path_factory.mktemp("instructions"))
    yield filled
    filled.extensions["struere"].database.close()


@each_operation
def test_the_application_takes_few_instructions_beside_bare_flask(application: Flask, operation: Operation) -> None:
    own = instructions.counted(application, instructions.requests(operation))
    least = instructions.counted(floor.app, instructions.floored(operation))
    assert own["flask"] > 0
    assert own["struere-local"] > 0
    assert own.total() <= MOST[operation.kind] * least.total(), own
