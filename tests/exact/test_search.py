"""Search finds and ranks what the reference does."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from itertools import combinations
from math import isclose
from random import Random
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.parts import Parts
from app.storage import repository, search, search_index
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


def check(owner: Key, documents: list[dict[str, Any]], queries: list[str]) -> None:
    """Compare what is found, before and after a change and a deletion, with the reference."""
    stored = [owner.create(document, "note") for document in documents]
    compare(owner, stored, queries)
    path = f"/v1/data/note/{stored[0]['id']}"
    stored[0] = owner.patch(path, {"data": {"name": "Müller 42"}}).json
    compare(owner, stored, queries)
    owner.delete(path)
    compare(owner, stored[1:], queries)


def compare(owner: Key, stored: list[dict[str, Any]], queries: list[str]) -> None:
    for query in queries:
        answer = owner.post("/v1/data/note/search", {"query": query, "limit": 100})
        assert answer.status_code == 200, (query, answer.text)
        expected = reference.search(stored, query, FIELDS)
        found, scores = answer.json["data"], {entity["id"]: score for entity, score in expected}
        assert {entity["id"] for entity in found} == scores.keys(), (query, stored)
        for one, other in combinations(found, 2):
            assert is_in_order(stored, scores, one, other), (query, one, other, scores)


def is_in_order(stored: list[dict[str, Any]], scores: dict[str, float], one: Any, other: Any) -> bool:
    """Tell whether one match may stand before another: it is better, or as good and newer.

    Scores that are equal on paper may differ in their last bits, unless they are of the same words.
    """
    if not isclose(scores[one["id"]], scores[other["id"]], rel_tol=1e-9):
        return scores[one["id"]] > scores[other["id"]]
    same = reference.words(reference.text(one, FIELDS)) == reference.words(reference.text(other, FIELDS))
    return not same or stored.index(one) > stored.index(other)


@examples(ci=120, full=3_000)
@given(
    documents=st.lists(documents, min_size=1, max_size=6),
    queries=st.lists(
        phrases.filter(bool)
        | st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0", max_codepoint=127), min_size=1),
        min_size=4,
        max_size=8,
    ),
)
def test_a_search_finds_and_ranks_what_the_reference_does(
    owner: Key, forget: Callable[[], None], documents: list[dict[str, Any]], queries: list[str]
) -> None:
    forget()
    check(owner, documents, queries)


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


def unquoted(words: list[str]) -> list[str]:
    return [" OR ".join(words)]


def shallow(value: Any, path: Sequence[str]) -> Any:
    return value.get(path[0])


def nothing(*_: Any) -> None:
    """Leave the index as it is."""


@pytest.mark.parametrize(
    ("module", "part", "bug"),
    [
        pytest.param(repository, "match_expressions", unquoted, id="words are not quoted"),
        pytest.param(search, "_walk", shallow, id="no nested search fields"),
        pytest.param(search_index, "change", nothing, id="an update leaves the index"),
        pytest.param(search_index, "remove", nothing, id="a deletion leaves the index"),
    ],
)
def test_a_planted_bug_is_caught(
    owner: Key, forget: Callable[[], None], monkeypatch: pytest.MonkeyPatch, module: Any, part: str, bug: Any
) -> None:
    chance = Random(0)
    documents: list[dict[str, Any]] = [{"name": word, "address": {"city": word}} for word in WORDS]
    queries = [*WORDS, *(f"{chance.choice(WORDS)}{each or ' '}{chance.choice(WORDS)}" for each in SEPARATORS)]

    def attempt() -> None:
        forget()
        check(owner, documents, queries)

    attempt()
    monkeypatch.setattr(module, part, bug)
    with pytest.raises(AssertionError):
        attempt()
