"""The order of writers: first come, first served, over all threads and processes that write to one file.

SQLite lets a writer that waits sleep and try again, so that who comes last may well go first. Here only the writer
whose turn it is tries. The queue gives an order and nothing else: what keeps writers apart is SQLite's own lock.
"""

import fcntl
import os
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import apsw

from .files import hand_over
from .outside import Deadline, pause


def begin(
    connection: apsw.Connection, path: Path, is_wanted: Callable[[], bool], deadline: Deadline | None = None
) -> None:
    """Begin to write when all who came before have begun or given up; raise apsw.BusyError where it is not wanted then.

    A process that is stopped where it stands never gives up; without a deadline the wait for it has no end.
    """
    with _turn(path, deadline):
        busy_timeout = connection.pragma("busy_timeout")
        connection.set_busy_handler(lambda tries: is_wanted() and pause())
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
def _turn(path: Path, deadline: Deadline | None) -> Iterator[None]:
    """Wait for those before and keep those behind waiting, by a lock on a file that the kernel frees at any death."""
    try:
        descriptor = _open(path)
    except OSError:
        yield  # a folder that is read-only or full: SQLite tells what there is to tell
        return
    try:
        with suppress(OSError):  # a file system without locks
            _wait(descriptor, deadline)
        yield
    finally:
        os.close(descriptor)


def _open(path: Path) -> int:
    # Never the database itself: closing any descriptor of it would drop the locks that SQLite holds (fcntl(2)).
    try:
        return os.open(_file(path), os.O_RDWR)
    except FileNotFoundError:
        descriptor = os.open(_file(path), os.O_RDWR | os.O_CREAT, 0o600)
        with suppress(OSError):  # a database that is gone
            hand_over(descriptor, path)
        return descriptor


def _wait(descriptor: int, deadline: Deadline | None) -> None:
    """Wait for a lock; raise apsw.BusyError at the deadline."""
    if deadline is None:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        return
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        # flock(2) knows no timeout. The lock is that of all copies of a descriptor, and goes with the last.
        thread = threading.Thread(target=_lock_and_close, args=(os.dup(descriptor),), daemon=True)
        thread.start()
        while thread.is_alive():
            if not deadline.pause():
                raise apsw.BusyError("the writer whose turn it is does not begin") from None


def _lock_and_close(descriptor: int) -> None:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
    finally:
        os.close(descriptor)


def _file(path: Path) -> str:
    return f"{path}-queue"
