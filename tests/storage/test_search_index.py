"""The search index holds the text of every live entity and nothing else, whatever is done to them."""

from collections.abc import Callable, Iterator

import apsw
import pytest

from app.storage.database import Database
from app.storage.documents import decode
from app.storage.entity_types import EntityTypes
from app.storage.organizations import Environment
from app.storage.outside import Outside
from app.storage.repository import EntityRepository
from app.storage.search import index_text
from app.storage.transfer import Transfer
from tests.conftest import CUSTOMER

from .conftest import Fill, document, ids_of

OTHER_FIELDS = CUSTOMER._replace(search_fields=("notes.text",))


@pytest.fixture(autouse=True)
def index_equals_rows(database: Database, types: EntityTypes, transfer: Transfer) -> Iterator[None]:
    """After each test, compare the index of each type with its entities."""
    yield
    for type_id, definition, *_ in types.all():
        entities = [(each.id, decode(each.data)) for each in transfer.export(definition.slug)]
        texts = [(entity_id, index_text(fields, definition.search_fields)) for entity_id, fields in entities]
        assert indexed(database.connection, f"search_{type_id}") == texts


def indexed(connection: apsw.Connection, table: str) -> list[tuple[str, str]]:
    """Return id and text of each entry; raise an error where the words are not those of the texts."""
    connection.execute(f"INSERT INTO {table} ({table}) VALUES ('integrity-check')")
    sql = f"SELECT id, text FROM {table} LEFT JOIN entity ON sequence = {table}.rowid ORDER BY {table}.rowid"
    return list(connection.execute(sql))


@pytest.fixture
def jane(customers: EntityRepository) -> str:
    """The id of a customer, one of two."""
    customers.create(document({"name": "Kim", "notes": {"text": "tall"}}))
    return customers.create(document({"name": "Jane", "notes": {"text": "small"}})).id


def found(customers: EntityRepository, text: str) -> list[str]:
    return ids_of(customers.search(text))


def test_a_created_entity_is_found(customers: EntityRepository, jane: str) -> None:
    assert found(customers, "jane") == [jane]


def test_an_updated_entity_is_found_by_its_new_text_alone(customers: EntityRepository, jane: str) -> None:
    customers.update(jane, document({"name": "June"}))
    assert found(customers, "jane") == []
    assert found(customers, "june") == [jane]


def test_an_update_of_another_field_changes_nothing(customers: EntityRepository, jane: str) -> None:
    customers.update(jane, document({"plan": "pro"}), status="archived")
    assert found(customers, "jane") == [jane]


def test_a_deleted_entity_leaves_the_index(customers: EntityRepository, jane: str) -> None:
    customers.delete(jane)
    assert found(customers, "jane") == []


def test_imported_entities_are_indexed(customers: EntityRepository, fill: Fill) -> None:
    fill({"june": {"name": "June"}})
    assert found(customers, "june") == ["june"]


def test_new_search_fields_index_what_is_there_anew(types: EntityTypes, customers: EntityRepository, jane: str) -> None:
    types.apply([OTHER_FIELDS])
    assert found(customers, "jane") == []
    assert found(customers, "small") == [jane]


def test_deleted_entities_do_not_come_back_with_new_search_fields(
    types: EntityTypes, customers: EntityRepository, jane: str
) -> None:
    customers.delete(jane)
    types.apply([OTHER_FIELDS])
    assert found(customers, "small") == []


def test_entities_are_indexed_by_search_fields_that_changed_since_the_repository_was_opened(
    types: EntityTypes, customers: EntityRepository, jane: str
) -> None:
    types.apply([OTHER_FIELDS])
    customers.update(jane, document({"name": "June"}))
    new = customers.create(document({"name": "June", "notes": {"text": "small"}}))
    assert found(customers, "small") == [new.id, jane]


def test_another_tokenizer_indexes_what_is_there_anew(
    open_database: Callable[..., Database],
    outside: Outside,
    environment: Environment,
    customers: EntityRepository,
    jane: str,
) -> None:
    customers.update(jane, document({"name": "naming"}))
    assert found(customers, "names") == []
    database = open_database("porter unicode61")
    stemming = EntityRepository(database, outside, environment, None, "customer")
    assert found(stemming, "names") == []  # a command with another setting leaves a running server's index alone
    database.retokenize()
    assert found(stemming, "names") == [jane]
    changes = database.connection.total_changes()
    database.retokenize()
    assert database.connection.total_changes() == changes


def test_the_same_tokenizer_leaves_the_index_alone(open_database: Callable[..., Database], jane: str) -> None:
    assert open_database().connection.total_changes() == 0


def test_the_index_of_a_removed_type_is_gone(database: Database, types: EntityTypes, jane: str) -> None:
    tables = "SELECT count(*) FROM sqlite_schema WHERE name LIKE 'search_%'"
    both = database.connection.execute(tables).get
    types.remove("customer", force=True)
    assert database.connection.execute(tables).get * 2 == both
