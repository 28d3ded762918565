"""Field indexes: of each indexed field a table of its values.

What is looked up in one is never too little and may be too much: filters look at each entity that it gives.
"""

from collections.abc import Iterable
from typing import Any, NamedTuple

import apsw

from .filters import OWN_COLUMNS

MOST = 8  # of one entity type: each costs every write
LAST = 2**63 - 1  # no sequence comes after it (https://sqlite.org/autoinc.html)

# Of the arrays, the columns of this NamedTuple in their order.
OF_TYPE = """(
    SELECT json_group_array(json_array(id, field, reason, created_at, filled_to, dropped_at)) FROM field_index
    WHERE type_id = entity_type.id
)"""


class FieldIndex(NamedTuple):
    """An index as it is stored; times are Unix milliseconds."""

    id: int
    field: str
    reason: str
    created_at: int
    filled_to: int | None
    dropped_at: int | None

    @property
    def is_live(self) -> bool:
        """Tell whether it has a table, filled or not."""
        return self.dropped_at is None

    @property
    def is_ready(self) -> bool:
        """Tell whether every entity is in it."""
        return self.is_live and self.filled_to is None

    @property
    def table(self) -> str:
        """Return the name of its table."""
        return table_name(self.id)

    @property
    def shown_field(self) -> str:
        """Return the field's name as filters have it."""
        return shown_field(self.field)


def table_name(index_id: int) -> str:
    """Return the name of an index's table."""
    return f"field_{index_id:d}"


def shown_field(field: str) -> str:
    """Return a field's name as filters have it: some names alone would mean the entity's own field."""
    return f"data.{field}" if field in OWN_COLUMNS or field.startswith("data.") else field


def create(connection: apsw.Connection, type_id: int, field: str, reason: str, now: int) -> int:
    """Make an index, which is to be filled, and return its id."""
    connection.execute(
        "INSERT INTO field_index (type_id, field, reason, created_at, filled_to) VALUES (?, ?, ?, ?, 0)",
        (type_id, field, reason, now),
    )
    index_id = connection.last_insert_rowid()
    connection.execute(
        f"""
        CREATE TABLE {table_name(index_id)} (
            value ANY NOT NULL, sequence INTEGER NOT NULL, PRIMARY KEY (value, sequence)
        ) STRICT, WITHOUT ROWID
        """
    )
    return index_id


def drop(connection: apsw.Connection, index_id: int, now: int) -> None:
    """Remove an index and remember that it was not wanted."""
    connection.execute(f"DROP TABLE IF EXISTS {table_name(index_id)}")
    connection.execute("UPDATE field_index SET dropped_at = ?, filled_to = NULL WHERE id = ?", (now, index_id))


def remove(connection: apsw.Connection, index_id: int) -> None:
    """Remove an index, or the memory of a dropped one."""
    connection.execute(f"DROP TABLE IF EXISTS {table_name(index_id)}")
    connection.execute("DELETE FROM field_index WHERE id = ?", (index_id,))


def remove_all(connection: apsw.Connection, type_id: int) -> None:
    """Remove every index of a type."""
    for index in of_type(connection, type_id):
        remove(connection, index.id)


def of_type(connection: apsw.Connection, type_id: int) -> list[FieldIndex]:
    """Return the indexes of a type, dropped ones too, in the order of their making."""
    rows: Iterable[Any] = connection.execute(
        "SELECT id, field, reason, created_at, filled_to, dropped_at FROM field_index WHERE type_id = ? ORDER BY id",
        (type_id,),
    )
    return [FieldIndex(*row) for row in rows]


def unfilled(connection: apsw.Connection) -> list[tuple[FieldIndex, str]]:
    """Return all indexes that are not filled yet, the oldest first, each with the slug of its type."""
    rows: Iterable[Any] = connection.execute(
        """
        SELECT slug, field_index.id, field, reason, field_index.created_at, filled_to, dropped_at
        FROM field_index JOIN entity_type ON entity_type.id = type_id
        WHERE filled_to IS NOT NULL AND dropped_at IS NULL ORDER BY field_index.id
        """
    )
    return [(FieldIndex(*columns), slug) for slug, *columns in rows]


def size(connection: apsw.Connection, index: FieldIndex) -> int:
    """Return how many bytes an index takes."""
    # https://sqlite.org/dbstat.html
    found: int = connection.execute("SELECT sum(pgsize) FROM dbstat('main', 1) WHERE name = ?", (index.table,)).get
    return found
