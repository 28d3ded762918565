"""A storage for `limits` that counts exactly over the processes of one machine, without a server.

An entry counts for its expiry to the millisecond and not at its end.
"""

from bisect import bisect_right
from collections.abc import Iterable
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

from limits.errors import ConfigurationError
from limits.storage import MovingWindowSupport, Storage

from .counter_file import FileCounters
from .counters import Counters
from .outside import Outside

MOVING, FIXED = "moving ", "fixed "  # a key may have a counter of each kind


class ExactStorage(Storage, MovingWindowSupport):
    """Moving and fixed windows over counters."""

    STORAGE_SCHEME: list[str] | None = None

    def __init__(self, counters: Counters, outside: Outside, wrap_exceptions: bool = False) -> None:
        """Take the counters, and what tells the time."""
        super().__init__(wrap_exceptions=wrap_exceptions)
        self.counters = counters
        self._outside = outside

    @property
    def base_exceptions(self) -> type[Exception]:
        """Return what trouble with the counters is."""
        return OSError

    def acquire_entry(self, key: str, limit: int, expiry: int, amount: int = 1) -> bool:
        """Make entries, unless with them more than the limit would count; expiry in seconds."""
        with self.counters as counters:
            return counters.hit(MOVING + key, amount, limit, expiry * 1000, self._outside.now())

    def acquire_all(self, entries: Iterable[tuple[str, int, int]]) -> bool:
        """Make one entry each under some keys, with nobody in between, up to the first whose limit it would exceed.

        Each is a key, a limit and an expiry in seconds; return whether all were made.
        """
        with self.counters as counters:
            now = self._outside.now()
            return all(counters.hit(MOVING + key, 1, limit, expiry * 1000, now) for key, limit, expiry in entries)

    def get_moving_window(self, key: str, limit: int, expiry: int) -> tuple[float, int]:
        """Return when the oldest entry that counts was made, in Unix seconds, and how many count."""
        with self.counters as counters:
            now = self._outside.now()
            ring = counters.find(MOVING + key, now)
            kept = ring.kept if ring else range(0)
            first = bisect_right(kept, now - expiry * 1000, key=ring.time if ring else None)
            start = ring.time(kept[first]) if ring and first < len(kept) else now
            return start / 1000, len(kept) - first

    def incr(self, key: str, expiry: int, amount: int = 1) -> int:
        """Count in a fixed window, which begins with its first count; return the number."""
        with self.counters as counters:
            now = self._outside.now()
            ring = counters.find(FIXED + key, now) or counters.make(FIXED + key, 1, now)
            start = ring.time(0)
            if not ring.is_live(now):
                ring.clear()
                ring.window, start = expiry * 1000, now
            ring.add(start, amount)
            return ring.count

    def get(self, key: str) -> int:
        """Return the number in the fixed window."""
        with self.counters as counters:
            now = self._outside.now()
            ring = counters.find(FIXED + key, now)
            return ring.count if ring and ring.is_live(now) else 0

    def get_expiry(self, key: str) -> float:
        """Return when the fixed window ends, or now where there is none, in Unix seconds."""
        with self.counters as counters:
            now = self._outside.now()
            ring = counters.find(FIXED + key, now)
            return (ring.time(0) + ring.window if ring and ring.is_live(now) else now) / 1000

    def check(self) -> bool:
        """Tell whether the counters can be used."""
        try:
            with self.counters:
                return True
        except OSError:
            return False

    def clear(self, key: str) -> None:
        """Forget what was counted under a key."""
        with self.counters as counters:
            for kind in (MOVING, FIXED):
                if ring := counters.find(kind + key, self._outside.now()):
                    ring.clear()

    def reset(self) -> int:
        """Forget everything and return how many counters there were."""
        with self.counters as counters:
            return counters.clear()


class SharedStorage(ExactStorage):
    """Counters in the file that shared:///path/to/file names; every process that names it shares them."""

    STORAGE_SCHEME = ["shared"]  # noqa: RUF012

    def __init__(self, uri: str, wrap_exceptions: bool = False, outside: Outside | None = None, **options: Any) -> None:
        """Remember the file; the time is the machine's, unless another `outside` is given."""
        address = urlsplit(uri)
        path = unquote(address.path)
        if address.netloc or not path or "\0" in path:
            raise ConfigurationError("The address of shared counters is shared:// and an absolute path")
        super().__init__(FileCounters(Path(path)), outside or Outside(), wrap_exceptions)
