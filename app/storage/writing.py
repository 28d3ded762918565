"""The writing of entities: their rows and their entries in all indexes, inside the caller's transaction."""

from collections.abc import Iterable
from typing import Any

import apsw

from . import entries, search_index
from .documents import decode
from .entities import Entity
from .entity_types import EntityType
from .search import index_text

INSERT = """
    INSERT INTO entity (sequence, id, type_id, status, data, created_at, updated_at) VALUES (?, ?, ?, ?, ?, ?, ?)
"""


def insert(connection: apsw.Connection, entity_type: EntityType, entity: Entity, fields: dict[str, Any]) -> None:
    """Write a new entity."""
    connection.execute(INSERT, (None, *_columns(entity_type, entity)))
    sequence = connection.last_insert_rowid()
    search_index.add(connection, entity_type.id, sequence, _entry_text(entity_type, fields))
    entries.change(connection, entity_type.indexes, sequence, {}, fields)


def insert_all(connection: apsw.Connection, new: Iterable[tuple[EntityType, Entity, dict[str, Any]]]) -> None:
    """Write many new entities, at less cost each."""
    # SQLite's RETURNING would double the time; https://sqlite.org/autoinc.html tells what the next sequence is.
    last: int = connection.execute("SELECT ifnull(max(seq), 0) FROM sqlite_sequence WHERE name = 'entity'").get
    rows, by_type = [], dict[int, tuple[EntityType, list[tuple[int, dict[str, Any]]]]]()
    for sequence, (entity_type, entity, fields) in enumerate(new, start=last + 1):
        rows.append((sequence, *_columns(entity_type, entity)))
        by_type.setdefault(entity_type.id, (entity_type, []))[1].append((sequence, fields))
    connection.executemany(INSERT, rows)
    for entity_type, some in by_type.values():
        texts = ((sequence, _entry_text(entity_type, fields)) for sequence, fields in some)
        search_index.add_all(connection, entity_type.id, texts)
        entries.add_all(connection, entity_type.indexes, some)


def update(
    connection: apsw.Connection, entity_type: EntityType, sequence: int, entity: Entity,
    old: dict[str, Any], new: dict[str, Any],
) -> None:  # fmt: skip
    """Write what an entity has become, whose fields were the old ones and are the new ones."""
    connection.execute(
        "UPDATE entity SET data = ?, status = ?, updated_at = ? WHERE sequence = ?",
        (entity.data, entity.status, entity.updated_at, sequence),
    )
    search_index.change(connection, entity_type.id, sequence, _entry_text(entity_type, new))
    entries.change(connection, entity_type.indexes, sequence, old, new)


def delete(connection: apsw.Connection, entity_type: EntityType, sequence: int, old: Entity, now: int) -> None:
    """Keep the row of an entity as that of a deleted one."""
    connection.execute(
        "UPDATE entity SET status = 'deleted', updated_at = ? WHERE sequence = ?", (max(now, old.updated_at), sequence)
    )
    search_index.remove(connection, entity_type.id, sequence)
    if entity_type.indexes:
        entries.change(connection, entity_type.indexes, sequence, decode(old.data), {})


def _entry_text(entity_type: EntityType, fields: dict[str, Any]) -> str:
    """Return the text of an entity that its type's search table indexes."""
    return index_text(fields, entity_type.definition.search_fields)


def _columns(entity_type: EntityType, entity: Entity) -> tuple[object, ...]:
    return entity.id, entity_type.id, entity.status, entity.data, entity.created_at, entity.updated_at
