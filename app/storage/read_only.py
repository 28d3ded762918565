"""A database that cannot be written, by this user or by anybody: how it is read all the same."""

import os
from pathlib import Path
from typing import NamedTuple

import apsw

from .errors import Refused
from .file_systems import is_on_read_only_disk
from .files import SIDECARS, has_log


class Look(NamedTuple):
    """What tells that a file, read without a lock, is still as it was.

    In write-ahead log mode the change counter of its header stays where a transaction leaves the first page alone.
    """

    file: int
    size: int
    written_at: int  # nanoseconds
    sidecars: tuple[bool, ...]


def is_writable(path: Path) -> bool:
    """Tell whether this user may write a file and what SQLite keeps beside it."""
    return unwritable(path) is None


def unwritable(path: Path) -> tuple[str, Path] | None:
    """Return which of a file and its folder this user may not read and write, or None."""
    places = (("file", path, os.R_OK | os.W_OK), ("folder", path.parent, os.W_OK | os.X_OK))
    return next(((kind, place) for kind, place, need in places if not os.access(place, need, effective_ids=True)), None)


def address(path: Path) -> tuple[str, int]:
    """Return the name and the flags to open a database with that is to be read alone.

    A server, or a log, is seen by the files beside it: then SQLite locks, which it can where a server has made the
    log's index. On a read-only disk a log that is empty needs none.
    """
    log, index = (path.with_name(path.name + ending).exists() for ending in ("-wal", "-shm"))
    beside = (log and index) if is_on_read_only_disk(path) else (log or index)
    return (str(path), apsw.SQLITE_OPEN_READONLY) if beside or has_log(path) else unchanging(path)


def look(path: Path) -> Look:
    """Look at a database and at what is beside it."""
    found = path.stat()
    sidecars = tuple(path.with_name(path.name + ending).exists() for ending in SIDECARS)
    return Look(found.st_ino, found.st_size, found.st_mtime_ns, sidecars)


def refuse_changed(path: Path, former: Look) -> None:
    """Raise Refused where a database is not as it was at a former look."""
    if not path.exists() or look(path) != former:
        raise Refused(f"{path} was opened or changed by another program while it was read; try again")


def unchanging(path: Path) -> tuple[str, int]:
    """Return the name and the flags to open a file with that nobody writes to, which leaves nothing beside it."""
    return f"{path.as_uri()}?immutable=1", apsw.SQLITE_OPEN_READONLY | apsw.SQLITE_OPEN_URI
