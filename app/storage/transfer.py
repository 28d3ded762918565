"""Whole environments in and out, ids and times kept."""

from collections import Counter
from collections.abc import Container, Iterable, Iterator, Sequence
from itertools import islice
from typing import NamedTuple

from . import search_index
from .database import Database
from .documents import Document, encode
from .entities import COLUMNS, Entity
from .entity_types import EntityTypes
from .errors import Refused
from .organizations import Environment
from .outside import Outside
from .queries import LIVE
from .writing import insert_all

AT_ONCE = 1_000  # records that are checked and written in one go
CACHE = 64 * 1_024  # KiB of pages kept in memory by an import; each page that does not fit is written many times


class Record(NamedTuple):
    """An entity to import; what is None is made as for a new entity. `place` is where it was read, for messages."""

    type: str
    document: Document
    status: str = "active"
    id: str | None = None
    created_at: int | None = None
    updated_at: int | None = None
    place: str = "the import"


class Transfer:
    """Export from and import into one environment."""

    def __init__(self, database: Database, outside: Outside, environment: Environment) -> None:
        self._database = database
        self._outside = outside
        self._types = EntityTypes(database, outside, environment)
        self._environment = environment

    def count(self, slug: str | None = None) -> int:
        """Return how many entities an export has."""
        count: int = self._database.row(*self._select("count(*)", slug))[0]
        return count

    def export(self, slug: str | None = None) -> Iterator[Entity]:
        """Yield the live entities, of one type or of all, in creation order."""
        sql, values = self._select(f"entity_type.slug, {COLUMNS}", slug)
        for type_slug, entity_id, *columns in self._database.read(f"{sql} ORDER BY entity.sequence", values):
            yield Entity(entity_id, type_slug, *columns)

    def import_(self, records: Iterable[Record]) -> int:
        """Store every record in one transaction and return their number; Refused where an id is taken.

        No more than some of them are in memory at a time.
        """
        new, remaining = Counter[int](), iter(records)
        with self._database.transaction() as connection:
            connection.pragma("cache_size", -CACHE)
            types = {entity_type.definition.slug: entity_type for entity_type in self._types.all()}
            while some := list(islice(remaining, AT_ONCE)):
                self._check(some, types)
                insert_all(connection, ((types[each.type], self._entity(each), each.document.fields) for each in some))
                new.update(types[each.type].id for each in some)
            for type_id, count in new.items():
                entities = f"SELECT count(*) FROM entity WHERE type_id = ? AND {LIVE}"
                if count >= connection.execute(entities, (type_id,)).get / 2:
                    search_index.merge(connection, type_id)
        return new.total()

    def _check(self, records: Sequence[Record], types: Container[str]) -> None:
        taken = self._taken([record.id for record in records if record.id])
        for record in records:
            if record.type not in types:
                raise Refused(f"{record.place}: entity type {record.type} is not defined; apply its file first")
            if record.id in taken:
                raise Refused(f"{record.place}: id {record.id} is taken in this environment")
            if record.id:
                taken.add(record.id)

    def _select(self, columns: str, slug: str | None) -> tuple[str, tuple[object, ...]]:
        sql = f"""
            SELECT {columns} FROM entity JOIN entity_type ON entity_type.id = entity.type_id
            WHERE {LIVE} AND organization_id = ? AND environment = ?
        """
        if slug is None:
            return sql, tuple(self._environment)
        return f"{sql} AND entity_type.slug = ?", (*self._environment, self._types.get(slug).definition.slug)

    def _taken(self, ids: Sequence[str]) -> set[str]:
        """Return which of some ids entities of the environment have, deleted ones among them."""
        sql = """
            SELECT entity.id FROM json_each(?) AS given CROSS JOIN entity_type
            JOIN entity ON entity.type_id = entity_type.id AND entity.id = given.value
            WHERE organization_id = ? AND environment = ?
        """
        return {row[0] for row in self._database.read(sql, (encode(ids), *self._environment))}

    def _entity(self, record: Record) -> Entity:
        created_at = self._outside.now() if record.created_at is None else record.created_at
        updated_at = created_at if record.updated_at is None else record.updated_at
        entity_id = record.id or self._outside.entity_id()
        return Entity(entity_id, record.type, record.status, record.document.text, created_at, updated_at)
