"""Entity types: applied as a snapshot, removed only on demand, and never silently with their entities."""

from collections.abc import Callable
from typing import Any

import pytest

from app.storage import search_index
from app.storage.database import Database
from app.storage.entity_types import Change, Definition, EntityTypes
from app.storage.errors import EntityNotFound, EntityTypeNotFound, Refused
from app.storage.organizations import Environment
from app.storage.outside import Outside
from app.storage.repository import EntityRepository
from tests.conftest import CUSTOMER, PLAYER

from .conftest import Fill, Open, document, ids_of

ORDER = Definition("order", "Order", {"total": "number"})


def slugs(types: EntityTypes) -> list[str]:
    return [entity_type.definition.slug for entity_type in types.all()]


def test_types_are_listed_in_creation_order_as_defined(types: EntityTypes) -> None:
    types.apply([Definition("a", "A", {}), CUSTOMER, PLAYER])
    assert [entity_type.definition for entity_type in types.all()] == [CUSTOMER, PLAYER, Definition("a", "A", {})]


def test_a_snapshot_tells_what_is_new_changed_unchanged_and_gone(types: EntityTypes) -> None:
    assert types.apply([ORDER, CUSTOMER._replace(name="Client")]) == [
        Change("+", "order"),
        Change("~", "customer"),
        Change("-", "player", removed=False),
    ]
    assert types.apply([CUSTOMER, PLAYER, ORDER], remove=True) == [
        Change("~", "customer"),
        Change("=", "player"),
        Change("=", "order"),
    ]


CHANGES: dict[str, tuple[Definition, str]] = {
    "nothing": (CUSTOMER, "="),
    "the name": (CUSTOMER._replace(name="Client"), "~"),
    "the schema": (CUSTOMER._replace(schema={"name": "string"}), "~"),
    "the order of the schema's fields": (CUSTOMER._replace(schema=dict(reversed(CUSTOMER.schema.items()))), "~"),
    "the search fields": (CUSTOMER._replace(search_fields=("name",)), "~"),
    "the order of the search fields": (CUSTOMER._replace(search_fields=("email", "name")), "~"),
}


@pytest.mark.parametrize(("definition", "sign"), CHANGES.values(), ids=CHANGES)
def test_a_type_is_changed_when_its_file_changes(types: EntityTypes, definition: Definition, sign: str) -> None:
    assert types.apply([definition, PLAYER])[0] == Change(sign, "customer")
    assert types.get("customer").definition == definition
    assert list(types.get("customer").definition.schema) == list(definition.schema)
    assert types.apply([definition, PLAYER])[0] == Change("=", "customer")


SCHEMAS: dict[str, dict[str, Any]] = {
    "JSON Schema": {"type": "object", "properties": {"age": {"type": "integer", "minimum": 0.0}}, "required": ["age"]},
    "the flat shorthand": {"name": "string", "age": "number"},
    "an empty object": {},
    "keywords that nobody knows": {"$id": "x", "": None, "x-a": [1, 1.0, True], "\U0001f600": "é"},
}


@pytest.mark.parametrize("schema", SCHEMAS.values(), ids=SCHEMAS)
def test_a_schema_is_kept_word_for_word(types: EntityTypes, schema: dict[str, Any]) -> None:
    types.apply([Definition("customer", "Customer", schema)])
    assert repr(types.get("customer").definition.schema) == repr(schema)


def test_a_type_gone_from_the_snapshot_is_kept(types: EntityTypes) -> None:
    types.apply([CUSTOMER])
    assert slugs(types) == ["customer", "player"]


def test_a_type_gone_from_the_snapshot_is_removed_on_demand(types: EntityTypes) -> None:
    assert types.apply([CUSTOMER], remove=True)[-1] == Change("-", "player", removed=True)
    assert slugs(types) == ["customer"]


