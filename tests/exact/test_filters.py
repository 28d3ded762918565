"""Filters and pages match what the reference says, for documents and filters that nobody listed by hand."""

from collections.abc import Callable
from random import Random
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.parts import Parts
from app.storage import declarations, entries, field_indexes, filling, filters, lookups, planning
from app.storage.check import problems
from app.storage.field_indexes import FieldIndex
from app.storage.planning import Plan
from app.storage.queries import Query
from tests import reference
from tests.conftest import Key
from tests.exact.strategies import documents, fields_of, filters_for
from tests.profiles import examples

pytestmark = pytest.mark.usefixtures("many_are_few")

FILTERS_EACH = 25  # filters for each set of documents


@pytest.fixture
def forget(parts: Parts, environments: object) -> Callable[[], None]:
    """Return what empties the type `customer`, whose id is 1."""
    connection = parts.database.connection
    connection.pragma("synchronous", "off")  # a test of answers, not of durability

    def forget() -> None:
        connection.execute("DELETE FROM search_1; DELETE FROM entity")
        field_indexes.remove_all(connection, 1)

    return forget


def index(parts: Parts, chance: Random, documents: list[dict[str, Any]]) -> None:
    """Index some fields of documents, before or after they are stored."""
    fields = sorted({field for document in documents for field in fields_of(document)})
    chosen = chance.sample(fields, min(len(fields), chance.randint(0, field_indexes.MOST)))
    with parts.database.transaction() as connection:
        declarations.declare(connection, 1, chosen, now=0)


def change(owner: Key, chance: Random, stored: list[dict[str, Any]], document: dict[str, Any]) -> None:
    """Update an entity or delete it."""
    entity = chance.choice(stored)
    path = f"/v1/data/customer/{entity['id']}"
    if chance.random() < 0.3:
        owner.delete(path)
        stored.remove(entity)
    else:
        entity.update(owner.patch(path, {"data": document}).json)


def check(owner: Key, parts: Parts, documents: list[dict[str, Any]], seed: int) -> None:
    """Compare the answers to random filters over some documents with the reference's, whatever is indexed."""
    chance = Random(seed)
    stored: list[dict[str, Any]] = []
    for document in documents:
        stored.append(owner.create(document))
        if chance.random() < 0.5:
            index(parts, chance, documents)
        if stored and chance.random() < 0.3:
            change(owner, chance, stored, chance.choice(documents))
    for _ in range(FILTERS_EACH):
        body = {"filters": filters_for(chance, documents), "limit": chance.choice([1, 2, 100])}
        answer = owner.post("/v1/data/customer/query", body)
        assert answer.status_code == 200, (answer.text, body)
        assert answer.json == reference.page(stored, **body), (body, stored)
    assert list(problems(parts.database)) == []


@examples(ci=200, full=4_000)
@given(documents=st.lists(documents, min_size=1, max_size=6), seed=st.integers(0, 2**32))
def test_a_query_answers_what_the_reference_does(
    owner: Key, parts: Parts, forget: Callable[[], None], documents: list[dict[str, Any]], seed: int
) -> None:
    forget()
    check(owner, parts, documents, seed)


JANE = {"name": "Jane", "age": 20, "score": 1.5, "tags": ["a", 1, None], "vip": True, "nothing": None, "o": {"a": [1]}}
OTHER = {"name": "Janet", "age": 21, "score": True, "status": "active", "createdAt": 5, "tags": "a", "o": {"a": "b"}}
TWINS = {"name": "jane", "age": "20", "score": 2, "tags": ["a", 1.0], "vip": 1, "nothing": "null", "o": {"a": [1.0]}}


def untyped(field: filters.Field, operand: Any, parameters: filters.Parameters) -> str:
    return f"({field.value} > {parameters.bind(operand)})"


def plain_not(field: filters.Field, operand: Any, parameters: filters.Parameters) -> str:
    return f"NOT {filters.OPERATORS['$eq'].sql(field, operand, parameters)}"


def trusting(query: Query, plan: Plan, columns: str) -> Any:
    """Check no condition on what an index gives for it alone."""
    return SELECT(query._replace(conditions=[]) if plan.lookup and len(query.conditions) == 1 else query, plan, columns)


def used_too_early(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(filling, "FEW", 1)
    patch.setattr(FieldIndex, "is_ready", True)


def not_followed(connection: Any, indexes: Any, sequence: int, old: Any, new: Any) -> None:
    """Leave the entries of an entity that is updated as they are."""
    if not old or not new:
        CHANGE(connection, indexes, sequence, old, new)


SELECT, LOOKUPS, CHANGE = Query.select, lookups.lookups, entries.change


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
        pytest.param(lambda patch: patch.setattr(Query, "select", trusting), id="what an index gives is not checked"),
        pytest.param(
            lambda patch: patch.setattr(lookups, "_is_strict", lambda each: each.operator in ("$gt", "$lt")),
            id="an index is too strict on long texts",
        ),
        pytest.param(
            lambda patch: patch.setattr(
                planning,
                "lookups",
                lambda by, conditions: LOOKUPS(by, [each._replace(own=None) for each in conditions]),
            ),
            id="an index of data serves the entity's own field",
        ),
        pytest.param(
            lambda patch: patch.setattr(Plan, "is_last", True), id="a page that is not full is taken for the last"
        ),
        pytest.param(
            lambda patch: patch.setattr(entries, "change", not_followed), id="an index does not follow updates of data"
        ),
        pytest.param(used_too_early, id="an index is used before it is filled"),
    ],
)
def test_a_planted_bug_is_caught(
    owner: Key,
    parts: Parts,
    forget: Callable[[], None],
    monkeypatch: pytest.MonkeyPatch,
    plant: Callable[[pytest.MonkeyPatch], None],
) -> None:
    def search() -> None:
        for seed in range(25):
            forget()
            check(owner, parts, [JANE, TWINS, JANE, OTHER, TWINS], seed)

    search()
    plant(monkeypatch)
    with pytest.raises(AssertionError):
        search()


def _row(operator: str, sql: Callable[..., str]) -> filters.Operator:
    return filters.OPERATORS[operator]._replace(sql=sql)
