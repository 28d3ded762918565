"""Locks of SQLite, which POSIX drops when the process closes any descriptor of the file: fcntl(2)."""

import os
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from flask import Flask

from app import create_app
from app.parts import Parts
from app.storage.database import Database
from app.storage.errors import Refused
from app.storage.inspection import in_use
from app.storage.migrations import prepare
from app.storage.restore import restore
from tests.server import run


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "struere.db"


@pytest.fixture
def parts(path: Path) -> Iterator[Parts]:
    """An application of this process that has its database open."""
    parts: Parts = application(path).extensions["struere"]
    parts.database.connection.execute("SELECT * FROM entity").fetchall()
    yield parts
    parts.database.close()


def application(path: Path) -> Flask:
    return create_app({"DATABASE": path})


def prepare_again(path: Path) -> None:
    database = Database(path, 0, "unicode61 remove_diacritics 2")
    prepare(database)
    database.close()


def restore_over_it(path: Path) -> None:
    backup = path.with_name("backup")
    prepare_again(backup)
    with pytest.raises(Refused, match="is open in a server or another program"):
        restore(backup, path, force=True)


def open_and_close(path: Path) -> None:
    os.close(os.open(path, os.O_RDONLY))


ACTS: dict[str, Callable[[Path], object]] = {
    "another application": application,
    "another preparation": prepare_again,
    "a look whether it is in use": in_use,
    "a restore over it": restore_over_it,
}


def assert_held(act: Callable[[Path], object], path: Path) -> None:
    """Do something in this process, and hold the file to being in use for another process."""
    act(path)
    prepare_again(path.with_name("another"))
    ended = run("restore", "--force", "--database", str(path), "another", folder=path.parent)
    assert "is open in a server or another program" in ended.stderr


@pytest.mark.parametrize("act", ACTS.values(), ids=ACTS)
def test_a_database_that_is_open_stays_locked_through(act: Callable[[Path], object], path: Path, parts: Parts) -> None:
    assert_held(act, path)


def test_a_planted_descriptor_that_is_closed_is_caught(path: Path, parts: Parts) -> None:
    with pytest.raises(AssertionError):
        assert_held(open_and_close, path)


def test_this_process_uses_a_file_too_until_it_closes_it(path: Path, parts: Parts) -> None:
    assert in_use(path)
    parts.database.close()
    assert not in_use(path)
