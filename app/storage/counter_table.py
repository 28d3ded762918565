"""Counters by name in one buffer of 64-bit words, which may be a file that processes share.

The buffer is a header and a region. A region is a hash table of records, which are appended and then changed in place;
one that is full is copied, without what no longer counts, into a new region beside it. Every change ends with the
store of one word, so that a process that is killed leaves the counters as they were before or after.
"""

import zlib
from array import array
from collections.abc import Sequence
from typing import Any

WORD = 8  # bytes
MAGIC = int.from_bytes(b"STRECNT1", "little")
MAGIC_AT, START_AT, HEADER = range(3)  # in words; START is where the region begins
SIZE, END, BUCKETS, REGION = range(4)  # in words from there; the buckets follow; END is where the next record goes
CAPACITY, NAME_LENGTH, WINDOW, COUNT, RECORD = range(5)  # in words from the start of a record; name and times follow
SMALLEST = 8_000  # words of a region
WORDS_A_BUCKET = 8  # a record has twice as many, so that half of the buckets stay empty
MOST = 2**53  # entries that a counter can ever have had


class Damaged(ValueError):
    """What the words say is not so."""


class Ring:
    """The newest entries of a counter, as many as its capacity; times and windows are milliseconds."""

    __slots__ = ("_first", "_record", "_words", "capacity", "end")

    def __init__(self, words: memoryview, record: int) -> None:
        """Take the words and where in them the record starts."""
        self._words = words
        self._record = record
        self._first = record + RECORD - -words[record + NAME_LENGTH] // WORD
        self.capacity: int = words[record + CAPACITY]
        self.end = self._first + self.capacity

    @property
    def count(self) -> int:
        """How many entries there ever were."""
        count: int = self._words[self._record + COUNT]
        return count

    @property
    def window(self) -> int:
        """How long an entry counts."""
        window: int = self._words[self._record + WINDOW]
        return window

    @window.setter
    def window(self, window: int) -> None:
        self._words[self._record + WINDOW] = window

    @property
    def kept(self) -> range:
        """The numbers of the entries that are kept; the first that ever was is 0."""
        return range(max(0, self.count - self.capacity), self.count)

    @property
    def name(self) -> bytes:
        """The counter's name."""
        start = (self._record + RECORD) * WORD
        return bytes(self._words.cast("B")[start : start + self._words[self._record + NAME_LENGTH]])

    def time(self, number: int) -> int:
        """Return when a kept entry was made."""
        time: int = self._words[self._first + number % self.capacity]
        return time

    def is_live(self, now: int) -> bool:
        """Tell whether the newest entry still counts."""
        return self.count > 0 and self.time(self.count - 1) + self.window > now

    def is_crowded(self, amount: int, now: int) -> bool:
        """Tell whether that many new entries would take the place of one that still counts."""
        last = self.count + amount - self.capacity - 1
        return amount > self.capacity or (last in self.kept and self.time(last) + self.window > now)

    def hit(self, amount: int, limit: int, now: int) -> bool:
        """Make entries, unless with them more than the limit would count."""
        count = self.count
        blocking = count + amount - limit - 1
        if blocking >= 0 and blocking >= count - self.capacity:
            self._set_back(blocking, now)
            if self.time(blocking) + self.window > now:
                return False
        self.add(now, amount)
        return True

    def add(self, time: int, amount: int = 1) -> None:
        """Make entries."""
        words, first, capacity, count = self._words, self._first, self.capacity, self.count
        for number in range(count, count + amount):
            words[first + number % capacity] = time
        words[self._record + COUNT] = count + amount

    def take(self, other: "Ring") -> None:
        """Make the entries that another counter has kept."""
        self.window = other.window
        for number in other.kept:
            self.add(other.time(number))

    def clear(self) -> None:
        """Forget every entry."""
        self._words[self._record + COUNT] = 0

    def set_back(self, now: int) -> None:
        """Let no entry be later than now, which is earlier than the newest where the clock was set back."""
        if self.count:
            self._set_back(self.count - 1, now)

    def _set_back(self, number: int, now: int) -> None:
        if self.time(number) > now:
            for place in range(self._first, self.end):
                self._words[place] = min(self._words[place], now)


