"""Rounds, and the ratios of contenders that were measured side by side in the same round. Pure."""

import math
import statistics
from collections.abc import Sequence
from typing import NamedTuple


class Row(NamedTuple):
    """What one round of one contender found on an operation; the fields of a Measure."""

    operation: str
    contender: str
    size: int
    round: int
    rate: float
    requests: int
    p50: float
    p99: float
    cpu: float
    memory: int


class Side(NamedTuple):
    """One side of a comparison: which rows."""

    contender: str
    size: int


class Spread(NamedTuple):
    """The median over rounds, the least and the most."""

    median: float
    least: float
    most: float


def spread(values: Sequence[float]) -> Spread:
    """Return the spread of at least one value."""
    return Spread(statistics.median(values), min(values), max(values))


def select(rows: Sequence[Row], operation: str, side: Side) -> list[Row]:
    """Return a side's rows of an operation, by round."""
    found = [row for row in rows if (row.operation, row.contender, row.size) == (operation, *side)]
    return sorted(found, key=lambda row: row.round)


def ratio(rows: Sequence[Row], operation: str, field: str, one: Side, other: Side) -> Spread | None:
    """Return the spread of the per-round ratios of a field, one side's through the other's; None without any.

    Through 0, which is the rate of a side that had no answer, anything is infinite.
    """
    ones = {row.round: row for row in select(rows, operation, one)}
    others = {row.round: row for row in select(rows, operation, other)}
    both = sorted(ones.keys() & others.keys())
    values = [_through(getattr(ones[number], field), getattr(others[number], field)) for number in both]
    return spread(values) if values else None


def median(rows: Sequence[Row], field: str) -> float:
    """Return the median of a field over rounds."""
    return statistics.median(getattr(row, field) for row in rows)


def _through(value: float, by: float) -> float:
    return value / by if by else math.inf
