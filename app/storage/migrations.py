"""Make or migrate the file of a database: whole or not at all, and never another program's."""

import fcntl
import os
import re
import struct
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import apsw

from .database import Database
from .errors import Refused

APPLICATION_ID = 0x53545245  # "STRE"
# The statements of each version; user_version is how many of them a file has seen.
MIGRATIONS = tuple(re.split("^-- Version .*$", (Path(__file__).parent / "schema.sql").read_text(), flags=re.M)[1:])
HEADER = struct.Struct(">16s44xI4xI")  # https://sqlite.org/fileformat2.html: magic, user_version, application_id


def prepare(database: Database) -> None:
    """Create or migrate the file; raise Refused, and leave it untouched, where it is not ours to use."""
    path = database.path
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with _lock(path.parent):
            _prepare(database)
    except (OSError, apsw.Error) as error:
        raise Refused(f"Cannot use {path}: {error}; name another file with --database") from error


def _prepare(database: Database) -> None:
    path = database.path
    if path.exists() and not path.is_file():
        raise Refused(f"{path} is no regular file; name another with --database")
    if not path.exists() or not path.stat().st_size:
        _create(database)
    _refuse_foreign(path)
    if database.connection.pragma("user_version") != len(MIGRATIONS):
        with database.transaction() as connection:
            _migrate(connection, path)


def _create(database: Database) -> None:
    """Make a complete file under another name and move it into place, so that no kill leaves half of one."""
    draft = database.path.with_name(database.path.name + ".new")
    draft.unlink(missing_ok=True)
    os.close(os.open(draft, os.O_CREAT | os.O_EXCL, 0o600))
    connection = database.open(draft)
    connection.pragma("application_id", APPLICATION_ID)
    connection.pragma("journal_mode", "wal")
    with connection:
        _migrate(connection, draft)
    connection.close()
    draft.replace(database.path)


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
