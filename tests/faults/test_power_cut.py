"""Power cuts at any moment: what was acknowledged is there, and the search index equals the rows."""

import random
import shutil
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing, contextmanager, suppress
from pathlib import Path
from typing import Any
from unittest.mock import patch

import apsw
import pytest

from app.storage import checkpoints
from app.storage.check import problems
from app.storage.checkpoints import Checkpoints
from app.storage.database import Database
from app.storage.errors import StorageBroken
from app.storage.migrations import prepare
from tests.faults import planted
from tests.faults.vfs import Disk, PowerCut, Record, mounted
from tests.faults.workload import Workload, connect, found
from tests.profiles import rounds

OPERATIONS = (200, 800, 3_000)  # most before a cut; the first hundred or so make the file and its tables
CONNECTIONS = 2


class Cut:
    """Writes until the power is cut, all of it as a seed says; then what the disk has kept is opened."""

    lost = 0

    def __init__(
        self,
        folder: Path,
        seed: int,
        durability: str = "full",
        connections: int = CONNECTIONS,
        failing_syncs: float = 0,
    ) -> None:
        self._dice = random.Random(seed)
        self._writer = Workload(self._dice)
        self._durability = durability
        self._connections = connections
        self._failing_syncs = failing_syncs
        before, after = folder / "before", folder / "after"
        for each in (before, after):
            shutil.rmtree(each, ignore_errors=True)
            each.mkdir()
        disk = Disk(before, self._dice.randrange(1, self._dice.choice(OPERATIONS)), self._dice)
        checkpoint_every = self._dice.choice([4, 40, 1000])  # pages
        with mounted(disk) as vfs, patch.object(checkpoints, "PAGES", checkpoint_every), until_the_cut():
            try:
                self._write_for_ever(disk, vfs)
            except Exception:
                if not disk.is_cut:
                    raise
            remains = disk.remains()
        for name, content in remains.items():
            (after / name).write_bytes(content)
        self._look(after / "struere.db")

    def _write_for_ever(self, disk: Disk, vfs: str) -> None:
        path = disk.folder / "struere.db"
        while True:
            with ExitStack() as stack:
                databases = [connect(path, self._durability, vfs) for _ in range(self._connections)]
                for database in databases:
                    stack.callback(database.close)
                if self._writer.ledger.state is None:
                    self._writer.set_up(databases[0])
                for database in databases:
                    prepare(database)
                disk.failing_syncs = self._failing_syncs
                for _ in range(self._dice.choice([3, 30, 300])):
                    self._write(self._dice.choice(databases))
                disk.failing_syncs = 0

    def _write(self, database: Database) -> None:
        try:
            self._writer.write(database)
        except StorageBroken:
            self._writer.settle(database)
        database.write(lambda connection: None)  # when the checkpoint after it has ended

    def _look(self, path: Path) -> None:
        with closing(connect(path)) as database:
            try:
                prepare(database)
                database.connection.pragma("synchronous", "off")  # nothing is cut from here on
                self.problems = list(problems(database))
                self.lost = self._writer.ledger.lost(found(database))
            except Exception as error:  # whatever damage leads to
                self.problems = [repr(error)]


@contextmanager
def until_the_cut() -> Iterator[None]:
    """Let a cut pass where it comes in a checkpoint, for which nobody waits."""
    run = Checkpoints.run

    def run_until_the_cut(self: Checkpoints, connection: apsw.Connection) -> None:
        with suppress(PowerCut):
            run(self, connection)

    with patch.object(Checkpoints, "run", run_until_the_cut):
        yield


def losses(folder: Path, times: int, **options: Any) -> dict[int, int]:
    """Cut with each seed up to a number of them, and return how many writes were lost by those that lost some."""
    lost = {}
    for seed in range(times):
        try:
            cut = Cut(folder, seed, **options)
            assert cut.problems == []
        except Exception as error:
            error.add_note(f"The seed is {seed}")
            raise
        if cut.lost:
            lost[seed] = cut.lost
    return lost


def test_no_acknowledged_write_is_lost(tmp_path: Path) -> None:
    assert losses(tmp_path, rounds(ci=200, full=2_000)) == {}


def test_no_write_is_lost_that_was_acknowledged_after_a_sync_that_failed(tmp_path: Path) -> None:
    assert losses(tmp_path, rounds(ci=40, full=1_000), failing_syncs=0.2) == {}


@pytest.mark.parametrize("durability", ["full", "fast"])
def test_a_file_that_was_made_is_there(tmp_path: Path, durability: str) -> None:
    disk = Disk(tmp_path, cut_at=10_000, dice=random.Random(1))
    with mounted(disk) as vfs:
        with closing(connect(tmp_path / "struere.db", durability, vfs)) as database:
            prepare(database)
        assert all("struere.db" in disk.remains() for _ in range(20))


def test_fast_loses_the_last_writes_and_damages_nothing(tmp_path: Path) -> None:
    lost = losses(tmp_path, rounds(ci=30, full=400), durability="fast")
    assert len(lost) > 5


@pytest.mark.parametrize(
    ("plant", "connections"),
    [
        (planted.acknowledge_before_the_commit, CONNECTIONS),
        (planted.keep_what_is_refused, CONNECTIONS),
        (planted.forget_what_was_undone, CONNECTIONS),
        (planted.index_in_a_second_transaction, CONNECTIONS),
        (planted.sync_at_checkpoints_alone, CONNECTIONS),
        (planted.do_not_sync, CONNECTIONS),
        (planted.checkpoint_over_what_is_not_synced, CONNECTIONS),
    ],
)
def test_a_planted_bug_is_caught(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, plant: Callable[[pytest.MonkeyPatch], None], connections: int
) -> None:
    plant(monkeypatch)
    with pytest.raises(AssertionError):
        assert losses(tmp_path, 60, connections=connections) == {}


def test_a_disk_that_lies_about_syncs_is_caught(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    sync = Disk.sync

    def lie(self: Disk, record: Record) -> None:
        with suppress(apsw.IOError):
            sync(self, record)

    monkeypatch.setattr(Disk, "sync", lie)
    with pytest.raises(AssertionError):
        assert losses(tmp_path, 60, failing_syncs=0.2) == {}
