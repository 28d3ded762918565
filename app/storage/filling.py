"""The filling of an index: at once where that is little, else collected beside writers, and put in step by step."""

from collections.abc import Iterable
from typing import Any

import apsw

from . import entries
from .documents import decode
from .field_indexes import table_name
from .index_keys import key_of
from .outside import Deadline

FEW, SMALL = 250, 2**20  # entities, and bytes of their data, that take a twentieth of a second at most


def fill_if_small(connection: apsw.Connection, index_id: int, type_id: int, field: str) -> None:
    """Fill an index at once, inside the caller's transaction, where its type has few entities that are not large."""
    sizes = "SELECT octet_length(data) AS size FROM entity WHERE type_id = ?1 AND status <> 'deleted' LIMIT ?2 + 1"
    is_small = f"SELECT count(*) <= ?2 AND total(size) <= ?3 FROM ({sizes})"
    if connection.execute(is_small, (type_id, FEW, SMALL)).get:
        every = entries.of_type(connection, type_id, field)
        connection.executemany(f"INSERT INTO {table_name(index_id)} VALUES (?, ?)", every)
        finish(connection, index_id)


def collect(connection: apsw.Connection, index_id: int) -> None:
    """Sort the entries of an index that is not full into a temporary table.

    No writer waits for that. In order, each page of the index is written once.
    """
    connection.execute("DROP TABLE IF EXISTS temp.entry; CREATE TEMP TABLE entry (value, sequence)")
    row = connection.execute(
        "SELECT type_id, field FROM field_index WHERE id = ? AND filled_to IS NOT NULL", (index_id,)
    ).fetchone()
    if row is not None:
        connection.execute("CREATE TEMP TABLE unsorted (value, sequence)")
        connection.executemany("INSERT INTO unsorted VALUES (?, ?)", entries.of_type(connection, *row))
        connection.execute("INSERT INTO entry SELECT * FROM unsorted ORDER BY value, sequence; DROP TABLE unsorted")


def put(connection: apsw.Connection, index_id: int, after: int, batch: Deadline) -> int | None:
    """Put collected entries into an index, unless it is gone, and return where a batch ends, or None at the last one.

    Whoever has written an entity meanwhile has seen to its entries.
    """
    row: Any = connection.execute(
        "SELECT field FROM field_index WHERE id = ? AND dropped_at IS NULL", (index_id,)
    ).fetchone()
    if row is None:
        return None
    rows: Iterable[Any] = connection.execute(
        """
        SELECT entry.rowid, value, sequence, iif(status <> 'deleted', data, '{}')
        FROM temp.entry CROSS JOIN entity USING (sequence) WHERE entry.rowid > ? ORDER BY entry.rowid
        """,
        (after,),
    )
    for position, value, sequence, data in rows:
        if key_of(decode(data), row[0]) == value:
            connection.execute(f"INSERT OR IGNORE INTO {table_name(index_id)} VALUES (?, ?)", (value, sequence))
        if batch.passed:
            return int(position)
    return None


def finish(connection: apsw.Connection, index_id: int) -> None:
    """Remember that every entity is in an index."""
    connection.execute("UPDATE field_index SET filled_to = NULL WHERE id = ?", (index_id,))
    connection.execute("DROP TABLE IF EXISTS temp.entry")
