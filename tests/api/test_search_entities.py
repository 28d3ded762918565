"""POST /v1/data/:type/search"""

import json
from typing import Any

import pytest

from app.parts import Parts
from app.storage.entity_types import Definition, EntityTypes
from app.storage.organizations import Environment
from tests.conftest import Key, assert_error

PATH = "/v1/data/customer/search"


def found(owner: Key, query: str, slug: str = "customer", **more: Any) -> list[str]:
    """Return the keys of the entities that a search finds, best first."""
    response = owner.post(f"/v1/data/{slug}/search", {"query": query, **more})
    assert response.status_code == 200, response.text
    return [entity["data"]["key"] for entity in response.json["data"]]


@pytest.fixture
def types(parts: Parts, environments: dict[str, Environment]) -> EntityTypes:
    return EntityTypes(parts.database, parts.outside, environments["development"])


def test_an_answer_holds_whole_entities_and_no_further_page(owner: Key) -> None:
    created = owner.create({"name": "Jane Doe"})
    response = owner.post(PATH, {"query": "jane"})
    assert (response.status_code, response.content_type) == (200, "application/json")
    assert response.json == {"data": [created], "cursor": None, "hasMore": False}


DOCUMENTS: dict[str, dict[str, Any]] = {
    "jane": {"name": "Jane Doe", "email": "jane@example.com", "notes": "hidden"},
    "jose": {"name": "José Müller", "email": "jm@example.org"},
    "quote": {"name": 'O\'Brien "the fox" AND NOT OR NEAR(x)', "email": None},
    "russian": {"name": "Лев Толстой"},
    "number": {"name": 4711, "email": 2.5},
    "array": {"name": ["alpha", 815, ["deep"], {"no": "object"}, True, None]},
    "object": {"name": {"first": "Nested"}},
}

SEARCHES: dict[str, tuple[str, set[str]]] = {
    "a word is found": ("doe", {"jane"}),
    "case is folded": ("JANE", {"jane"}),
    "any of the words will do": ("doe müller", {"jane", "jose"}),
    "an unknown word does no harm": ("nobody doe", {"jane"}),
    "diacritics are folded in the query": ("Jöse", {"jose"}),
    "diacritics are folded in the entity": ("muller", {"jose"}),
    "combining diacritics are folded": ("mu\u0308ller", {"jose"}),
    "other alphabets are folded": ("ТОЛСТОЙ", {"russian"}),
    "the last word is a prefix": ("do", {"jane"}),
    "a word before the last is whole": ("do jose", {"jose"}),
    "an inner part of a word is not found": ("ane", set()),
    "punctuation splits words": ("jane@example.com", {"jane", "jose"}),
    "every search field is searched": ("org", {"jose"}),
    "other fields are not searched": ("hidden", set()),
    "integers are words": ("4711", {"number"}),
    "fractions are words": ("2.5", {"number"}),
    "arrays contribute their strings": ("alpha", {"array"}),
    "arrays contribute their numbers": ("815", {"array"}),
    "arrays in arrays contribute too": ("deep", {"array"}),
    "booleans and null are no words": ("true null", set()),
    "objects contribute nothing by themselves": ("nested object", set()),
    "field names are no words": ("name email", set()),
    "AND is a word": ("AND", {"quote"}),
    "NOT is a word": ("jane NOT doe", {"jane", "quote"}),
    "NEAR is a word": ("NEAR(alpha deep)", {"quote", "array"}),
    "quotes are no syntax": ('"the fox"', {"quote"}),
    "a star is no syntax": ("do* jose", {"jose"}),
    "a column filter is no syntax": ("text: doe", {"jane"}),
}


@pytest.mark.parametrize(("query", "keys"), SEARCHES.values(), ids=SEARCHES)
def test_a_search_finds_words(owner: Key, query: str, keys: set[str]) -> None:
    for key, data in DOCUMENTS.items():
        owner.create({"key": key, **data})
    assert set(found(owner, query)) == keys


