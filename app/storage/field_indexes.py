"""Field indexes: of each indexed field a table of its values, which triggers keep.

What is looked up in one is never too little and may be too much: filters look at each entity that it gives.
"""

from collections.abc import Iterable
from typing import Any, NamedTuple

import apsw

from .filters import OWN_COLUMNS, json_path

MOST = 8  # of one entity type: each costs every write
KEY_LENGTH = 200  # characters of a text that are indexed; triggers that exist have it in them
LAST = 2**63 - 1  # no sequence comes after it (https://sqlite.org/autoinc.html)
CHUNK = 250  # entities that are filled in by one statement, which even at a mebibyte each takes less than a second

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


def declare(connection: apsw.Connection, type_id: int, fields: Iterable[str], now: int) -> bool:
    """Make the declared indexes of a type those of some fields, and tell whether that changed any."""
    wanted = set(fields)
    rows = {index.field: index for index in of_type(connection, type_id)}
    declared = {field for field, index in rows.items() if index.reason == "declared" and index.is_live}
    for field in declared - wanted:
        remove(connection, rows[field].id)
    for field in sorted(wanted - declared):
        _declare(connection, type_id, rows.get(field), field, now)
    guessed = [index for index in of_type(connection, type_id) if index.is_live and index.reason != "declared"]
    for index in guessed[: max(0, len(guessed) + len(wanted) - MOST)]:
        remove(connection, index.id)
    return declared != wanted


def create(connection: apsw.Connection, type_id: int, field: str, reason: str, now: int) -> int:
    """Make an index, which is to be filled, and return its id."""
    connection.execute(
        "INSERT INTO field_index (type_id, field, reason, created_at, filled_to) VALUES (?, ?, ?, ?, 0)",
        (type_id, field, reason, now),
    )
    index_id = connection.last_insert_rowid()
    connection.execute(_table_sql(index_id, type_id, field))
    return index_id


def fill_chunk(connection: apsw.Connection, index_id: int) -> bool:
    """Put the next entities into an index, and tell whether more are left; an index that is gone needs none."""
    row = connection.execute("SELECT type_id, field, filled_to FROM field_index WHERE id = ?", (index_id,)).fetchone()
    if row is None or row[2] is None:
        return False
    type_id, field, filled_to = row
    live = "SELECT sequence FROM entity WHERE type_id = ? AND status <> 'deleted' AND sequence > ? ORDER BY sequence"
    count, last = connection.execute(
        f"SELECT count(*), max(sequence) FROM ({live} LIMIT ?)", (type_id, filled_to, CHUNK)
    ).fetchone() or (0, None)
    if last is not None:
        # Triggers have put in what was written meanwhile.
        connection.execute(
            f"INSERT OR IGNORE INTO {table_name(index_id)} {entries_sql(type_id, field)} ORDER BY value, sequence",
            (filled_to, last),
        )
    left = bool(count == CHUNK)
    connection.execute("UPDATE field_index SET filled_to = ? WHERE id = ?", (last if left else None, index_id))
    return left


def drop(connection: apsw.Connection, index_id: int, now: int) -> None:
    """Remove an index and remember that it was not wanted."""
    connection.execute(_drop_sql(index_id))
    connection.execute("UPDATE field_index SET dropped_at = ?, filled_to = NULL WHERE id = ?", (now, index_id))


def remove(connection: apsw.Connection, index_id: int) -> None:
    """Remove an index, or the memory of a dropped one."""
    connection.execute(_drop_sql(index_id))
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


def entries_sql(type_id: int, field: str) -> str:
    """Return SQL of the values and sequences that an index has, of the sequences after ?1 and up to ?2."""
    return f"""
        SELECT value, sequence FROM (
            SELECT {key_sql("entity", field)} AS value, sequence FROM entity
            WHERE type_id = {type_id:d} AND status <> 'deleted' AND sequence > ?1 AND sequence <= ?2
        ) WHERE value IS NOT NULL
    """


def key(value: Any) -> Any:
    """Return what an index has for a value; raise KeyError for arrays and objects, of which it has nothing."""
    if value is None or isinstance(value, bool):
        return {None: b"null", True: b"true", False: b"false"}[value]
    if isinstance(value, str):
        return value[:KEY_LENGTH]
    if isinstance(value, int | float):
        return value
    raise KeyError(type(value))


def _declare(connection: apsw.Connection, type_id: int, old: FieldIndex | None, field: str, now: int) -> None:
    if old is not None and old.is_live:
        connection.execute("UPDATE field_index SET reason = 'declared' WHERE id = ?", (old.id,))
        return
    if old is not None:
        remove(connection, old.id)
    # Of a type with few entities it is full at once.
    fill_chunk(connection, create(connection, type_id, field, "declared", now))


def key_sql(row: str, field: str) -> str:
    """Return SQL of what `key` is in Python; NULL for arrays, objects and missing fields.

    Numbers come before texts and texts before BLOBs, as SQLite sorts.
    """
    path = "'" + json_path(field.split(".")).replace("'", "''") + "'"
    value = f"json_extract({row}.data, {path})"
    return f"""CASE json_type({row}.data, {path})
            WHEN 'integer' THEN {value} WHEN 'real' THEN {value} WHEN 'text' THEN substr({value}, 1, {KEY_LENGTH})
            WHEN 'null' THEN CAST('null' AS BLOB)
            WHEN 'true' THEN CAST('true' AS BLOB) WHEN 'false' THEN CAST('false' AS BLOB) END"""


def _table_sql(index_id: int, type_id: int, field: str) -> str:
    table = table_name(index_id)
    old, new = (f"iif({row}.status <> 'deleted', {key_sql(row, field)}, NULL)" for row in ("OLD", "NEW"))
    remove_old = f"DELETE FROM {table} WHERE value = {old} AND sequence = OLD.sequence"
    add_new = f"INSERT INTO {table} SELECT {new}, NEW.sequence WHERE {new} IS NOT NULL"
    return f"""
        CREATE TABLE {table} (
            value ANY NOT NULL, sequence INTEGER NOT NULL, PRIMARY KEY (value, sequence)
        ) STRICT, WITHOUT ROWID;
        CREATE TRIGGER {table}_insert AFTER INSERT ON entity WHEN NEW.type_id = {type_id:d} BEGIN {add_new}; END;
        CREATE TRIGGER {table}_update AFTER UPDATE OF status, data ON entity
            WHEN NEW.type_id = {type_id:d} AND {old} IS NOT {new} BEGIN {remove_old}; {add_new}; END;
        CREATE TRIGGER {table}_delete AFTER DELETE ON entity WHEN OLD.type_id = {type_id:d} BEGIN {remove_old}; END;
    """


def _drop_sql(index_id: int) -> str:
    table = table_name(index_id)
    triggers = "".join(f"DROP TRIGGER IF EXISTS {table}_{event}; " for event in ("insert", "update", "delete"))
    return f"{triggers}DROP TABLE IF EXISTS {table}"
