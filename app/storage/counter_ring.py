"""A counter: a record in an array of 64-bit words, with the times of its newest entries."""

WORD = 8  # bytes
CAPACITY, NAME_LENGTH, WINDOW, COUNT, RECORD = range(5)  # in words from the start of a record; name and times follow


class Ring:
    """The newest entries of a counter, as many as its capacity; times and windows are milliseconds."""

    __slots__ = ("_count", "_first", "_record", "_window", "_words", "capacity", "end")

    def __init__(self, words: memoryview, record: int) -> None:
        """Take the words and where in them the record starts."""
        self._words = words
        self._record, self._window, self._count = record, record + WINDOW, record + COUNT
        self._first = record + RECORD - -words[record + NAME_LENGTH] // WORD
        self.capacity: int = words[record + CAPACITY]
        self.end = self._first + self.capacity

    @property
    def count(self) -> int:
        """How many entries there ever were."""
        count: int = self._words[self._count]
        return count

    @property
    def window(self) -> int:
        """How long an entry counts."""
        window: int = self._words[self._window]
        return window

    @window.setter
    def window(self, window: int) -> None:
        self._words[self._window] = window

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

    def hit(self, amount: int, limit: int, window: int, now: int) -> bool | None:
        """Make entries, unless with them more than the limit would count for the window.

        Return whether they were made, or None where they would take the place of some that count: it is too small.
        """
        words, first, capacity = self._words, self._first, self.capacity
        words[self._window] = window
        count = words[self._count]
        if count and words[first + (count - 1) % capacity] > now:
            self.set_back(now)
        blocking = count + amount - limit - 1
        if 0 <= blocking >= count - capacity:
            if words[first + blocking % capacity] > now:
                self.set_back(now)
            if words[first + blocking % capacity] + window > now:
                return False
        replaced = count + amount - capacity - 1
        if (
            capacity < limit
            and replaced >= 0
            and (amount > capacity or words[first + replaced % capacity] + window > now)
        ):
            return None
        self.add(now, amount)
        return True

    def add(self, time: int, amount: int = 1) -> None:
        """Make entries."""
        words, first, capacity = self._words, self._first, self.capacity
        count = words[self._count]
        for number in range(count, count + amount):
            words[first + number % capacity] = time
        words[self._count] = count + amount

    def take(self, other: "Ring") -> None:
        """Take the entries that a counter of no larger capacity has kept, in place of one's own."""
        place, kept = self._first, other.kept
        oldest = other._first + kept.start % other.capacity
        # From the oldest to the end of the words and, where the newest began at their start again, from there.
        for times in (other._words[oldest : other.end][: len(kept)], other._words[other._first : oldest]):
            self._words[place : place + len(times)] = times
            place += len(times)
        self.window = other.window
        self._words[self._count] = len(kept)

    def clear(self) -> None:
        """Forget every entry."""
        self._words[self._count] = 0

    def set_back(self, now: int) -> None:
        """Let no entry be later than now, which is earlier than some where the clock was set back."""
        for place in range(self._first, self.end):
            self._words[place] = min(self._words[place], now)
