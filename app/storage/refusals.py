"""What SQLite and the system say when a database cannot be used, as a sentence with the file and a remedy."""

import errno
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import apsw

from .errors import Refused, StorageFailed
from .file_systems import READ_ONLY_DISK, is_on_read_only_disk

FULL = (errno.ENOSPC, errno.EDQUOT)
FORBIDDEN = (errno.EACCES, errno.EPERM, errno.EROFS)
DAMAGED = "is damaged ({}); restore a backup of it with: struere-local restore --force FILE"


@contextmanager
def explained(path: Path) -> Iterator[None]:
    """Raise Refused instead of what SQLite and the system raise over a database."""
    try:
        yield
    except (OSError, apsw.Error, StorageFailed) as error:
        raise Refused(sentence(path, error)) from error


def sentence(path: Path, error: BaseException) -> str:
    """Return what is wrong with a database and how to mend it."""
    if isinstance(error, StorageFailed) and error.__cause__:
        return sentence(path, error.__cause__)
    said = str(error)
    if isinstance(error, OSError):
        said = f"{error.filename or path}: {error.strerror}"
    number = error.errno if isinstance(error, OSError) else None
    # https://sqlite.org/rescode.html#ioerr_shmsize: no room for the shared memory beside the file
    no_memory = getattr(error, "extendedresult", None) == apsw.SQLITE_IOERR_SHMSIZE
    if isinstance(error, apsw.FullError) or number in FULL or no_memory:
        return f"{path} cannot be written, since its disk is full; make room on it"
    if isinstance(error, apsw.ReadOnlyError | apsw.CantOpenError) or number in FORBIDDEN:
        if is_on_read_only_disk(path):
            return READ_ONLY_DISK.format(path)
        return f"{path} cannot be used ({said}); give this user the right to write it and its folder"
    if isinstance(error, apsw.CorruptError | apsw.NotADBError):
        return f"{path} {DAMAGED.format(said)}"
    if isinstance(error, apsw.BusyError):
        return f"{path} is locked by another program; try again when that has ended"
    return f"Cannot use {path} ({said}); name another file with --database"
