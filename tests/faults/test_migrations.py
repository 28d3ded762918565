"""Migrations that are killed, and starts that come in pairs; the large migration is in tests/faults/migrating.py."""

import random
import shutil
import stat
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, closing
from pathlib import Path

import apsw
import pytest

from app.storage.database import Database
from app.storage.migrations import MIGRATIONS
from tests.faults.migrating import BUGS, HARNESSES, TOKENIZER, empty, old_file
from tests.profiles import rounds
from tests.server import run, serve

ROOT = Path(__file__).parents[2]


def ran(harness: str, number: int, bug: str = "") -> subprocess.CompletedProcess[str]:
    seed = str(random.randrange(2**32))
    print(f"{harness}, seed {seed}")
    command = [sys.executable, "-m", "tests.faults.migrating", harness, str(number), seed, *([bug] if bug else [])]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=1200, check=False)


def test_a_killed_migration_is_there_whole_or_not_at_all() -> None:
    ended = ran("kill", rounds(50, 500))
    assert ended.returncode == 0, ended.stderr
    print(ended.stdout)


@pytest.mark.parametrize("harness", ["pair_on_new", "pair_on_old"])
def test_two_starts_at_once_both_go_well(harness: str) -> None:
    ended = ran(harness, rounds(30, 300))
    assert (ended.returncode, ended.stderr) == (0, "")


@pytest.mark.parametrize(
    ("harness", "bug"), [("kill", "no_transaction"), ("kill", "no_draft"), ("pair_on_new", "no_lock")]
)
def test_a_planted_bug_is_caught(harness: str, bug: str) -> None:
    assert bug in BUGS
    assert harness in HARNESSES
    ended = ran(harness, 30, bug)
    assert ended.returncode == 1, ended.stdout
    assert "AssertionError" in ended.stderr or "apsw." in ended.stderr, ended.stderr


@pytest.mark.parametrize("old", [False, True], ids=["a new file", "an old file"])
def test_two_servers_that_start_at_once_on(tmp_path: Path, old: bool) -> None:
    path, kept = tmp_path / "struere.db", tmp_path / f"struere.db.before-{len(MIGRATIONS)}-1"
    for _ in range(rounds(3, 30)):
        (old_file if old else lambda path: empty(path.parent))(path)
        with ExitStack() as stack, ThreadPoolExecutor() as pool:
            starts = [serve("--database", str(path), "--limits", "off", folder=tmp_path) for _ in range(2)]
            servers = list(pool.map(stack.enter_context, starts))
            told = "".join(server.errors() for server in servers)
            assert told.count("becomes version") == int(old)
            assert "Traceback" not in told
            key = next(server.key for server in servers if server.key)
            assert [server.get("/v1/entity-types", key) for server in servers] == [{"data": []}] * 2
            # Of two that close a file at the same moment, SQLite lets each take the other for one that stays.
            for server in servers:
                server.stop()
        assert {each.name for each in tmp_path.glob("struere.db*")} == {path.name, *([kept.name] if old else [])}


def test_a_start_keeps_an_old_file_as_it_was_and_tells_where(tmp_path: Path) -> None:
    path, kept = tmp_path / "instance" / "struere.db", tmp_path / "instance" / f"struere.db.before-{len(MIGRATIONS)}-1"
    path.parent.mkdir()
    old_file(path)
    ended = run("keys", "list", folder=tmp_path)
    assert (ended.returncode, ended.stderr) == (
        0, f"{path} becomes version {len(MIGRATIONS)}; as it was it stays in {kept}\n",
    )  # fmt: skip
    assert stat.S_IMODE(kept.stat().st_mode) == 0o600
    assert run("restore", "--force", str(kept), folder=tmp_path).returncode == 0
    shutil.copy(path, tmp_path / "restored")
    database = Database(tmp_path / "restored", 0, TOKENIZER)
    with closing(database.connection) as connection:
        assert connection.pragma("user_version") == 1
    second = kept.with_name(f"{kept.name[:-1]}2")
    assert run("keys", "list", folder=tmp_path).stderr == ended.stderr.replace(kept.name, second.name)
    assert run("keys", "list", folder=tmp_path).stderr == ""


def test_each_migration_keeps_the_file_that_it_found(tmp_path: Path) -> None:
    path = tmp_path / "instance" / "struere.db"
    path.parent.mkdir()
    for number, slug in enumerate(("first", "second"), 1):
        old = tmp_path / slug / "struere.db"
        old.parent.mkdir()
        old_file(old)
        with closing(apsw.Connection(str(old))) as connection:
            connection.execute("INSERT INTO organization (slug, created_at) VALUES (?, 0)", (slug,))
        assert run("restore", "--force", str(old), folder=tmp_path).returncode == 0
        kept = path.with_name(f"{path.name}.before-{len(MIGRATIONS)}-{number}")
        assert f"as it was it stays in {kept}\n" in run("keys", "list", folder=tmp_path).stderr
    found = [slugs(path.with_name(f"{path.name}.before-{len(MIGRATIONS)}-{number}")) for number in (1, 2)]
    assert found == [{"first"}, {"second"}]


def slugs(path: Path) -> set[str]:
    """Return which of the organizations that a test has added a file has."""
    with closing(apsw.Connection(str(path), flags=apsw.SQLITE_OPEN_READONLY)) as connection:
        return {slug for (slug,) in connection.execute("SELECT slug FROM organization") if " " not in slug}
