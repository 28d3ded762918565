"""Field indexes: kept by whatever writes, used once they are full, and never in the way."""

from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.storage import field_indexes
from app.storage.check import problems
from app.storage.database import Database
from app.storage.entity_types import EntityTypes
from app.storage.errors import Refused
from app.storage.field_indexes import MOST, FieldIndex
from app.storage.filling import FEW
from app.storage.filters import parse
from app.storage.index_builder import fill as fill_index
from app.storage.index_builder import make_slow
from app.storage.index_keys import KEY_LENGTH
from app.storage.repository import EntityRepository
from tests.conftest import CUSTOMER, PLAYER
from tests.exact.strategies import names
from tests.profiles import examples

from .conftest import Fill, Open, document, ids_of

Declare = Callable[..., tuple[FieldIndex, ...]]


@pytest.fixture
def declare(types: EntityTypes) -> Declare:
    """Apply the type `customer` with indexes of some fields, and return what it has."""

    def declare(*fields: str) -> tuple[FieldIndex, ...]:
        types.apply([CUSTOMER._replace(indexes=frozenset(fields)), PLAYER])
        return types.get("customer").indexes

    return declare


def found(entities: EntityRepository, **filters: Any) -> list[str]:
    return ids_of(entities.query(parse(filters)))


def served(entities: EntityRepository, **filters: Any) -> str | None:
    """Return the field whose index answers filters."""
    return entities.explain(parse(filters)).field


@examples(ci=60, full=2_000)
@given(parts=st.lists(names.filter(lambda name: "." not in name), min_size=1, max_size=3), value=st.text(max_size=4))
def test_a_field_of_any_name_can_be_indexed(
    database: Database, types: EntityTypes, open_entities: Open, parts: list[str], value: str
) -> None:
    value = value.replace("\0", "").encode("utf-8", "ignore").decode()
    fields: Any = value
    for part in reversed(parts):
        fields = {part: fields}
    field = ".".join(parts)
    types.apply([CUSTOMER._replace(indexes=frozenset([field])), PLAYER])
    entities = open_entities()
    entity = entities.create(document(fields))
    assert served(entities, **{f"data.{field}": value}) == field_indexes.shown_field(field)
    assert found(entities, **{f"data.{field}": value}) == [entity.id]
    assert found(entities, **{f"data.{field}": f"{value}x"}) == []
    assert list(problems(database)) == []
    entities.delete(entity.id)


def test_an_index_follows_every_write(database: Database, declare: Declare, open_entities: Open, fill: Fill) -> None:
    declare("plan")
    fill({"a": {"plan": "pro"}, "b": {"plan": "pro"}, "c": {"plan": 1}, "d": {}})
    entities = open_entities()
    entities.update("a", document({"plan": "free"}))
    entities.update("c", document({"plan": "pro"}))
    entities.update("d", document({"plan": ["pro"]}))
    entities.delete("b")
    assert found(entities, plan="pro") == ["c"]
    rows = database.connection.execute("SELECT value, sequence FROM field_1").fetchall()
    assert rows == [("free", 1), ("pro", 3)]
    assert list(problems(database)) == []


@pytest.mark.parametrize("value", ["a", 1, 1.5, True, False, None], ids=str)
def test_an_index_serves_equality_with_a_value_of_every_kind_that_is_no_container(
    declare: Declare, open_entities: Open, fill: Fill, value: Any
) -> None:
    declare("x")
    fill({str(number): {"x": each} for number, each in enumerate(["a", 1, 1.5, True, False, None, "1", 0, ""])})
    entities = open_entities()
    assert served(entities, x=value) == "x"
    assert len(found(entities, x=value)) == 1


def test_of_a_long_text_only_the_beginning_is_indexed(
    database: Database, declare: Declare, open_entities: Open, fill: Fill
) -> None:
    declare("x")
    long = "é" * 10_000
    fill({"a": {"x": long}, "b": {"x": long + "a"}, "c": {"x": long[:KEY_LENGTH]}})
    assert database.connection.execute("SELECT max(length(value)) FROM field_1").get == KEY_LENGTH
    entities = open_entities()
    assert served(entities, x=long) == "x"
    assert found(entities, x=long) == ["a"]
    assert found(entities, x={"$gt": long}) == ["b"]
    assert found(entities, x={"$lt": long}) == ["c"]


def test_the_own_fields_of_an_entity_are_in_no_index(declare: Declare, open_entities: Open, fill: Fill) -> None:
    declare("status")
    fill({"a": {"status": "active"}, "b": {}})
    entities = open_entities()
    assert (served(entities, status="active"), found(entities, status="active")) == (None, ["a", "b"])
    served_field, ids = served(entities, **{"data.status": "active"}), found(entities, **{"data.status": "active"})
    assert (served_field, ids) == ("data.status", ["a"])


@pytest.fixture
def many(fill: Fill) -> dict[str, Any]:
    """Store more customers than are indexed at once."""
    customers = {f"{number:06}": {"n": number % 7} for number in range(2 * FEW + 1)}
    fill(customers)
    return customers


