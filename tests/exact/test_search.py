"""Search finds and ranks what the reference does."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from itertools import combinations, islice
from math import isclose
from random import Random
from typing import Any

import apsw
import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.parts import Parts
from app.storage import ranking, repository, search_index
from app.storage import search as search_module
from app.storage.entity_types import Definition, EntityTypes
from app.storage.errors import EntityTypeNotFound
from app.storage.organizations import Environment
from tests import reference
from tests.conftest import Key
from tests.profiles import examples

FIELDS = ("name", "address.city", "tags", 'say "hi"')
SEPARATORS = [*" \t\n-_.,;:!?'\"()[]{}*+^~/\\@#$%&|<>=`€“”…😀\u2028", "", " AND ", " OR ", " NOT ", " NEAR(", " name:"]
WORDS = [
    "jane",
    "Jane",
    "JÁNE",
    "jan",
    "doe",
    "d",
    "do",
    "Müller",
    "muller",
    "ÉCOLE",
    "42",
    "4",
    "x1",
    "日本",
    "日",
    "ångström",
]

pieces = st.lists(st.tuples(st.sampled_from(WORDS), st.sampled_from(SEPARATORS)), max_size=5)
phrases = pieces.map(lambda pairs: "".join(word + separator for word, separator in pairs))
members = phrases | st.integers(0, 50) | st.booleans() | st.none()
documents = st.fixed_dictionaries(
    {},
    optional={
        "name": members,
        "address": st.fixed_dictionaries({}, optional={"city": members, "street": phrases}) | phrases,
        "tags": st.lists(members | st.lists(members, max_size=2), max_size=3),
        'say "hi"': members,
        "other": phrases,
    },
)


@pytest.fixture
def forget(parts: Parts, environments: dict[str, Environment]) -> Callable[[], None]:
    """Define the type `note` and return what empties it."""
    types = EntityTypes(parts.database, parts.outside, environments["development"])
    types.apply([Definition("note", "Note", {}, FIELDS)])
    type_id = types.get("note").id
    connection = parts.database.connection
    connection.pragma("synchronous", "off")  # a test of answers, not of durability
    return lambda: connection.execute(f"DELETE FROM search_{type_id}; DELETE FROM entity") and None


def check(owner: Key, documents: list[dict[str, Any]], queries: list[str], common: int) -> None:
    """Compare what is found, before and after a change and a deletion, with the reference."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(ranking, "COMMON", common)
        stored = [owner.create(document, "note") for document in documents]
        compare(owner, stored, queries, common)
        path = f"/v1/data/note/{stored[0]['id']}"
        stored[0] = owner.patch(path, {"data": {"name": "Müller 42"}}).json
        compare(owner, stored, queries, common)
        owner.delete(path)
        compare(owner, stored[1:], queries, common)


def compare(owner: Key, stored: list[dict[str, Any]], queries: list[str], common: int) -> None:
    for query in queries:
        found = search(owner, query, 100)
        places = {entity["id"]: place for entity, place in reference.search(stored, query, FIELDS, common)}
        assert {entity["id"] for entity in found} == places.keys(), (query, stored)
        for one, other in combinations(found, 2):
            assert is_in_order(stored, places, one, other), (query, one, other, places)
        for limit in range(1, len(found)):
            assert search(owner, query, limit) == found[:limit], (query, limit)


def search(owner: Key, query: str, limit: int) -> list[dict[str, Any]]:
    answer = owner.post("/v1/data/note/search", {"query": query, "limit": limit})
    assert answer.status_code == 200, (query, answer.text)
    found: list[dict[str, Any]] = answer.json["data"]
    return found


def is_in_order(stored: list[dict[str, Any]], places: dict[str, reference.Place], one: Any, other: Any) -> bool:
    """Tell whether one match may stand before another: it is better, or as good and newer.

    Scores that are equal on paper may differ in their last bits, unless they are of the same words, or of none.
    """
    (one_class, one_score), (other_class, other_score) = places[one["id"]], places[other["id"]]
    if one_class != other_class:
        return one_class > other_class
    if not isclose(one_score, other_score, rel_tol=1e-9):
        return one_score > other_score
    same = reference.words(reference.text(one, FIELDS)) == reference.words(reference.text(other, FIELDS))
    return bool(one_score and not same) or stored.index(one) > stored.index(other)


@examples(ci=120, full=3_000)
@given(
    documents=st.lists(documents, min_size=1, max_size=6),
    queries=st.lists(
        phrases.filter(bool)
        | st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0", max_codepoint=127), min_size=1),
        min_size=4,
        max_size=8,
    ),
    common=st.sampled_from([1, 2, reference.COMMON]),
)
def test_a_search_finds_and_ranks_what_the_reference_does(
    owner: Key, forget: Callable[[], None], documents: list[dict[str, Any]], queries: list[str], common: int
) -> None:
    forget()
    check(owner, documents, queries, common)


