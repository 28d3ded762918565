"""Entity types of one environment, kept as a snapshot of their definitions."""

import functools
from collections.abc import Iterable
from typing import Any, NamedTuple

import apsw

from . import field_indexes, search_index
from .database import Database
from .declarations import declare
from .documents import decode, encode
from .errors import EntityTypeNotFound, Refused
from .field_indexes import FieldIndex
from .organizations import Environment
from .outside import Outside

COLUMNS = f"id, slug, name, schema, search_fields, tokenizer, {field_indexes.OF_TYPE}"


class Definition(NamedTuple):
    """An entity type as its file defines it."""

    slug: str
    name: str
    schema: dict[str, Any]
    search_fields: tuple[str, ...] = ()
    indexes: frozenset[str] = frozenset()  # fields, as names from data inwards with dots between them


class EntityType(NamedTuple):
    """An entity type as it is stored."""

    id: int
    definition: Definition
    tokenizer: str
    indexes: tuple[FieldIndex, ...]


class Change(NamedTuple):
    """What applying a snapshot did to a type: + new, ~ changed, = unchanged, - gone from the snapshot."""

    sign: str
    slug: str
    removed: bool = False


class EntityTypes:
    """The entity types of one environment."""

    def __init__(self, database: Database, outside: Outside, environment: Environment) -> None:
        self._database = database
        self._outside = outside
        self._environment = environment

    def all(self) -> list[EntityType]:
        """Return the types in creation order."""
        sql = f"SELECT {COLUMNS} FROM entity_type WHERE organization_id = ? AND environment = ? ORDER BY id"
        return [_entity_type(*row) for row in self._database.read(sql, self._environment)]

    def get(self, slug: str) -> EntityType:
        """Return a type; raise EntityTypeNotFound."""
        row = self._database.row(
            f"SELECT {COLUMNS} FROM entity_type WHERE organization_id = ? AND environment = ? AND slug = ?",
            (*self._environment, slug),
        )
        if row is None:
            raise EntityTypeNotFound(slug)
        return _entity_type(*row)

    def apply(self, definitions: Iterable[Definition], remove: bool = False, force: bool = False) -> list[Change]:
        """Make the types those of a snapshot and tell what changed.

        Types gone from it are kept, unless `remove`; one that has entities is then Refused, unless `force`.
        """
        with self._database.transaction() as connection:
            old = {entity_type.definition.slug: entity_type for entity_type in self.all()}
            changes = [self._put(connection, old.pop(new.slug, None), new) for new in definitions]
            for gone in old.values():
                if remove:
                    self._remove(connection, gone, force)
                changes.append(Change("-", gone.definition.slug, removed=remove))
        return changes

    def remove(self, slug: str, force: bool = False) -> int:
        """Remove a type and return how many entities went with it; Refused where it has some, unless `force`."""
        with self._database.transaction() as connection:
            return self._remove(connection, self.get(slug), force)

    def drop_index(self, slug: str, field: str) -> FieldIndex:
        """Drop the index of a field, for good unless it is declared again; Refused where there is none."""
        with self._database.transaction() as connection:
            entity_type = self.get(slug)
            for index in entity_type.indexes:
                if index.is_live and index.field == field.removeprefix("data."):
                    field_indexes.drop(connection, index.id, self._outside.now())
                    return index
            raise Refused(f"Entity type {slug} has no index of {field}; struere-local indexes list shows what there is")

    def count(self, slug: str) -> int:
        """Return how many live entities a type has; raise EntityTypeNotFound."""
        live = "SELECT count(*) FROM entity WHERE type_id = ? AND status <> 'deleted'"
        count: int = self._database.row(live, (self.get(slug).id,))[0]
        return count

    def _put(self, connection: apsw.Connection, old: EntityType | None, new: Definition) -> Change:
        if old is None:
            self._insert(connection, new)
            return Change("+", new.slug)
        indexed = declare(connection, old.id, new.indexes, self._outside.now())
        if _columns(old.definition) == _columns(new):
            return Change("~" if indexed else "=", new.slug)
        connection.execute(
            "UPDATE entity_type SET slug = ?, name = ?, schema = ?, search_fields = ? WHERE id = ?",
            (*_columns(new), old.id),
        )
        if old.definition.search_fields != new.search_fields:
            search_index.rebuild(connection, old.id, new.search_fields, old.tokenizer)
        return Change("~", new.slug)

    def _insert(self, connection: apsw.Connection, new: Definition) -> None:
        tokenizer = self._database.tokenizer
        type_id = connection.execute(
            """
            INSERT INTO entity_type
                (organization_id, environment, slug, name, schema, search_fields, tokenizer, created_at)
            VALUES (?, ?, ?, ?, ?, ?, ?, ?) RETURNING id
            """,
            (*self._environment, *_columns(new), tokenizer, self._outside.now()),
        ).get
        search_index.create(connection, type_id, tokenizer)
        declare(connection, type_id, new.indexes, self._outside.now())

    def _remove(self, connection: apsw.Connection, entity_type: EntityType, force: bool) -> int:
        slug = entity_type.definition.slug
        count = self.count(slug)
        if count and not force:
            raise Refused(f"Entity type {slug} still has entities ({count}); --force removes them with it")
        search_index.drop(connection, entity_type.id)
        field_indexes.remove_all(connection, entity_type.id)
        connection.execute("DELETE FROM entity WHERE type_id = ?", (entity_type.id,))
        connection.execute("DELETE FROM entity_type WHERE id = ?", (entity_type.id,))
        return count


def _columns(definition: Definition) -> tuple[str, str, str, str]:
    """Return slug, name, schema and search fields as stored; schemas with fields in another order differ."""
    return definition.slug, definition.name, encode(definition.schema), encode(definition.search_fields)


@functools.lru_cache(1_000)
def _entity_type(
    type_id: int, slug: str, name: str, schema: str, search_fields: str, tokenizer: str, indexes: str
) -> EntityType:
    found = tuple(FieldIndex(*columns) for columns in decode(indexes))
    declared = frozenset(index.field for index in found if index.reason == "declared" and index.is_live)
    return EntityType(
        type_id, Definition(slug, name, decode(schema), tuple(decode(search_fields)), declared), tokenizer, found
    )
