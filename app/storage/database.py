"""Connections and transactions of one SQLite file.

One connection a process and thread, opened after the fork; every write is one BEGIN IMMEDIATE transaction.
"""

import os
import threading
import weakref
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import apsw

from . import bounds, filters, read_only, search_index, writer_queue
from .checkpoints import Checkpoints
from .errors import StorageBroken, StorageBusy, StorageFailed, StorageFull
from .field_costs import FieldCosts
from .group_commit import Function, GroupCommit, Written
from .outside import Deadline

# "fast" survives a crash of the program but not one of the machine: https://sqlite.org/pragma.html#pragma_synchronous
SYNCHRONOUS = {"full": "full", "fast": "normal"}
PAGE_CACHE = 2_000  # KiB of each connection (https://sqlite.org/pragma.html#pragma_cache_size)
FAILURES: dict[type[apsw.Error], type[StorageFailed]] = {
    apsw.FullError: StorageFull,
    apsw.BusyError: StorageBusy,
    apsw.ProtocolError: StorageBusy,
    apsw.IOError: StorageBroken,
    apsw.CantOpenError: StorageBroken,
    apsw.ReadOnlyError: StorageBroken,
    apsw.PermissionsError: StorageBroken,
    apsw.CorruptError: StorageBroken,
    apsw.NotADBError: StorageBroken,
}
CAUSES = tuple(FAILURES)


