"""In which order a search finds: words that at most COMMON entities hold rank, of others the newest come first."""

from collections.abc import Sequence

import apsw
import pytest

from app.storage import filters, ranking
from app.storage.database import Database
from app.storage.entity_types import EntityTypes
from app.storage.ranking import Weighed, steps, weigh
from app.storage.repository import EntityRepository
from app.storage.search import WORDS

from .conftest import Fill, Open, document, ids_of

NAMES = {
    "a": "kim oslo acme",
    "b": "kim",
    "c": "oslo acme acme",
    "d": "kimber",
    "e": "kim rome",
    "f": "oslo kim",
    "g": "oslo",
    "h": "ze zed zeta",
    "i": "zeta and zeta and zeta",
    "j": "zebra",
}

ORDERS: dict[str, tuple[str, str]] = {
    "a rare word ranks": ("acme", "ca"),
    "the beginning of a rare word ranks": ("rom", "e"),
    "of a common word the newest come first, then those of a longer one": ("kim", "febad"),
    "only the last word finds longer ones": ("kim oslo", "fagecb"),
    "a rare word comes before common ones, which do not rank it": ("zed oslo", "hgfca"),
    "what holds all common words comes first, of what a rare word finds": ("oslo kim acme", "acfgeb"),
    "what holds all common words comes first, of the rest": ("oslo kim", "fagecbd"),
    "a common beginning is a common word": ("z", "jih"),
    "where only its beginning is common, the whole word ranks": ("ze", "hji"),
    "common beginnings and common words may be held by the same": ("acme oslo k", "acfgedb"),
    "a word that nobody holds changes nothing": ("nobody acme", "ca"),
}


@pytest.fixture(autouse=True)
def common(monkeypatch: pytest.MonkeyPatch) -> int:
    """How many entities may hold a word that ranks; more are common."""
    monkeypatch.setattr(ranking, "COMMON", 2)
    return 2


def order(entities: EntityRepository, text: str, limit: int = 20) -> str:
    return "".join(ids_of(entities.search(text, limit)))


@pytest.mark.parametrize(("text", "ids"), ORDERS.values(), ids=ORDERS)
def test_a_search_finds_in_this_order(customers: EntityRepository, fill: Fill, text: str, ids: str) -> None:
    fill({key: {"name": name} for key, name in NAMES.items()})
    found = [order(customers, text, limit) for limit in range(1, len(NAMES) + 1)]
    assert found == [ids[:limit] for limit in range(1, len(NAMES) + 1)]


def test_a_scope_bounds_what_common_words_find_and_takes_no_place(open_entities: Open, fill: Fill) -> None:
    fill({key: {"name": name, "plan": "pro" if key in "adg" else "free"} for key, name in NAMES.items()})
    entities = open_entities(scope={"customer": filters.parse({"plan": "pro"})})
    assert [order(entities, text, 2) for text in ("kim", "oslo", "oslo kim", "acme kim", "z")] == [
        "ad", "ga", "ag", "ad", "",
    ]  # fmt: skip


def test_what_is_common_is_counted_beyond_the_scope(open_entities: Open, fill: Fill) -> None:
    """As what bm25 counts is, so that all keys see one order."""
    fill({"twice": {"name": "kim kim", "plan": "pro"}, "once": {"name": "kim", "plan": "pro"}})
    entities = open_entities(scope={"customer": filters.parse({"plan": "pro"})})
    assert ids_of(entities.search("kim"))[0] == "twice"
    fill({"beyond": {"name": "kim", "plan": "free"}})
    assert ids_of(entities.search("kim"))[0] == "once"


def test_deleted_entities_make_no_word_common(customers: EntityRepository) -> None:
    twice, _ = (customers.create(document({"name": name})).id for name in ("kim kim", "kim"))
    gone = customers.create(document({"name": "kim"}))
    assert ids_of(customers.search("kim"))[-1] == twice
    customers.delete(gone.id)
    assert ids_of(customers.search("kim"))[0] == twice


def test_of_more_common_words_than_one_query_has_each_finds_an_entity_once(
    customers: EntityRepository, fill: Fill
) -> None:
    words = [f"w{number}" for number in range(WORDS + 1)]
    fill({key: {"name": words if key < "f" else ["x"]} for key in "abcdefgh"})
    for limit in range(1, 9):
        assert order(customers, " ".join([*words, "x"]), limit) == "hgfedcba"[:limit]


def test_words_that_nobody_holds_are_not_asked_for_again(
    database: Database, customers: EntityRepository, fill: Fill
) -> None:
    fill({"a": {"name": "kim"}})
    weighed = weigh(database.connection.cursor(), 1, ['"nobody"', '"kim"', '"nothing"'])
    assert weighed == Weighed(['"kim"', '"nothing"*'], [], [])


SCOPES = {"no scope": "", "a scope": "CROSS JOIN entity ON entity.sequence = match.sequence WHERE entity.status = 'a'"}
COMMONS = {
    "a word": Weighed([], ['"kim"'], []),
    "several words": Weighed([], ['"kim"', '"oslo"'], []),
    "more words than one query has": Weighed([], [f'"w{number}"' for number in range(WORDS + 1)], []),
    "what only begins with a word": Weighed([], ['"kim"'], ['"kim"*']),
}


@pytest.mark.parametrize("inside", SCOPES.values(), ids=SCOPES)
@pytest.mark.parametrize("weighed", COMMONS.values(), ids=COMMONS)
def test_what_common_words_find_is_read_in_its_order_and_never_sorted(
    database: Database, types: EntityTypes, weighed: Weighed, inside: str
) -> None:
    plans = [plan(database.connection, step, inside) for step in steps(1, weighed)]
    assert plans
    assert not [line for lines in plans for line in lines if "TEMP B-TREE" in line]


def test_a_sorted_step_would_be_seen(database: Database, types: EntityTypes) -> None:
    [step] = steps(1, Weighed(['"kim"'], [], []))
    assert any("TEMP B-TREE" in line for line in plan(database.connection, step, ""))


def plan(connection: apsw.Connection, step: ranking.Step, inside: str) -> Sequence[str]:
    sql = f"EXPLAIN QUERY PLAN SELECT match.sequence FROM ({step.sql}) AS match {inside} ORDER BY {step.order} LIMIT 9"
    return [str(row[3]) for row in connection.execute(sql, step.values)]
