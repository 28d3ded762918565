"""The entries of entities: as their rows, whatever was declared since a repository was opened."""

from collections.abc import Callable
from typing import Any

import pytest

from app.storage import entries
from app.storage.check import problems
from app.storage.database import Database
from app.storage.entity_types import EntityTypes
from app.storage.repository import EntityRepository
from tests.conftest import CUSTOMER, PLAYER

from .conftest import Fill, document


@pytest.fixture
def declare(types: EntityTypes) -> Callable[[], None]:
    """Declare an index of `n`."""
    return lambda: types.apply([CUSTOMER._replace(indexes=frozenset("n")), PLAYER]) and None


def rows(database: Database) -> list[Any]:
    return database.connection.execute("SELECT value, sequence FROM field_1 ORDER BY sequence").fetchall()


WRITES: dict[str, tuple[Callable[[EntityRepository], object], list[Any]]] = {
    "a creation": (lambda entities: entities.create(document({"n": 2})), [(1, 1), (2, 2)]),
    "an update of the field": (lambda entities: entities.update("a", document({"n": 2})), [(2, 1)]),
    "an update of another field": (lambda entities: entities.update("a", document({"m": 2})), [(1, 1)]),
    "an update to what is not indexed": (lambda entities: entities.update("a", document({"n": []})), []),
    "an update of the status": (lambda entities: entities.update("a", document({}), "archived"), [(1, 1)]),
    "a deletion": (lambda entities: entities.delete("a"), []),
}


@pytest.mark.parametrize(("write", "expected"), WRITES.values(), ids=WRITES)
def test_a_write_finds_the_index_that_was_declared_since(
    database: Database, declare: Callable[[], None], customers: EntityRepository, fill: Fill,
    write: Callable[[EntityRepository], object], expected: list[Any],
) -> None:  # fmt: skip
    fill({"a": {"n": 1}})
    declare()
    write(customers)
    assert rows(database) == expected
    assert list(problems(database)) == []


def test_entries_that_are_to_stay_are_not_touched(
    database: Database, types: EntityTypes, declare: Callable[[], None], fill: Fill
) -> None:
    declare()
    fill({"a": {"n": 1}})
    indexes = types.get("customer").indexes
    before = database.connection.total_changes()
    entries.change(database.connection, indexes, 1, {"n": 1, "m": 1}, {"n": 1.0, "m": 2})
    assert database.connection.total_changes() == before


@pytest.mark.parametrize("write", [write for write, _ in WRITES.values()], ids=WRITES)
def test_a_write_goes_by_an_index_that_was_dropped(
    database: Database, types: EntityTypes, declare: Callable[[], None], customers: EntityRepository, fill: Fill,
    write: Callable[[EntityRepository], object],
) -> None:  # fmt: skip
    declare()
    fill({"a": {"n": 1}})
    types.drop_index("customer", "n")
    write(customers)
    fill({"b": {"n": 1}})
    assert list(problems(database)) == []


def test_an_import_makes_the_entries_of_each_type(database: Database, declare: Callable[[], None], fill: Fill) -> None:
    declare()
    fill({"a": {"n": 1}, "b": {}, "c": {"n": None}})
    assert rows(database) == [(1, 1), (b"null", 3)]
    assert list(problems(database)) == []