def test_a_word_is_as_common_as_the_reference_says() -> None:
    assert ranking.COMMON == reference.COMMON


TOKENIZERS = [
    "unicode61 remove_diacritics 0",
    "unicode61 tokenchars '-_@.'",
    "porter unicode61",
    "ascii",
    "trigram",
]


@examples(ci=40, full=1_000)
@given(
    documents=st.lists(documents, min_size=1, max_size=6),
    queries=st.lists(phrases.filter(bool), min_size=2, max_size=6),
    tokenizer=st.sampled_from(TOKENIZERS),
)
def test_another_tokenizer_finds_in_what_was_there_what_it_finds_in_what_is_new(
    owner: Key,
    parts: Parts,
    environments: dict[str, Environment],
    forget: Callable[[], None],
    documents: list[dict[str, Any]],
    queries: list[str],
    tokenizer: str,
) -> None:
    forget()
    types = EntityTypes(parts.database, parts.outside, environments["development"])
    for slug in ("old", "new"):
        with suppress(EntityTypeNotFound):
            types.remove(slug, force=True)
    types.apply([Definition("old", "Old", {}, FIELDS)])
    fill(owner, "old", documents)
    with using(parts, tokenizer):
        types.apply([Definition("new", "New", {}, FIELDS)])
        fill(owner, "new", documents)
        for query in queries:
            assert found(owner, "old", query) == found(owner, "new", query), (query, tokenizer)


@contextmanager
def using(parts: Parts, tokenizer: str) -> Iterator[None]:
    """Set another tokenizer, as a restart of the server does."""
    before, parts.database.tokenizer = parts.database.tokenizer, tokenizer
    parts.database.retokenize()
    try:
        yield
    finally:
        parts.database.tokenizer = before
        parts.database.retokenize()


def fill(owner: Key, slug: str, documents: list[dict[str, Any]]) -> None:
    for document in documents:
        owner.create(document, slug)


def found(owner: Key, slug: str, query: str) -> list[dict[str, Any]]:
    answer = owner.post(f"/v1/data/{slug}/search", {"query": query, "limit": 100})
    return [entity["data"] for entity in answer.json["data"]]


def shallow(value: Any, path: Sequence[str]) -> Any:
    return value.get(path[0])


def nothing(*_: Any) -> None:
    """Leave the index as it is."""


def each_alone(some: Sequence[str]) -> str:
    return " OR ".join(some)


def only_the_first(type_id: int, weighed: ranking.Weighed) -> Iterator[ranking.Step]:
    """Drop what the words that many entities hold find."""
    return islice(steps(type_id, weighed), 1)


def all_but_the_last(type_id: int, weighed: ranking.Weighed) -> Iterator[ranking.Step]:
    """Drop what only begins with a word that many entities hold."""
    return steps(type_id, weighed._replace(last=[]))


def as_common(cursor: apsw.Cursor, type_id: int, phrases: Sequence[str]) -> ranking.Weighed:
    """Let words that many entities hold rank as others do."""
    ranked, common, last = weigh(cursor, type_id, phrases)
    return ranking.Weighed([*ranked, *common], [], last)


steps, weigh = ranking.steps, ranking.weigh


@pytest.mark.parametrize(
    ("module", "part", "bug", "common"),
    [
        pytest.param(repository, "phrases", list, 500, id="words are not quoted"),
        pytest.param(search_module, "_walk", shallow, 500, id="no nested search fields"),
        pytest.param(search_index, "change", nothing, 500, id="an update leaves the index"),
        pytest.param(search_index, "remove", nothing, 500, id="a deletion leaves the index"),
        pytest.param(ranking, "steps", only_the_first, 2, id="common words find nothing"),
        pytest.param(ranking, "steps", all_but_the_last, 1, id="a common word finds no longer ones"),
        pytest.param(ranking, "weigh", as_common, 2, id="common words rank"),
        pytest.param(ranking, "all_of", each_alone, 1, id="one common word is as good as all"),
    ],
)
def test_a_planted_bug_is_caught(
    owner: Key,
    forget: Callable[[], None],
    monkeypatch: pytest.MonkeyPatch,
    module: Any,
    part: str,
    bug: Any,
    common: int,
) -> None:
    chance = Random(0)
    documents: list[dict[str, Any]] = [
        {"name": text, "address": {"city": text}} for text in [*WORDS, "jan", "x1 42 jane"]
    ]
    queries = [*WORDS, *(f"{chance.choice(WORDS)}{each or ' '}{chance.choice(WORDS)}" for each in SEPARATORS)]

    def attempt() -> None:
        forget()
        check(owner, documents, queries, common)

    attempt()
    monkeypatch.setattr(module, part, bug)
    with pytest.raises(AssertionError):
        attempt()
