"""What filters on fields without an index have cost this process, in steps of SQLite's virtual machine."""

import threading
from collections.abc import Iterable, Sequence

from .field_indexes import MOST, FieldIndex
from .filters import Condition
from .lookups import can_serve

# To check an entity takes some 9 steps, to give one some 60. A page of 100 out of 4,000 entities takes less than this.
SLOW = 50_000
# From here on an index is worth its making: after three queries that read a million entities, or 30 that read 100,000.
# It is about as much work as to make an index of a million.
ENOUGH = 30_000_000
MOST_FIELDS = 1_000  # that are counted
LONGEST_NAME = 1_024  # characters; a client chooses the names


class FieldCosts:
    """The costs of each field, by the id of its type and its name."""

    def __init__(self) -> None:
        self.due = threading.Event()
        self._lock = threading.Lock()
        self._steps: dict[tuple[int, str], int] = {}

    def add(self, type_id: int, indexes: Sequence[FieldIndex], conditions: Iterable[Condition], steps: int) -> None:
        """Count a query that took so many steps, where it was slow and an index might have helped."""
        if steps < SLOW or sum(index.is_live for index in indexes) >= MOST:
            return
        known = {index.field for index in indexes}
        names = {".".join(condition.path) for condition in conditions if can_serve(condition)}
        fields = {name for name in names - known if len(name) <= LONGEST_NAME}
        with self._lock:
            if len(self._steps) + len(fields) > MOST_FIELDS:
                self._steps.clear()
            for field in fields:
                total = self._steps[type_id, field] = self._steps.get((type_id, field), 0) + steps
                if total >= ENOUGH:
                    self.due.set()

    def take(self) -> tuple[int, str] | None:
        """Return the field that cost most, if it is enough; its type is counted anew, since an index changes it all."""
        with self._lock:
            worst = max(self._steps, key=lambda each: self._steps[each], default=None)
            if worst is None or self._steps[worst] < ENOUGH:
                return None
            for key in [key for key in self._steps if key[0] == worst[0]]:
                del self._steps[key]
            return worst