REMOVALS: dict[str, Callable[[EntityTypes, bool], Any]] = {
    "by a snapshot": lambda types, force: types.apply([PLAYER], remove=True, force=force),
    "by its slug": lambda types, force: types.remove("customer", force),
}


@pytest.mark.parametrize("remove", REMOVALS.values(), ids=REMOVALS)
def test_a_type_that_has_entities_is_not_removed(
    types: EntityTypes, customers: EntityRepository, fill: Fill, remove: Callable[..., Any]
) -> None:
    fill({"a": {}, "b": {}})
    with pytest.raises(Refused, match=r"^Entity type customer still has entities \(2\); --force removes them with it$"):
        remove(types, False)
    assert slugs(types) == ["customer", "player"]
    assert len(customers.query().entities) == 2


@pytest.mark.parametrize("remove", REMOVALS.values(), ids=REMOVALS)
def test_a_type_that_has_entities_is_removed_with_them_by_force(
    database: Database, types: EntityTypes, fill: Fill, remove: Callable[..., Any]
) -> None:
    fill({"a": {}, "b": {}})
    remove(types, True)
    assert slugs(types) == ["player"]
    assert database.connection.execute("SELECT count(*) FROM entity").get == 0


def test_a_type_whose_entities_are_all_deleted_is_removed(types: EntityTypes, customers: EntityRepository) -> None:
    customers.delete(customers.create(document({})).id)
    assert types.remove("customer") == 0


def test_a_removal_tells_how_many_entities_went_with_the_type(types: EntityTypes, fill: Fill) -> None:
    fill({"a": {}, "b": {}})
    assert types.remove("customer", force=True) == 2


def test_a_snapshot_with_a_refused_removal_changes_nothing(types: EntityTypes, fill: Fill) -> None:
    fill({"a": {}})
    with pytest.raises(Refused):
        types.apply([ORDER, PLAYER._replace(name="Gambler")], remove=True)
    assert [entity_type.definition for entity_type in types.all()] == [CUSTOMER, PLAYER]


def test_a_type_that_comes_back_has_none_of_its_old_entities(
    types: EntityTypes, customers: EntityRepository, fill: Fill
) -> None:
    fill({"a": {"name": "Jane"}})
    types.remove("customer", force=True)
    types.apply([CUSTOMER])
    assert customers.query().entities == []
    assert ids_of(customers.search("jane")) == []


def test_a_new_type_is_never_taken_for_a_removed_one(types: EntityTypes, open_entities: Open) -> None:
    opened_before = open_entities("player")
    types.remove("player")
    types.apply([ORDER])
    order = open_entities("order").create(document({}))
    assert opened_before.query().entities == []
    with pytest.raises(EntityNotFound):
        opened_before.get(order.id)


def test_an_unknown_type_cannot_be_removed(types: EntityTypes) -> None:
    with pytest.raises(EntityTypeNotFound, match=r"^Entity type planet not found$"):
        types.remove("planet")


def test_types_of_other_environments_and_organizations_are_others(
    database: Database, outside: Outside, types: EntityTypes, neighbours: list[Environment]
) -> None:
    for environment in neighbours:
        others = EntityTypes(database, outside, environment)
        assert others.all() == []
        assert others.apply([ORDER, CUSTOMER], remove=True) == [Change("+", "order"), Change("+", "customer")]
        others.remove("customer")
        assert slugs(others) == ["order"]
    assert slugs(types) == ["customer", "player"]


def test_a_failing_rebuild_of_the_index_leaves_the_type_as_it_was(
    types: EntityTypes, customers: EntityRepository, fill: Fill, monkeypatch: pytest.MonkeyPatch
) -> None:
    fill({"a": {"name": "Jane"}})
    monkeypatch.setattr(search_index, "index_text", lambda *_: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        types.apply([ORDER, CUSTOMER._replace(search_fields=("email",))])
    assert [entity_type.definition for entity_type in types.all()] == [CUSTOMER, PLAYER]
    assert ids_of(customers.search("jane")) == ["a"]
