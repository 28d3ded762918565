"""Entities of one type, as one caller may see them."""

from collections.abc import Iterable, Mapping, Sequence
from functools import partial
from typing import Any, NamedTuple

import apsw

from . import ranking, search_index, writing
from .bounds import UNBOUNDED, Bounds
from .database import Database
from .documents import Document, decode, encode
from .entities import COLUMNS, Entity, json_sql
from .entity_types import EntityTypes
from .errors import EntityDeleted, EntityNotFound, InvalidCursor, OutsideScope
from .explanation import Explanation, explain
from .filters import Condition, Parameters, where
from .organizations import Environment
from .outside import Outside
from .queries import Query
from .search import phrases

Scope = Mapping[str, Sequence[Condition]]


class Page(NamedTuple):
    """Entities in order, each as its JSON text, and whether more follow."""

    entities: Sequence[bytes]
    has_more: bool

    @property
    def cursor(self) -> str | None:
        """The id of the last entity, where more follow."""
        return decode(self.entities[-1])["id"] if self.has_more else None


class EntityRepository:
    """The entities of one type inside one environment and one API key's scope."""

    def __init__(
        self,
        database: Database,
        outside: Outside,
        environment: Environment,
        scope: Scope | None,
        slug: str,
        bounds: Bounds = UNBOUNDED,
    ) -> None:
        """Raise EntityTypeNotFound for an unknown type, OutsideScope for one that the scope does not list."""
        self._database = database
        self._outside = outside
        self._types = EntityTypes(database, outside, environment)
        self._slug = slug
        self._bounds = bounds
        entity_type = self._types.get(slug)
        self._type_id, self._indexes = entity_type.id, entity_type.indexes
        if scope is not None and slug not in scope:
            raise OutsideScope(f"entity type {slug}")
        self._scope = scope[slug] if scope is not None else ()

    def get(self, entity_id: str) -> Entity:
        """Return an entity; raise EntityNotFound, EntityDeleted or OutsideScope."""
        return self._get(entity_id)[1]

    def query(
        self,
        conditions: Sequence[Condition] | None = None,
        status: str | None = None,
        limit: int = 50,
        cursor: str | None = None,
    ) -> Page:
        """Return the page of live entities that follows the cursor; raise InvalidCursor or TooSlow."""
        query = self._asked(conditions, status, limit, cursor)
        try:
            return self._answered(query)
        except apsw.SQLError:
            # An index may have been dropped since the type was read.
            return self._answered(query._replace(indexes=()))

    def explain(
        self,
        conditions: Sequence[Condition] | None = None,
        status: str | None = None,
        limit: int = 50,
        cursor: str | None = None,
    ) -> Explanation:
        """Return what a query costs and why; raise InvalidCursor or TooSlow."""
        with self._database.reading(self._bounds.milliseconds) as reader:
            return explain(reader, self._asked(conditions, status, limit, cursor), COLUMNS)

    def _asked(
        self, conditions: Sequence[Condition] | None, status: str | None, limit: int, cursor: str | None
    ) -> Query:
        every = [*self._scope, *(conditions or ())]
        return Query(self._type_id, self._indexes, every, status, self._sequence(cursor), limit)

    def _answered(self, query: Query) -> Page:
        spent = partial(self._database.costs.add, self._type_id, self._indexes, query.conditions)
        with self._database.reading(self._bounds.milliseconds, spent) as reader:
            for plan in query.plans(reader):
                page = self._page(reader, *query.select(plan, COLUMNS), query.limit)
                if page.has_more or plan.is_last:
                    break
        return page

    def search(self, text: str, limit: int = 20) -> Page:
        """Return the live entities that have any word of the text, best match first, ties newest first; raise TooSlow.

        The last ones are left out where a page does not hold them.
        """
        with self._database.snapshot() as connection, self._database.reading(self._bounds.milliseconds) as reader:
            entity_type = self._types.get(self._slug)
            words = search_index.words(connection, entity_type.tokenizer, text)
            if not words:
                return Page([], has_more=False)
            found = encode(self._found(reader, entity_type.id, phrases(words), limit))
            # In this order, since json_each is the outer loop of a CROSS JOIN; to sort would hold all data in memory.
            rows = f"SELECT {COLUMNS} FROM json_each(?1) AS found CROSS JOIN entity ON entity.sequence = found.value"
            return self._page(reader, rows, Parameters([found]), limit)._replace(has_more=False)

    def create(self, document: Document, status: str = "active") -> Entity:
        """Store a new entity and return it; raise OutsideScope."""

        def create(connection: apsw.Connection) -> Entity:
            now = self._outside.now()
            entity = Entity(self._outside.entity_id(), self._slug, status, document.text, now, now)
            self._refuse_outside(entity)
            writing.insert(connection, self._types.get(self._slug), entity, document.fields)
            return entity

        return self._database.write(create)

    def update(self, entity_id: str, document: Document, status: str | None = None) -> Entity:
        """Merge a document into an entity's data and return the entity."""

        def update(connection: apsw.Connection) -> Entity:
            sequence, old = self._get(entity_id)
            fields = decode(old.data)
            new = document.over(fields)
            entity = old._replace(
                data=new.text,
                status=old.status if status is None else status,
                updated_at=max(self._outside.now(), old.updated_at),
            )
            self._refuse_outside(entity)
            writing.update(connection, self._types.get(self._slug), sequence, entity, fields, new.fields)
            return entity

        return self._database.write(update)

    def delete(self, entity_id: str) -> None:
        """Set an entity's status to deleted, so that it is never shown again."""

        def delete(connection: apsw.Connection) -> None:
            sequence, old = self._get(entity_id)
            writing.delete(connection, self._types.get(self._slug), sequence, old, self._outside.now())

        self._database.write(delete)

    def _get(self, entity_id: str) -> tuple[int, Entity]:
        parameters = Parameters([self._type_id, entity_id])
        row = self._database.row(
            f"SELECT sequence, {where(self._scope, parameters)}, {COLUMNS} FROM entity WHERE type_id = ?1 AND id = ?2",
            parameters,
        )
        if row is None:
            raise EntityNotFound
        sequence, inside, *columns = row
        entity = self._entity(*columns)
        if entity.status == "deleted":
            raise EntityDeleted
        if not inside:
            raise OutsideScope("this entity")
        return sequence, entity

    def _found(self, reader: apsw.Cursor, type_id: int, searched: Sequence[str], limit: int) -> list[int]:
        """Return the sequences of what a search finds, in its order."""
        found: dict[int, None] = {}
        for step in ranking.steps(type_id, ranking.weigh(reader, type_id, searched)):
            parameters = Parameters(step.values)
            inside = "CROSS JOIN entity ON entity.sequence = match.sequence" if self._scope else ""
            sql = f"""
                SELECT match.sequence FROM ({step.sql}) AS match {inside}
                WHERE {where(self._scope, parameters)}
                ORDER BY {step.order} LIMIT {parameters.bind(limit * len(step.values))}
            """
            found |= dict.fromkeys(sequence for (sequence,) in reader.execute(sql, parameters))
            if len(found) >= limit:
                break
        return list(found)[:limit]

    def _page(self, reader: apsw.Cursor, rows: str, parameters: Parameters, limit: int) -> Page:
        """Read rows as a page in one step, or where one of them is large row by row."""
        share = self._bounds.page_bytes // (limit + 1)  # more than that is large
        text = json_sql(parameters.bind(self._slug))
        # A BLOB is not decoded on its way. JSON as it is stored has no line break.
        lines = f"CAST(group_concat(iif(octet_length(entity.data) <= {share}, {text}, NULL), char(10)) AS BLOB)"
        [(count, found)] = reader.execute(f"SELECT count(*), {lines} FROM ({rows}) AS entity", parameters)
        entities = found.split(b"\n") if found else []
        if len(entities) == count:
            return Page(entities[:limit], has_more=count > limit)
        sized = f"SELECT octet_length(entity.data), CAST({text} AS BLOB) FROM ({rows}) AS entity"
        return self._bounded(reader.execute(sized, parameters), limit)

    def _bounded(self, rows: Iterable[Any], limit: int) -> Page:
        """Read no more rows than a page holds, at least one, and the next one, if any."""
        entities: list[bytes] = []
        size = 0
        for octets, text in rows:
            size += octets
            if entities and (len(entities) == limit or size > self._bounds.page_bytes):
                return Page(entities, has_more=True)
            entities.append(text)
        return Page(entities, has_more=False)

    def _refuse_outside(self, entity: Entity) -> None:
        """Raise OutsideScope for an entity that is to be written, before others have to wait for that to be undone."""
        if self._scope:
            columns = entity._asdict() | {"type_id": self._type_id}
            parameters = Parameters(columns.values())
            row = ", ".join(f"?{number} AS {name}" for number, name in enumerate(columns, start=1))
            sql = f"SELECT {where(self._scope, parameters)} FROM (SELECT {row}) AS entity"
            if not self._database.row(sql, parameters)[0]:
                raise OutsideScope("this entity")

    def _sequence(self, cursor: str | None) -> int:
        if not cursor:
            return 0
        row = self._database.row("SELECT sequence FROM entity WHERE type_id = ? AND id = ?", (self._type_id, cursor))
        if row is None:
            raise InvalidCursor
        sequence: int = row[0]
        return sequence

    def _entity(self, entity_id: str, status: str, data: str, created_at: int, updated_at: int) -> Entity:
        return Entity(entity_id, self._slug, status, data, created_at, updated_at)
