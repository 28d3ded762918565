"""A backup put in the place of a database, which is kept beside it."""

import os
from contextlib import closing, suppress
from pathlib import Path

import apsw

from .backup import Progress, copy, refuse_damages
from .errors import Refused
from .file_systems import refuse_network
from .files import draft_of, has_log, locked, make_folder, remove_sidecars, replacing, sync, undo_second_name, unused
from .inspection import in_use, recognize
from .migrations import MIGRATIONS
from .read_only import unchanging
from .refusals import explained


def restore(file: Path, path: Path, force: bool, progress: Progress = lambda done, total: None) -> Path | None:
    """Put a backup in the place of a database; return where the database is kept that `force` lets it replace.

    Raise Refused, and change nothing, where the backup is no sound one of ours or the database is in use.
    """
    if file in (path, draft_of(path)):
        raise Refused(f"{file} is the database itself, or was to be; name a backup of it")
    refuse_network(path)
    with explained(file):
        if not file.exists():
            raise Refused(f"There is no file {file}; name a backup")
        recognize(file, len(MIGRATIONS))
    if has_log(file):
        raise Refused(f"{file} is a database with a write-ahead log; copy it with: struere-local backup")
    with explained(path):
        make_folder(path.parent)
        # Servers that start wait for the end.
        with locked(path):
            _refuse_taken(path, force)
            undo_second_name(path)
            with replacing(path) as draft:
                _fill(draft, file, progress)
                return _set_aside(path)


def _refuse_taken(path: Path, force: bool) -> None:
    if path.exists():
        if not force:
            raise Refused(f"{path} exists; --force puts the backup in its place and keeps it under another name")
        if in_use(path):
            raise Refused(f"{path} is open in a server or another program; stop that first")


def _fill(draft: Path, file: Path, progress: Progress) -> None:
    with closing(apsw.Connection(*unchanging(file))) as source:
        copy(source, draft, progress)
    with closing(apsw.Connection(str(draft), flags=apsw.SQLITE_OPEN_READWRITE)) as connection:
        refuse_damages(connection, file)
        connection.pragma("journal_mode", "wal")  # a copy by other means than ours may have lost it
    recognize(draft, len(MIGRATIONS))


def _set_aside(path: Path) -> Path | None:
    """Give a database a second name, under which it stays; leave nothing that SQLite would read into the next one."""
    former = None
    if path.exists():
        if has_log(path):
            _move_log(path)
        former = unused(path, "replaced")
        os.link(path, former)
        if has_log(path):  # of a database too damaged to take it
            os.link(path.with_name(f"{path.name}-wal"), former.with_name(f"{former.name}-wal"))
        sync(path.parent)
    remove_sidecars(path)
    return former


def _move_log(path: Path) -> None:
    """Move a write-ahead log into its database, as SQLite does when the last connection is closed."""
    with suppress(Refused, apsw.Error):
        recognize(path, len(MIGRATIONS))  # SQLite would throw away the log of a file that is none
        with closing(apsw.Connection(str(path), flags=apsw.SQLITE_OPEN_READWRITE)) as connection:
            connection.execute("SELECT count(*) FROM sqlite_schema").fetchall()
