"""Full-text search: what is indexed, and what a text finds."""

from typing import Any

import pytest

from app.storage import filters
from app.storage.database import Database
from app.storage.entity_types import Definition, EntityTypes
from app.storage.repository import EntityRepository
from app.storage.search import MAXIMUM_EXPRESSIONS, WORDS, all_of, any_of, index_text, phrases
from app.storage.search_index import words

from .conftest import TOKENIZER, Fill, Open, document, ids_of

INDEXED: dict[str, tuple[Any, list[str], str]] = {
    "text of the search fields": ({"name": "Jane", "notes": "x"}, ["name"], "Jane"),
    "in the order of the search fields": ({"a": "1st", "b": "2nd"}, ["b", "a"], "2nd\n1st"),
    "integers": ({"age": 34}, ["age"], "34"),
    "fractions": ({"age": 3.5}, ["age"], "3.5"),
    "integers of 64 bits": ({"age": 2**63 - 1}, ["age"], "9223372036854775807"),
    "no booleans and no null": ({"a": True, "b": None}, ["a", "b"], ""),
    "no field, no text": ({}, ["name"], ""),
    "dots walk nested objects": ({"a": {"b": "deep"}}, ["a.b"], "deep"),
    "dots do not walk arrays": ({"a": [{"b": "deep"}]}, ["a.b"], ""),
    "a path beyond a scalar": ({"a": "flat"}, ["a.b"], ""),
    "no text of a whole object": ({"a": {"b": "deep"}}, ["a"], ""),
    "texts and numbers of an array": ({"tags": ["x", 1, None, True, ["y"]]}, ["tags"], "x\n1\ny"),
    "no objects of an array": ({"tags": ["x", {"b": "deep"}]}, ["tags"], "x"),
    "without search fields, top-level texts": ({"a": "x", "b": 1, "c": ["y"], "d": {"e": "z"}, "f": "w"}, [], "x\nw"),
}


@pytest.mark.parametrize(("fields", "search_fields", "text"), INDEXED.values(), ids=INDEXED)
def test_the_indexed_text_is_that_of_the_search_fields(fields: Any, search_fields: list[str], text: str) -> None:
    assert index_text(fields, search_fields) == text


PHRASES: dict[str, tuple[list[str], list[str]]] = {
    "no word is no phrase": ([], []),
    "a word is quoted": (["jane", "doe"], ['"jane"', '"doe"']),
    "quotes are doubled": (['a"b', '"'], ['"a""b"', '""""']),
    "operators are words": (["NOT", "OR", "NEAR"], ['"NOT"', '"OR"', '"NEAR"']),
}


@pytest.mark.parametrize(("given", "quoted"), PHRASES.values(), ids=PHRASES)
def test_every_word_is_quoted(given: list[str], quoted: list[str]) -> None:
    assert phrases(given) == quoted


def test_many_phrases_are_several_queries() -> None:
    first, second = any_of([f'"w{number}"' for number in range(WORDS + 1)])
    assert first.startswith('"w0" OR "w1" ')
    assert second == f'"w{WORDS}"'


def test_of_too_many_phrases_that_all_must_match_the_last_count() -> None:
    some = [f'"w{number}"' for number in range(WORDS + 1)]
    assert all_of(some) == " AND ".join(some[1:])


def test_of_too_many_words_the_last_count() -> None:
    some = phrases([f"w{number}" for number in range(WORDS * MAXIMUM_EXPRESSIONS + 1)])
    assert some[0] == '"w1"'
    assert len(any_of(some)) == MAXIMUM_EXPRESSIONS


TOKENIZERS: dict[str, tuple[str, str, list[str]]] = {
    "unicode61 splits at what is no letter or digit": (TOKENIZER, "jane@co.com", ["jane", "co", "com"]),
    "a word is as it is written": (TOKENIZER, "Amélie GROẞ", ["Amélie", "GROẞ"]),
    "a word counts once, at its last place": (TOKENIZER, "jane doe Jané", ["doe", "Jané"]),
    "no letter or digit, no word": (TOKENIZER, "☃ -- \U0001f600 \n", []),
    "options may be quoted": ("unicode61 tokenchars '@.'", "jane@co.com", ["jane@co.com"]),
    "porter wraps another": ("porter unicode61", "running", ["running"]),
    "trigram has a word at every character": ("trigram", "jane", ["jan", "ane"]),
}  # fmt: skip


@pytest.mark.parametrize(("tokenizer", "text", "split"), TOKENIZERS.values(), ids=TOKENIZERS)
def test_words_are_those_of_the_tokenizer(database: Database, tokenizer: str, text: str, split: list[str]) -> None:
    assert words(database.connection, tokenizer, text) == split