class Database:
    """A SQLite file, its connections and its settings."""

    def __init__(
        self, path: Path, busy_timeout: int, tokenizer: str, durability: str = "full", vfs: str | None = None
    ) -> None:
        """Remember where the file is; nothing is opened. The busy timeout is in milliseconds.

        The durability is full or fast; the VFS is the name of another than SQLite's own.
        """
        self.path = path
        self.read_only = False  # for reading alone, of what cannot be written
        self.page_cache = PAGE_CACHE
        self.tokenizer = tokenizer
        self.costs = FieldCosts()
        self._busy_timeout = busy_timeout
        self._durability = durability
        self._vfs = vfs
        self._look: read_only.Look | None = None  # when it was first read without a lock
        self._local = threading.local()
        self._checkpoints: weakref.WeakKeyDictionary[apsw.Connection, Checkpoints] = weakref.WeakKeyDictionary()
        self._told = _Told(self)
        self._group_commit = GroupCommit(self._writing, self._checkpoint, busy_timeout)

    @property
    def connection(self) -> apsw.Connection:
        """Return the connection of this process and thread."""
        local = self._local
        if getattr(local, "pid", None) != os.getpid():
            local.connection, local.pid = self.open(self.path), os.getpid()
        return local.connection  # type: ignore[no-any-return]

    def read(self, sql: str, values: Any = None) -> Iterator[Any]:
        """Yield the rows of a query as they are asked for; raise StorageFailed."""
        with self._told:
            yield from self.connection.execute(sql, values)

    def row(self, sql: str, values: Any = None) -> Any:
        """Return the first row of a query, or None; raise StorageFailed."""
        try:
            return self.connection.execute(sql, values).fetchone()
        except CAUSES as error:
            raise self.failure(error) from error

    @contextmanager
    def reading(self, milliseconds: int, spent: Callable[[int], object] = lambda steps: None) -> Iterator[apsw.Cursor]:
        """Give a cursor for so long, or for ever with 0, and tell what it spent; raise TooSlow and StorageFailed."""
        with self._told, bounds.Reading(self.connection, milliseconds, spent) as cursor:
            yield cursor

    def write(self, function: Function[Written]) -> Written:
        """Return what a function returns that writes in a transaction, which it may share; raise StorageFailed.

        After an exception nothing of what the function wrote is there. It runs in another thread, and may run twice.
        """
        return self._group_commit.write(function)

    @contextmanager
    def transaction(self) -> Iterator[apsw.Connection]:
        """Write in one transaction: all of it, or after an exception none; raise StorageFailed."""
        deadline = Deadline(self._busy_timeout)
        with self._writing(lambda: not deadline.passed, deadline) as connection:
            yield connection
        self._checkpoint()

    @contextmanager
    def _writing(self, is_wanted: Callable[[], bool], deadline: Deadline | None = None) -> Iterator[apsw.Connection]:
        """Write as `transaction` does, and leave the log as it grows; wait for the turn while it is wanted."""

        def begin(connection: apsw.Connection) -> None:
            writer_queue.begin(connection, self.path, is_wanted, deadline)

        with self._told, self._transaction(begin) as connection:
            yield connection

    def _checkpoint(self) -> None:
        connection = getattr(self._local, "connection", None)
        with suppress(apsw.ConnectionClosedError):
            if connection is not None and not connection.in_transaction:
                self._checkpoints[connection].run(connection)

    @contextmanager
    def snapshot(self) -> Iterator[apsw.Connection]:
        """Read several times from one state of the database; raise StorageFailed."""
        with self._told, self._transaction(lambda connection: connection.execute("BEGIN")) as connection:
            yield connection

    @contextmanager
    def _transaction(self, begin: Callable[[apsw.Connection], object]) -> Iterator[apsw.Connection]:
        connection = self.connection
        if connection.in_transaction:
            yield connection
            return
        begin(connection)
        try:
            yield connection
            connection.execute("COMMIT")
        except BaseException:
            # After a full disk or an I/O error SQLite has rolled back by itself.
            if connection.in_transaction:
                connection.execute("ROLLBACK")
            raise

    def failure(self, error: apsw.Error) -> StorageFailed:
        """Return what an error of SQLite is in the storage's own words."""
        self.refuse_changed()
        connection = getattr(self._local, "connection", None)
        is_writing = connection is not None and connection.in_transaction
        if isinstance(error, apsw.CantOpenError | apsw.ReadOnlyError) and not is_writing:
            # SQLite reads only, and for good, where a file could not be opened for writing that one time.
            self._local.__dict__.clear()
        return next(failure() for cause, failure in FAILURES.items() if isinstance(error, cause))

    def write_if_free(self, sql: str, values: tuple[object, ...]) -> None:
        """Execute one statement, unless another writer is at it or the database cannot be written."""
        connection = self.connection
        connection.set_busy_timeout(0)
        try:
            with suppress(apsw.Error):
                connection.execute(sql, values)
                self._checkpoints[connection].run(connection, may_wait=False)
        finally:
            connection.set_busy_timeout(self._busy_timeout)

    def open(self, path: Path) -> apsw.Connection:
        """Open a file as every connection is opened, and close it with the others."""
        connection = self.connect(path)
        connection.pragma("synchronous", SYNCHRONOUS[self._durability])
        # An fsync of macOS leaves the data in the drive's cache without it.
        connection.pragma("fullfsync", self._durability == "full")
        connection.pragma("foreign_keys", True)
        connection.pragma("cache_size", -self.page_cache)
        # Without it, SQLite compiles a statement anew for each number that is bound to its LIMIT.
        connection.config(apsw.SQLITE_DBCONFIG_ENABLE_QPSG, 1)
        connection.create_scalar_function("equality_key", _equality_key, 1, deterministic=True)
        self._checkpoints[connection] = Checkpoints(connection, self._busy_timeout)
        return connection

    def connect(self, path: Path) -> apsw.Connection:
        """Open a file and read nothing of it yet; closing it is left to the caller."""
        name, flags = self._address(path)
        connection = apsw.Connection(name, flags=flags, vfs=self._vfs)
        connection.set_busy_timeout(self._busy_timeout)
        return connection

    def _address(self, path: Path) -> tuple[str, int]:
        if not self.read_only:
            return str(path), apsw.SQLITE_OPEN_READWRITE
        look = read_only.look(path)
        address = read_only.address(path)
        if address == read_only.unchanging(path):
            self._look = self._look or look
        return address

    def refuse_changed(self) -> None:
        """Raise Refused where it was read without a lock, and is no longer as it was: what was read may be wrong."""
        if self._look:
            read_only.refuse_changed(self.path, self._look)

    def retokenize(self) -> None:
        """Rebuild the search indexes that were made with another tokenizer than the one set."""
        if search_index.is_stale(self.connection, self.tokenizer):
            with self.transaction() as connection:
                search_index.retokenize(connection, self.tokenizer)

    def close(self) -> None:
        """Write what waits, and close the connections of every thread of this process."""
        self._group_commit.close()
        for connection in list(self._checkpoints):
            with suppress(apsw.ThreadingViolationError):  # a thread waits in it for its turn to write
                connection.close()
        self._local = threading.local()
        writer_queue.close(self.path)


class _Told:
    """A context that tells in the storage's own words what SQLite cannot do; other errors are bugs and pass."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def __enter__(self) -> None:
        pass

    def __exit__(self, kind: object, error: BaseException | None, traceback: object) -> None:
        if isinstance(error, CAUSES):
            raise self._database.failure(error) from error
        if error is None:
            self._database.refuse_changed()


def _equality_key(*values: Any) -> str:
    return filters.equality_key(str(values[0]))
