"""Counting is exact: over threads, processes, kills and clocks set back; and trouble with the file is told."""

import fcntl
import multiprocessing
import os
import signal
import sys
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from pathlib import Path
from threading import Event
from types import SimpleNamespace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from limits.errors import ConfigurationError, StorageError
from limits.storage import storage_from_string

from app.storage import counter_file
from app.storage.counter_file import EMPTY
from app.storage.counter_ring import WORD, Ring
from app.storage.counter_table import Table
from app.storage.rate_counters import SharedStorage
from tests.conftest import START, ReplacedOutside
from tests.profiles import examples, rounds
from tests.server import until

MINUTE = 60  # seconds
PATIENCE = 20  # seconds: a bound against waiting for ever
FORK = multiprocessing.get_context("fork")
ADD = Ring.add
FLOCK = counter_file.FLOCK


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "counters"


@pytest.fixture
def outside() -> ReplacedOutside:
    return ReplacedOutside()


@pytest.fixture
def storage(path: Path, outside: ReplacedOutside) -> SharedStorage:
    return SharedStorage(f"shared://{path}", outside=outside)


def admitted(storage: SharedStorage, key: str, times: int, limit: int = 60) -> int:
    return sum(storage.acquire_entry(key, limit, MINUTE) for _ in range(times))


def test_it_is_a_storage_of_the_library_under_its_own_scheme(path: Path) -> None:
    assert isinstance(storage_from_string(f"shared://{path}"), SharedStorage)
    assert not path.exists()


@pytest.mark.parametrize("address", ["shared://", "shared://counters", "shared://localhost/counters", "shared:///a%00"])
def test_an_address_without_an_absolute_path_is_refused(address: str) -> None:
    with pytest.raises(ConfigurationError):
        storage_from_string(address)


def test_a_path_may_hold_any_character(tmp_path: Path, outside: ReplacedOutside) -> None:
    storage = SharedStorage(f"shared://{tmp_path}/a%20%C3%A9%3F%23", outside=outside)
    assert storage.check()
    assert [path.name for path in tmp_path.iterdir()] == ["a é?#"]


# The moving window


def test_as_many_entries_as_the_limit_are_admitted_in_any_window(
    storage: SharedStorage, outside: ReplacedOutside
) -> None:
    assert admitted(storage, "a", 30) == 30
    outside.time += 40_000
    assert admitted(storage, "a", 31) == 30
    outside.time = START + 59_999
    assert admitted(storage, "a", 1) == 0
    outside.time = START + 60_000
    assert admitted(storage, "a", 31) == 30


def test_keys_are_counted_apart(storage: SharedStorage) -> None:
    assert [admitted(storage, key, 61) for key in ("a", "b", "é 😀", "")] == [60] * 4


@pytest.mark.parametrize(("amount", "times"), [(1, 5), (2, 2), (5, 1), (6, 0)])
def test_entries_are_made_together_or_not_at_all(storage: SharedStorage, amount: int, times: int) -> None:
    assert sum(storage.acquire_entry("a", 5, MINUTE, amount) for _ in range(9)) == times
    assert storage.get_moving_window("a", 5, MINUTE)[1] == amount * times


def test_a_window_tells_its_oldest_entry_and_how_many_there_are(
    storage: SharedStorage, outside: ReplacedOutside
) -> None:
    assert storage.get_moving_window("a", 5, MINUTE) == (START / 1000, 0)
    for _ in range(3):
        storage.acquire_entry("a", 5, MINUTE)
        outside.time += 20_000
    assert storage.get_moving_window("a", 5, MINUTE) == ((START + 20_000) / 1000, 2)
    outside.time += 60_000
    assert storage.get_moving_window("a", 5, MINUTE) == (outside.time / 1000, 0)


