"""Bugs to plant in the storage, to show that a harness catches them."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import apsw
import pytest

from app.storage import database as database_module
from app.storage import group_commit, search_index
from app.storage.database import Database
from app.storage.errors import StorageError
from app.storage.group_commit import GroupCommit
from tests.faults.vfs import File

ROOT = Path(__file__).parents[2]


def acknowledge_before_the_commit(patch: pytest.MonkeyPatch) -> None:
    def write_group(self: GroupCommit) -> None:
        writes: list[group_commit._Write] = []
        try:
            with self._transaction(lambda: bool(self._waiting)) as connection:
                writes = self._take()
                for write in writes:
                    write.run(connection, is_alone=len(writes) == 1)
                    write.tell()
        except group_commit._OneHasFailed:
            self._begin_again([write for write in writes if not write.answer.done()])
        except BaseException as error:
            self._fail([write for write in writes if not write.answer.done()], error)

    patch.setattr(GroupCommit, "_write_group", write_group)


def keep_what_is_refused(patch: pytest.MonkeyPatch) -> None:
    """Commit what a write has written that then failed, with the rest of its group."""
    run = group_commit._Write.run

    def keep(self: group_commit._Write, connection: apsw.Connection, is_alone: bool) -> None:
        try:
            run(self, connection, is_alone=True)
        except StorageError as refusal:
            self._refusal = refusal

    patch.setattr(group_commit._Write, "run", keep)


def forget_what_was_undone(patch: pytest.MonkeyPatch) -> None:
    """Answer as if all that a refused write has undone had been written."""
    patch.setattr(GroupCommit, "_begin_again", lambda self, writes: [write.tell() for write in writes])


def index_in_a_second_transaction(patch: pytest.MonkeyPatch) -> None:
    add, writing = search_index.add, Database._writing

    @contextmanager
    def twice(self: Database, *wait: Any) -> Iterator[apsw.Connection]:
        later: list[tuple[Any, ...]] = []
        with patch.context() as within:
            within.setattr(search_index, "add", lambda connection, *entry: later.append(entry))
            with writing(self, *wait) as connection:
                yield connection
        with writing(self, lambda: True) as connection:
            for entry in later:
                add(connection, *entry)

    patch.setattr(Database, "_writing", twice)


def do_not_sync(patch: pytest.MonkeyPatch) -> None:
    patch.setitem(database_module.SYNCHRONOUS, "full", "off")


def sync_at_checkpoints_alone(patch: pytest.MonkeyPatch) -> None:
    patch.setitem(database_module.SYNCHRONOUS, "full", "normal")


def checkpoint_over_what_is_not_synced(patch: pytest.MonkeyPatch) -> None:
    """Ignore the order in which SQLite has its files synced."""
    patch.setattr(File, "xSync", lambda self, flags: None)


def swallow_a_full_disk(patch: pytest.MonkeyPatch, module: Any = database_module) -> None:
    writing = module.Database._writing

    @contextmanager
    def careless(self: Database, *wait: Any) -> Iterator[apsw.Connection]:
        with suppress(module.StorageFull), writing(self, *wait) as connection:
            yield connection

    patch.setattr(module.Database, "_writing", careless)


def roll_back_what_is_rolled_back(patch: pytest.MonkeyPatch, module: Any = database_module) -> None:
    @contextmanager
    def twice(self: Database, *wait: Any) -> Iterator[apsw.Connection]:
        if self.connection.in_transaction:
            yield self.connection
            return
        with self._told:
            self.connection.execute("BEGIN IMMEDIATE")
            try:
                yield self.connection
                self.connection.execute("COMMIT")
            except BaseException:
                self.connection.execute("ROLLBACK")
                raise

    patch.setattr(module.Database, "_writing", twice)


def in_the_command(plant: Callable[..., None]) -> str:
    """Return a bug that takes a module as Python, to be planted in a command: there the package has another name."""
    return f"""
import sys
from pytest import MonkeyPatch
from struere_local.storage import database

sys.path.insert(0, {str(ROOT)!r})
from tests.faults import planted

planted.{plant.__name__}(MonkeyPatch(), database)
"""
