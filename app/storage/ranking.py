"""In which order a search finds: best first, but by words that many entities hold newest first.

To rank what holds a word takes as long as there are entities that do; to find the newest that do takes no longer
for many than for few.
"""

from collections.abc import Iterable, Iterator, Sequence
from typing import Any, NamedTuple

import apsw

from .documents import encode
from .search import all_of, any_of, beginning
from .search_index import table_name

COMMON = 2_000  # a word that more entities hold is common: to rank so many takes two milliseconds
NONE, SOME, MANY = range(3)  # of the entities hold a word: MANY where it is common


class Weighed(NamedTuple):
    """The phrases of a search that any entity holds, by what they do to the order."""

    ranking: list[str]
    common: list[str]
    last: list[str]  # those that find what comes after all else


class Step(NamedTuple):
    """SQL of the sequences that one step of a search finds, each at most once a value; its values, and its order."""

    sql: str
    values: list[str]
    order: str


def weigh(cursor: apsw.Cursor, type_id: int, phrases: Sequence[str]) -> Weighed:
    """Ask, for each phrase and the beginning of the last one, whether many entities hold it.

    Where many hold the last one whole, the words that only begin so come after all else: to count them, FTS5 reads all.
    """
    held = _held(cursor, type_id, phrases)
    ranking = [phrase for phrase, holders in held.items() if holders == SOME]
    common = [phrase for phrase, holders in held.items() if holders == MANY]
    begun = beginning(phrases[-1])
    if phrases[-1] in common:
        return Weighed(ranking, common, [begun])
    # Where none begin so, none rank: to ask for that too, FTS5 would read them all once more.
    (common if _is_common(cursor, type_id, begun) else ranking).append(begun)
    return Weighed(ranking, common, [])


def steps(type_id: int, weighed: Weighed) -> Iterator[Step]:
    """Yield the steps of a search; what one finds comes after what those before it have, and may repeat it."""
    ranking, common, last = weighed
    if ranking:
        yield _ranked(type_id, ranking, common)
    if len(common) > 1:
        yield _newest(type_id, [all_of(common)])
    if common:
        yield _newest(type_id, any_of(common))
    if last:
        yield _newest(type_id, last)


def _held(cursor: apsw.Cursor, type_id: int, phrases: Sequence[str]) -> dict[str, int]:
    """Return whether NONE, SOME or MANY entities hold each phrase."""
    matches = _matching(type_id, "phrase.value")
    # To skip so many of a common word takes two thirds of the time that it takes to count them.
    sql = f"""
        SELECT phrase.value, iif(
            EXISTS (SELECT 1 {matches}), ifnull((SELECT {MANY} {matches} LIMIT 1 OFFSET {COMMON}), {SOME}), {NONE}
        )
        FROM json_each(?) AS phrase
    """
    rows: Iterable[Any] = cursor.execute(sql, (encode(phrases),))
    return dict(rows)


def _is_common(cursor: apsw.Cursor, type_id: int, phrase: str) -> bool:
    sql = f"SELECT 1 {_matching(type_id, '?')} LIMIT 1 OFFSET {COMMON}"
    return bool(cursor.execute(sql, (phrase,)).fetchall())


def _ranked(type_id: int, ranking: Sequence[str], common: Sequence[str]) -> Step:
    values = any_of(ranking)
    count = len(values)
    sql = " UNION ALL ".join(_matches(type_id, "rowid AS sequence, rank", range(1, count + 1)))
    if count > 1:  # a BM25 score is the sum of those of its words
        sql = f"SELECT sequence, sum(rank) AS rank FROM ({sql}) GROUP BY sequence"
    order = "match.rank, match.sequence DESC"
    if common:
        holding_all = " UNION ALL ".join(_matches(type_id, "rowid", range(count + 1, 2 * count + 1)))
        order = f"match.sequence IN ({holding_all}) DESC, {order}"
        values += [f"({value}) AND {all_of(common)}" for value in values]
    return Step(sql, values, order)


def _newest(type_id: int, values: list[str]) -> Step:
    sql = " UNION ALL ".join(_matches(type_id, "rowid AS sequence", range(1, len(values) + 1)))
    return Step(sql, values, "match.sequence DESC")


def _matches(type_id: int, columns: str, numbers: Iterable[int]) -> Iterator[str]:
    return (f"SELECT {columns} {_matching(type_id, f'?{number}')}" for number in numbers)


def _matching(type_id: int, query: str) -> str:
    """Return SQL of what an FTS5 query finds, which is itself given as SQL."""
    table = table_name(type_id)
    return f"FROM {table} WHERE {table} MATCH {query}"
