"""The filling of an index: at once or beside writers, it ends with what the rows have."""

from collections.abc import Callable
from typing import Any

import pytest

from app.storage import field_indexes, filling, index_builder
from app.storage.check import problems
from app.storage.database import Database
from app.storage.entity_types import EntityTypes
from app.storage.filling import FEW, SMALL
from app.storage.outside import Deadline
from app.storage.repository import EntityRepository
from tests.conftest import CUSTOMER, PLAYER

from .conftest import Fill, document

Declare = Callable[[], bool]


@pytest.fixture
def declare(types: EntityTypes) -> Declare:
    """Declare an index of `n`, and tell whether it is full."""

    def declare() -> bool:
        types.apply([CUSTOMER._replace(indexes=frozenset("n")), PLAYER])
        return types.get("customer").indexes[0].is_ready

    return declare


def count(database: Database) -> int:
    found: int = database.connection.execute("SELECT count(*) FROM field_1").get
    return found


@pytest.mark.parametrize(("entities", "is_full"), [(0, True), (FEW, True), (FEW + 1, False)])
def test_an_index_of_a_type_with_few_entities_is_full_at_once(
    database: Database, declare: Declare, customers: EntityRepository, fill: Fill, entities: int, is_full: bool
) -> None:
    fill({str(number): {"n": number} for number in range(entities + 1)})
    customers.delete("0")
    assert declare() == is_full
    assert count(database) == (entities if is_full else 0)
    assert list(problems(database)) == []


def test_an_index_of_few_entities_that_are_large_is_not(
    database: Database, declare: Declare, customers: EntityRepository
) -> None:
    for _ in range(3):
        customers.create(document({"n": 1, "text": "a" * (SMALL // 3)}))
    assert not declare()
    assert index_builder.fill(database, 1)
    assert count(database) == 3


def test_a_batch_ends_with_the_entry_at_which_its_time_is_over(
    database: Database, declare: Declare, fill: Fill
) -> None:
    fill({str(number): {"n": number % 3} for number in range(FEW + 1)})
    declare()
    filling.collect(database.connection, 1)
    ends = [filling.put(database.connection, 1, after, Deadline(0)) for after in range(FEW + 2)]
    assert ends == [*range(1, FEW + 2), None]
    assert count(database) == FEW + 1


def test_what_changes_after_it_was_collected_is_not_put_as_it_was(
    database: Database, declare: Declare, customers: EntityRepository, fill: Fill
) -> None:
    fill({str(number): {"n": number % 3} for number in range(FEW + 1)})
    declare()
    filling.collect(database.connection, 1)
    customers.update("0", document({"n": 9}))
    customers.update("1", document({"n": []}))
    customers.update("2", document({"m": 9}))
    customers.delete("3")
    customers.create(document({"n": 9}))
    with database.transaction() as connection:
        assert filling.put(connection, 1, 0, Deadline(60_000)) is None
        filling.finish(connection, 1)
    assert count(database) == FEW
    assert list(problems(database)) == []


@pytest.mark.parametrize("puts", [0, 1, 2])
def test_filling_that_was_stopped_is_finished_by_the_next(
    database: Database, declare: Declare, fill: Fill, monkeypatch: pytest.MonkeyPatch, puts: int
) -> None:
    fill({str(number): {"n": number % 3} for number in range(FEW + 1)})
    declare()
    ends: list[int | None] = []

    def put(*arguments: Any) -> int | None:
        ends.append(PUT(*arguments))
        return ends[-1]

    monkeypatch.setattr(index_builder, "BATCH", 0)
    monkeypatch.setattr(filling, "put", put)
    assert not index_builder.fill(database, 1, is_stopped=lambda: len(ends) == puts)
    assert count(database) == puts
    assert list(problems(database)) == []
    assert index_builder.fill(database, 1)
    assert field_indexes.of_type(database.connection, 1)[0].is_ready
    assert list(problems(database)) == []


PUT = filling.put
