"""Counters in a memory-mapped file that the processes of one machine change under one lock.

Nothing is synced to the disk: the file outlives every process, and not the machine.
"""

import ctypes
import fcntl
import logging
import mmap
import os
import sys
import threading
import weakref
from pathlib import Path
from typing import Self

from .counter_ring import WORD
from .counter_table import MAGIC, Table, new_table
from .counters import Counters
from .files import hand_over
from .outside import Deadline

PATIENCE, PAUSE = 2_000, 0.0001  # milliseconds to wait for the lock, held for microseconds; seconds between attempts
TRIES = 30  # before the first pause
# fcntl.flock lets other threads run, each of which may keep this one, and so the lock, waiting for 5 ms.
FLOCK = ctypes.PyDLL(None).flock
LOCK, UNLOCK = fcntl.LOCK_EX | fcntl.LOCK_NB, fcntl.LOCK_UN
LOOKS = 16  # of the locks, every so many-th looks whether the file was renamed, which costs a third of it
EMPTY = bytes(new_table().content)

logger = logging.getLogger(__name__)
files: weakref.WeakSet["FileCounters"] = weakref.WeakSet()


class FileCounters(Counters):
    """Counters of all processes that name one file; trouble with it is an OSError."""

    def __init__(self, path: Path) -> None:
        """Remember where the file is; each process opens it on first use."""
        self._path = path.resolve()
        self._name = str(self._path)
        self._descriptor = -1
        self._looks = 0
        self.reset()
        files.add(self)

    def reset(self) -> None:
        """Begin without a file, as after a fork: the lock on what the parent has open would be the child's as well."""
        self._forget()
        self._lock = threading.Lock()

    def __enter__(self) -> Self:
        """Lock the counters, and open or make the file if need be."""
        if not self._lock.acquire(timeout=PATIENCE / 1000):
            raise TimeoutError(f"{self._path} is locked")
        try:
            self._open_locked()
        except BaseException:
            self._close()
            self._lock.release()
            raise
        return self

    def __exit__(self, *error: object) -> None:
        """Unlock the counters."""
        FLOCK(self._descriptor, UNLOCK)
        self._lock.release()

    def __del__(self) -> None:
        """Close the file."""
        self._close()

    def _open_locked(self) -> None:
        """Lock and map what the path names; what was removed is made again with its counters."""
        if self._descriptor >= 0 and self._is_in_place():
            if FLOCK(self._descriptor, LOCK):
                _wait_for_lock(self._descriptor, self._path)
            if not self._table.is_whole:
                self._adopt(self._descriptor)  # another process has enlarged it
            return
        kept = self._kept()
        self._close()
        descriptor = os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            _wait_for_lock(descriptor, self._path)
            self._fill(descriptor, kept)
            self._adopt(descriptor)
        except BaseException:
            os.close(descriptor)
            raise

    def _kept(self) -> bytes:
        """Return the content of the file that was open, unless it was cut short."""
        if self._descriptor < 0 or os.fstat(self._descriptor).st_size < len(self._map):
            return b""
        return bytes(self._map)

    def _is_in_place(self) -> bool:
        """Tell whether the file has its name, and is not cut short, when a look at it ends the process."""
        found = os.fstat(self._descriptor)
        if found.st_size < len(self._map) or not found.st_nlink:
            return False
        self._looks += 1
        if self._looks % LOOKS:
            return True
        try:
            return os.path.samestat(found, os.stat(self._name))
        except FileNotFoundError:
            return False

    def _fill(self, descriptor: int, content: bytes) -> None:
        """Write a file that is new, or that a power cut or somebody has left without what was in it."""
        size = os.fstat(descriptor).st_size
        start = os.pread(descriptor, WORD, 0)
        if start.strip(b"\0") and start != MAGIC.to_bytes(WORD, sys.byteorder):
            raise OSError(f"{self._path} is no file of counters; name another with STRUERE_LIMIT_STORAGE")
        if start.strip(b"\0") and size >= len(EMPTY) and not size % WORD:
            return
        os.ftruncate(descriptor, 0)
        _append(descriptor, content or EMPTY)
        hand_over(descriptor, self._path.parent)

    def _adopt(self, descriptor: int) -> None:
        self._map = mmap.mmap(descriptor, 0)
        self._table = Table(self._map)
        self._table.set_length()
        self._descriptor = descriptor

    def _close(self) -> None:
        if self._descriptor >= 0:
            fcntl.flock(self._descriptor, fcntl.LOCK_UN)  # the map has a descriptor of its own, for as long as it lives
        self._forget()

    def _forget(self) -> None:
        if self._descriptor >= 0:
            os.close(self._descriptor)
            del self._table, self._map
        self._descriptor = -1

    def _move(self, table: Table) -> None:
        if not self._table.move(table):
            _append(self._descriptor, bytes(len(table.content)))
            self._adopt(self._descriptor)
            self._table.move(table)

    def _begin_anew(self) -> None:
        logger.warning("%s was damaged; requests are counted anew", self._path)
        self._table.overwrite(new_table())


def _append(descriptor: int, content: bytes | memoryview) -> None:
    """Write content at the end of a file, all of it or nothing.

    Zeros are written too: a hole would meet a full disk when it is used, as a signal that ends the process.
    """
    size = os.fstat(descriptor).st_size
    try:
        with open(descriptor, "ab", closefd=False) as file:
            file.write(content)
    except OSError:
        os.ftruncate(descriptor, size)
        raise


def _wait_for_lock(descriptor: int, path: Path) -> None:
    """Lock a file, or give up where who holds the lock does not go on."""
    # Who has it gives it back before a sleep would be over.
    for _ in range(TRIES):
        if FLOCK(descriptor, LOCK) == 0:
            return
    deadline = Deadline(PATIENCE)
    while FLOCK(descriptor, LOCK):
        if not deadline.pause(PAUSE):
            raise TimeoutError(f"{path} is locked")


def _reset_after_fork() -> None:
    for file in files:
        file.reset()


os.register_at_fork(after_in_child=_reset_after_fork)
