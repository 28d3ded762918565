"""Whole environments in and out, ids and times kept."""

from collections.abc import Iterable, Iterator
from typing import NamedTuple

from .database import Database
from .documents import Document
from .entities import COLUMNS, Entity
from .entity_types import EntityTypes
from .errors import Refused
from .organizations import Environment
from .outside import Outside
from .queries import LIVE
from .repository import insert


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
        """Store every record in one transaction and return their number; Refused where an id is taken."""
        count = 0
        with self._database.transaction() as connection:
            types = {entity_type.definition.slug: entity_type for entity_type in self._types.all()}
            for record in records:
                if record.type not in types:
                    raise Refused(f"{record.place}: entity type {record.type} is not defined; apply its file first")
                entity = self._entity(record)
                if self._taken(entity.id):
                    raise Refused(f"{record.place}: id {entity.id} is taken in this environment")
                insert(connection, types[record.type], entity, record.document.fields)
                count += 1
        return count

    def _select(self, columns: str, slug: str | None) -> tuple[str, tuple[object, ...]]:
        sql = f"""
            SELECT {columns} FROM entity JOIN entity_type ON entity_type.id = entity.type_id
            WHERE {LIVE} AND organization_id = ? AND environment = ?
        """
        if slug is None:
            return sql, tuple(self._environment)
        return f"{sql} AND entity_type.slug = ?", (*self._environment, self._types.get(slug).definition.slug)

    def _taken(self, entity_id: str) -> bool:
        sql = """
            SELECT 1 FROM entity_type JOIN entity ON entity.type_id = entity_type.id
            WHERE organization_id = ? AND environment = ? AND entity.id = ?
        """
        return any(self._database.read(sql, (*self._environment, entity_id)))

    def _entity(self, record: Record) -> Entity:
        created_at = self._outside.now() if record.created_at is None else record.created_at
        updated_at = created_at if record.updated_at is None else record.updated_at
        entity_id = record.id or self._outside.entity_id()
        return Entity(entity_id, record.type, record.status, record.document.text, created_at, updated_at)
