"""Whether a database is sound: what SQLite can tell, and what it cannot: that each search index equals its rows."""

from collections.abc import Iterable, Iterator, Sequence
from contextlib import suppress
from typing import Any

import apsw

from . import entries
from .database import Database
from .documents import decode
from .field_indexes import FieldIndex, of_type
from .search import index_text
from .search_index import table_name


def problems(database: Database) -> Iterator[str]:
    """Yield a sentence for each problem of a database, which is not changed."""
    with database.snapshot() as connection:
        yield from _integrity(connection)
        for table, rowid, *_ in connection.execute("PRAGMA foreign_key_check").fetchall():
            yield f"Row {rowid} of {table} refers to what is not there"
        types: list[Any] = connection.execute("SELECT id, search_fields FROM entity_type").fetchall()
        yield from _tables(connection, {type_id for type_id, _ in types})
        for type_id, search_fields in types:
            yield from _index(connection, type_id, decode(search_fields))
            for index in of_type(connection, type_id):
                yield from _field_index(connection, type_id, index) if index.is_live else ()


def _integrity(connection: apsw.Connection) -> Iterator[str]:
    # FTS5 compares its inverted index with the text that it keeps (https://sqlite.org/vtab.html#the_xintegrity_method),
    # but what others have changed in it a connection sees only when it reads the table.
    with suppress(apsw.Error):
        for table in _search_tables(connection):
            connection.execute(f"SELECT rowid FROM {table} LIMIT 1").fetchall()
    for (message,) in connection.execute("PRAGMA integrity_check").fetchall():
        if message != "ok":
            yield f"SQLite finds: {message}"


def _search_tables(connection: apsw.Connection) -> set[str]:
    sql = r"SELECT name FROM sqlite_schema WHERE sql LIKE 'CREATE VIRTUAL TABLE search\_%' ESCAPE '\'"
    return {name for (name,) in connection.execute(sql)}


def _tables(connection: apsw.Connection, type_ids: set[int]) -> Iterator[str]:
    names = _search_tables(connection)
    wanted = {table_name(type_id) for type_id in type_ids}
    yield from (f"Search table {name} belongs to no entity type" for name in sorted(names - wanted))
    yield from (f"Search table {name} is missing" for name in sorted(wanted - names))


def _field_index(connection: apsw.Connection, type_id: int, index: FieldIndex) -> Iterator[str]:
    name = f"The index of field {index.shown_field}, table {index.table},"
    try:
        rows: Iterable[Any] = connection.execute(f"SELECT value, sequence FROM {index.table}")
        found = set(rows)
    except apsw.Error as error:
        yield f"{name} is damaged: {error}"
        return
    lacking = 0
    for entry in entries.of_type(connection, type_id, index.field):
        lacking += entry not in found
        found.discard(entry)
    if lacking and index.is_ready:
        yield f"{name} lacks entries: {lacking}"
    if found:
        yield f"{name} has entries that no entity has: {len(found)}"


def _index(connection: apsw.Connection, type_id: int, search_fields: Sequence[str]) -> Iterator[str]:
    table = table_name(type_id)
    try:
        entries: Iterable[Any] = connection.execute(f"SELECT rowid, text FROM {table}")
        indexed = dict(entries)
    except apsw.Error as error:
        yield f"Search table {table} is damaged: {error}"
        return
    rows: Iterable[Any] = connection.execute(
        "SELECT sequence, id, data FROM entity WHERE type_id = ? AND status <> 'deleted'", (type_id,)
    )
    for sequence, entity_id, data in rows:
        if indexed.pop(sequence, None) != index_text(decode(data), search_fields):
            yield f"The search index of entity {entity_id} is not that of its data"
    if indexed:
        yield f"Search table {table} has entries without an entity: {len(indexed)}"