NO_WORDS = ["   ", "...", "!", "*", '"', "''", "()", "-", "\t\n", "\u200b", "^", ":", "+", "{}", "\\", "☃", "\x01", "%"]


@pytest.mark.parametrize("query", NO_WORDS, ids=ascii)
def test_a_query_without_a_word_finds_nothing(owner: Key, query: str) -> None:
    owner.create({"key": "a", "name": "jane ☃ ' \" * %"})
    assert found(owner, query) == []


SYNTAX = [
    '"', '"jane', 'jane"', "jane'", "jane*", "*jane", "^jane", "jane^", "name:jane", "name : jane", "{name}: jane",
    "- name : jane", "jane AND", "AND jane", "OR OR jane", "NOT", "NOT jane", "NEAR", "NEAR(", "NEAR(jane, 5)", "(jane",
    "jane)", "jane + doe", "jane; DROP TABLE entity", "jane -- ", "jane\\", "$jane", ":match jane", "?1 jane",
    "\ufeffjane", "jane\u202e", "\U0010ffff jane", 'a"b"c jane', "jane " + 5000 * "(", 100_000 * "j" + " jane",
]  # fmt: skip


@pytest.mark.parametrize("query", SYNTAX, ids=lambda query: ascii(query[:30]))
def test_no_text_is_syntax_or_an_error(owner: Key, query: str) -> None:
    owner.create({"key": "a", "name": "jane"})
    assert found(owner, query) == (["a"] if "jane" in query else [])


def test_any_word_of_a_long_query_will_do(owner: Key) -> None:
    owner.create({"key": "a", "name": "jane"})
    assert found(owner, "jane " + " ".join(f"word{number}" for number in range(5000))) == ["a"]


@pytest.mark.parametrize("between", [0, 3000], ids="with {} words between them".format)
def test_the_entity_with_more_of_the_words_comes_first(owner: Key, between: int) -> None:
    for key, name in {"one": "fox here", "both": "fox hen", "other": "hen there"}.items():
        owner.create({"key": key, "name": name})
    words = ["fox", *(f"word{number}" for number in range(between)), "hen"]
    assert found(owner, " ".join(words))[0] == "both"


def test_the_rarer_word_counts_for_more(owner: Key) -> None:
    for key, name in {"rare": "a hen", "common 1": "a fox", "common 2": "a fox"}.items():
        owner.create({"key": key, "name": name})
    assert found(owner, "fox hen")[0] == "rare"


def test_the_shorter_text_comes_first(owner: Key) -> None:
    owner.create({"key": "short", "name": "fox"})
    owner.create({"key": "long", "name": "the quick brown fox jumps over the lazy dog"})
    assert found(owner, "fox") == ["short", "long"]


def test_of_equally_good_matches_the_newest_comes_first(owner: Key) -> None:
    for key in "abcde":
        owner.create({"key": key, "name": "fox"})
    assert found(owner, "fox") == ["e", "d", "c", "b", "a"]


@pytest.mark.parametrize(
    ("limit", "count"),
    [({}, 20), ({"limit": 3}, 3), ({"limit": 3.0}, 3), ({"limit": 100}, 100), ({"limit": 1000}, 100)],
    ids=["20 without a limit", "a limit", "a limit with a fraction of nothing", "at most 100", "more counts as 100"],
)
def test_a_limit_bounds_what_is_found(owner: Key, limit: dict[str, Any], count: int) -> None:
    for number in range(101):
        owner.create({"key": number, "name": "fox"})
    assert len(found(owner, "fox", **limit)) == count


@pytest.mark.parametrize("limit", [0, -1, 1.5, "10", True, None, [], {}], ids=json.dumps)
def test_other_limits_are_refused(owner: Key, limit: Any) -> None:
    assert_error(owner.post(PATH, {"query": "fox", "limit": limit}), 400)


@pytest.mark.parametrize("body", [{}, {"query": ""}, {"query": None}, {"text": "fox"}], ids=json.dumps)
def test_a_query_is_required(owner: Key, body: dict[str, Any]) -> None:
    assert_error(owner.post(PATH, body), 400, "query is required")


