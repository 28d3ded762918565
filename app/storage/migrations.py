"""Make or migrate the file of a database: whole or not at all, and never another program's."""

import filecmp
import glob
import os
import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import apsw

from .backup import back_up
from .database import Database
from .errors import Gone, Refused
from .file_systems import refuse_network
from .files import has_log, locked, make_folder, remove_sidecars, replacing, undo_second_name, unused
from .inspection import APPLICATION_ID, inspect, refuse_newer
from .read_only import is_writable
from .refusals import explained

# The statements of each version; user_version is how many of them a file has seen.
MIGRATIONS = tuple(re.split("^-- Version .*$", (Path(__file__).parent / "schema.sql").read_text(), flags=re.M)[1:])

Tell = Callable[[str], object]

_prepared_by: dict[Path, int] = {}  # the process that did, which those that it forks know of


def prepare(database: Database, tell: Tell = lambda sentence: None) -> None:
    """Create or migrate the file and leave it open; raise Refused, and leave it untouched, where it is not ours to use.

    Before it migrates, the file is copied to one that stays, and told of.
    """
    path = database.path
    refuse_network(path)
    with explained(path):
        make_folder(path.parent)
        with locked(path):
            undo_second_name(path)
            if not path.exists():
                _create(database)
            _open(database, tell)
    _prepared_by[path] = os.getpid()


def open_to_read(database: Database, tell: Tell = lambda sentence: None) -> None:
    """Open a file that is to be read alone: as it is where it cannot be written, else as prepare does."""
    path = database.path
    with explained(path):
        database.read_only = not is_writable(path)
        if not database.read_only:
            prepare(database, tell)
            return
        inspect(database, len(MIGRATIONS))
        if database.connection.pragma("user_version") != len(MIGRATIONS):
            raise Refused(f"{path} is of an older version, and cannot be migrated where it cannot be written; copy it")


def was_prepared(database: Database) -> bool:
    """Tell whether the process that this one was forked from has prepared the file, which is then not made anew."""
    return _prepared_by.get(database.path, os.getpid()) != os.getpid()


def reopen(database: Database) -> None:
    """Open a file that was prepared, and leave it open; raise Gone or, as prepare does, Refused."""
    path = database.path
    with explained(path):
        if not path.exists():
            raise Gone(path)
        with locked(path):
            _open(database, lambda sentence: None)


def _open(database: Database, tell: Tell) -> None:
    inspect(database, len(MIGRATIONS))
    try:
        if database.connection.pragma("user_version") != len(MIGRATIONS):
            _migrate(database, tell)
    except BaseException:
        database.close()
        raise


def _create(database: Database) -> None:
    if has_log(database.path):
        raise Refused(
            f"{database.path} is gone but its write-ahead log is there, with writes that the file lacks; "
            f"move the file back, or remove {database.path}-wal to begin anew"
        )
    with replacing(database.path) as draft:
        connection = database.open(draft)
        try:
            connection.pragma("application_id", APPLICATION_ID)
            connection.pragma("journal_mode", "wal")
            connection.execute("BEGIN")
            _apply(connection)
            connection.execute("COMMIT")
        finally:
            connection.close()
        # SQLite would take what is left of a file that is gone for this one's.
        remove_sidecars(database.path)


def _migrate(database: Database, tell: Tell) -> None:
    with database.transaction() as connection:
        version = connection.pragma("user_version")
        refuse_newer(version, len(MIGRATIONS), database.path)
        with _kept(database, tell):
            _apply(connection)


@contextmanager
def _kept(database: Database, tell: Tell) -> Iterator[None]:
    """Copy a file that nobody else can write to; the copy stays unless the migration fails, which changes nothing.

    It takes the place of earlier copies that are equal.
    """
    path = database.path
    kept = unused(path, ending := f"before-{len(MIGRATIONS)}")
    tell(f"{path} becomes version {len(MIGRATIONS)}; as it was it stays in {kept}")
    back_up(database, kept)
    try:
        yield
    except BaseException:
        kept.unlink()
        raise
    # Starts that are killed while they migrate would fill the disk.
    for former in path.parent.glob(f"{glob.escape(path.name)}.{ending}-*"):
        if former != kept and filecmp.cmp(former, kept, shallow=False):
            former.unlink()


def _apply(connection: apsw.Connection) -> None:
    for statements in MIGRATIONS[connection.pragma("user_version") :]:
        selected: list[Any] = connection.execute(statements).fetchall()
        for (statement,) in selected:
            connection.execute(statement)
    connection.pragma("user_version", len(MIGRATIONS))