class Table:
    """The counters of a buffer; every method raises Damaged or IndexError where it makes no sense."""

    def __init__(self, buffer: Any) -> None:
        """Take a buffer, such as a mapped file or a bytearray."""
        self._bytes = memoryview(buffer).cast("B")
        self._words = self._bytes.cast("q")

    @property
    def content(self) -> bytes:
        """The bytes of the buffer."""
        return bytes(self._bytes)

    def find(self, name: bytes) -> Ring | None:
        """Return a counter, if it is there."""
        start, bucket = self._bucket(name)
        return self._ring(start, self._words[bucket]) if bucket and self._words[bucket] else None

    def add(self, name: bytes, capacity: int) -> Ring | None:
        """Add a counter, in place of the one of this name; None where there is no room."""
        words, (start, bucket) = self._words, self._bucket(name)
        record = words[start + END]
        end = record + words_of(name, capacity)
        if not bucket or end > words[start + SIZE]:
            return None
        first = start + record
        words[first : first + RECORD] = array("q", (capacity, len(name), 0, 0))
        self._bytes[(first + RECORD) * WORD : (first + RECORD) * WORD + len(name)] = name
        words[start + END] = end
        words[bucket] = record
        return Ring(words, first)

    def rings(self) -> list[Ring]:
        """Return every counter."""
        start = self._start()
        first = start + REGION
        records = self._words[first : first + self._words[start + BUCKETS]]
        return [self._ring(start, record) for record in records if record]

    def move(self, other: "Table") -> bool:
        """Move to the counters of a table of its own, beside these; False where the buffer has no room for them."""
        words, size = self._words, len(other._words) - HEADER
        start = self._start()
        place = HEADER if HEADER + size <= start else start + words[start + SIZE]
        if place + size > len(words):
            return False
        words[place : place + size] = other._words[HEADER:]
        words[START_AT] = place
        return True

    def overwrite(self, other: "Table") -> None:
        """Begin anew with the counters of a smallest table."""
        self._words[: len(other._words)] = other._words

    def _start(self) -> int:
        words = self._words
        start: int = words[START_AT]
        size, end, buckets = words[start + SIZE], words[start + END], words[start + BUCKETS]
        if words[MAGIC_AT] != MAGIC or start < HEADER or not 0 < buckets < end <= size <= len(words) - start:
            raise Damaged
        return start

    def _bucket(self, name: bytes) -> tuple[int, int]:
        """Return the start of the region and where the bucket of a name is or may be; 0 where there is none."""
        start = self._start()
        buckets = self._words[start + BUCKETS]
        first = zlib.crc32(name)
        for number in range(buckets):
            bucket = start + REGION + (first + number) % buckets
            record = self._words[bucket]
            if not record or self._is_named(start + record, name):
                return start, bucket
        return start, 0

    def _is_named(self, record: int, name: bytes) -> bool:
        first = (record + RECORD) * WORD
        return self._words[record + NAME_LENGTH] == len(name) and self._bytes[first : first + len(name)] == name

    def _ring(self, start: int, record: int) -> Ring:
        end = self._words[start + END]
        if not 0 < record < end:
            raise Damaged
        ring = Ring(self._words, start + record)
        if ring.capacity < 1 or not 0 <= ring.count < MOST or not start + record < ring.end <= start + end:
            raise Damaged
        return ring


def new_table(rings: Sequence[Ring] = (), room: int = 0) -> Table:
    """Return a table of its own with copies of counters, and room for as much again and so many words more."""
    size = max(SMALLEST, (sum(words_of(ring.name, ring.capacity) for ring in rings) + room) * 2)
    buckets = size // WORDS_A_BUCKET
    buffer = bytearray((HEADER + size) * WORD)
    memoryview(buffer).cast("q")[: HEADER + REGION] = array("q", (MAGIC, HEADER, size, REGION + buckets, buckets))
    table = Table(buffer)
    for ring in rings:
        if new := table.add(ring.name, ring.capacity):
            new.take(ring)
    return table


def words_of(name: bytes, capacity: int) -> int:
    """Return how many words a counter takes."""
    return RECORD - -len(name) // WORD + capacity