def test_another_limit_of_the_same_key_counts_the_same_entries(storage: SharedStorage) -> None:
    assert admitted(storage, "a", 5, limit=3) == 3
    assert admitted(storage, "a", 20, limit=10) == 7
    assert admitted(storage, "a", 1, limit=3) == 0


class Reference:
    """A moving window as a list of times, for a clock that is never set back."""

    def __init__(self) -> None:
        self.times: list[int] = []

    def acquire(self, limit: int, window: int, amount: int, now: int) -> bool:
        self.times = [time for time in self.times if time + window > now]
        if len(self.times) + amount > limit:
            return False
        self.times += [now] * amount
        return True


@examples(ci=200, full=5_000)
@given(
    steps=st.lists(
        st.tuples(
            st.sampled_from("ab"), st.integers(1, 4), st.integers(0, 3), st.sampled_from([0, 1, 500, 999, 1_000, 2_500])
        )
    )
)
def test_entries_are_admitted_as_the_reference_does(tmp_path_factory: pytest.TempPathFactory, steps: list) -> None:
    outside = ReplacedOutside()
    storage = SharedStorage(f"shared://{tmp_path_factory.mktemp('counters')}/file", outside=outside)
    references = {"a": Reference(), "b": Reference()}
    for key, limit, amount, passing in steps:
        outside.time += passing
        got = storage.acquire_entry(key, limit, 1, amount)
        assert got == references[key].acquire(limit, 1_000, amount, outside.time)


# The fixed window


def test_a_fixed_window_begins_with_its_first_count_and_ends_whole(
    storage: SharedStorage, outside: ReplacedOutside
) -> None:
    assert (storage.get("a"), storage.get_expiry("a")) == (0, START / 1000)
    assert [storage.incr("a", MINUTE), storage.incr("a", MINUTE, 5)] == [1, 6]
    outside.time += 59_999
    assert storage.incr("a", MINUTE) == storage.get("a") == 7
    assert storage.get_expiry("a") == START / 1000 + MINUTE
    outside.time += 1
    assert (storage.get("a"), storage.get_expiry("a")) == (0, outside.time / 1000)
    assert storage.incr("a", MINUTE) == 1


def test_both_kinds_of_windows_of_a_key_are_cleared_together(storage: SharedStorage) -> None:
    for key in ("a", "b"):
        storage.incr(key, MINUTE)
        admitted(storage, key, 60)
    storage.clear("a")
    assert (storage.get("a"), storage.get("b")) == (0, 1)
    assert (admitted(storage, "a", 61), admitted(storage, "b", 1)) == (60, 0)
    storage.clear("nothing")


def test_a_reset_forgets_everything_everywhere(storage: SharedStorage, path: Path, outside: ReplacedOutside) -> None:
    other = SharedStorage(f"shared://{path}", outside=outside)
    assert [admitted(each, key, 60) for each, key in ((storage, "a"), (other, "b"))] == [60, 60]
    assert storage.reset() == 2
    assert [admitted(other, key, 61) for key in ("a", "b")] == [60, 60]
    assert storage.check()


# Over threads, processes and restarts


def test_counts_survive_whoever_counted(storage: SharedStorage, path: Path, outside: ReplacedOutside) -> None:
    assert admitted(storage, "a", 40) == 40
    assert admitted(SharedStorage(f"shared://{path}", outside=outside), "a", 40) == 20


def test_only_the_owner_reads_the_counts(storage: SharedStorage, path: Path) -> None:
    storage.check()
    assert path.stat().st_mode & 0o777 == 0o600


def test_threads_count_exactly(storage: SharedStorage) -> None:
    with ThreadPoolExecutor(8) as threads:
        assert sum(threads.map(lambda _: admitted(storage, "a", 30), range(8))) == 60


