"""Files put in place whole: written under another name, synced to the disk, renamed."""

import fcntl
import glob
import itertools
import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from .errors import Refused
from .outside import Deadline

SIDECARS = ("-journal", "-wal", "-shm")  # https://sqlite.org/tempfiles.html
OUR_OWN = ("-queue", "-limits", "-indexing", "-opening")  # what we keep beside a database
PATIENCE, PAUSE = 20_000, 0.01  # milliseconds that a start waits for another or a restore; seconds between two looks


@contextmanager
def replacing(target: Path) -> Iterator[Path]:
    """Give an empty draft, private to its owner; complete, it takes the file's place, after an exception none does.

    A kill leaves the draft for the next one to take over. Raise Refused while another process is at it.
    """
    draft = draft_of(target)
    try:
        descriptor = _claim(draft)
    except BlockingIOError:
        raise Refused(f"{draft} is being written by another command; wait for that one") from None
    try:
        remove_sidecars(draft)
        os.ftruncate(descriptor, 0)
        os.fchmod(descriptor, 0o600)
        hand_over(descriptor, target if target.exists() else target.parent)
        yield draft
        os.fsync(descriptor)
        draft.replace(target)
        sync(target.parent)
    except BaseException:
        draft.unlink(missing_ok=True)
        raise
    finally:
        remove_sidecars(draft)
        os.close(descriptor)


def draft_of(target: Path) -> Path:
    """Return where a file is written before it takes its place: a name that nobody gives."""
    return target.with_name(f".{target.name}.struere-draft")


def refuse_own(target: Path, database: Path) -> None:
    """Raise Refused where a target is a database or a file that belongs to it."""
    for own in (draft_of(database), *(database.with_name(database.name + each) for each in ("", *SIDECARS, *OUR_OWN))):
        if target == own or (own.exists() and target.exists() and target.samefile(own)):
            raise Refused(f"{target} belongs to the database {database}; name another file")


def hand_over(descriptor: int, neighbor: Path) -> None:
    """Give a file that root has made to the owner of its neighbor, so that a server of somebody else can use it."""
    if os.geteuid() == 0:
        found = neighbor.stat()
        os.fchown(descriptor, found.st_uid, found.st_gid)


def has_log(path: Path) -> bool:
    """Tell whether a write-ahead log with anything in it lies beside a database."""
    try:
        return path.with_name(f"{path.name}-wal").stat().st_size > 0
    except FileNotFoundError:
        return False


def remove_sidecars(path: Path) -> None:
    """Remove what SQLite keeps beside a database."""
    for ending in SIDECARS:
        path.with_name(path.name + ending).unlink(missing_ok=True)


def undo_second_name(path: Path) -> None:
    """Leave a database one name, where a restore that was killed had given it a second to replace it under the first.

    Its log has both names as well, or the second alone.
    """
    if not path.exists() or path.stat().st_nlink < 2:
        return
    for second in path.parent.glob(f"{glob.escape(path.name)}.replaced-*"):
        if second.samefile(path):
            log, second_log = (each.with_name(f"{each.name}-wal") for each in (path, second))
            if second_log.exists():
                second_log.replace(log)  # does nothing where they are one file
                second_log.unlink(missing_ok=True)
            second.unlink()
    sync(path.parent)


def unused(path: Path, ending: str) -> Path:
    """Return the first name that no file has of those that end in 1, 2 and so on, after a file's name and an ending."""
    names = (path.with_name(f"{path.name}.{ending}-{number}") for number in itertools.count(1))
    return next(each for each in names if not each.exists())


def make_folder(folder: Path) -> None:
    """Make a folder, and those above it, so that a power cut does not take it away."""
    if not folder.is_dir():
        make_folder(folder.parent)
        folder.mkdir(exist_ok=True)
        sync(folder.parent)


def sync(folder: Path) -> None:
    """Have the names of a folder on the disk."""
    with _descriptor(folder) as descriptor:
        os.fsync(descriptor)


@contextmanager
def locked(path: Path) -> Iterator[None]:
    """Let one process at a time make, migrate or replace a database; raise Refused where another does not end."""
    lock = path.with_name(f"{path.name}-opening")
    descriptor = _waited_for(lock, path)
    try:
        yield
    finally:
        if descriptor is not None:
            lock.unlink(missing_ok=True)
            os.close(descriptor)


def _waited_for(lock: Path, path: Path) -> int | None:
    """Return a descriptor of a lock when no other process has it; None where none can be made, nor anything else."""
    deadline = Deadline(PATIENCE)
    while True:
        try:
            descriptor = _claim(lock)
        except BlockingIOError:
            if not deadline.pause(PAUSE):
                raise Refused(f"{path} is being made, migrated or restored; wait for the command that does") from None
        except OSError:
            return None
        else:
            hand_over(descriptor, path.parent)
            return descriptor


@contextmanager
def _descriptor(folder: Path) -> Iterator[int]:
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        yield descriptor
    finally:
        os.close(descriptor)


def _claim(path: Path) -> int:
    """Return a descriptor of a file that no other process has, nor has put in place or removed while this one waited.

    Raise BlockingIOError where another has it.
    """
    while True:
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW, 0o600)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            with suppress(FileNotFoundError):
                if os.path.samestat(os.fstat(descriptor), path.stat()):
                    return descriptor
        except BlockingIOError:
            os.close(descriptor)
            raise
        os.close(descriptor)
