"""Counters by name that whoever holds their lock may change."""

import threading
from abc import ABC, abstractmethod
from typing import Self

from .counter_ring import Ring
from .counter_table import Damaged, Table, new_table, words_of

FEW = 8  # entries that a new counter has room for; few keys ever need as many as their limit


class Counters(ABC):
    """Counters by name; use them inside `with`, which holds the lock."""

    _table: Table

    @abstractmethod
    def __enter__(self) -> Self:
        """Let nobody else use the counters."""

    @abstractmethod
    def __exit__(self, *error: object) -> None:
        """Let others use the counters."""

    def find(self, name: str, now: int) -> Ring | None:
        """Return a counter, if it is there; now is in Unix milliseconds."""
        ring = self._found(name)
        if ring is not None and ring.count and ring.time(ring.count - 1) > now:
            ring.set_back(now)
        return ring

    def hit(self, name: str, amount: int, limit: int, window: int, now: int) -> bool:
        """Make entries in a counter, made or enlarged if need be, unless with them more than the limit would count."""
        if amount > limit:
            return False
        ring = self._found(name)
        while ring is None or (is_made := ring.hit(amount, limit, window, now)) is None:
            ring = self.make(name, min(limit, max(FEW, amount, 2 * ring.capacity if ring else 0)), now)
        return is_made

    def make(self, name: str, capacity: int, now: int) -> Ring:
        """Return a new counter, or one enlarged."""
        try:
            return self._made(name.encode(), capacity, now)
        except (Damaged, IndexError):
            self._begin_anew()
            return self._made(name.encode(), capacity, now)

    def _made(self, encoded: bytes, capacity: int, now: int) -> Ring:
        while (ring := self._table.add(encoded, capacity)) is None:
            self._move(new_table([each for each in self._rings() if each.is_live(now)], words_of(encoded, capacity)))
        return ring

    def clear(self) -> int:
        """Forget every entry and return how many counters there are."""
        rings = self._rings()
        for ring in rings:
            ring.clear()
        return len(rings)

    def _found(self, name: str) -> Ring | None:
        try:
            return self._table.find(name.encode())
        except (Damaged, IndexError):
            self._begin_anew()
            return None

    def _rings(self) -> list[Ring]:
        try:
            return self._table.rings()
        except (Damaged, IndexError):
            self._begin_anew()
            return []

    @abstractmethod
    def _move(self, table: Table) -> None:
        """Go on with the counters of another table."""

    @abstractmethod
    def _begin_anew(self) -> None:
        """Forget every counter of a table that makes no sense."""


class MemoryCounters(Counters):
    """Counters of one process."""

    def __init__(self) -> None:
        """Begin without a counter."""
        self._lock = threading.Lock()
        self._table = new_table()

    def __enter__(self) -> Self:
        """Lock the counters."""
        self._lock.acquire()
        return self

    def __exit__(self, *error: object) -> None:
        """Unlock the counters."""
        self._lock.release()

    def _move(self, table: Table) -> None:
        self._table = table

    def _begin_anew(self) -> None:
        self._table = new_table()
