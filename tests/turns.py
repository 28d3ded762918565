"""The turn of writers, taken by a test so that all others wait for it."""

import fcntl
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


@contextmanager
def turn_taken(path: Path) -> Iterator[None]:
    """Be the writer whose turn it is, in another process as far as the others can tell."""
    with Path(f"{path}-queue").open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


def waiting(path: Path) -> int:
    """Return how many wait for a lock on the file of the queue (proc_locks(5))."""
    inode = Path(f"{path}-queue").stat().st_ino
    locks = [line.split() for line in Path("/proc/locks").read_text().splitlines()]
    return sum("->" in fields and fields[-3].endswith(f":{inode}") for fields in locks)
