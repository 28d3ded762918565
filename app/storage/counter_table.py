"""Counters by name in one buffer of 64-bit words, which may be a file that processes share.

The buffer is a header and a region. A region is a hash table of records, which are appended and then changed in place;
one that is full is copied, without what no longer counts, into a new region beside it. Every change ends with the
store of one word, so that a process that is killed leaves the counters as they were before or after.
"""

import zlib
from array import array
from collections.abc import Sequence
from typing import Any

from .counter_ring import NAME_LENGTH, RECORD, WORD, Ring

MAGIC = int.from_bytes(b"STRECNT1", "little")
# In words: where the region begins, how often the counters moved or began anew, and how long the buffer is.
MAGIC_AT, START_AT, EPOCH_AT, LENGTH_AT, HEADER = range(5)
SIZE, END, BUCKETS, REGION = range(4)  # in words from there; the buckets follow; END is where the next record goes
SMALLEST = 8_000  # words of a region
WORDS_A_BUCKET = 8  # a record has twice as many, so that half of the buckets stay empty
MOST = 2**53  # entries that a counter can ever have had


class Damaged(ValueError):
    """What the words say is not so."""


class Table:
    """The counters of a buffer; every method raises Damaged or IndexError where it makes no sense."""

    def __init__(self, buffer: Any) -> None:
        """Take a buffer, such as a mapped file or a bytearray."""
        self._bytes = memoryview(buffer).cast("B")
        self._words = self._bytes.cast("q")
        self._known: dict[bytes, tuple[int, int, int, int, Ring]] = {}

    @property
    def content(self) -> memoryview:
        """The bytes of the buffer."""
        return self._bytes

    def find(self, name: bytes) -> Ring | None:
        """Return a counter, if it is there."""
        words = self._words
        if known := self._known.get(name):
            epoch, start, bucket, record, ring = known
            if words[EPOCH_AT] == epoch and words[START_AT] == start and words[bucket] == record:
                return ring
        start, bucket = self._bucket(name)
        record = words[bucket] if bucket else 0
        if not record:
            return None
        ring = self._ring(start, record)
        self._known[name] = words[EPOCH_AT], start, bucket, record, ring
        return ring

    def add(self, name: bytes, capacity: int) -> Ring | None:
        """Add a counter, with the entries of the one of this name; None where there is no room."""
        words, (start, bucket) = self._words, self._bucket(name)
        record = words[start + END]
        end = record + words_of(name, capacity)
        if not bucket or end > words[start + SIZE]:
            return None
        first = start + record
        words[first : first + RECORD] = array("q", (capacity, len(name), 0, 0))
        self._bytes[(first + RECORD) * WORD : (first + RECORD) * WORD + len(name)] = name
        words[start + END] = end
        new = Ring(words, first)
        if words[bucket]:
            new.take(self._ring(start, words[bucket]))
        words[bucket] = record
        return new

    def rings(self) -> list[Ring]:
        """Return every counter."""
        start = self._start()
        first = start + REGION
        records = self._words[first : first + self._words[start + BUCKETS]]
        return [self._ring(start, record) for record in records if record]

    def move(self, other: "Table") -> bool:
        """Move to the counters of a table of its own, beside these; False where the buffer has no room for them."""
        words, size, used = self._words, other._words[HEADER + SIZE], other._words[HEADER + END]
        start = self._start()
        place = HEADER if HEADER + size <= start else start + words[start + SIZE]
        if place + size > len(words):
            return False
        # What no record has yet is left as it is: of a mapped file, memory is taken as it is written.
        words[place : place + used] = other._words[HEADER : HEADER + used]
        # What others remember of a region that was here before is no longer true.
        words[EPOCH_AT] = (words[EPOCH_AT] + 1) % MOST
        words[START_AT] = place
        return True

    @property
    def is_whole(self) -> bool:
        """Whether the buffer is as long as it says."""
        return bool(self._words[LENGTH_AT] == len(self._words))

    def set_length(self) -> None:
        """Say how long the buffer is."""
        self._words[LENGTH_AT] = len(self._words)

    def overwrite(self, other: "Table") -> None:
        """Begin anew with the counters of a smallest table."""
        words, epoch = self._words, self._words[EPOCH_AT]
        words[: len(other._words)] = other._words
        words[EPOCH_AT] = (epoch + 1) % MOST
        self.set_length()

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
    memoryview(buffer).cast("q")[: HEADER + REGION] = array(
        "q", (MAGIC, HEADER, 0, HEADER + size, size, REGION + buckets, buckets)
    )
    table = Table(buffer)
    for ring in rings:
        if new := table.add(ring.name, ring.capacity):
            new.take(ring)
    return table


def words_of(name: bytes, capacity: int) -> int:
    """Return how many words a counter takes."""
    return RECORD - -len(name) // WORD + capacity
