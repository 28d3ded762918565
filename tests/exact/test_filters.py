"""Filters and pages match what the reference says, for documents and filters that nobody listed by hand."""

from collections.abc import Callable
from random import Random
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.parts import Parts
from app.storage import filters
from tests import reference
from tests.conftest import Key
from tests.exact.strategies import documents, filters_for
from tests.profiles import examples

FILTERS_EACH = 25  # filters for each set of documents


@pytest.fixture
def forget(parts: Parts, environments: object) -> Callable[[], None]:
    """Return what empties the type `customer`, whose id is 1."""
    connection = parts.database.connection
    connection.pragma("synchronous", "off")  # a test of answers, not of durability
    return lambda: connection.execute("DELETE FROM search_1; DELETE FROM entity") and None


def check(owner: Key, documents: list[dict[str, Any]], seed: int) -> None:
    """Compare the answers to random filters over some documents with the reference's."""
    chance = Random(seed)
    stored = [owner.create(document) for document in documents]
    for _ in range(FILTERS_EACH):
        body = {"filters": filters_for(chance, documents), "limit": chance.choice([1, 2, 100])}
        answer = owner.post("/v1/data/customer/query", body)
        assert answer.status_code == 200, (answer.text, body)
        assert answer.json == reference.page(stored, **body), (body, stored)


@examples(ci=200, full=4_000)
@given(documents=st.lists(documents, min_size=1, max_size=6), seed=st.integers(0, 2**32))
def test_a_query_answers_what_the_reference_does(
    owner: Key, forget: Callable[[], None], documents: list[dict[str, Any]], seed: int
) -> None:
    forget()
    check(owner, documents, seed)


JANE = {"name": "Jane", "age": 20, "score": 1.5, "tags": ["a", 1, None], "vip": True, "nothing": None, "o": {"a": [1]}}
TWINS = {"name": "jane", "age": "20", "score": 2, "tags": ["a", 1.0], "vip": 1, "nothing": "null", "o": {"a": [1.0]}}


def untyped(field: filters.Field, operand: Any, parameters: filters.Parameters) -> str:
    return f"({field.value} > {parameters.bind(operand)})"


def plain_not(field: filters.Field, operand: Any, parameters: filters.Parameters) -> str:
    return f"NOT {filters.OPERATORS['$eq'].sql(field, operand, parameters)}"


@pytest.mark.parametrize(
    "plant",
    [
        pytest.param(lambda patch: patch.setattr(filters, "_has_kind", lambda *_: "TRUE"), id="no type guard"),
        pytest.param(lambda patch: patch.setattr(filters, "_plain", lambda value: value), id="1.0 is not 1 in arrays"),
        pytest.param(
            lambda patch: patch.setattr(filters, "_path", lambda name: ((name,), None)), id="no nested fields"
        ),
        pytest.param(lambda patch: patch.setattr(filters, "_all", " OR ".join), id="any condition is enough"),
        pytest.param(lambda patch: patch.setitem(filters.OPERATORS, "$gt", _row("$gt", untyped)), id="untyped $gt"),
        pytest.param(
            lambda patch: patch.setitem(filters.OPERATORS, "$ne", _row("$ne", plain_not)), id="$ne of missing"
        ),
    ],
)
def test_a_planted_bug_is_caught(
    owner: Key, forget: Callable[[], None], monkeypatch: pytest.MonkeyPatch, plant: Callable[[pytest.MonkeyPatch], None]
) -> None:
    def search() -> None:
        for seed in range(20):
            forget()
            check(owner, [JANE, TWINS], seed)

    search()
    plant(monkeypatch)
    with pytest.raises(AssertionError):
        search()


def _row(operator: str, sql: Callable[..., str]) -> filters.Operator:
    return filters.OPERATORS[operator]._replace(sql=sql)
