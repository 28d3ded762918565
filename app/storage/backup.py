"""A copy of a database while others write to it: complete, checked and put in place whole."""

from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import apsw

from .database import Database
from .errors import Refused
from .files import remove_sidecars, replacing
from .inspection import damages
from .read_only import unchanging

Progress = Callable[[int, int], object]  # told the pages that are done, and all of them
PAGES = 4096  # copied at a time: 16 MiB


def back_up(database: Database, target: Path, progress: Progress = lambda done, total: None) -> None:
    """Copy a database as it is now into a file, in place of the one that is there; raise Refused where it is damaged.

    Whoever writes meanwhile goes on, and the write-ahead log grows until the copy is made.
    """
    with replacing(target) as draft:
        with closing(database.connect(database.path)) as source:
            try:
                copy(source, draft, progress)
            finally:
                database.refuse_changed()
        with closing(apsw.Connection(*unchanging(draft))) as connection:
            refuse_damages(connection, database.path)
        remove_sidecars(target)


def copy(source: apsw.Connection, draft: Path, progress: Progress) -> None:
    """Copy what one moment's reader of a database sees into an empty file."""
    with closing(apsw.Connection(str(draft))) as target:
        # Half of a draft is of no use, and a whole one is synced when it is done.
        target.pragma("journal_mode", "off")
        target.pragma("synchronous", "off")
        try:
            source.execute("BEGIN")
            source.execute("SELECT count(*) FROM sqlite_schema").fetchall()  # the reader's moment
            with target.backup("main", source, "main") as backup:
                while not backup.done:
                    backup.step(PAGES)
                    progress(backup.page_count - backup.remaining, backup.page_count)
            source.execute("COMMIT")
        except (apsw.CorruptError, apsw.NotADBError) as error:
            raise _damaged(Path(source.filename), str(error)) from error


def refuse_damages(connection: apsw.Connection, path: Path) -> None:
    """Raise Refused where a copy of a file is not sound."""
    try:
        found = next(damages(connection), None)
    except apsw.Error as error:
        found = str(error)
    if found:
        raise _damaged(path, found)


def _damaged(path: Path, found: str) -> Refused:
    return Refused(f"{path} is damaged ({found}) and not copied; look at it with: struere-local check --database FILE")
