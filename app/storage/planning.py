"""How a query finds its page: in creation order from the cursor, or by a field index.

Answers never depend on it: each plan gives all entities that match, and every condition is checked on each of them.
"""

from collections.abc import Iterator, Sequence
from math import ceil
from typing import NamedTuple

import apsw

from .field_indexes import FieldIndex
from .filters import Condition, Parameters
from .lookups import Lookup, lookups

LOOK = 64  # entries of an index that are looked at first, in some 5 microseconds
STRETCH = 10  # times the entities of a page that are read in order at first, to see whether a page comes together
GROWTH = 8  # times as many the next time
ENTRIES = 16  # of an index are counted and sorted in the time that it takes to check one entity


class Plan(NamedTuple):
    """A way through a type's entities, from after a sequence up to another one, or to the end."""

    after: int
    why: str
    lookup: Lookup | None = None
    is_sorted: bool = False  # what the index gives is sorted by sequence first
    until: int | None = None

    @property
    def is_last(self) -> bool:
        """Tell whether its page is the answer even where it is not full."""
        return self.until is None

    def sql(self, parameters: Parameters) -> tuple[str, str, str]:
        """Return what stands behind FROM, a condition, and what stands behind ORDER BY."""
        by_value = self.lookup is not None and not self.is_sorted
        sequence = "key.sequence" if by_value else "entity.sequence"
        position = f"{sequence} > {parameters.bind(self.after)}"
        if self.until is not None:
            position += f" AND {sequence} <= {parameters.bind(self.until)}"
        if self.lookup is None:
            return "entity", position, sequence
        table, found = self.lookup.field_index.table, self.lookup.sql(parameters)
        if by_value:
            # Of a CROSS JOIN, SQLite never turns the tables around (https://sqlite.org/optoverview.html).
            return (
                f"{table} AS key CROSS JOIN entity ON entity.sequence = key.sequence",
                f"{found} AND {position}",
                sequence,
            )
        # The + and NOT INDEXED leave SQLite no other way than to go from one sequence of the list to the next.
        return (
            "entity NOT INDEXED",
            f"+{position} AND {sequence} IN (SELECT sequence FROM {table} WHERE {found})",
            sequence,
        )


def plans(
    reader: apsw.Cursor, indexes: Sequence[FieldIndex], conditions: Sequence[Condition], after: int, limit: int
) -> Iterator[Plan]:
    """Yield the plans to try, one after the other, until one gives a full page or is the last; at least one."""
    found = lookups(indexes, conditions)
    points = [lookup for lookup in found if lookup.is_point]
    spans = [lookup for lookup in found if not lookup.is_point]
    if not found:
        yield Plan(after, "no index serves a condition")
    elif len(points) == 1 and not spans:
        yield Plan(after, "it is the only index that serves a condition", points[0])
    else:
        yield from _probed(reader, points, spans, after, limit)


def _probed(
    reader: apsw.Cursor, points: Sequence[Lookup], spans: Sequence[Lookup], after: int, limit: int
) -> Iterator[Plan]:
    """Yield the plan of the first lookup that finds few entities, or else those for many."""
    few = f"it has at most {LOOK} entities"
    ends = {}
    for point in points:
        end = _end(reader, point, after)
        if end is None:
            yield Plan(after, few, point)
            return
        ends[end] = point
    for span in spans:
        if _count(reader, span, LOOK + 1) <= LOOK:
            yield Plan(after, few, span, is_sorted=True)
            return
    if ends:
        way, gap = Plan(after, "its value is the rarest", ends[max(ends)]), (max(ends) - after) / LOOK
    else:
        way, gap = Plan(after, "every index has many entities"), 1.0
    if spans:
        yield from _in_turns(reader, way, gap, spans, limit)
    else:
        yield way


def _in_turns(reader: apsw.Cursor, way: Plan, gap: float, spans: Sequence[Lookup], limit: int) -> Iterator[Plan]:
    """Go a way, with a gap from one sequence to the next, ever farther, and look in between how large the spans are.

    Neither is known beforehand: how far it is until a page is full, nor whether a span is small enough to be sorted. So
    each gets as much time as the other.
    """
    entities, newest = STRETCH * (limit + 1), None
    while True:
        until = way.after + ceil(gap * entities)
        yield way._replace(until=until)
        newest = newest or reader.execute("SELECT max(sequence) FROM entity").get or 0
        if until >= newest:
            return
        counts = [(_count(reader, span, ENTRIES * entities), span) for span in spans]
        count, smallest = min(counts, key=lambda each: each[0])
        if count < ENTRIES * entities:
            why = f"it has {count} entities, and the first {entities} otherwise fill no page"
            yield Plan(way.after, why, smallest, is_sorted=True)
            return
        entities *= GROWTH


def _end(reader: apsw.Cursor, point: Lookup, after: int) -> int | None:
    """Return at which sequence as many entities were found as are looked at, or None where there are not so many."""
    parameters = Parameters()
    sql = f"""
        SELECT sequence FROM {point.field_index.table}
        WHERE {point.sql(parameters)} AND sequence > {parameters.bind(after)}
        ORDER BY sequence LIMIT 1 OFFSET {parameters.bind(LOOK)}
    """
    found: int | None = reader.execute(sql, parameters).get
    return found


def _count(reader: apsw.Cursor, span: Lookup, most: int) -> int:
    """Return how many entries a lookup finds, or the most that are to be counted."""
    parameters = Parameters()
    sql = f"""
        SELECT count(*) FROM (
            SELECT 1 FROM {span.field_index.table} WHERE {span.sql(parameters)} LIMIT {parameters.bind(most)}
        )
    """
    count: int = reader.execute(sql, parameters).get
    return count
