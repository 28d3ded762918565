"""A disk that fails: SQLite's own system calls, of which the n-th of a kind fails, once or from then on.

So SQLite gets errors as from a real disk. An exception of a VFS in Python would come out of a statement even where
SQLite takes no notice of the error, as at a checkpoint.
"""

import ctypes
import fcntl
import os
import threading
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from ctypes import c_char_p, c_int, c_int64, c_size_t, c_ssize_t, c_void_p
from typing import Any, NamedTuple

import apsw


class Call(NamedTuple):
    """A system call as SQLite's unix VFS names it: what it counts as, what it returns and takes."""

    kind: str
    result: Any
    arguments: tuple[Any, ...]


CALLS = {
    "open": Call("open", c_int, (c_char_p, c_int, c_int)),
    "close": Call("close", c_int, (c_int,)),
    "stat": Call("stat", c_int, (c_char_p, c_void_p)),
    "fstat": Call("stat", c_int, (c_int, c_void_p)),
    "read": Call("read", c_ssize_t, (c_int, c_void_p, c_size_t)),
    "pread": Call("read", c_ssize_t, (c_int, c_void_p, c_size_t, c_int64)),
    "pread64": Call("read", c_ssize_t, (c_int, c_void_p, c_size_t, c_int64)),
    "write": Call("write", c_ssize_t, (c_int, c_void_p, c_size_t)),
    "pwrite": Call("write", c_ssize_t, (c_int, c_void_p, c_size_t, c_int64)),
    "pwrite64": Call("write", c_ssize_t, (c_int, c_void_p, c_size_t, c_int64)),
    "ftruncate": Call("truncate", c_int, (c_int, c_int64)),
    "unlink": Call("delete", c_int, (c_char_p,)),
    "fcntl": Call("lock", c_int, (c_int, c_int, c_void_p)),
    "mmap": Call("map", c_ssize_t, (c_void_p, c_size_t, c_int, c_int, c_int, c_int64)),
}


class Fault(NamedTuple):
    """Which call of a kind fails, with which errno, and whether all that follow do."""

    kind: str
    error: int
    first: int
    for_ever: bool


class Faults:
    """The faults of every database that this process opens, one after the other."""

    def __init__(self) -> None:
        self.one_at_a_time = threading.RLock()  # of the calls of all threads
        self.struck = 0  # how often the last fault did
        self._fault: Fault | None = None
        self._counts: Counter[str] = Counter()
        self._unsyncable: tuple[int, int] | None = None  # a descriptor, and a copy of what it was

    def order(self, fault: Fault) -> None:
        """Count from now on, and fail."""
        with self.one_at_a_time:
            self._fault, self.struck = fault, 0
            self._counts.clear()

    def mend(self) -> None:
        """Fail no more."""
        with self.one_at_a_time:
            self.make_syncable()
            self._fault = None

    def strike(self, kind: str) -> int:
        """Count a call, and return its errno, or 0."""
        self._counts[kind] += 1
        fault = self._fault
        if fault is None or kind != fault.kind:
            return 0
        strikes = self._counts[kind] == fault.first or (fault.for_ever and self._counts[kind] > fault.first)
        self.struck += strikes
        return fault.error if strikes else 0

    def make_unsyncable(self, descriptor: int) -> None:
        """Let the descriptor be that of a pipe, which cannot be synced, until the next call.

        SQLite does not let its call of fsync be replaced. No other process shares the locks that go with this.
        """
        self._unsyncable = descriptor, os.dup(descriptor)
        reader, writer = os.pipe()
        os.dup2(writer, descriptor)
        os.close(reader)
        os.close(writer)

    def make_syncable(self) -> None:
        if self._unsyncable:
            descriptor, copy = self._unsyncable
            os.dup2(copy, descriptor)
            os.close(copy)
            self._unsyncable = None


@contextmanager
def faulty() -> Iterator[Faults]:
    """Put the faults in the way of SQLite's calls."""
    faults, vfs = Faults(), apsw.VFS("faults", base="unix")
    kept = []  # SQLite holds no reference to what it calls
    for name, call in CALLS.items():
        with suppress(apsw.NotFoundError):
            pointer = vfs.xGetSystemCall(name)
            if pointer:
                prototype = ctypes.CFUNCTYPE(call.result, *call.arguments, use_errno=True)
                kept.append(prototype(failing(faults, call.kind, prototype(pointer))))
                vfs.xSetSystemCall(name, ctypes.cast(kept[-1], c_void_p).value or 0)
    try:
        yield faults
    finally:
        faults.mend()
        vfs.xSetSystemCall(None, 0)  # all as they were
        vfs.unregister()


def failing(faults: Faults, kind: str, real: Callable[..., int]) -> Callable[..., int]:
    """Return a system call that fails as ordered."""

    def invoke(*arguments: Any) -> int:
        with faults.one_at_a_time:
            faults.make_syncable()
            if (kind != "lock" or is_lock(*arguments)) and (error := faults.strike(kind)):
                ctypes.set_errno(error)
                return -1
            result = real(*arguments)
            if kind == "write" and faults.strike("sync"):
                faults.make_unsyncable(arguments[0])
            return result

    return invoke


def is_lock(descriptor: int, command: int, argument: int | None) -> bool:
    """Tell whether a call of fcntl asks for a lock: giving one back does not fail."""
    return command == fcntl.F_SETLK and ctypes.c_short.from_address(argument or 0).value != fcntl.F_UNLCK
