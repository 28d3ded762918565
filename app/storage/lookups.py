"""What a field index can tell about conditions. Pure.

A lookup finds at least the entities that meet its conditions; it may find more.
"""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple

import orjson

from .field_indexes import FieldIndex
from .filters import Condition, Parameters
from .index_keys import KEY_LENGTH, key

MOST_VALUES = 1_000  # of one $in; of more, SQLite looks up each as often as it would meet an entity
# SQLite sorts numbers before texts and texts before BLOBs, of which the empty ones are the first.
FIRST_TEXT, FIRST_BLOB = "", b""


class Lookup(NamedTuple):
    """Comparisons of the values of an index."""

    field_index: FieldIndex
    comparisons: tuple[tuple[str, Any], ...]

    @property
    def is_point(self) -> bool:
        """Tell whether all that it finds has one value, and so comes in the order of creation."""
        return self.comparisons[0][0] == "="

    def sql(self, parameters: Parameters) -> str:
        """Return a condition on the index's column `value`, and bind its values."""
        return " AND ".join(
            f"value IN (SELECT value FROM json_each({parameters.bind(value)}))"
            if operator == "IN"
            else f"value {operator} {parameters.bind(value)}"
            for operator, value in self.comparisons
        )


def lookups(indexes: Iterable[FieldIndex], conditions: Iterable[Condition]) -> list[Lookup]:
    """Return what the indexes can tell, a lookup each at most.

    A field that stands for the entity's own where `data` has none is in no index.
    """
    ready = {index.field: index for index in indexes if index.is_ready}
    by_field: dict[str, list[Condition]] = defaultdict(list)
    for condition in conditions:
        if condition.own is None:
            by_field[".".join(condition.path)].append(condition)
    served = [(ready[field], _comparisons(each)) for field, each in by_field.items() if field in ready]
    return [Lookup(index, comparisons) for index, comparisons in served if comparisons]


def can_serve(condition: Condition) -> bool:
    """Tell whether an index of its field would serve a condition."""
    return condition.own is None and bool(_comparisons([condition]))


def _comparisons(conditions: Sequence[Condition]) -> tuple[tuple[str, Any], ...]:
    """Return comparisons that hold wherever the conditions do: those of one of them, or a range of several."""
    for condition in conditions:
        if condition.operator == "$eq" and (value := key(condition.operand)) is not None:
            return (("=", value),)
    for condition in conditions:
        if condition.operator == "$in" and _is_list(condition.operand):
            values = [key(value) for value in condition.operand]
            return (("=", values[0]),) if len(values) == 1 else (("IN", orjson.dumps(values).decode()),)
    return _range(conditions)


def _is_list(values: Sequence[Any]) -> bool:
    """Tell whether values can be looked up from JSON, where true, false and null are not what an index has for them."""
    return 0 < len(values) <= MOST_VALUES and all(
        isinstance(value, int | float | str) and not isinstance(value, bool) for value in values
    )


def _range(conditions: Sequence[Condition]) -> tuple[tuple[str, Any], ...]:
    """Return the narrowest range of the conditions' bounds; none where they are of two kinds, which nothing meets."""
    bounds = [condition for condition in conditions if condition.operator in ("$gt", "$gte", "$lt", "$lte")]
    is_text = {isinstance(condition.operand, str) for condition in bounds}
    if len(is_text) != 1:
        return ()
    least = [(key(each.operand), _is_strict(each)) for each in bounds if each.operator in ("$gt", "$gte")]
    most = [(key(each.operand), not _is_strict(each)) for each in bounds if each.operator in ("$lt", "$lte")]
    comparisons = []
    if least:
        value, strict = max(least)
        comparisons.append((">" if strict else ">=", value))
    elif is_text == {True}:
        comparisons.append((">=", FIRST_TEXT))
    if most:
        value, loose = min(most)
        comparisons.append(("<=" if loose else "<", value))
    else:
        comparisons.append(("<", FIRST_BLOB if is_text == {True} else FIRST_TEXT))
    return tuple(comparisons)


def _is_strict(condition: Condition) -> bool:
    """Tell whether a bound excludes its own value; of a text that is indexed in part others may have the same key."""
    is_whole = not isinstance(condition.operand, str) or len(condition.operand) < KEY_LENGTH
    return condition.operator in ("$gt", "$lt") and is_whole
