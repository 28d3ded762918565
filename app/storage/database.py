"""Connections, transactions and migrations of one SQLite file.

One connection a process and thread, opened after the fork; every write is one BEGIN IMMEDIATE transaction.
"""

import fcntl
import os
import struct
import threading
import weakref
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import apsw

from . import filters, search_index
from .errors import Refused

APPLICATION_ID = 0x53545245  # "STRE"
MIGRATIONS = ((Path(__file__).parent / "schema.sql").read_text(),)
HEADER = struct.Struct(">16s44xI4xI")  # https://sqlite.org/fileformat2.html: magic, user_version, application_id


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
            local.connection, local.pid = self._open(self.path), os.getpid()
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

    def retokenize(self) -> None:
        """Rebuild the search indexes that were made with another tokenizer than the one set."""
        if search_index.is_stale(self.connection, self.tokenizer):
            with self.transaction() as connection:
                search_index.retokenize(connection, self.tokenizer)

    def prepare(self) -> None:
        """Create or migrate the file; raise Refused, and leave it untouched, where it is not ours to use."""
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            with _lock(self.path.parent):
                self._prepare()
        except (OSError, apsw.Error) as error:
            raise Refused(f"Cannot use {self.path}: {error}; name another file with --database") from error

    def close(self) -> None:
        """Close the connections of every thread of this process."""
        for connection in list(self._connections):
            connection.close()
        self._local = threading.local()

    def _prepare(self) -> None:
        if self.path.exists() and not self.path.is_file():
            raise Refused(f"{self.path} is no regular file; name another with --database")
        if not self.path.exists() or not self.path.stat().st_size:
            self._create()
        _refuse_foreign(self.path)
        if self.connection.pragma("user_version") != len(MIGRATIONS):
            with self.transaction() as connection:
                _migrate(connection, self.path)

    def _create(self) -> None:
        """Make a complete file under another name and move it into place, so that no kill leaves half of one."""
        draft = self.path.with_name(self.path.name + ".new")
        draft.unlink(missing_ok=True)
        os.close(os.open(draft, os.O_CREAT | os.O_EXCL, 0o600))
        connection = self._open(draft)
        connection.pragma("application_id", APPLICATION_ID)
        connection.pragma("journal_mode", "wal")
        with connection:
            _migrate(connection, draft)
        connection.close()
        draft.replace(self.path)

    def _open(self, path: Path) -> apsw.Connection:
        connection = apsw.Connection(str(path), flags=apsw.SQLITE_OPEN_READWRITE)
        connection.set_busy_timeout(self._busy_timeout)
        connection.pragma("synchronous", "full")
        connection.pragma("foreign_keys", True)
        connection.create_scalar_function("equality_key", _equality_key, 1, deterministic=True)
        self._connections.add(connection)
        return connection


def _equality_key(*values: Any) -> str:
    return filters.equality_key(str(values[0]))


@contextmanager
def _lock(folder: Path) -> Iterator[None]:
    """Let one process at a time prepare a file of a folder."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)


def _refuse_foreign(path: Path) -> None:
    with path.open("rb") as file:
        header = file.read(HEADER.size)
    if len(header) < HEADER.size or not header.startswith(b"SQLite format 3\0"):
        raise Refused(f"{path} is not a SQLite database; name another file with --database")
    _, version, application = HEADER.unpack(header)
    if application != APPLICATION_ID:
        raise Refused(f"{path} belongs to another program; name another file with --database")
    _refuse_newer(version, path)


def _refuse_newer(version: int, path: Path) -> None:
    if version > len(MIGRATIONS):
        raise Refused(f"{path} was written by a newer struere-local; upgrade, or name another file with --database")


def _migrate(connection: apsw.Connection, path: Path) -> None:
    version = connection.pragma("user_version")
    _refuse_newer(version, path)
    for statements in MIGRATIONS[version:]:
        connection.execute(statements)
    connection.pragma("user_version", len(MIGRATIONS))
