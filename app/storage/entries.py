"""The entries of entities in the indexes of their type. Every function runs inside the caller's transaction."""

from collections.abc import Iterable, Iterator, Sequence
from typing import Any

import apsw

from .documents import decode
from .field_indexes import FieldIndex
from .index_keys import key_of


def change(
    connection: apsw.Connection,
    indexes: Iterable[FieldIndex],
    sequence: int,
    old: dict[str, Any],
    new: dict[str, Any],
) -> None:
    """Make the entries of an entity with the old fields those of the new ones; without fields it has none."""
    for index in indexes:
        before, after = key_of(old, index.field), key_of(new, index.field)
        if not index.is_live or before == after:
            continue
        if before is not None:
            connection.execute(f"DELETE FROM {index.table} WHERE value = ? AND sequence = ?", (before, sequence))
        if after is not None:
            connection.execute(_insert_sql(index), (after, sequence))


def add_all(
    connection: apsw.Connection, indexes: Iterable[FieldIndex], new: Sequence[tuple[int, dict[str, Any]]]
) -> None:
    """Make the entries of new entities, each given as its sequence and its fields."""
    for index in indexes:
        if index.is_live:
            keys = [(key_of(fields, index.field), sequence) for sequence, fields in new]
            connection.executemany(_insert_sql(index), [entry for entry in keys if entry[0] is not None])


def of_type(connection: apsw.Connection, type_id: int, field: str) -> Iterator[tuple[Any, int]]:
    """Yield the entries that an index of a field has once it is full, in no order."""
    rows: Iterable[Any] = connection.execute(
        "SELECT sequence, data FROM entity WHERE type_id = ? AND status <> 'deleted'", (type_id,)
    )
    keys = ((key_of(decode(data), field), sequence) for sequence, data in rows)
    return (entry for entry in keys if entry[0] is not None)


def _insert_sql(index: FieldIndex) -> str:
    return f"INSERT INTO {index.table} (value, sequence) VALUES (?, ?)"
