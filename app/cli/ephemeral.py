"""The temporary folder of an ephemeral server, which a lock on a file in it keeps from those that sweep."""

import fcntl
import os
import shutil
import stat
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

PREFIX = "struere-local-"
IN_USE = "in-use"  # locked as long as a process of the server lives


@contextmanager
def temporary_folder() -> Iterator[Path]:
    """Give a server a folder and remove it at the end, and before that what servers that were killed have left."""
    _sweep(Path(tempfile.gettempdir()))
    folder, owner = Path(tempfile.mkdtemp(prefix=PREFIX)), os.getpid()
    descriptor = _use(folder)
    try:
        yield folder
    finally:
        if os.getpid() == owner:  # a worker leaves by this way too
            shutil.rmtree(folder, ignore_errors=True)
            os.close(descriptor)


def _use(folder: Path) -> int:
    """Put a locked file into a folder; it is locked before it is there to see."""
    draft = folder / f"{IN_USE}.new"
    descriptor = os.open(draft, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o600)
    fcntl.flock(descriptor, fcntl.LOCK_EX)
    draft.rename(folder / IN_USE)
    return descriptor


def _sweep(parent: Path) -> None:
    for folder in parent.glob(f"{PREFIX}*"):
        try:
            status = folder.lstat()
            if stat.S_ISDIR(status.st_mode) and status.st_uid == os.geteuid():
                _remove_unused(folder)
        except OSError:
            continue  # in use, or somebody else sweeps too


def _remove_unused(folder: Path) -> None:
    """Remove a folder; raise OSError where it is in use, or was never one of ours."""
    descriptor = os.open(folder / IN_USE, os.O_RDWR)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        shutil.rmtree(folder)
    finally:
        os.close(descriptor)
