"""A query for a page of one type's entities, and how it is read."""

from collections.abc import Iterator, Sequence
from typing import NamedTuple

import apsw

from .field_indexes import FieldIndex
from .filters import Condition, Parameters, where
from .planning import Plan, plans

LIVE = "entity.status <> 'deleted'"  # the literal condition of the index live_entity


class Query(NamedTuple):
    """What is asked for: live entities of a type that come after another, have a status, or any, and meet conditions.

    The indexes are those that may be used.
    """

    type_id: int
    indexes: Sequence[FieldIndex]
    conditions: Sequence[Condition]
    status: str | None
    after: int
    limit: int

    def plans(self, reader: apsw.Cursor) -> Iterator[Plan]:
        """Yield the plans to try, one after the other, until one gives a full page or is the last."""
        return plans(reader, self.indexes, self.conditions, self.after, self.limit)

    def select(self, plan: Plan, columns: str) -> tuple[str, Parameters]:
        """Return SQL of what matches, with the first one after the page."""
        parameters = Parameters()
        source, candidates, order = self._candidates(plan, parameters)
        sql = f"""
            SELECT {columns} FROM {source}
            WHERE {candidates} AND {where(self.conditions, parameters)}
            ORDER BY {order} LIMIT {parameters.bind(self.limit + 1)}
        """
        return sql, parameters

    def count_sql(self, plan: Plan, last: int) -> tuple[str, Parameters]:
        """Return SQL of how many entities are looked at up to a sequence."""
        parameters = Parameters()
        source, candidates, order = self._candidates(plan, parameters)
        return f"SELECT count(*) FROM {source} WHERE {candidates} AND +{order} <= {parameters.bind(last)}", parameters

    def _candidates(self, plan: Plan, parameters: Parameters) -> tuple[str, str, str]:
        source, position, order = plan.sql(parameters)
        candidates = f"{position} AND entity.type_id = {parameters.bind(self.type_id)} AND {LIVE}"
        if self.status is not None:
            candidates += f" AND entity.status = {parameters.bind(self.status)}"
        return source, candidates, order
