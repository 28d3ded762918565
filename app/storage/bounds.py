"""How long one read may take, and how large a page may be."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import NamedTuple

import apsw

from .errors import TooSlow
from .outside import Deadline

# Between two looks at the clock: some 50 rows, which even at a mebibyte each are far from a second; 0.1 % of the time.
STEPS = 250


class Bounds(NamedTuple):
    """The most that a list, a query or a search reads: bytes of data, and milliseconds; 0 milliseconds are no bound."""

    page_bytes: int
    milliseconds: int


UNBOUNDED = Bounds(page_bytes=2**63 - 1, milliseconds=0)


@contextmanager
def reading(
    connection: apsw.Connection, milliseconds: int, spent: Callable[[int], object] = lambda steps: None
) -> Iterator[apsw.Cursor]:
    """Give a cursor, closed at the end wherever it is then; raise TooSlow where its statements run out of time.

    In the end `spent` is told about how many steps of SQLite's virtual machine they took. A connection has one such
    bound at a time.
    """
    cursor = connection.cursor()
    ticks = _Ticks(milliseconds)
    connection.set_progress_handler(ticks, STEPS)
    try:
        yield cursor
    except apsw.InterruptError:
        raise TooSlow(milliseconds) from None
    finally:
        connection.set_progress_handler(None)
        cursor.close(force=True)
        spent(ticks.count * STEPS)


class _Ticks:
    def __init__(self, milliseconds: int) -> None:
        self.count = 0
        self._deadline = Deadline(milliseconds) if milliseconds else None

    def __call__(self) -> bool:
        self.count += 1
        return self._deadline is not None and self._deadline.passed