def in_processes(count: int, act: Callable[[int], int]) -> list[int]:
    """Run an act in processes of its own, all at the same moment, and return what it returns."""
    barrier, results = FORK.Barrier(count), FORK.Queue()

    def start(number: int) -> None:
        barrier.wait(PATIENCE)
        results.put(act(number))

    processes = [FORK.Process(target=start, args=(number,), daemon=True) for number in range(count)]
    for process in processes:
        process.start()
    for process in processes:
        process.join(PATIENCE)
    assert [process.exitcode for process in processes] == [0] * count
    return [results.get(timeout=PATIENCE) for _ in processes]


def hammer(path: Path, outside: ReplacedOutside) -> Callable[[int], int]:
    """Return an act that counts under a key that all processes share and under many others, so that the file grows."""

    def act(number: int) -> int:
        storage, shared = SharedStorage(f"shared://{path}", outside=outside), 0
        for turn in range(400):
            shared += storage.acquire_entry("shared", 100, MINUTE)
            assert storage.acquire_entry(f"{number} {turn}", 60, MINUTE)
        return shared

    return act


def test_processes_count_exactly_while_the_file_is_made_and_grows(path: Path, outside: ReplacedOutside) -> None:
    assert sum(in_processes(4, hammer(path, outside))) == 100
    assert path.stat().st_size > 2 * len(EMPTY)
    assert [each.name for each in path.parent.iterdir()] == [path.name]


@pytest.mark.parametrize("link", [Path.symlink_to, Path.hardlink_to])
def test_a_link_is_as_good_as_the_file(path: Path, outside: ReplacedOutside, link: Callable[..., None]) -> None:
    path.write_bytes(b"")
    other = path.with_name("other")
    link(other, path)
    paths = [path, other] * 2
    assert sum(in_processes(4, lambda number: hammer(paths[number], outside)(number))) == 100


def test_counting_without_a_lock_is_caught(
    path: Path, outside: ReplacedOutside, monkeypatch: pytest.MonkeyPatch
) -> None:
    def hesitant(self: Ring, time: int, amount: int = 1) -> None:
        Event().wait(0.0001)
        ADD(self, time, amount)

    monkeypatch.setattr(counter_file, "FLOCK", lambda *_: 0)
    monkeypatch.setattr(Ring, "add", hesitant)  # so that who is not kept waiting comes in between
    with pytest.raises((AssertionError, ValueError)):
        assert sum(in_processes(4, hammer(path, outside))) == 100