@pytest.mark.parametrize("query", [1, 0, True, ["fox"], {"text": "fox"}], ids=json.dumps)
def test_a_query_must_be_a_string(owner: Key, query: Any) -> None:
    assert_error(owner.post(PATH, {"query": query}), 400)


@pytest.mark.parametrize(
    ("config", "keys"),
    [({}, []), ({"TOKENIZER": "porter unicode61"}, ["a"])],
    indirect=["config"],
    ids=["plain", "stems"],
)
def test_the_tokenizer_is_a_setting(owner: Key, keys: list[str]) -> None:
    owner.create({"key": "a", "name": "walking"})
    assert found(owner, "walked far") == keys


def test_without_search_fields_all_top_level_strings_are_searched(owner: Key) -> None:
    data = {"key": "a", "nickname": "Jay", "bio": "fox", "level": 7, "tags": ["elk"], "home": {"city": "Oslo"}}
    owner.create(data, slug="player")
    words = ("jay", "fox", "7", "elk", "oslo", "nickname")
    assert [word for word in words if found(owner, word, "player")] == ["jay", "fox"]


def test_dots_in_a_search_field_walk_nested_objects(owner: Key, types: EntityTypes) -> None:
    types.apply([Definition("place", "Place", {}, ("address.geo.city", "tags.names"))])
    data = {
        "address": {"geo": {"city": "Oslo"}, "city": "Bergen"},
        "tags": {"names": ["fjord", 8]},
        "address.geo.city": "Rome",
    }
    owner.create({"key": "a", **data}, slug="place")
    words = ("oslo", "bergen", "fjord", "8", "rome")
    assert [word for word in words if found(owner, word, "place")] == ["oslo", "fjord", "8"]


def test_changed_search_fields_rebuild_the_index(owner: Key, types: EntityTypes) -> None:
    owner.create({"key": "a", "name": "jane", "notes": "fox"})
    types.apply([Definition("customer", "Customer", {}, ("notes",))])
    assert (found(owner, "fox"), found(owner, "jane")) == (["a"], [])


def test_an_update_changes_what_is_found(owner: Key) -> None:
    created = owner.create({"key": "a", "name": "jane", "email": "kept"})
    owner.patch(f"/v1/data/customer/{created['id']}", {"data": {"name": "joan"}})
    assert [found(owner, word) for word in ("jane", "joan", "kept")] == [[], ["a"], ["a"]]


@pytest.mark.parametrize("part", ["add", "change", "remove"])
def test_the_index_and_the_entity_change_together_or_not_at_all(
    owner: Key, monkeypatch: pytest.MonkeyPatch, part: str
) -> None:
    created = owner.create({"key": "a", "name": "jane"})
    path = f"/v1/data/customer/{created['id']}"

    def fail(*arguments: object) -> None:
        raise RuntimeError

    with monkeypatch.context() as patch:
        patch.setattr(f"app.storage.search_index.{part}", fail)
        response = {
            "add": lambda: owner.post("/v1/data/customer", {"data": {"key": "b", "name": "jane"}}),
            "change": lambda: owner.patch(path, {"data": {"name": "joan"}}),
            "remove": lambda: owner.delete(path),
        }[part]()
    assert_error(response, 500)
    assert owner.get("/v1/data/customer").json["data"] == [created]
    assert (found(owner, "jane"), found(owner, "joan")) == (["a"], [])


def test_archived_entities_are_found(owner: Key) -> None:
    owner.create({"key": "a", "name": "jane"}, status="archived")
    assert found(owner, "jane") == ["a"]


def test_a_search_stays_within_its_type(owner: Key) -> None:
    owner.create({"key": "a", "name": "jane"}, slug="player")
    assert found(owner, "jane") == []


def test_an_unknown_type_is_not_found(owner: Key) -> None:
    assert_error(owner.post("/v1/data/nothing/search", {"query": "jane"}), 404, "Entity type nothing not found")
