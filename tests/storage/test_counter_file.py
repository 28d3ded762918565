"""Processes that share a file of counters count alike, however often the counters have moved in it."""

import random
import sys
import zlib
from itertools import count
from pathlib import Path

import pytest

from app.storage.counter_file import FileCounters
from app.storage.counter_ring import WORD
from app.storage.counter_table import SMALLEST, START_AT, WORDS_A_BUCKET, Table, new_table
from tests.conftest import START

from .test_rate_counters import Reference

WINDOW = 60_000  # milliseconds
LIMIT = 300
PAUSES = [10, 1_000, 20_000, WINDOW + 1]


@pytest.mark.parametrize("seed", range(6))
def test_bursts_and_rests_of_many_keys_are_counted_by_two(tmp_path: Path, seed: int) -> None:
    chance, now = random.Random(seed), START
    both = [FileCounters(tmp_path / "counters"), FileCounters(tmp_path / "counters")]
    references = {f"key/{number}": Reference() for number in range(40)}
    for _ in range(150):
        now += chance.choice(PAUSES)
        for name in chance.sample(sorted(references), chance.randint(1, 6)):
            for _ in range(chance.choice([1, 5, LIMIT // 3, LIMIT])):
                now += chance.random() < 0.02
                with chance.choice(both) as counters:
                    is_made = counters.hit(name, 1, LIMIT, WINDOW, now)
                assert is_made is references[name].acquire(LIMIT, WINDOW, 1, now), f"{name}, seed {seed}"


class Moving:
    """Counters that move as often as is wanted, with one key that stays."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.counters = FileCounters(path)
        self.now = START
        self._others = count()

    def hit(self, counters: FileCounters, name: str, limit: int = LIMIT) -> bool:
        with counters:
            return counters.hit(name, 1, limit, WINDOW, self.now)

    def move(self, times: int, kept: str) -> None:
        for _ in range(times):
            place = self._place()
            while self._place() == place:
                self.now += WINDOW // 200
                self.hit(self.counters, f"other/{next(self._others)}")
                self.hit(self.counters, kept)

    def rest(self) -> None:
        self.now += 2 * WINDOW

    def _place(self) -> int:
        with self.path.open("rb") as file:
            file.seek(START_AT * WORD)
            return int.from_bytes(file.read(WORD), sys.byteorder)


def test_who_saw_no_move_takes_no_counter_for_another(tmp_path: Path) -> None:
    """A counter of the first bucket is the first record of a region, which is where another one was before."""
    names = (f"key/{number}" for number in count())
    buckets = SMALLEST // WORDS_A_BUCKET
    one, another = (next(name for name in names if zlib.crc32(name.encode()) % buckets == 0) for _ in range(2))
    busy = Moving(tmp_path / "counters")
    away = FileCounters(busy.path)
    busy.hit(busy.counters, one)
    busy.move(3, one)
    busy.hit(away, one)
    busy.rest()
    busy.hit(busy.counters, another)
    busy.move(2, another)
    busy.rest()
    assert [busy.hit(away, one, limit=5) for _ in range(6)] == [True] * 5 + [False]
    assert [busy.hit(busy.counters, another, limit=5) for _ in range(6)] == [True] * 5 + [False]


@pytest.mark.parametrize("entries", [3, 8, 9, 13, 16], ids=lambda entries: f"{entries} of 8")
def test_a_counter_keeps_its_newest_entries_as_it_is_enlarged_and_moved(entries: int) -> None:
    table = new_table()
    ring = table.add(b"key", 8)
    assert ring
    for number in range(entries):
        ring.add(START + number)
    newest = [ring.time(number) for number in ring.kept]
    enlarged = table.add(b"key", 16)
    assert enlarged
    moved = new_table([enlarged]).find(b"key")
    assert moved
    for each in (enlarged, moved):
        assert [each.time(number) for number in each.kept] == newest == [START + n for n in range(entries)][-8:]


def test_a_move_copies_every_record_whole_and_leaves_what_is_beyond_them() -> None:
    size = len(new_table().content)
    buffer = bytearray(new_table().content) + b"\xaa" * size
    table, other = Table(buffer), new_table()
    table.set_length()
    last = other.add(b"last", 8)
    assert last
    last.add(START, 8)
    assert table.move(other)
    found = table.find(b"last")
    assert found
    assert [found.time(number) for number in found.kept] == [START] * 8
    assert buffer.count(b"\xaa") > size // 2
