"""What slow filters cost is counted by field, and the field that cost most gets an index."""

import pytest

from app.storage.errors import TooSlow
from app.storage.field_costs import ENOUGH, LONGEST_NAME, MOST_FIELDS, SLOW, FieldCosts
from app.storage.field_indexes import MOST, FieldIndex
from app.storage.filters import Condition, parse
from app.storage.repository import Bounds, EntityRepository

from .conftest import Fill


@pytest.fixture
def costs() -> FieldCosts:
    return FieldCosts()


def slow(*fields: str) -> tuple[Condition, ...]:
    return parse(dict.fromkeys(fields, 1))


def test_a_field_is_due_when_its_filters_have_cost_enough(costs: FieldCosts) -> None:
    costs.add(1, (), slow("a"), ENOUGH - SLOW)
    assert (costs.take(), costs.due.is_set()) == (None, False)
    costs.add(1, (), slow("a"), SLOW)
    assert (costs.take(), costs.due.is_set()) == ((1, "a"), True)
    assert costs.take() is None


def test_quick_queries_cost_nothing(costs: FieldCosts) -> None:
    for _ in range(ENOUGH // SLOW + 2):
        costs.add(1, (), slow("a"), SLOW - 1)
    assert costs.take() is None


def test_the_costliest_field_is_first_and_its_type_counted_anew(costs: FieldCosts) -> None:
    costs.add(1, (), slow("a", "b"), ENOUGH)
    costs.add(1, (), slow("b"), ENOUGH)
    costs.add(2, (), slow("a"), ENOUGH)
    assert [costs.take(), costs.take(), costs.take()] == [(1, "b"), (2, "a"), None]


def test_filters_that_no_index_would_serve_cost_nothing(costs: FieldCosts) -> None:
    for filters in (
        {"a": {"$ne": 1}},
        {"a": {"$exists": True}},
        {"a": [1]},
        {"status": "x"},
        {"a": {"$contains": "x"}},
    ):
        costs.add(1, (), parse(filters), ENOUGH)
    assert costs.take() is None


def index(field: str, dropped_at: int | None = None) -> FieldIndex:
    return FieldIndex(1, field, "slow", 0, None, dropped_at)


def test_neither_a_field_that_is_indexed_nor_one_that_was_counts(costs: FieldCosts) -> None:
    costs.add(1, [index("a"), index("b", dropped_at=1)], slow("a", "b"), ENOUGH)
    assert costs.take() is None


def test_where_there_is_no_room_for_an_index_nothing_counts(costs: FieldCosts) -> None:
    full = [index(str(number)) for number in range(MOST)]
    costs.add(1, full, slow("a"), ENOUGH)
    assert costs.take() is None
    costs.add(1, [*full[1:], index("dropped", dropped_at=1)], slow("a"), ENOUGH)
    assert costs.take() == (1, "a")


def test_no_number_of_fields_takes_memory_without_end(costs: FieldCosts) -> None:
    for number in range(3 * MOST_FIELDS):
        costs.add(1, (), slow(f"a{number}"), SLOW)
    assert len(costs._steps) <= MOST_FIELDS


def test_a_name_longer_than_any_that_data_has_is_not_counted(costs: FieldCosts) -> None:
    costs.add(1, (), slow("a" * (LONGEST_NAME + 1)), ENOUGH)
    assert costs.take() is None
    costs.add(1, (), slow("a" * LONGEST_NAME), ENOUGH)
    assert costs.take() == (1, "a" * LONGEST_NAME)


def test_the_steps_of_a_query_are_counted_also_where_it_is_ended(
    monkeypatch: pytest.MonkeyPatch, customers: EntityRepository, fill: Fill
) -> None:
    fill({str(number): {"n": number} for number in range(9_000)})
    steps: list[int] = []
    monkeypatch.setattr(customers._database.costs, "add", lambda type_id, indexes, filters, each: steps.append(each))
    customers.query(slow("none"))
    customers._bounds = Bounds(2**20, 1)
    with pytest.raises(TooSlow):
        customers.query([*slow("none"), *parse({f"x{number}": {"$ne": 1} for number in range(200)})])
    assert steps[0] > SLOW
    assert steps[1] > 0