def test_both_scopes_are_counted_with_nobody_in_between(
    storage: SharedStorage, path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert storage.check()
    asked: list[int] = []

    def flock(descriptor: int, operation: int) -> int:
        asked.append(operation)
        return FLOCK(descriptor, operation)

    def add(self: Ring, time: int, amount: int = 1) -> None:
        with path.open() as file, pytest.raises(BlockingIOError):
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        ADD(self, time, amount)

    monkeypatch.setattr(counter_file, "FLOCK", flock)
    monkeypatch.setattr(Ring, "add", add)
    assert storage.acquire_all([("a", 60, MINUTE), ("b", 1, MINUTE)])
    assert asked == [counter_file.LOCK, counter_file.UNLOCK]
    assert [storage.get_moving_window(key, 60, MINUTE)[1] for key in "ab"] == [1, 1]


def test_no_more_is_counted_after_the_first_limit_that_refuses(storage: SharedStorage) -> None:
    entries = [("a", 1, MINUTE), ("b", 60, MINUTE)]
    assert [storage.acquire_all(entries) for _ in range(2)] == [True, False]
    assert [storage.get_moving_window(key, 60, MINUTE)[1] for key in "ab"] == [1, 1]


def descriptors_of(path: Path) -> int:
    """Return how many descriptors of a file this process has open."""

    def is_of(descriptor: int) -> bool:
        with suppress(OSError):  # what listed them is closed by now
            return os.path.samestat(os.fstat(descriptor), path.stat())
        return False

    return sum(is_of(int(name)) for name in os.listdir("/dev/fd"))


def test_a_fork_has_a_lock_of_its_own(storage: SharedStorage, path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(counter_file, "PATIENCE", 20)
    assert admitted(storage, "a", 10) == 10

    def act(number: int) -> int:
        assert descriptors_of(path) == 0
        with pytest.raises(TimeoutError):
            storage.acquire_entry("a", 60, MINUTE)
        return 1

    with storage.counters:
        assert in_processes(1, act) == [1]
    assert descriptors_of(path) == 2  # one of the map, which it keeps for itself


def test_forks_count_on(storage: SharedStorage) -> None:
    assert admitted(storage, "a", 10) == 10
    assert sum(in_processes(3, lambda _: admitted(storage, "a", 60))) == 50
    assert admitted(storage, "a", 1) == 0


def test_a_process_that_is_killed_holds_nobody_up(storage: SharedStorage, path: Path, outside: ReplacedOutside) -> None:
    def act() -> None:
        while True:
            storage.acquire_entry("doomed", 10**5, MINUTE)
            storage.acquire_entry("a", 60, MINUTE)

    for _ in range(20):
        process = FORK.Process(target=act)
        process.start()
        until(lambda: storage.get_moving_window("a", 60, MINUTE)[1] == 60)
        os.kill(process.pid or 0, signal.SIGKILL)
        process.join()
        assert admitted(storage, "a", 1) == 0
        storage.clear("a")


def test_an_enlargement_that_breaks_off_keeps_what_was_counted(
    storage: SharedStorage, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert admitted(storage, "a", 8) == 8  # as many as a new counter has room for
    with monkeypatch.context() as patch:
        patch.setattr(Ring, "take", breaking_off)
        with pytest.raises(KeyboardInterrupt):
            storage.acquire_entry("a", 60, MINUTE)
    assert admitted(storage, "a", 60) == 52


def test_a_growth_of_the_file_that_breaks_off_keeps_what_was_counted(
    storage: SharedStorage, path: Path, outside: ReplacedOutside, monkeypatch: pytest.MonkeyPatch
) -> None:
    other = SharedStorage(f"shared://{path}", outside=outside)
    assert (admitted(storage, "a", 20), admitted(other, "a", 10)) == (20, 10)
    for owner, part in ((counter_file.FileCounters, "_adopt"), (Table, "set_length")):
        with monkeypatch.context() as patch:
            patch.setattr(owner, part, breaking_off)
            with pytest.raises(KeyboardInterrupt):
                admitted(storage, "b", 20_000, limit=100_000)
    assert path.stat().st_size > len(EMPTY)
    with other.counters as counters:
        assert counters._table.is_whole
    assert admitted(other, "a", 10) == 10
    assert admitted(storage, "a", 60) == 20


def breaking_off(*_: object) -> None:
    raise KeyboardInterrupt


# Time


def test_a_clock_set_back_locks_no_key_for_longer_than_its_window(
    storage: SharedStorage, outside: ReplacedOutside
) -> None:
    assert admitted(storage, "a", 30) == 30
    outside.time += 1_000
    assert admitted(storage, "a", 60) == 30
    storage.incr("fixed", MINUTE)
    outside.time -= 3_600_000
    assert admitted(storage, "a", 1) == 0
    assert storage.get_moving_window("a", 60, MINUTE) == (outside.time / 1000, 60)
    assert storage.get_expiry("fixed") == outside.time / 1000 + MINUTE
    outside.time += 59_999
    assert admitted(storage, "a", 1) == 0
    outside.time += 1
    assert (admitted(storage, "a", 61), storage.get("fixed")) == (60, 0)


def test_the_file_stays_small_through_a_day_of_many_keys(
    storage: SharedStorage, path: Path, outside: ReplacedOutside
) -> None:
    hours = rounds(ci=2, full=24)  # after one nothing but what was swept is new
    for request in range(hours * 60 * 200):
        outside.time = START + request * 300
        assert storage.acquire_entry(f"key {request % 10_000}", 60, MINUTE)
        assert storage.acquire_entry("organization", 200, MINUTE)
    assert path.stat().st_size < 1_000_000


def test_the_file_holds_as_many_keys_as_send_at_once(storage: SharedStorage, path: Path) -> None:
    assert sum(storage.acquire_entry(f"key {number}", 60, MINUTE) for number in range(10_000)) == 10_000
    assert path.stat().st_size < 10_000_000
    assert admitted(storage, "key 0", 60) == 59


def test_a_high_limit_takes_room_only_as_it_is_used(storage: SharedStorage, path: Path) -> None:
    assert sum(storage.acquire_entry(f"key {number}", 1_000_000, MINUTE) for number in range(100)) == 100
    assert path.stat().st_size < 1_000_000
    assert admitted(storage, "key 0", 5_000, limit=1_000_000) == 5_000
    assert storage.get_moving_window("key 0", 1_000_000, MINUTE)[1] == 5_001


# Trouble


@pytest.fixture
def spent(storage: SharedStorage) -> SharedStorage:
    """A storage with a key that has spent half of its entries."""
    assert admitted(storage, "a", 30) == 30
    return storage


def test_a_file_that_is_removed_is_made_again_with_its_counts(
    spent: SharedStorage, path: Path, outside: ReplacedOutside
) -> None:
    path.unlink()
    assert admitted(spent, "a", 60) == 30
    assert admitted(SharedStorage(f"shared://{path}", outside=outside), "a", 1) == 0


def test_a_file_that_is_renamed_is_made_again_with_its_counts(
    spent: SharedStorage, path: Path, outside: ReplacedOutside
) -> None:
    path.rename(path.with_name("elsewhere"))
    assert admitted(spent, "a", 10) == 10
    assert admitted(SharedStorage(f"shared://{path}", outside=outside), "a", 60) == 20
    assert admitted(spent, "a", 1) == 0


def test_a_file_that_is_removed_again_and_again_ends_no_process(path: Path, outside: ReplacedOutside) -> None:
    def act(number: int) -> int:
        storage, counted = SharedStorage(f"shared://{path}", outside=outside), 0
        for turn in range(200):
            if number == 0:
                path.unlink(missing_ok=True)
            counted += storage.acquire_entry(f"{number} {turn}", 60, MINUTE)
        return counted

    assert in_processes(4, act) == [200] * 4


BROKEN: dict[str, bytes] = {
    "empty": b"",
    "of a few zeros": bytes(100),
    "of zeros": bytes(len(EMPTY)),
    "cut short": EMPTY[:100],
    "of an odd size": EMPTY + b"x",
    "of nonsense": EMPTY[:WORD] + b"\x7f" * (len(EMPTY) - WORD),
}


@pytest.mark.parametrize("content", BROKEN.values(), ids=BROKEN)
def test_a_file_that_is_broken_begins_anew(storage: SharedStorage, path: Path, content: bytes) -> None:
    path.write_bytes(content)
    assert admitted(storage, "a", 61) == 60


FOREIGN: dict[str, bytes] = {
    "text": b"Dear diary",
    "another program": b"SQLite format 3\0" + bytes(100_000),
}


@pytest.mark.parametrize("content", FOREIGN.values(), ids=FOREIGN)
def test_a_file_of_another_program_is_refused_and_left_as_it_is(
    storage: SharedStorage, path: Path, content: bytes
) -> None:
    path.write_bytes(content)
    with pytest.raises(OSError, match="is no file of counters; name another with STRUERE_LIMIT_STORAGE"):
        storage.acquire_entry("a", 60, MINUTE)
    assert not storage.check()
    assert path.read_bytes() == content


def used_words(path: Path) -> list[int]:
    """Return which words of a file are not zero."""
    content = path.read_bytes()
    return [place for place in range(len(content) // WORD) if any(content[place * WORD : (place + 1) * WORD])]


def test_damage_of_any_word_raises_nothing_and_soon_counts_again(
    spent: SharedStorage, path: Path, outside: ReplacedOutside
) -> None:
    content = path.read_bytes()
    for place in used_words(path):
        for value in (-1, 0, 1, 2**40, 2**62, 2**63 - 1):
            changed = bytearray(content)
            changed[place * WORD : (place + 1) * WORD] = value.to_bytes(WORD, sys.byteorder, signed=True)
            path.write_bytes(changed)
            storage = SharedStorage(f"shared://{path}", outside=outside)
            if place:  # the first word tells whose file it is
                assert admitted(storage, "a", 60) <= 60
                assert admitted(storage, "b", 61) == 60
                outside.time += 60_000
                assert 30 <= admitted(storage, "a", 61) <= 60, (place, value)


def test_damage_of_any_word_while_in_use_raises_nothing(path: Path, outside: ReplacedOutside) -> None:
    admitted(SharedStorage(f"shared://{path}", outside=outside), "a", 7)
    content, [_, *places] = path.read_bytes(), used_words(path)
    for place in places:
        for value in (-1, 0, 1, 2**40, 2**62, 2**63 - 1):
            path.write_bytes(content)
            storage = SharedStorage(f"shared://{path}", outside=outside)
            assert admitted(storage, "a", 1) == 1
            with path.open("r+b") as file:
                file.seek(place * WORD)
                file.write(value.to_bytes(WORD, sys.byteorder, signed=True))
            assert admitted(storage, "a", 60) <= 60, (place, value)
            assert admitted(storage, "b", 61) == 60, (place, value)


@pytest.mark.parametrize("size", [0, 8, len(EMPTY) - 8])
def test_a_file_that_is_cut_while_in_use_begins_anew(spent: SharedStorage, path: Path, size: int) -> None:
    os.truncate(path, size)
    assert admitted(spent, "a", 61) == 60


def test_a_folder_that_is_gone_is_told(spent: SharedStorage, path: Path) -> None:
    path.unlink()
    path.parent.rmdir()
    with pytest.raises(OSError, match="No such file"):
        spent.acquire_entry("a", 60, MINUTE)
    assert not spent.check()
    path.parent.mkdir()
    assert spent.check()


def test_a_lock_that_is_never_given_back_is_told(
    spent: SharedStorage, path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(counter_file, "PATIENCE", 20)
    with path.open() as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        with pytest.raises(TimeoutError, match="locked"):
            spent.acquire_entry("a", 60, MINUTE)
    assert admitted(spent, "a", 60) == 30


def test_a_full_disk_is_told_and_loses_nothing(
    spent: SharedStorage, path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    size = path.stat().st_size

    @contextmanager
    def full(descriptor: int, *_: object, **__: object) -> Iterator[Any]:
        os.pwrite(descriptor, b"half", size)
        yield SimpleNamespace(write=lambda content: None)
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(counter_file, "open", full, raising=False)
        with pytest.raises(OSError, match="No space"):
            admitted(spent, "b", 20_000, limit=100_000)
        assert path.stat().st_size == size
        assert admitted(spent, "a", 1) == 1
    assert admitted(spent, "a", 60) == 29


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can leave a file to somebody else")
def test_a_file_that_root_makes_is_for_the_owner_of_its_folder(storage: SharedStorage, path: Path) -> None:
    os.chown(path.parent, 65534, 65534)
    assert storage.check()
    assert (path.stat().st_uid, path.stat().st_gid) == (65534, 65534)


def test_trouble_is_wrapped_as_the_library_does(tmp_path: Path) -> None:
    storage = SharedStorage(f"shared://{tmp_path}/none/file", wrap_exceptions=True)
    for call in (lambda: storage.acquire_entry("a", 1, 1), lambda: storage.get("a"), storage.reset):
        with pytest.raises(StorageError):
            call()