def test_an_index_is_used_once_it_is_full(
    database: Database, declare: Declare, open_entities: Open, many: dict[str, Any]
) -> None:
    [index] = declare("n")
    assert not index.is_ready
    assert served(open_entities(), n=3) is None
    # What changes meanwhile may be in it already, or not yet.
    for entity_id, fields in (("000000", {"n": 3}), ("000500", {"n": 3}), ("000003", {"n": 0}), ("000493", {"n": 0})):
        open_entities().update(entity_id, document(fields))
    open_entities().delete("000010")
    assert list(problems(database)) == []
    assert fill_index(database, index.id)
    entities = open_entities()
    assert served(entities, n=3) == "n"
    expected = sorted(
        ({key for key, each in many.items() if each["n"] == 3} | {"000000", "000500"}) - {"000003", "000493", "000010"}
    )
    assert found(entities, n=3) == expected[:50]
    assert list(problems(database)) == []


def test_an_index_that_is_dropped_while_it_is_filled_is_no_obstacle(
    database: Database, types: EntityTypes, declare: Declare, many: dict[str, Any]
) -> None:
    [index] = declare("n")
    types.drop_index("customer", "n")
    assert fill_index(database, index.id)
    assert not database.connection.table_exists("main", "field_1")


def test_indexes_are_a_snapshot_of_what_is_declared(types: EntityTypes, declare: Declare) -> None:
    assert {index.field for index in declare("a", "b")} == {"a", "b"}
    kept = next(index for index in types.get("customer").indexes if index.field == "b")
    assert declare("b", "c")[0] == kept
    assert {index.field for index in types.get("customer").indexes} == {"b", "c"}
    definition = CUSTOMER._replace(indexes=frozenset("bc"))
    assert types.get("customer").definition == definition
    assert [change.sign for change in types.apply([definition, PLAYER])] == ["=", "="]
    assert [change.sign for change in types.apply([CUSTOMER, PLAYER])] == ["~", "="]


def test_a_dropped_index_comes_back_by_declaration_only(
    database: Database, types: EntityTypes, declare: Declare
) -> None:
    type_id = types.get("customer").id
    make_slow(database, type_id, "a", now=1)
    assert types.drop_index("customer", "data.a").reason == "slow"
    make_slow(database, type_id, "a", now=2)
    assert [index.is_live for index in types.get("customer").indexes] == [False]
    assert [(index.is_live, index.reason) for index in declare("a")] == [(True, "declared")]


def test_a_declaration_takes_over_what_slow_filters_made(
    database: Database, types: EntityTypes, declare: Declare
) -> None:
    make_slow(database, types.get("customer").id, "a", now=1)
    [before] = types.get("customer").indexes
    assert declare("a") == (before._replace(reason="declared"),)


def test_slow_filters_make_no_more_indexes_than_a_type_may_have(
    database: Database, types: EntityTypes, declare: Declare
) -> None:
    declare(*map(str, range(MOST - 1)))
    for field in ("a", "b", "a"):
        make_slow(database, types.get("customer").id, field, now=1)
    assert [index.field for index in types.get("customer").indexes if index.reason == "slow"] == ["a"]
    make_slow(database, 99, "a", now=1)


def test_declared_indexes_take_the_room_of_the_oldest_that_slow_filters_made(
    database: Database, types: EntityTypes, declare: Declare
) -> None:
    for field in map(str, range(MOST)):
        make_slow(database, types.get("customer").id, field, now=1)
    declare("a", "b")
    assert [index.shown_field for index in types.get("customer").indexes if index.is_live] == [
        *map(str, range(2, MOST)), "a", "b",
    ]  # fmt: skip


def test_an_index_that_is_not_there_cannot_be_dropped(types: EntityTypes, declare: Declare) -> None:
    declare("a")
    types.drop_index("customer", "a")
    with pytest.raises(Refused, match="Entity type customer has no index of a; struere-local indexes list shows"):
        types.drop_index("customer", "a")


def test_a_query_goes_on_without_an_index_that_was_dropped_meanwhile(
    types: EntityTypes, declare: Declare, open_entities: Open, fill: Fill
) -> None:
    declare("plan")
    fill({"a": {"plan": "pro"}, "b": {"plan": "free"}})
    entities = open_entities()
    types.drop_index("customer", "plan")
    assert found(entities, plan="free") == ["b"]


def test_a_removed_type_takes_its_indexes_along(
    database: Database, types: EntityTypes, declare: Declare, fill: Fill
) -> None:
    declare("a")
    fill({"a": {"a": 1}})
    types.remove("customer", force=True)
    names = "SELECT name FROM sqlite_schema WHERE name LIKE 'field%' AND type <> 'index'"
    assert database.connection.execute(names).fetchall() == [("field_index",)]
    assert database.connection.execute("SELECT count(*) FROM field_index").get == 0


@pytest.mark.parametrize(
    ("damage", "sentence"),
    [
        ("DELETE FROM field_1", "The index of field plan, table field_1, lacks entries: 1"),
        (
            "INSERT INTO field_1 VALUES ('x', 1)",
            "The index of field plan, table field_1, has entries that no entity has: 1",
        ),
        ("DROP TABLE field_1", "The index of field plan, table field_1, is damaged: "),
    ],
    ids=["an entry too few", "an entry too many", "no table"],
)
def test_a_damage_is_found(database: Database, declare: Declare, fill: Fill, damage: str, sentence: str) -> None:
    declare("plan")
    fill({"a": {"plan": "pro"}})
    assert list(problems(database)) == []
    database.connection.execute(damage)
    [told] = problems(database)
    assert told.startswith(sentence)
