"""How long one read may take, and how large a page may be."""

from collections.abc import Callable
from typing import NamedTuple

import apsw

from .errors import TooSlow
from .outside import Deadline

# Between two looks at the clock: filters on some 100 rows, which even at a mebibyte each take less than a second.
# A look waits until no other thread runs Python.
STEPS = 1_000


class Bounds(NamedTuple):
    """The most that a list, a query or a search reads: bytes of data, and milliseconds; 0 milliseconds are no bound."""

    page_bytes: int
    milliseconds: int


UNBOUNDED = Bounds(page_bytes=2**63 - 1, milliseconds=0)


class Reading:
    """A cursor, closed at the end wherever it is then; it raises TooSlow where its statements run out of time.

    A connection has one at a time.
    """

    def __init__(
        self, connection: apsw.Connection, milliseconds: int, spent: Callable[[int], object] = lambda steps: None
    ) -> None:
        """Take who is told in the end about how many steps of SQLite's virtual machine it took."""
        self._connection = connection
        self._milliseconds = milliseconds
        self._spent = spent
        self._looks = 0

    def __enter__(self) -> apsw.Cursor:
        """Begin."""
        self._deadline = Deadline(self._milliseconds) if self._milliseconds else None
        self._cursor = self._connection.cursor()
        self._connection.set_progress_handler(self._is_too_late, STEPS)
        return self._cursor

    def __exit__(self, kind: object, error: BaseException | None, traceback: object) -> None:
        """End."""
        self._connection.set_progress_handler(None)
        self._cursor.close(force=True)
        self._spent(self._looks * STEPS)
        if isinstance(error, apsw.InterruptError):
            raise TooSlow(self._milliseconds) from None

    def _is_too_late(self) -> bool:
        self._looks += 1
        return self._deadline is not None and self._deadline.passed
