"""Which index answers a query: the one with few entities, whatever the others have; and how little is read for it."""

from collections.abc import Iterator
from typing import Any

import pytest

from app.storage.database import Database
from app.storage.documents import Document
from app.storage.entity_types import EntityTypes
from app.storage.explanation import Explanation
from app.storage.field_indexes import unfilled
from app.storage.filters import parse
from app.storage.index_builder import fill as fill_index
from app.storage.migrations import prepare
from app.storage.organizations import Environment, ensure_organization
from app.storage.outside import Outside
from app.storage.repository import EntityRepository
from app.storage.transfer import Record, Transfer
from tests.conftest import CUSTOMER

from .conftest import LIMITS, TOKENIZER

COUNT = 20_000


def customer(number: int) -> dict[str, Any]:
    """Return a customer, with a common plan, an account of 10, a day that goes up, and a group of 1,000 at the end."""
    return {
        "plan": "free" if number % 2 else "pro",
        "account": f"a{number // 10}",
        "age": number % 50,
        "day": number,
        "group": "late" if number >= COUNT - 1_000 else "early",
        "tier": number % 400,
        "note": number,
    }


@pytest.fixture(scope="module")
def entities(tmp_path_factory: pytest.TempPathFactory) -> Iterator[EntityRepository]:
    """20,000 customers with six indexes."""
    database = Database(tmp_path_factory.mktemp("planning") / "struere.db", 0, TOKENIZER, durability="fast")
    prepare(database)
    outside = Outside()
    environment = Environment(ensure_organization(database, outside, "acme"), "development")
    types = EntityTypes(database, outside, environment)
    types.apply([CUSTOMER])
    records = (Record("customer", Document.of(customer(number), LIMITS), id=f"{number:05}") for number in range(COUNT))
    Transfer(database, outside, environment).import_(records)
    types.apply([CUSTOMER._replace(indexes=frozenset(["plan", "account", "age", "day", "group", "tier"]))])
    for index, _ in unfilled(database.connection):
        fill_index(database, index.id)
    yield EntityRepository(database, outside, environment, None, "customer")
    database.close()


# Filters, whose index is to be taken, how many entities match on the first page of 25, and how many may be read for it.
CASES: dict[str, tuple[dict[str, Any], str | None, int, int]] = {
    "nothing that an index has": ({"note": {"$gte": 100}}, None, 25, 200),
    "a common value": ({"plan": "free"}, "plan", 25, 26),
    "a rare value beside a common one": ({"plan": "free", "account": "a7"}, "account", 5, 10),
    "a value that is not there": ({"plan": "free", "account": "none"}, "account", 0, 0),
    "an empty range beside a common value": ({"plan": "free", "age": {"$gte": 50, "$lt": 90}}, "age", 0, 0),
    "a small range beside a common value": ({"plan": "free", "day": {"$gt": 9_000, "$lte": 9_020}}, "day", 10, 20),
    "a wide range beside a common value": ({"plan": "free", "age": {"$gte": 10, "$lt": 40}}, "plan", 25, 50),
    "a range of many at the end": ({"plan": "free", "day": {"$gte": COUNT - 600}}, "day", 25, 60),
    "a range of many at the end alone": ({"day": {"$gte": COUNT - 600}}, "day", 25, 26),
    "a wide range alone": ({"age": {"$lt": 40}}, None, 25, 40),
    "the rarer of two values that many have": ({"age": 3, "plan": "free"}, "age", 25, 30),
    "a rare value beside a range of all": ({"tier": 5, "day": {"$gte": 0}}, "tier", 25, 26),
    "a few values": ({"account": {"$in": ["a1", "a2", "none"]}, "plan": "pro"}, "account", 10, 20),
    "one value in a list": ({"account": {"$in": ["a1"]}}, "account", 10, 10),
    "many values that all have": ({"plan": {"$in": ["pro", "free"]}}, None, 25, 26),
    "an equality and a range on one field": ({"age": {"$eq": 3, "$gte": 1}}, "age", 25, 26),
    "bounds of two kinds": ({"day": {"$gte": "a", "$lt": 5}, "account": "a1"}, "account", 0, 10),
    "lower bounds of two kinds": ({"day": {"$gte": "a", "$gt": 5}, "account": "a1"}, "account", 0, 10),
    "a complement": ({"age": {"$ne": 3}}, None, 25, 27),
    "a page that fills up later": (
        {"plan": "free", "age": {"$gte": 0}, "note": {"$gte": 3_000}}, "plan", 25, 1_530,
    ),
    "a page that fills up later than a large range is sorted": (
        {"plan": "free", "day": {"$gte": 15_000}, "note": {"$gte": 15_000}}, "day", 25, 60,
    ),
    "a cluster at the end, found by its value": ({"plan": "pro", "group": "late"}, "group", 25, 60),
}  # fmt: skip


@pytest.mark.parametrize(("filters", "field", "matched", "most"), CASES.values(), ids=CASES)
def test_the_index_that_has_few_is_taken(
    entities: EntityRepository, filters: dict[str, Any], field: str | None, matched: int, most: int
) -> None:
    found = entities.explain(parse(filters), limit=25)
    assert (found.field, found.matched) == (field, matched), found
    assert found.scanned <= most, found
    page = entities.query(parse(filters), limit=25)
    assert len(page.entities) == matched


@pytest.mark.parametrize(
    "case", ["a rare value beside a common one", "an empty range beside a common value", "a few values"]
)
def test_where_an_index_has_few_nothing_else_is_tried(entities: EntityRepository, case: str) -> None:
    asked = entities._asked(parse(CASES[case][0]), None, 25, None)
    [plan] = asked.plans(entities._database.connection.cursor())
    assert plan.is_last


def test_a_deep_page_of_a_value_begins_at_its_cursor(entities: EntityRepository) -> None:
    found = entities.explain(parse({"plan": "free"}), limit=25, cursor="15000")
    assert (found.field, found.scanned, found.matched) == ("plan", 26, 25)


def test_a_sort_is_never_needed(entities: EntityRepository) -> None:
    explanations = [entities.explain(parse(filters), limit=25) for filters, *_ in CASES.values()]
    assert not [step for each in explanations for step in each.steps if "TEMP B-TREE" in step]


ADVICE: dict[str, tuple[dict[str, Any], str]] = {
    "where little is read": ({"plan": "free"}, "No index would help: few entities are read in vain."),
    "where a field has no index": (
        {"note": -1, "plan": "free"}, "No index serves note; declare indexes: [note] in the type's file and apply it."
    ),
    "where no index can serve": ({"note": {"$contains": "x"}}, "No index can serve these filters; "),
    "where every index has many": ({"age": {"$gt": 25}, "plan": "pro", "group": "none"}, "No index would help: "),
}  # fmt: skip


@pytest.mark.parametrize(("filters", "advice"), ADVICE.values(), ids=ADVICE)
def test_the_advice_says_what_would_help(entities: EntityRepository, filters: dict[str, Any], advice: str) -> None:
    found: Explanation = entities.explain(parse(filters), limit=25)
    assert found.advice.startswith(advice)
    assert "?" not in found.sql
