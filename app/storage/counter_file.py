"""Counters in a memory-mapped file that the processes of one machine change under one lock.

The file is a header and records, appended once and then changed in place; whoever finds no room for another moves what
still counts to a new file of the same name. Nothing is synced to the disk: counters outlive processes, not the machine.
"""

import fcntl
import logging
import mmap
import os
import sys
import threading
import weakref
from collections.abc import Iterable
from pathlib import Path
from typing import Self

from .counter_ring import WORD, Ring, new_record

MAGIC = int.from_bytes(b"STRECNT1", "little")
MAGIC_AT, END_AT, HEADER = range(3)  # in words; END is where the next record goes
SMALLEST = 64 * 1024  # bytes of a new file
ATTEMPTS, PAUSE = 5_000, 0.0001  # to get the lock, which is held for microseconds; the pause is in seconds

logger = logging.getLogger(__name__)
never = threading.Event()
files: weakref.WeakSet["CounterFile"] = weakref.WeakSet()


class CounterFile:
    """Counters by name; use them inside `with`, which holds the lock and may be nested. Trouble is an OSError."""

    def __init__(self, path: Path) -> None:
        """Remember where the file is; each process opens it on first use."""
        self._path = path
        self._reset()
        files.add(self)

    def __enter__(self) -> Self:
        """Lock the counters, and open or make the file if need be."""
        if not self._turn.acquire(timeout=ATTEMPTS * PAUSE):
            raise TimeoutError(f"{self._path} is locked")
        try:
            if not self._depth:
                self._lock()
            self._depth += 1
        except BaseException:
            self._close()
            self._turn.release()
            raise
        return self

    def __exit__(self, *error: object) -> None:
        """Unlock the counters."""
        self._depth -= 1
        if not self._depth:
            fcntl.flock(self._descriptor, fcntl.LOCK_UN)
        self._turn.release()

    def __del__(self) -> None:
        """Close the file."""
        self._close()

    def find(self, name: str, now: int) -> Ring | None:
        """Return a counter, if it is there; now is in Unix milliseconds."""
        ring = self._rings.get(name)
        if ring is not None:
            ring.set_back(now)
        return ring

    def ring(self, name: str, places: int, now: int) -> Ring:
        """Return a counter with at least as many places, made or enlarged if need be."""
        old = self.find(name, now)
        if old is not None and old.places >= places:
            return old
        record = new_record(name, places)
        if self._words[END_AT] + len(record) // WORD > len(self._words):
            self._move([ring for ring in self._rings.values() if ring.is_live(now)], len(record))
            old = self._rings.get(name)
        new = self._append(record)
        if old is not None:
            for number in old.kept:
                new.add(old.time(number))
        return new

    def clear(self) -> int:
        """Forget every counter and return how many there were."""
        count = len(self._rings)
        self._move([], 0)
        return count

    def _reset(self) -> None:
        """Begin without a file, as after a fork: the lock on what the parent has open would be the child's as well."""
        self._turn = threading.RLock()
        self._depth = 0
        self._descriptor = -1

    def _lock(self) -> None:
        """Lock the file that is now under the path; another process may have moved the counters to a new one."""
        for _ in range(ATTEMPTS):
            if self._descriptor < 0:
                self._open()
            _flock(self._descriptor, self._path)
            if self._is_current():
                self._read_records()
                return
            self._close()
        raise OSError(f"{self._path} changes all the time")

    def _is_current(self) -> bool:
        """Tell whether the file is whole and in its place; one that was removed is made again with its counters."""
        found = os.fstat(self._descriptor)
        if found.st_nlink and found.st_size == self._size:
            return True
        if not found.st_nlink and not self._path.exists():
            self._read_records()
            self._move(self._rings.values(), 0)
            return True
        return False

    def _open(self) -> None:
        descriptor = os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            _flock(descriptor, self._path)
            size = os.fstat(descriptor).st_size
            if size < SMALLEST or size % WORD:
                _write(descriptor, [], 0)
            self._adopt(descriptor)
        except BaseException:
            os.close(descriptor)
            raise

    def _adopt(self, descriptor: int) -> None:
        """Map a file that is locked, in place of the one before."""
        size = os.fstat(descriptor).st_size
        words = memoryview(mmap.mmap(descriptor, 0)).cast("q")
        self._close()
        self._descriptor, self._size, self._words = descriptor, size, words
        self._rings: dict[str, Ring] = {}
        self._scanned = HEADER

    def _close(self) -> None:
        if self._descriptor >= 0:
            self._words.release()
            os.close(self._descriptor)  # which unlocks it
        self._descriptor = -1

    def _read_records(self) -> None:
        """Learn of the records that were appended since the last time."""
        try:
            self._scan()
        except (ValueError, IndexError):
            # A power cut leaves what the disk happened to have.
            logger.warning("%s was damaged; requests are counted anew", self._path)
            self._move([], 0)

    def _scan(self) -> None:
        end = self._words[END_AT]
        if self._words[MAGIC_AT] != MAGIC or not HEADER <= end <= len(self._words):
            raise ValueError
        while self._scanned < end:
            ring = Ring(self._words, self._scanned)
            if ring.places <= 0 or not self._scanned < ring.end <= end:
                raise ValueError
            self._rings[ring.name] = ring
            self._scanned = ring.end

    def _append(self, record: bytes) -> Ring:
        start = self._words[END_AT]
        end = start + len(record) // WORD
        self._words[start:end] = memoryview(record).cast("q")
        self._words[END_AT] = end
        self._scan()
        return self._rings[Ring(self._words, start).name]

    def _move(self, rings: Iterable[Ring], room: int) -> None:
        """Put a new file with some of the counters, and bytes of room for more, in the place of the old one."""
        draft = self._path.with_name(self._path.name + ".new")
        descriptor = os.open(draft, os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600)
        try:
            _flock(descriptor, draft)
            _write(descriptor, [ring.record() for ring in rings], room)
            draft.replace(self._path)
            self._adopt(descriptor)
        except BaseException:
            os.close(descriptor)
            draft.unlink(missing_ok=True)
            raise
        self._scan()


def _write(descriptor: int, records: list[bytes], room: int) -> None:
    """Write a file of records with half as much room again.

    It has no holes: one would meet a full disk when it is used, and then as a signal that ends the process.
    """
    body = b"".join(records)
    head = b"".join(value.to_bytes(WORD, sys.byteorder) for value in (MAGIC, HEADER + len(body) // WORD))
    size = max(SMALLEST, (len(head + body) * 3 // 2 + room) // WORD * WORD)
    os.ftruncate(descriptor, 0)
    with open(descriptor, "wb", closefd=False) as file:
        file.write((head + body).ljust(size, b"\0"))


def _flock(descriptor: int, path: Path) -> None:
    """Lock a file, or give up after half a second, where who holds the lock does not go on."""
    for _ in range(ATTEMPTS):
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            never.wait(PAUSE)
        else:
            return
    raise TimeoutError(f"{path} is locked")


def _reset_after_fork() -> None:
    for file in files:
        file._reset()


os.register_at_fork(after_in_child=_reset_after_fork)
