"""New entities: their rows, and their entries in the search index, inside the caller's transaction."""

from collections.abc import Iterable
from typing import Any

import apsw

from . import search_index
from .entities import Entity
from .entity_types import EntityType
from .search import index_text

INSERT = """
    INSERT INTO entity (sequence, id, type_id, status, data, created_at, updated_at) VALUES (?, ?, ?, ?, ?, ?, ?)
"""


def insert(connection: apsw.Connection, entity_type: EntityType, entity: Entity, fields: dict[str, Any]) -> None:
    """Write a new row and its index entry."""
    connection.execute(INSERT, (None, *_columns(entity_type, entity)))
    sequence = connection.last_insert_rowid()
    search_index.add(connection, entity_type.id, sequence, entry_text(entity_type, fields))


def insert_all(connection: apsw.Connection, new: Iterable[tuple[EntityType, Entity, dict[str, Any]]]) -> None:
    """Write many new rows and their index entries, at less cost a row."""
    # SQLite's RETURNING would double the time; https://sqlite.org/autoinc.html tells what the next sequence is.
    last: int = connection.execute("SELECT ifnull(max(seq), 0) FROM sqlite_sequence WHERE name = 'entity'").get
    rows, texts = [], dict[int, list[tuple[int, str]]]()
    for sequence, (entity_type, entity, fields) in enumerate(new, start=last + 1):
        rows.append((sequence, *_columns(entity_type, entity)))
        texts.setdefault(entity_type.id, []).append((sequence, entry_text(entity_type, fields)))
    connection.executemany(INSERT, rows)
    for type_id, entries in texts.items():
        search_index.add_all(connection, type_id, entries)


def entry_text(entity_type: EntityType, fields: dict[str, Any]) -> str:
    """Return the text of an entity that its type's search table indexes."""
    return index_text(fields, entity_type.definition.search_fields)


def _columns(entity_type: EntityType, entity: Entity) -> tuple[object, ...]:
    return entity.id, entity_type.id, entity.status, entity.data, entity.created_at, entity.updated_at
