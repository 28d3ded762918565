"""Disks that fail and fill up: it is told in a sentence, nothing is lost, and once they are mended all goes on."""

import errno
import itertools
import random
import shutil
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from contextlib import closing
from copy import deepcopy
from pathlib import Path
from typing import Any, NamedTuple

import apsw
import pytest

from app.storage import checkpoints, group_commit
from app.storage.check import problems
from app.storage.errors import Refused, StorageBroken, StorageBusy, StorageFailed, StorageFull
from app.storage.group_commit import GroupCommit
from app.storage.migrations import prepare
from app.storage.outside import Deadline
from tests.faults import planted
from tests.faults.system_calls import Fault, Faults, faulty
from tests.faults.workload import Workload, connect
from tests.profiles import rounds
from tests.server import PATIENCE

WRITES = 8  # with a disk that fails
ALL_UP_TO = 6  # of the calls of a kind fail, one a run; then some
CHECKPOINT_EVERY = 4  # pages, so that most writes are followed by one

KINDS: dict[str, tuple[str, int]] = {
    "no room": ("write", errno.ENOSPC),
    "writing": ("write", errno.EIO),
    "syncing": ("sync", errno.EIO),
    "truncating": ("truncate", errno.EIO),
    "deleting": ("delete", errno.EIO),
    "reading": ("read", errno.EIO),
    "opening": ("open", errno.EIO),
    "no descriptor left": ("open", errno.EMFILE),
    "looking at a file": ("stat", errno.EIO),
    "mapping shared memory": ("map", errno.ENOMEM),
    "locking": ("lock", errno.EIO),
    "a lock that is held": ("lock", errno.EAGAIN),
}
# SQLite waits for locks for seconds before it gives up, so for ever is too long here.
ONCE_OR_FOR_EVER = [
    pytest.param(*call, for_ever, id=f"{name}, {'for ever' if for_ever else 'once'}")
    for (name, call), for_ever in itertools.product(KINDS.items(), (False, True))
    if not (for_ever and call[0] == "lock")
]
WRITING = ("write", "sync", "truncate")  # without these a database can be read
FAILURES: dict[int, type[StorageFailed]] = {errno.ENOSPC: StorageFull, errno.EAGAIN: StorageBusy}
each_fault = pytest.mark.parametrize(("kind", "error", "for_ever"), ONCE_OR_FOR_EVER)


class Prepared(NamedTuple):
    """A database with some entities, to copy, and the writer who knows of them."""

    path: Path
    writer: Workload


@pytest.fixture(scope="module")
def prepared(tmp_path_factory: pytest.TempPathFactory) -> Prepared:
    path, writer = tmp_path_factory.mktemp("prepared") / "struere.db", Workload(random.Random(1))
    with closing(connect(path)) as database:
        writer.set_up(database)
        for _ in range(5):
            writer.write(database)
    return Prepared(path, writer)


@pytest.fixture(autouse=True)
def checkpoints_after_most_writes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(checkpoints, "PAGES", CHECKPOINT_EVERY)


class Driven(Future[Any]):
    """The answer to a write, which is made in the thread that asks for the answer."""

    def __init__(self, group_commit: GroupCommit) -> None:
        super().__init__()
        self._group_commit = group_commit

    def result(self, timeout: float | None = None) -> Any:
        self._drive(timeout)
        return super().result(0)

    def exception(self, timeout: float | None = None) -> BaseException | None:
        self._drive(timeout)
        return super().exception(0)

    def _drive(self, timeout: float | None) -> None:
        deadline = Deadline(int((timeout or PATIENCE) * 1000))
        while not self.done() and not deadline.passed:
            self._group_commit._write_group()
            self._group_commit._afterwards()


