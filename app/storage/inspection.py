"""Whether a file is a database of ours that can be used, found out without a change to it."""

import errno
import os
import struct
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any, NamedTuple

import apsw

from .database import Database
from .errors import Refused
from .file_systems import READ_ONLY_DISK, is_on_read_only_disk
from .files import has_log
from .read_only import unwritable
from .refusals import DAMAGED

APPLICATION_ID = 0x53545245  # "STRE"
MAGIC = b"SQLite format 3\0"
# https://sqlite.org/fileformat2.html#the_database_header
HEADER = struct.Struct(">16sH6xI I20xI4xIII20xI4x")
ELSE = "name another file with --database"


class Header(NamedTuple):
    """What the first bytes of a file tell."""

    magic: bytes
    page_size: int
    change_counter: int
    pages: int
    largest_root: int
    version: int
    incremental_vacuum: int
    application_id: int
    pages_valid_for: int

    @property
    def size(self) -> int:
        """Return the bytes that the file has at least, or 0 where the header does not tell."""
        page_size = 65536 if self.page_size == 1 else self.page_size
        return self.pages * page_size if self.change_counter == self.pages_valid_for else 0


def inspect(database: Database, newest: int) -> None:
    """Raise Refused where a database cannot be worked with: another file, newer, damaged or not to be written."""
    path = database.path
    header = recognize(path, newest)
    if not database.read_only:
        _refuse_second_name(path)
        _refuse_unwritable(path)
    try:
        _refuse_damaged(database, header)
    finally:
        database.refuse_changed()


def _refuse_second_name(path: Path) -> None:
    """Raise Refused for a file under two names, of which each has a log of its own.

    https://sqlite.org/howtocorrupt.html#_multiple_links_to_the_same_file
    """
    if path.stat().st_nlink > 1:
        raise Refused(f"{path} has a second name, a hard link, and used under both it is lost; remove one, or copy it")


def recognize(path: Path, newest: int) -> Header:
    """Return the header of a database of ours; raise Refused where it is another file or newer, or shows damage."""
    if not path.is_file():
        raise Refused(f"{path} is no regular file; {ELSE}")
    if not path.stat().st_size:
        raise Refused(f"{path} is empty; remove it to begin anew, or restore a backup of it")
    with _file(path, apsw.SQLITE_OPEN_READONLY) as file:
        start = file.xRead(HEADER.size, 0)
    if len(start) < HEADER.size or not start.startswith(MAGIC):
        raise Refused(f"{path} is not a SQLite database; {ELSE}")
    header = Header(*HEADER.unpack(start))
    if header.application_id != APPLICATION_ID:
        raise Refused(f"{path} belongs to another program; {ELSE}")
    refuse_newer(header.version, newest, path)
    if not header.version or (header.incremental_vacuum and not header.largest_root):
        raise Refused(f"{path} {DAMAGED.format('its header contradicts itself')}")
    return header


def refuse_newer(version: int, newest: int, path: Path) -> None:
    """Raise Refused for a version that is yet to come."""
    if version > newest:
        raise Refused(f"{path} was written by a newer struere-local; upgrade, or {ELSE}")


def in_use(path: Path) -> bool:
    """Tell whether anybody has a database open, this process or another."""
    with _alone(path) as alone:
        return not alone


def damages(connection: apsw.Connection, *names: str) -> Iterator[str]:
    """Yield what SQLite finds wrong with the pages of tables, or of all tables.

    The words of search indexes are not compared with their rows, which takes ten times as long.
    """
    tables: list[Any] = [("sqlite_schema",)]
    tables += connection.execute("SELECT name FROM sqlite_schema WHERE type = 'table' AND rootpage").fetchall()
    for name in names or [name for (name,) in tables]:
        for (said,) in connection.execute(f'PRAGMA quick_check("{name}")'):
            if said != "ok":
                yield " ".join(str(said).removeprefix("*** in database main ***").split())


def _refuse_unwritable(path: Path) -> None:
    found = unwritable(path)
    if found and is_on_read_only_disk(path):
        raise Refused(READ_ONLY_DISK.format(path))
    if found:
        raise Refused(f"This user may not write the {found[0]} {found[1]}; change its rights, or {ELSE}")


def _refuse_damaged(database: Database, header: Header) -> None:
    """Look at the schema; at every page only where the file is cut short but has a log, as a crash may leave it."""
    path = database.path
    # In this order: a server moves its log into the file before it takes it away.
    logged = has_log(path)
    size = path.stat().st_size
    is_short = size < header.size
    if is_short and not logged:
        raise Refused(f"{path} {DAMAGED.format(f'it is cut short, at {size} of {header.size} bytes')}")
    try:
        with closing(database.connect(path)) as connection:
            # Closing must not move the log into a file that turns out to be damaged.
            connection.config(apsw.SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, int(logged))
            found = next(damages(connection, *([] if is_short else ["sqlite_schema"])), None)
            if connection.readonly("main") and not database.read_only:
                found = found or "its format is read-only"
    except apsw.Error:
        if not logged and not database.read_only:
            _sweep(path)
        raise
    if found:
        raise Refused(f"{path} {DAMAGED.format(found)}")


def _sweep(path: Path) -> None:
    """Take away the empty files that SQLite leaves beside a database where a full disk lets it make no whole ones."""
    with _alone(path) as alone:
        for ending in ("-wal", "-shm") if alone else ():
            path.with_name(path.name + ending).unlink(missing_ok=True)


@contextmanager
def _alone(path: Path) -> Iterator[bool]:
    """Tell whether nobody has a database open; if so, nobody can open it meanwhile."""
    with _file(path, apsw.SQLITE_OPEN_READWRITE) as file:
        try:
            file.xLock(apsw.SQLITE_LOCK_SHARED)
            file.xLock(apsw.SQLITE_LOCK_EXCLUSIVE)
            alone = True
        except apsw.BusyError:
            alone = False
        yield alone


@contextmanager
def _file(path: Path, flag: int) -> Iterator[apsw.VFSFile]:
    """Open a file as SQLite does, which keeps the locks that it has on it: fcntl(2) drops them at any other close."""
    flags = [apsw.SQLITE_OPEN_MAIN_DB | flag, 0]
    file = apsw.VFSFile("", str(path), flags)
    try:
        if not flags[1] & flag:
            raise PermissionError(errno.EACCES, os.strerror(errno.EACCES), str(path))
        yield file
    finally:
        file.xUnlock(apsw.SQLITE_LOCK_NONE)
        file.xClose()