FOUND: dict[str, tuple[str, set[str]]] = {
    "a word": ("jane", {"jane", "both"}),
    "any of several words": ("amelie doe", {"amelie", "jane"}),
    "the last word as a prefix": ("ja", {"jane", "both"}),
    "no other word as a prefix": ("ja zzz", set()),
    "nothing in the middle of a word": ("ane", set()),
    "words in any case": ("JANE", {"jane", "both"}),
    "words without their diacritics": ("Amelie", {"amelie"}),
    "words with diacritics that the text lacks": ("jäné", {"jane", "both"}),
    "a number": ("34", {"numbers"}),
    "a field that is no search field": ("hidden", set()),
    "nothing without a word": (" \t☃ ", set()),
    "nothing for operators alone": ('" * ( ) : ^ - +', set()),
    "a quoted phrase by its words": ('"doe poulain"', {"jane", "amelie"}),
    "a column filter by its words": ("text:jane", {"jane", "both"}),
    "NOT as a word": ("jane NOT doe", {"jane", "both"}),
    "NEAR as a word": ("NEAR(jane doe, 2)", {"jane", "both"}),
    "SQL by its words": ("jane'; DROP TABLE entity; --", {"jane", "both"}),
}


@pytest.mark.parametrize(("text", "ids"), FOUND.values(), ids=FOUND)
def test_a_text_finds(customers: EntityRepository, fill: Fill, text: str, ids: set[str]) -> None:
    fill({
        "jane": {"name": "Jane Doe", "notes": "hidden"},
        "amelie": {"name": "Amélie Poulain"},
        "both": {"name": "Kim", "email": "jane@example.com"},
        "numbers": {"name": ["x", 34]},
    })  # fmt: skip
    assert set(ids_of(customers.search(text))) == ids


HOSTILE = {
    "every ASCII character": "".join(map(chr, range(1, 128))),
    "every pair of ASCII punctuation": " ".join(a + b for a in "\"'*():^-+{}~." for b in "\"'*():^-+{}~."),
    "unbalanced quotes": '"jane" "" "',
    "a hundred thousand characters": "a" * 100_000,
    "twenty thousand words": "a b " * 10_000,
    "ten thousand different words": " ".join(map(str, range(10_000))),
    "combining characters alone": "\u0301\u0308" * 100,
    "characters beyond the first plane": "\U0001f600\U000e0100\U0010fffd",
    "half a right-to-left text": "\u202eenaj\u200f",
}


@pytest.mark.parametrize("tokenizer", [TOKENIZER, "unicode61 tokenchars '\"*'", "ascii", "porter unicode61", "trigram"])
def test_no_text_whatever_is_an_error(customers: EntityRepository, fill: Fill) -> None:
    fill({"jane": {"name": "Jane Doe"}})
    for name, text in HOSTILE.items():
        assert customers.search(text).has_more is False, name


def test_the_best_match_comes_first(customers: EntityRepository, fill: Fill) -> None:
    fill({"once": {"name": "jane and several other words"}, "twice": {"name": "jane jane"}, "none": {"name": "kim"}})
    assert ids_of(customers.search("jane")) == ["twice", "once"]


def test_equal_matches_come_newest_first(customers: EntityRepository, fill: Fill) -> None:
    fill({name: {"name": "jane"} for name in ("first", "second", "third")})
    assert ids_of(customers.search("jane", limit=2)) == ["third", "second"]


def test_another_types_text_changes_no_rank(
    types: EntityTypes, open_entities: Open, customers: EntityRepository, fill: Fill
) -> None:
    fill({"rare": {"name": "kim jane"}, "common": {"name": "doe jane"}, "more": {"name": "doe x"}})
    ranked = customers.search("kim doe")
    types.apply([Definition("other", "Other", {})])
    for _ in range(20):
        open_entities("other").create(document({"name": "kim"}))
    assert customers.search("kim doe") == ranked


def test_archived_entities_are_found_and_deleted_ones_are_not(customers: EntityRepository) -> None:
    archived = customers.create(document({"name": "jane"}), status="archived")
    customers.delete(customers.create(document({"name": "jane"})).id)
    assert customers.search("jane").entities == [archived.json]


def test_a_scope_bounds_what_is_found(open_entities: Open, fill: Fill) -> None:
    fill({"pro": {"name": "jane", "plan": "pro"}, "free": {"name": "jane", "plan": "free"}})
    entities = open_entities(scope={"customer": filters.parse({"plan": "pro"})})
    assert ids_of(entities.search("jane", limit=1)) == ["pro"]