@pytest.fixture(autouse=True)
def one_thread(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let no two threads be in SQLite: one in a call that may fail waits for the interpreter, and has a mutex.

    The other may have the interpreter and wait for the mutex. Real system calls need no interpreter.
    """

    def line_up(self: GroupCommit, function: Any) -> Any:
        write = group_commit._Write(function)
        write.answer = Driven(self)
        self._waiting.append(write)
        return write

    monkeypatch.setattr(GroupCommit, "_line_up", line_up)


@pytest.fixture(scope="module")
def faults() -> Iterator[Faults]:
    with faulty() as faults:
        yield faults


class Run:
    """Writes to a copy of a database while its disk fails and afterwards, and reads all the while."""

    def __init__(self, prepared: Prepared, faults: Faults, folder: Path) -> None:
        self.failures: list[StorageFailed | Refused] = []
        self._writer = deepcopy(prepared.writer)
        self._faults = faults
        for stale in folder.iterdir():
            stale.unlink()
        shutil.copy(prepared.path, folder / "struere.db")
        self._database = connect(folder / "struere.db", busy_timeout=200)

    def start(self) -> None:
        prepare(self._database)
        self.read()

    def go_on(self, read: Callable[[], None]) -> bool:
        """Write and read with a fault, and tell whether it struck."""
        for _ in range(WRITES):
            self.attempt(self.write)
            read()
        return self._faults.struck > 0

    def attempt(self, act: Callable[[], None]) -> None:
        """Do what may fail as the product says that it may."""
        try:
            act()
        except (StorageFailed, Refused) as failure:
            self.failures.append(failure)

    def write(self) -> None:
        self._writer.write(self._database)

    def read(self) -> None:
        self._writer.read(self._database)

    def close(self) -> None:
        self._database.close()

    def settle(self) -> None:
        """Learn whether the last write that was answered with a failure was made: as a whole or not at all."""
        self._writer.settle(self._database)

    def end(self) -> None:
        """Mend the disk: all goes on, and nothing was lost or half done."""
        self._faults.mend()
        self.write()
        self.read()
        self._database.close()
        with closing(connect(self._database.path)) as database:
            assert list(problems(database)) == []
            self._writer.read(database)


def from_the_start(run: Run, fault: Fault, faults: Faults) -> bool:
    """Fail from the opening of the database on, when nothing need succeed."""
    faults.order(fault)
    run.attempt(run.start)
    struck = run.go_on(lambda: run.attempt(run.read))
    faults.mend()
    # A connection that could be opened for reading alone has failed once before it is opened anew.
    run.attempt(run.write)
    return struck


def in_the_middle(run: Run, fault: Fault, faults: Faults) -> bool:
    """Fail once the database is open: where it can be read, it is read."""
    run.start()
    faults.order(fault)
    struck = run.go_on(run.read if fault.kind in WRITING else lambda: run.attempt(run.read))
    assert {type(failure) for failure in run.failures} <= {FAILURES.get(fault.error, StorageBroken)}
    return struck


def to_the_end(run: Run, fault: Fault, faults: Faults) -> bool:
    """Fail until the database is closed, so that the next to open it takes what is left."""
    run.start()
    faults.order(fault)
    run.go_on(lambda: run.attempt(run.read))
    run.close()
    struck = faults.struck > 0
    faults.mend()
    run.settle()
    return struck


def fail_ever_later(
    fail: Callable[[Run, Fault, Faults], bool],
    fault: Fault,
    prepared: Prepared,
    faults: Faults,
    folder: Path,
    step: int,
) -> None:
    """Let the first call fail, in another run the next, and so on until no run gets so far; all the first few do."""
    first = 1
    while True:
        run = Run(prepared, faults, folder)
        try:
            struck = fail(run, fault._replace(first=first), faults)
            run.end()
        except Exception as error:
            error.add_note(f"The {fault.kind} that failed {'from then on' if fault.for_ever else ''} is number {first}")
            raise
        finally:
            faults.mend()
        if not struck:
            return
        first += 1 if first < ALL_UP_TO else step


@each_fault
@pytest.mark.parametrize("fail", [from_the_start, in_the_middle, to_the_end])
def test_what_fails_is_told_and_undone_and_all_goes_on(
    prepared: Prepared,
    faults: Faults,
    tmp_path: Path,
    fail: Callable[[Run, Fault, Faults], bool],
    kind: str,
    error: int,
    for_ever: bool,
) -> None:
    step = rounds(ci=83, full=1)
    fail_ever_later(fail, Fault(kind, error, 1, for_ever), prepared, faults, tmp_path, step)


def test_a_checkpoint_that_fails_is_no_failure_of_the_write(prepared: Prepared, faults: Faults, tmp_path: Path) -> None:
    failures = []
    for first in range(1, 40):
        run = Run(prepared, faults, tmp_path)
        assert in_the_middle(run, Fault("write", errno.ENOSPC, first, for_ever=False), faults)
        run.end()
        failures.append(len(run.failures))
    # Writes of the log fail with the transaction, writes of the database file without anyone's notice.
    assert set(failures) == {0, 1}


@pytest.mark.parametrize(
    ("plant", "error"),
    [
        (planted.acknowledge_before_the_commit, AssertionError),
        (planted.keep_what_is_refused, AssertionError),
        (planted.forget_what_was_undone, AssertionError),
        (planted.index_in_a_second_transaction, AssertionError),
        (planted.swallow_a_full_disk, AssertionError),
        (planted.roll_back_what_is_rolled_back, apsw.SQLError),
    ],
)
def test_a_planted_bug_is_caught(
    prepared: Prepared,
    faults: Faults,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    plant: Callable[[pytest.MonkeyPatch], None],
    error: type[Exception],
) -> None:
    plant(monkeypatch)
    with pytest.raises(error):
        fail_ever_later(in_the_middle, Fault("write", errno.ENOSPC, 1, for_ever=True), prepared, faults, tmp_path, 1)
