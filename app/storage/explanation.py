"""What a query costs and why, for people."""

from typing import Any, NamedTuple

import apsw

from .field_indexes import LAST, shown_field
from .lookups import can_serve
from .outside import Stopwatch
from .queries import Query

# So many times the entities of a page may be read for it before an index is worth a thought.
MANY = 10


class Explanation(NamedTuple):
    """How a query was answered: its SQL with the values in it, SQLite's plan, and what it took."""

    sql: str
    steps: list[str]
    field: str | None  # whose index was used
    why: str
    scanned: int
    matched: int
    has_more: bool
    milliseconds: float
    advice: str


def explain(reader: apsw.Cursor, query: Query, columns: str) -> Explanation:
    """Run a query and tell what there is to tell of it; the time is that of all plans that were tried."""
    watch = Stopwatch()
    for plan in query.plans(reader):
        rows = reader.execute(*query.select(plan, f"{columns}, entity.sequence")).fetchall()
        if len(rows) > query.limit or plan.is_last:
            break
    milliseconds = watch.milliseconds
    sql, parameters = query.select(plan, columns)
    planned = reader.execute(f"EXPLAIN QUERY PLAN {' '.join(sql.split())}", parameters)
    written = planned.expanded_sql.removeprefix("EXPLAIN QUERY PLAN ")
    steps = [step for *_, step in planned]
    has_more = len(rows) > query.limit
    last: Any = rows[-1][-1] if has_more else LAST
    scanned: int = reader.execute(*query.count_sql(plan, last)).get
    return Explanation(
        sql=written,
        steps=steps,
        field=plan.lookup.field_index.shown_field if plan.lookup else None,
        why=plan.why,
        scanned=scanned,
        matched=min(len(rows), query.limit),
        has_more=has_more,
        milliseconds=milliseconds,
        advice=_advice(query, scanned, len(rows)),
    )


def _advice(query: Query, scanned: int, found: int) -> str:
    if scanned <= MANY * max(found, query.limit):
        return "No index would help: few entities are read in vain."
    live = {index.field: index for index in query.indexes if index.is_live}
    fields = {".".join(condition.path): condition for condition in query.conditions if can_serve(condition)}
    missing = [shown_field(field) for field in fields if field not in live]
    if missing:
        names = ", ".join(missing)
        return f"No index serves {names}; declare indexes: [{names}] in the type's file and apply it."
    filling = [index.shown_field for field, index in live.items() if field in fields and not index.is_ready]
    if filling:
        return f"The index of {', '.join(filling)} is not filled yet; a server that runs, or types apply, fills it."
    if fields:
        return "Each index finds many entities; more filters on other indexed fields would find fewer."
    return "No index can serve these filters; $eq, $in, $gt, $gte, $lt and $lte on fields of data are what one serves."
