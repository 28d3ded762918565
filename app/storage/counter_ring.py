"""A counter: a record in an array of 64-bit words that processes share, holding the times of its newest entries."""

import sys

WORD = 8  # bytes
PLACES, NAME_LENGTH, WINDOW, COUNT, HEAD = range(5)  # in words from the start; the name, padded, and the times follow


class Ring:
    """The newest entries of a counter, as many as it has places; times and windows are milliseconds."""

    __slots__ = ("_first", "_record", "_words", "end", "places")

    def __init__(self, words: memoryview, record: int) -> None:
        """Take the words and where in them the record starts."""
        self._words = words
        self._record = record
        self._first = record + HEAD - -words[record + NAME_LENGTH] // WORD
        self.places: int = words[record + PLACES]
        self.end = self._first + self.places

    @property
    def count(self) -> int:
        """Return how many entries there ever were."""
        count: int = self._words[self._record + COUNT]
        return count

    @property
    def kept(self) -> range:
        """Return the numbers of the entries that are kept; the first that ever was is 0."""
        return range(max(0, self.count - self.places), self.count)

    @property
    def name(self) -> str:
        """Return the counter's name."""
        return self.record()[HEAD * WORD :][: self._words[self._record + NAME_LENGTH]].decode()

    def time(self, number: int) -> int:
        """Return when a kept entry was made."""
        time: int = self._words[self._first + number % self.places]
        return time

    @property
    def window(self) -> int:
        """How long an entry counts."""
        window: int = self._words[self._record + WINDOW]
        return window

    @window.setter
    def window(self, window: int) -> None:
        self._words[self._record + WINDOW] = window

    def is_live(self, now: int) -> bool:
        """Tell whether the newest entry still counts."""
        return self.count > 0 and self.time(self.count - 1) + self.window > now

    def enter(self, amount: int, limit: int, now: int) -> bool:
        """Make entries, unless with them more than the limit, which is no more than there are places, would count."""
        words, record, first, places = self._words, self._record, self._first, self.places
        count = words[record + COUNT]
        blocking = count + amount - limit - 1
        is_kept = blocking >= 0 and blocking >= count - places
        if is_kept and words[first + blocking % places] + words[record + WINDOW] > now:
            return False
        self.add(now, amount)
        return True

    def add(self, time: int, amount: int = 1) -> None:
        """Make entries; they count once all are written."""
        words, first, count = self._words, self._first, self._words[self._record + COUNT]
        for number in range(count, count + amount):
            words[first + number % self.places] = time
        words[self._record + COUNT] = count + amount

    def clear(self) -> None:
        """Forget every entry."""
        self._words[self._record + COUNT] = 0

    def set_back(self, now: int) -> None:
        """Let no entry be later than now, which is earlier than the newest where the clock was set back."""
        words, count = self._words, self._words[self._record + COUNT]
        if count and words[self._first + (count - 1) % self.places] > now:
            for place in range(self._first, self.end):
                words[place] = min(words[place], now)

    def record(self) -> bytes:
        """Return the whole record, to be written elsewhere."""
        return self._words[self._record : self.end].tobytes()


def new_record(name: str, places: int) -> bytes:
    """Return the record of a counter without entries."""
    encoded = name.encode()
    head = b"".join(value.to_bytes(WORD, sys.byteorder) for value in (places, len(encoded), 0, 0))
    return head + encoded + bytes(-len(encoded) % WORD + places * WORD)
