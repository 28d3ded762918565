"""A database that cannot be written, by this user or by anybody: how it is read all the same."""

import os
from pathlib import Path

import apsw

from .files import has_log


def is_writable(path: Path) -> bool:
    """Tell whether this user may write a file and what SQLite keeps beside it."""
    return unwritable(path) is None


def unwritable(path: Path) -> tuple[str, Path] | None:
    """Return which of a file and its folder this user may not read and write, or None."""
    places = (("file", path, os.R_OK | os.W_OK), ("folder", path.parent, os.W_OK | os.X_OK))
    return next(((kind, place) for kind, place, need in places if not os.access(place, need, effective_ids=True)), None)


def address(path: Path) -> tuple[str, int]:
    """Return the name and the flags to open a database with that is to be read alone.

    A log is read along, which SQLite can where a server has made its index; without a log nothing beside it is needed.
    """
    return (str(path), apsw.SQLITE_OPEN_READONLY) if has_log(path) else unchanging(path)


def unchanging(path: Path) -> tuple[str, int]:
    """Return the name and the flags to open a file with that nobody writes to, which leaves nothing beside it."""
    return f"{path.as_uri()}?immutable=1", apsw.SQLITE_OPEN_READONLY | apsw.SQLITE_OPEN_URI
