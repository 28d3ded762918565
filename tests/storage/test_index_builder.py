"""The thread that fills indexes: by itself, one at a time, and without harm when it fails or is stopped."""

import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from app.storage import field_indexes, filling, index_builder
from app.storage.check import problems
from app.storage.database import Database
from app.storage.entity_types import EntityTypes
from app.storage.field_costs import ENOUGH
from app.storage.filters import parse
from app.storage.index_builder import IndexBuilder, claimed
from app.storage.outside import Outside
from tests.conftest import CUSTOMER, PLAYER
from tests.server import until

from .conftest import Fill, Open

Build = Callable[..., list[str]]
COUNT = 4 * filling.FEW


@pytest.fixture(autouse=True)
def filled(fill: Fill, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(index_builder, "BATCH", 1)
    fill({f"{number:06}": {"n": number % 7} for number in range(COUNT)})


@pytest.fixture
def build(database: Database, outside: Outside) -> Iterator[Build]:
    """Start a builder, and return the list of what it tells."""
    builders: list[IndexBuilder] = []

    def build(automatic: bool = True) -> list[str]:
        told: list[str] = []
        builders.append(IndexBuilder(database, outside, automatic, told.append))
        builders[-1].start()
        return told

    yield build
    for builder in builders:
        builder.stop()


@pytest.fixture
def declare(types: EntityTypes) -> Callable[[], None]:
    return lambda: types.apply([CUSTOMER._replace(indexes=frozenset("n")), PLAYER]) and None


def is_ready(types: EntityTypes) -> bool:
    return [index.is_ready for index in types.get("customer").indexes] == [True]


def test_a_declared_index_is_filled(
    database: Database, types: EntityTypes, declare: Callable[[], None], build: Build
) -> None:
    declare()
    assert not is_ready(types)
    told = build(automatic=False)
    until(lambda: told)
    assert told == ["Field n of entity type customer is indexed now"]
    assert is_ready(types)
    assert list(problems(database)) == []


def test_a_field_whose_filters_were_slow_is_indexed(
    database: Database, types: EntityTypes, open_entities: Open, build: Build
) -> None:
    told = build()
    database.costs.add(types.get("customer").id, (), parse({"n": 3}), ENOUGH)
    until(lambda: told)
    assert told == ["Field n of entity type customer is indexed now, since filters on it were slow"]
    assert open_entities().explain(parse({"n": 3})).field == "n"
    assert [index.reason for index in types.get("customer").indexes] == ["slow"]


def test_none_is_where_that_is_switched_off(
    database: Database, types: EntityTypes, declare: Callable[[], None], build: Build
) -> None:
    told = build(automatic=False)
    database.costs.add(types.get("customer").id, (), parse({"slow": 3}), ENOUGH)
    declare()
    database.costs.due.set()
    until(lambda: told)
    assert [index.field for index in types.get("customer").indexes] == ["n"]


def test_a_failure_harms_nothing_and_is_tried_again(
    database: Database, types: EntityTypes, declare: Callable[[], None], build: Build, monkeypatch: pytest.MonkeyPatch
) -> None:
    declare()
    monkeypatch.setattr(index_builder, "RETRY", 0.01)
    blocked = Path(f"{database.path}-indexing")
    blocked.mkdir()
    told = build()
    until(lambda: len(told) > 1)
    assert told[0].startswith("An index could not be made and is tried again later: ")
    assert not is_ready(types)
    assert list(problems(database)) == []
    blocked.rmdir()
    until(lambda: is_ready(types))
    assert list(problems(database)) == []


def test_a_stop_ends_between_two_batches_and_the_next_goes_on(
    database: Database, outside: Outside, types: EntityTypes, declare: Callable[[], None], build: Build,
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    declare()
    monkeypatch.setattr(index_builder, "BATCH", 0)
    reached, go_on = threading.Event(), threading.Event()

    def put(*arguments: Any) -> int | None:
        end = PUT(*arguments)
        reached.set()
        go_on.wait(10)
        return end

    monkeypatch.setattr(filling, "put", put)
    builder = IndexBuilder(database, outside, True, lambda sentence: None)
    builder.start()
    assert reached.wait(10)
    builder._is_stopped = True
    go_on.set()
    builder.stop()
    assert not builder._thread.is_alive()
    filled = database.connection.execute("SELECT count(*) FROM field_1").get
    assert filled == 1
    assert list(problems(database)) == []
    build()
    until(lambda: is_ready(types))


PUT = filling.put


def test_one_at_a_time_fills(
    database: Database, types: EntityTypes, declare: Callable[[], None], build: Build, monkeypatch: pytest.MonkeyPatch
) -> None:
    declare()
    looks = []
    monkeypatch.setattr(field_indexes, "unfilled", lambda connection: looks.append(1) or UNFILLED(connection))
    monkeypatch.setattr(index_builder, "POLL", 0.01)
    with claimed(database, wait=False) as first, claimed(database, wait=False) as second:
        assert (first, second) == (True, False)
        build()
        until(lambda: len(looks) > 2)
        assert not is_ready(types)
    until(lambda: is_ready(types))
    until(lambda: not Path(f"{database.path}-indexing").exists())


UNFILLED = field_indexes.unfilled


def test_writers_go_between_two_batches(
    database: Database, types: EntityTypes, declare: Callable[[], None], fill: Fill, monkeypatch: pytest.MonkeyPatch
) -> None:
    declare()
    monkeypatch.setattr(index_builder, "BATCH", 0)
    [index] = types.get("customer").indexes
    thread = threading.Thread(target=index_builder.fill, args=(database, index.id, lambda: False, 0.001))
    thread.start()
    for number in range(50):
        fill({f"new{number}": {"n": 3}})
    thread.join()
    assert is_ready(types)
    assert list(problems(database)) == []
