"""A database with the entity types `customer` and `player`, and what stands on it; no Flask."""

from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest

from app.storage.api_keys import ApiKeys
from app.storage.database import Database
from app.storage.documents import Document, Limits, decode
from app.storage.entity_types import EntityTypes
from app.storage.migrations import prepare
from app.storage.organizations import Environment, ensure_organization
from app.storage.outside import Outside
from app.storage.repository import EntityRepository, Page, Scope
from app.storage.transfer import Record, Transfer
from tests.conftest import CUSTOMER, PLAYER

TOKENIZER = "unicode61 remove_diacritics 2"
LIMITS = Limits(data_bytes=2**20, depth=16, fields=1024, elements=8192, name_length=1024)

Fields = dict[str, Any]
Open = Callable[..., EntityRepository]
Fill = Callable[[Mapping[str, Fields]], None]


def document(fields: Fields) -> Document:
    return Document.of(fields, LIMITS)


def ids_of(page: Page) -> list[str]:
    return [decode(entity)["id"] for entity in page.entities]


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "struere.db"


@pytest.fixture
def tokenizer() -> str:
    """The tokenizer of the search; a parameter may be another."""
    return TOKENIZER


@pytest.fixture
def busy_timeout() -> int:
    """Milliseconds that a write waits for its turn; a parameter may be others."""
    return 10_000


@pytest.fixture
def open_database(path: Path, busy_timeout: int, tokenizer: str) -> Iterator[Callable[..., Database]]:
    """Prepare the file, again if need be, and return the database."""
    opened: list[Database] = []

    def open_database(tokenizer: str = tokenizer) -> Database:
        database = Database(path, busy_timeout, tokenizer)
        opened.append(database)
        prepare(database)
        return database

    yield open_database
    for database in opened:
        database.close()


@pytest.fixture
def database(open_database: Callable[..., Database]) -> Database:
    return open_database()


@pytest.fixture
def environment(database: Database, outside: Outside) -> Environment:
    return Environment(ensure_organization(database, outside, "acme"), "development")


@pytest.fixture
def neighbours(database: Database, outside: Outside, environment: Environment) -> list[Environment]:
    """Another environment of the same organization, and the same environment of another."""
    other = ensure_organization(database, outside, "other")
    return [environment._replace(name="production"), environment._replace(organization_id=other)]


@pytest.fixture
def types(database: Database, outside: Outside, environment: Environment) -> EntityTypes:
    types = EntityTypes(database, outside, environment)
    types.apply([CUSTOMER, PLAYER])
    return types


@pytest.fixture
def open_entities(database: Database, outside: Outside, environment: Environment, types: EntityTypes) -> Open:
    """Open the entities of a type as a caller with a scope sees them."""

    def open_entities(slug: str = "customer", scope: Scope | None = None) -> EntityRepository:
        return EntityRepository(database, outside, environment, scope, slug)

    return open_entities


@pytest.fixture
def customers(open_entities: Open) -> EntityRepository:
    return open_entities()


@pytest.fixture
def keys(database: Database, outside: Outside) -> ApiKeys:
    return ApiKeys(database, outside)


@pytest.fixture
def transfer(database: Database, outside: Outside, environment: Environment, types: EntityTypes) -> Transfer:
    return Transfer(database, outside, environment)


@pytest.fixture
def fill(transfer: Transfer) -> Fill:
    """Store customers by id, in one transaction."""

    def fill(customers: Mapping[str, Fields]) -> None:
        transfer.import_(Record("customer", document(fields), id=name) for name, fields in customers.items())

    return fill
