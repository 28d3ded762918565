"""Connections and transactions of one SQLite file.

One connection a process and thread, opened after the fork; every write is one BEGIN IMMEDIATE transaction.
"""

import os
import threading
import weakref
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import apsw

from . import filters, search_index
from .checkpoints import Checkpoints


class Database:
    """A SQLite file, its connections and its settings."""

    def __init__(self, path: Path, busy_timeout: int, tokenizer: str) -> None:
        """Remember where the file is; nothing is opened. The busy timeout is in milliseconds."""
        self.path = path
        self.tokenizer = tokenizer
        self._busy_timeout = busy_timeout
        self._local = threading.local()
        self._connections: weakref.WeakSet[apsw.Connection] = weakref.WeakSet()

    @property
    def connection(self) -> apsw.Connection:
        """Return the connection of this process and thread."""
        local = self._local
        if getattr(local, "pid", None) != os.getpid():
            local.connection, local.pid = self.open(self.path), os.getpid()
        return local.connection  # type: ignore[no-any-return]

    @contextmanager
    def transaction(self) -> Iterator[apsw.Connection]:
        """Write in one transaction: all of it, or after an exception none."""
        with self._transaction("BEGIN IMMEDIATE") as connection:
            yield connection

    @contextmanager
    def snapshot(self) -> Iterator[apsw.Connection]:
        """Read several times from one state of the database."""
        with self._transaction("BEGIN") as connection:
            yield connection

    @contextmanager
    def _transaction(self, begin: str) -> Iterator[apsw.Connection]:
        connection = self.connection
        if connection.in_transaction:
            yield connection
            return
        connection.execute(begin)
        try:
            yield connection
            connection.execute("COMMIT")
        except BaseException:
            # After a full disk or an I/O error SQLite has rolled back by itself.
            if connection.in_transaction:
                connection.execute("ROLLBACK")
            raise

    def write_if_free(self, sql: str, values: tuple[object, ...]) -> None:
        """Execute one statement, unless another writer is at it or the database cannot be written."""
        connection = self.connection
        connection.set_busy_timeout(0)
        try:
            with suppress(apsw.Error):
                connection.execute(sql, values)
        finally:
            connection.set_busy_timeout(self._busy_timeout)

    def open(self, path: Path) -> apsw.Connection:
        """Open a file as every connection is opened, and close it with the others."""
        connection = self.connect(path)
        connection.pragma("synchronous", "full")
        connection.pragma("foreign_keys", True)
        connection.create_scalar_function("equality_key", _equality_key, 1, deterministic=True)
        Checkpoints(connection, self._busy_timeout)
        self._connections.add(connection)
        return connection

    def connect(self, path: Path) -> apsw.Connection:
        """Open a file and read nothing of it yet; closing it is left to the caller."""
        connection = apsw.Connection(str(path), flags=apsw.SQLITE_OPEN_READWRITE)
        connection.set_busy_timeout(self._busy_timeout)
        return connection

    def retokenize(self) -> None:
        """Rebuild the search indexes that were made with another tokenizer than the one set."""
        if search_index.is_stale(self.connection, self.tokenizer):
            with self.transaction() as connection:
                search_index.retokenize(connection, self.tokenizer)

    def close(self) -> None:
        """Close the connections of every thread of this process."""
        for connection in list(self._connections):
            connection.close()
        self._local = threading.local()


def _equality_key(*values: Any) -> str:
    return filters.equality_key(str(values[0]))
