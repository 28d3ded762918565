"""A database full of entities, written by the product's own storage code in one transaction."""

from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

from app.config import load
from app.parts import Parts, assemble
from app.storage.documents import Document
from app.storage.entity_types import Definition, EntityTypes
from app.storage.field_indexes import unfilled
from app.storage.index_builder import fill as fill_index
from app.storage.migrations import prepare
from app.storage.organizations import Environment, ensure_organization
from app.storage.outside import Outside
from app.storage.transfer import Record, Transfer
from benchmarks.entities import SCHEMA, SEARCH_FIELDS, SLUG, entity
from benchmarks.telling import progress

INDEXES = frozenset(["plan", "account", "age"])  # the fields that queries filter
KEY = "sk_dev_" + "benchmark" * 5  # the key that the database knows


def fill(path: Path, size: int) -> None:
    """Make a database with an organization, a key, an entity type and so many entities."""
    settings = load({"DATABASE": path})
    parts = assemble(settings, Outside())
    prepare(parts.database)
    with closing(parts.database):
        organization = ensure_organization(parts.database, parts.outside, settings["ORGANIZATION"])
        environment = Environment(organization, "development")
        definition = Definition(SLUG, "Customer", SCHEMA, SEARCH_FIELDS)
        types = EntityTypes(parts.database, parts.outside, environment)
        types.apply([definition])
        parts.keys.create(environment, "benchmark", plain=KEY)
        transfer = Transfer(parts.database, parts.outside, environment)
        transfer.import_(progress(_records(parts, size), f"Entities stored, of {size:,}"))
        types.apply([definition._replace(indexes=INDEXES)])
        for index, _ in unfilled(parts.database.connection):
            fill_index(parts.database, index.id)


def _records(parts: Parts, size: int) -> Iterator[Record]:
    for made in map(entity, range(size)):
        document = Document.of(made["data"], parts.limits)
        yield Record(SLUG, document, made["status"], made["id"], made["createdAt"], made["updatedAt"])
