"""A restore that is killed before each of its system calls: the old database is there or the new, each by one name."""

import os
import shutil
import signal
import sys
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import apsw
import pytest

from app.storage import migrations
from app.storage.database import Database
from app.storage.migrations import prepare
from app.storage.restore import restore
from tests.faults.starts import crash

CALLS = ("os.", "fcntl.", "open")  # what an audit hook is told of: https://docs.python.org/3/library/audit_events.html
MOST = 200  # calls that a restore makes
ORGANIZATIONS = "SELECT slug FROM organization ORDER BY slug"

Spoil = Callable[[Path], object]


@pytest.fixture
def backup(tmp_path: Path, prepared_database: Path) -> Path:
    return Path(shutil.copy(prepared_database, tmp_path / "backup"))


def sound(path: Path) -> None:
    """A database that was closed, with one organization."""
    database = Database(path, 0, "unicode61")
    prepare(database)
    with database.transaction() as connection:
        connection.execute("INSERT INTO organization (slug, created_at) VALUES (?, 0)", ("before",))
    database.close()


def with_a_log(path: Path) -> None:
    """The same after a crash, with another organization in its log."""
    sound(path)
    crash(path)


def damaged_with_a_log(path: Path) -> None:
    """What SQLite can neither read nor move a log into."""
    path.write_text("no database")
    path.with_name(f"{path.name}-wal").write_text("its log")


def content(path: Path) -> Any:
    """Return what is in a database or, where it is none, in its file and its log."""
    log = path.with_name(f"{path.name}-wal")
    if path.read_bytes().startswith(b"no database"):
        return path.read_text(), log.read_text() if log.exists() else None
    with closing(apsw.Connection(str(path))) as connection:
        return connection.execute(ORGANIZATIONS).fetchall()


def killed(number: int, backup: Path, path: Path) -> bool:
    """Restore in a process of its own that is killed before its call of a number; return whether it got that far."""
    pid = os.fork()
    if not pid:
        calls = 0

        def count(event: str, arguments: object) -> None:
            nonlocal calls
            calls += event.startswith(CALLS)
            if calls == number:
                os.kill(os.getpid(), signal.SIGKILL)

        sys.addaudithook(count)
        restore(backup, path, force=True)
        os._exit(0)
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == -signal.SIGKILL


def kill_everywhere(folder: Path, backup: Path, spoil: Spoil) -> None:
    old, number = folder / "old", 0
    old.mkdir()
    spoil(old / "struere.db")
    before, restored = content(copied(old, folder) / "struere.db"), content(backup)
    assert before != restored
    went_on = True
    while went_on:
        number += 1
        assert number < MOST
        path = copied(old, folder) / "struere.db"
        went_on = killed(number, backup, path)
        try:
            assert_one_of_two(path, before, restored)
            restore(backup, path, force=True)
            assert content(path) == restored
        except BaseException as error:
            error.add_note(f"killed before call {number}: {sorted(each.name for each in path.parent.iterdir())}")
            raise
    print(f"{number} kills")


def copied(old: Path, folder: Path) -> Path:
    shutil.rmtree(folder / "data", ignore_errors=True)
    return shutil.copytree(old, folder / "data")


def assert_one_of_two(path: Path, before: Any, restored: Any) -> None:
    """Start on what a kill has left: it is the old database or the new one, and then the old one is beside it."""
    try:
        database = Database(path, 0, "unicode61")
        prepare(database)
        database.close()
    except Exception:
        assert content(path) == before
    kept = [each for each in path.parent.glob("struere.db.replaced-*") if not each.name.endswith("-wal")]
    assert [each.stat().st_nlink for each in (path, *kept)] == [1] * (1 + len(kept))
    if content(path) == before:
        assert kept == []
    else:
        assert content(path) == restored
        assert [content(each) for each in kept] == [before]


@pytest.mark.parametrize("spoil", [sound, with_a_log, damaged_with_a_log])
def test_a_restore_that_is_killed_anywhere_leaves_the_old_or_the_new(
    tmp_path: Path, backup: Path, spoil: Spoil
) -> None:
    kill_everywhere(tmp_path, backup, spoil)


@pytest.mark.parametrize(
    "bug",
    [
        pytest.param(lambda patch: patch.setattr(migrations, "undo_second_name", lambda path: None), id="two names"),
        pytest.param(lambda patch: patch.setattr(os, "link", lambda old, new: os.rename(old, new)), id="no file"),
        pytest.param(lambda patch: patch.setattr(os, "link", shutil.copy), id="half a copy"),
    ],
)
def test_a_planted_bug_is_caught(
    tmp_path: Path, backup: Path, monkeypatch: pytest.MonkeyPatch, bug: Callable[[pytest.MonkeyPatch], None]
) -> None:
    bug(monkeypatch)
    with pytest.raises((AssertionError, OSError)):
        kill_everywhere(tmp_path, backup, with_a_log)
