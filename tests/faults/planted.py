"""Bugs to plant in the storage, to show that a harness catches them."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import apsw
import pytest

from app.storage import database as database_module
from app.storage import search_index
from app.storage.database import Database
from tests.faults.vfs import File

ROOT = Path(__file__).parents[2]


def acknowledge_before_the_commit(patch: pytest.MonkeyPatch) -> None:
    """Commit a write when the next one begins, or at the end."""
    end = Database.close

    @contextmanager
    def transaction(self: Database) -> Iterator[apsw.Connection]:
        commit(self)
        self.connection.execute("BEGIN IMMEDIATE")
        yield self.connection

    def commit(self: Database) -> None:
        with self._told():
            if self.connection.in_transaction:
                self.connection.execute("COMMIT")

    def close(self: Database) -> None:
        try:
            commit(self)
        finally:
            end(self)

    patch.setattr(Database, "transaction", transaction)
    patch.setattr(Database, "close", close)


def index_in_a_second_transaction(patch: pytest.MonkeyPatch) -> None:
    add, transaction = search_index.add, Database.transaction

    @contextmanager
    def twice(self: Database) -> Iterator[apsw.Connection]:
        later: list[tuple[Any, ...]] = []
        with patch.context() as within:
            within.setattr(search_index, "add", lambda connection, *entry: later.append(entry))
            with transaction(self) as connection:
                yield connection
        with transaction(self) as connection:
            for entry in later:
                add(connection, *entry)

    patch.setattr(Database, "transaction", twice)


def do_not_sync(patch: pytest.MonkeyPatch) -> None:
    patch.setitem(database_module.SYNCHRONOUS, "full", "off")


def sync_at_checkpoints_alone(patch: pytest.MonkeyPatch) -> None:
    patch.setitem(database_module.SYNCHRONOUS, "full", "normal")


def checkpoint_over_what_is_not_synced(patch: pytest.MonkeyPatch) -> None:
    """Ignore the order in which SQLite has its files synced."""
    patch.setattr(File, "xSync", lambda self, flags: None)


def swallow_a_full_disk(patch: pytest.MonkeyPatch, module: Any = database_module) -> None:
    transaction = module.Database.transaction

    @contextmanager
    def careless(self: Database) -> Iterator[apsw.Connection]:
        with suppress(module.StorageFull), transaction(self) as connection:
            yield connection

    patch.setattr(module.Database, "transaction", careless)


def roll_back_what_is_rolled_back(patch: pytest.MonkeyPatch, module: Any = database_module) -> None:
    @contextmanager
    def twice(self: Database) -> Iterator[apsw.Connection]:
        if self.connection.in_transaction:
            yield self.connection
            return
        with self._told():
            self.connection.execute("BEGIN IMMEDIATE")
            try:
                yield self.connection
                self.connection.execute("COMMIT")
            except BaseException:
                self.connection.execute("ROLLBACK")
                raise

    patch.setattr(module.Database, "transaction", twice)


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
