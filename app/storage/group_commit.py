"""Group commit: what several threads write at the same time is one transaction, with one sync to the disk.

One thread writes for all others of its process. It alone waits for the process's turn, which may take for ever.
"""

import threading
from collections import deque
from collections.abc import Callable
from concurrent.futures import Future
from contextlib import AbstractContextManager
from traceback import clear_frames
from typing import Any, TypeVar

import apsw

from .errors import StorageBusy, StorageError, StorageFailed
from .outside import pause

MOST = 64  # writes in a group; those behind it wait until all of it is on the disk
GATHERING = 0.002  # seconds to wait for as many as last time: who was answered together often writes again together
LEAST_PATIENCE = 50  # milliseconds that the thread of a busy process may take to get to a write
END_PATIENCE = 1  # seconds; a thread that has not ended by then waits for a process that is stopped

Written = TypeVar("Written")
Function = Callable[[apsw.Connection], Written]
Transaction = Callable[[Callable[[], bool]], AbstractContextManager[apsw.Connection]]


class GroupCommit:
    """The writes of one process to one database."""

    def __init__(self, transaction: Transaction, afterwards: Callable[[], None], busy_timeout: int) -> None:
        """Take what begins a transaction for as long as it is wanted, what follows the answers, and milliseconds.

        Nothing is started before the first write.
        """
        self._transaction = transaction
        self._afterwards = afterwards
        self._patience = max(busy_timeout, LEAST_PATIENCE) / 1000
        self._changed = threading.Condition()
        self._waiting: deque[_Write] = deque()
        self._together = 1  # how many the last group had
        self._wanted = 1  # how many are to wait before the thread is woken: each waking is a switch of threads
        self._alone = 0  # how many of those that wait are to be written each in its own transaction
        self._thread: threading.Thread | None = None

    def write(self, function: Function[Written]) -> Written:
        """Return what a function returns, once all that it wrote is on the disk; raise what it raises, or StorageBusy.

        The function is called again where what it wrote was undone because another of its group failed.
        """
        write = self._line_up(function)
        while True:
            try:
                return write.answer.result(self._patience)  # type: ignore[no-any-return]
            except TimeoutError:
                if write.answer.done():
                    raise
                if self._withdraw(write):
                    raise StorageBusy from None

    def close(self) -> None:
        """Write what waits and end the thread; another write starts another."""
        with self._changed:
            thread, self._thread = self._thread, None
            self._changed.notify()
        if thread:
            thread.join(END_PATIENCE)

    def _line_up(self, function: Function[Any]) -> "_Write":
        write = _Write(function)
        with self._changed:
            if self._thread is None or not self._thread.is_alive():
                self._thread = threading.Thread(target=self._run, name="group commit", daemon=True)
                self._thread.start()
            self._waiting.append(write)
            if len(self._waiting) >= self._wanted:
                self._changed.notify()
        return write

    def _withdraw(self, write: "_Write") -> bool:
        """Take back a write, so that it never happens; return False where it has begun."""
        with self._changed:
            if write not in self._waiting:
                return False
            self._waiting.remove(write)
            self._alone = min(self._alone, len(self._waiting))
            return True

    def _run(self) -> None:
        self._together = 1
        while self._has_work():
            self._write_group()
            self._afterwards()

    def _has_work(self) -> bool:
        """Wait for a write; return False where none is left and the thread is to end."""
        with self._changed:
            if self._together > 1:
                self._wait_for(self._together, GATHERING)
            self._wait_for(1)
            return bool(self._waiting)

    def _wait_for(self, count: int, seconds: float | None = None) -> None:
        """Wait until so many writes wait, or the thread is to end."""
        self._wanted = count
        self._changed.wait_for(
            lambda: len(self._waiting) >= count or self._thread is not threading.current_thread(), seconds
        )

    def _write_group(self) -> None:
        """Write what waits by the time that the turn has come, in one transaction, and then answer."""
        writes: list[_Write] = []
        try:
            with self._transaction(lambda: bool(self._waiting)) as connection:
                writes = self._take()
                for write in writes:
                    # To the search index a savepoint for each would cost as much as a transaction for each.
                    write.run(connection, is_alone=len(writes) == 1)
        except _OneHasFailed:
            self._begin_again(writes)
        except BaseException as error:
            self._fail(writes, error)
        else:
            for write in writes:
                write.tell()

    def _take(self) -> list["_Write"]:
        with self._changed:
            count = min(len(self._waiting), 1 if self._alone else MOST)
            self._alone = max(self._alone - 1, 0)
            self._together = count
            return [self._waiting.popleft() for _ in range(count)]

    def _fail(self, writes: list["_Write"], error: BaseException) -> None:
        """Tell an error to those whose transaction it ended, or that wait for one that cannot begin."""
        if isinstance(error, StorageBusy) and not writes:
            pause()  # whoever waits gives up in time
            return
        for write in writes or self._take():
            write.answer.set_exception(error)

    def _begin_again(self, writes: list["_Write"]) -> None:
        """Let all that are undone wait again, each for a transaction of its own."""
        with self._changed:
            self._waiting.extendleft(reversed(writes))
            self._alone += len(writes)


class _OneHasFailed(Exception):
    """A write that shares its transaction with others has failed, and what it has written is to be undone."""


class _Write:
    """A function that writes, what it returned or raised, and the answer to whoever waits for it."""

    def __init__(self, function: Function[Any]) -> None:
        self.answer: Future[Any] = Future()
        self._function = function
        self._value: Any = None
        self._refusal: BaseException | None = None

    def run(self, connection: apsw.Connection, is_alone: bool) -> None:
        """Call the function; raise where the transaction has to be undone."""
        before = connection.total_changes()
        try:
            self._value, self._refusal = self._function(connection), None
        except BaseException as error:
            # A cursor in a frame of the traceback would keep a transaction open for as long as the error is kept.
            clear_frames(error.__traceback__)
            is_refusal = isinstance(error, StorageError) and not isinstance(error, StorageFailed)
            if is_refusal and connection.in_transaction and connection.total_changes() == before:
                self._refusal = error
            elif is_alone:
                raise
            else:
                raise _OneHasFailed from error

    def tell(self) -> None:
        """Answer what the function returned or raised."""
        if self._refusal is None:
            self.answer.set_result(self._value)
        else:
            self.answer.set_exception(self._refusal)
