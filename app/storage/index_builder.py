"""The filling of field indexes beside running servers, and the indexes that are made because filters were slow."""

import fcntl
import os
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import apsw

from . import field_indexes, filling
from .database import Database
from .errors import StorageError
from .files import hand_over
from .outside import Deadline, Outside

BATCH = 50  # milliseconds of one transaction, and as many between two: so long others wait, and so long they have
STEPS = 10_000  # of SQLite's virtual machine between two looks whether to stop, some milliseconds
POLL = 5.0  # seconds between two looks for indexes that a command has declared and not filled
RETRY = 60.0  # seconds until the next try after a failure, as of a full disk

Tell = Callable[[str], object]


class IndexBuilder:
    """A thread that fills indexes until it is stopped."""

    def __init__(self, database: Database, outside: Outside, automatic: bool, tell: Tell) -> None:
        """Remember what to do; automatic is whether slow filters get indexes."""
        self._database = database
        self._outside = outside
        self._automatic = automatic
        self._tell = tell
        self._is_stopped = False
        self._thread = threading.Thread(target=self._run, name="index builder", daemon=True)

    def start(self) -> None:
        """Begin."""
        self._thread.start()

    def stop(self) -> None:
        """End between two batches; what is filled stays, and the next builder goes on from there."""
        self._is_stopped = True
        self._database.costs.due.set()
        self._thread.join(1)

    def _run(self) -> None:
        pause = 0.0
        while not self._is_stopped:
            self._database.costs.due.wait(pause)
            self._database.costs.due.clear()
            try:
                self._work()
                pause = POLL
            except (StorageError, apsw.Error, OSError) as error:
                self._tell(f"An index could not be made and is tried again later: {error}")
                pause = RETRY

    def _work(self) -> None:
        while not self._is_stopped and self._automatic and (slow := self._database.costs.take()):
            make_slow(self._database, *slow, now=self._outside.now())
        for index, slug in field_indexes.unfilled(self._database.connection):
            with claimed(self._database, wait=False) as alone:
                if alone and fill(self._database, index.id, lambda: self._is_stopped, pause=BATCH / 1000):
                    why = ", since filters on it were slow" if index.reason == "slow" else ""
                    self._tell(f"Field {index.shown_field} of entity type {slug} is indexed now{why}")


def make_slow(database: Database, type_id: int, field: str, now: int) -> None:
    """Make an index because filters on its field were slow, unless there is no room, or it is or was there."""
    with database.transaction() as connection:
        known = field_indexes.of_type(connection, type_id)
        exists = connection.execute("SELECT 1 FROM entity_type WHERE id = ?", (type_id,)).get
        live = sum(index.is_live for index in known)
        if exists and live < field_indexes.MOST and field not in [index.field for index in known]:
            field_indexes.create(connection, type_id, field, "slow", now)


def fill(database: Database, index_id: int, is_stopped: Callable[[], bool] = lambda: False, pause: float = 0.0) -> bool:
    """Fill an index in short transactions with so many seconds between them, and tell whether it is full."""
    connection = database.connection
    connection.set_progress_handler(is_stopped, STEPS)
    try:
        with database.snapshot():
            filling.collect(connection, index_id)
    except apsw.InterruptError:
        return False
    finally:
        connection.set_progress_handler(None)
    after = 0
    while not is_stopped():
        with database.transaction() as connection:
            end = filling.put(connection, index_id, after, Deadline(BATCH))
            if end is None:
                filling.finish(connection, index_id)
                return True
        after = end
        Deadline(BATCH).pause(pause)
    return False


@contextmanager
def claimed(database: Database, wait: bool) -> Iterator[bool]:
    """Be the one who fills indexes of a file, or not to be, by a lock that the kernel frees at any death."""
    path = f"{database.path}-indexing"
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
    try:
        hand_over(descriptor, database.path)
        fcntl.flock(descriptor, fcntl.LOCK_EX | (0 if wait else fcntl.LOCK_NB))
        yield True
        os.unlink(path)
    except BlockingIOError:
        yield False
    finally:
        os.close(descriptor)
