"""The order of writers: first come, first served, over all threads and processes that write to one file.

SQLite lets a writer that waits sleep and try again, so that who comes last may well go first. Here only the writer
whose turn it is tries. The queue gives an order and nothing else: what keeps writers apart is SQLite's own lock.
"""

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import apsw

from .files import hand_over
from .outside import Deadline


def begin(connection: apsw.Connection, path: Path, busy_timeout: int) -> None:
    """Begin to write when all who came before have begun or given up; raise apsw.BusyError after so many milliseconds.

    Those before give up at their own timeouts, unless a process is stopped where it stands.
    """
    deadline = Deadline(busy_timeout)
    with _turn(path):
        connection.set_busy_handler(lambda tries: deadline.pause())
        try:
            connection.execute("BEGIN IMMEDIATE")
        finally:
            connection.set_busy_timeout(busy_timeout)


def close(path: Path) -> None:
    """Remove the file of the queue, unless somebody is in it."""
    with suppress(OSError):
        descriptor = os.open(_file(path), os.O_RDWR)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            os.unlink(_file(path))
        finally:
            os.close(descriptor)


@contextmanager
def _turn(path: Path) -> Iterator[None]:
    """Wait for those before and keep those behind waiting, by a lock on a file that the kernel frees at any death."""
    try:
        # Never the database itself: closing any descriptor of it would drop the locks that SQLite holds (fcntl(2)).
        descriptor = os.open(_file(path), os.O_RDWR | os.O_CREAT, 0o600)
    except OSError:
        yield  # a folder that is read-only or full: SQLite tells what there is to tell
        return
    try:
        with suppress(OSError):  # a file system without locks, or a database that is gone
            hand_over(descriptor, path)
            fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)


def _file(path: Path) -> str:
    return f"{path}-queue"
