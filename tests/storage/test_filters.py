"""Filters, told by which documents they match."""

from contextlib import suppress
from typing import Any

import pytest

from app.storage.errors import OutsideScope
from app.storage.filters import InvalidFilters, parse
from app.storage.repository import EntityRepository
from tests.conftest import START

from .conftest import Fields, Fill, Open, document, ids_of

VALUES: dict[str, Fields] = {
    "missing": {},
    "null": {"x": None},
    "true": {"x": True},
    "false": {"x": False},
    "zero": {"x": 0},
    "one": {"x": 1},
    "one point zero": {"x": 1.0},
    "two and a half": {"x": 2.5},
    "empty text": {"x": ""},
    "text one": {"x": "1"},
    "text true": {"x": "true"},
    "text null": {"x": "null"},
    "text [1]": {"x": "[1]"},
    "empty array": {"x": []},
    "[1]": {"x": [1]},
    "[1, 2]": {"x": [1, 2]},
    "[true, null]": {"x": [True, None]},
    "empty object": {"x": {}},
    "{a, b}": {"x": {"a": 1, "b": [2.0]}},
}
NUMBERS = ["zero", "one", "one point zero", "two and a half"]
TEXTS = ["empty text", "text one", "text true", "text null", "text [1]"]


def all_but(*names: str) -> list[str]:
    return [name for name in VALUES if name not in names]


MATCHES: dict[str, tuple[Any, list[str]]] = {
    "one equals one point zero, never text or true": (1, ["one", "one point zero"]),
    "one point zero equals one": (1.0, ["one", "one point zero"]),
    "true equals true, never one or text": (True, ["true"]),
    "false equals false, never zero": (False, ["false"]),
    "null equals an explicit null, not a missing field": (None, ["null"]),
    "text equals text, never a number": ("1", ["text one"]),
    "text equals text, never a boolean": ("true", ["text true"]),
    "text equals text, never an array that reads the same": ("[1]", ["text [1]"]),
    "the empty text equals itself alone": ("", ["empty text"]),
    "arrays equal when their elements do": ([1.0], ["[1]"]),
    "arrays differ in the order of their elements": ([2, 1], []),
    "an element true is not one": ([1, None], []),
    "the empty array equals itself alone": ([], ["empty array"]),
    "objects equal in any order of fields": ({"b": [2], "a": 1.0}, ["{a, b}"]),
    "objects with a field less differ": ({"a": 1}, []),
    "the empty object is a value": ({}, ["empty object"]),
    "$eq is an exact match": ({"$eq": 1}, ["one", "one point zero"]),
    "$eq of null is not a missing field": ({"$eq": None}, ["null"]),
    "$eq takes an object that holds operators as a value": ({"$eq": {"$gt": 1}}, []),
    "$ne is the complement, missing fields included": ({"$ne": 1}, all_but("one", "one point zero")),
    "$neq is $ne": ({"$neq": 1}, all_but("one", "one point zero")),
    "$ne of null passes a missing field": ({"$ne": None}, all_but("null")),
    "$ne of an object passes all others": ({"$ne": {"b": [2], "a": 1}}, all_but("{a, b}")),
    "$in matches any of its values, of any kind": (
        {"$in": [1, "1", None, False, [1], {}]},
        ["null", "false", "one", "one point zero", "text one", "[1]", "empty object"],
    ),
    "$in of one value is equality": ({"$in": ["true"]}, ["text true"]),
    "$in of nothing matches nothing": ({"$in": []}, []),
    "$nin is the complement, missing fields included": (
        {"$nin": [0, 1, "1", None]},
        all_but("zero", "one", "one point zero", "text one", "null"),
    ),
    "$nin of nothing matches everything": ({"$nin": []}, all_but()),
    "$gt compares numbers with numbers": ({"$gt": 0}, ["one", "one point zero", "two and a half"]),
    "$gt leaves out its operand": ({"$gt": 1}, ["two and a half"]),
    "$gte includes its operand": ({"$gte": 1}, ["one", "one point zero", "two and a half"]),
    "$lt leaves out its operand": ({"$lt": 1}, ["zero"]),
    "$lte includes its operand": ({"$lte": 1}, ["zero", "one", "one point zero"]),
    "every number is below a large one": ({"$lt": 1e300}, NUMBERS),
    "$gt compares text with text": ({"$gt": "1"}, ["text true", "text null", "text [1]"]),
    "every text is at least the empty text": ({"$gte": ""}, TEXTS),
    "$exists true takes null for a value": ({"$exists": True}, all_but("missing")),
    "$exists false matches a missing field alone": ({"$exists": False}, ["missing"]),
    "$contains finds an element, as equality does": ({"$contains": 1.0}, ["[1]", "[1, 2]"]),
    "$contains finds null and true among elements": ({"$contains": True}, ["[true, null]"]),
    "$contains of text finds a part of a text": ({"$contains": "ru"}, ["text true"]),
    "the empty text is part of every text": ({"$contains": ""}, TEXTS),
    "all operators of a field hold together": ({"$gt": 0, "$lte": 2.5, "$ne": 1}, ["two and a half"]),
    "operators that exclude each other match nothing": ({"$exists": False, "$eq": 1}, []),
}


@pytest.mark.parametrize(("condition", "names"), MATCHES.values(), ids=MATCHES)
def test_a_condition_matches_values(customers: EntityRepository, fill: Fill, condition: Any, names: list[str]) -> None:
    fill(VALUES)
    assert matching(customers, {"x": condition}) == names


@pytest.mark.parametrize(("condition", "names"), MATCHES.values(), ids=MATCHES)
def test_a_scope_shows_by_id_what_its_filters_match(
    open_entities: Open, fill: Fill, condition: Any, names: list[str]
) -> None:
    fill(VALUES)
    scoped = open_entities(scope={"customer": parse({"x": condition})})
    seen = []
    for name in VALUES:
        with suppress(OutsideScope):
            seen.append(scoped.get(name).id)
    assert seen == names


def matching(entities: EntityRepository, filters: Any) -> list[str]:
    """Return the ids of the entities that match filters, in creation order."""
    return ids_of(entities.query(parse(filters), limit=100))


@pytest.mark.parametrize("filters", [None, {}], ids=["null filters", "empty filters"])
def test_no_filters_match_everything(customers: EntityRepository, fill: Fill, filters: Any) -> None:
    fill(VALUES)
    assert matching(customers, filters) == list(VALUES)


ORDERED = {
    "ISO dates compare as text": (["2024-12-31", "2025-01-01", "2025-01-02"], {"$gte": "2025-01-01"}, 2),
    "capitals come before small letters": (["A", "a", "z"], {"$gt": "Z"}, 2),
    "text compares by code point, not by UTF-16 unit": (["\uffff", "\U0001f600"], {"$gt": "\uffff"}, 1),
    "integers above 2^53 are exact": ([2**53, 2**53 + 1, 2**53 + 2], {"$gt": 2**53}, 2),
    "integers of 64 bits are exact": ([2**63 - 2, 2**63 - 1], {"$gte": 2**63 - 1}, 1),
    "an integer above 2^53 equals itself alone": ([2**53, 2**53 + 1], {"$eq": 2**53 + 1}, 1),
    "an integer above 2^53 among others equals itself alone": ([2**53, 2**53 + 1], {"$in": [2**53 + 1, 3]}, 1),
    "an integer differs from the double nearest to it": ([2**53 + 1, 2.0**53], {"$eq": 2.0**53}, 1),
    "an integer in an array differs from the double nearest to it": ([[2**53 + 1], [2.0**53]], {"$eq": [2**53]}, 1),
    "fractions are exact": ([0.1, 0.30000000000000004, 0.3], {"$in": [0.1, 0.3]}, 2),
    "minus zero is zero": ([0, -0.0, 0.0], {"$eq": 0}, 3),
}


@pytest.mark.parametrize(("values", "condition", "count"), ORDERED.values(), ids=ORDERED)
def test_numbers_and_text_are_exact(
    customers: EntityRepository, fill: Fill, values: list[Any], condition: Any, count: int
) -> None:
    fill({f"id{number}": {"x": value} for number, value in enumerate(values)})
    assert len(matching(customers, {"x": condition})) == count


FIELDS: dict[str, tuple[str, Fields, Fields]] = {
    "dots walk nested objects": ("a.b.c", {"a": {"b": {"c": 1}}}, {"a": {"b": 1}}),
    "dots do not walk arrays": ("a.b", {"a": {"b": 1}}, {"a": [{"b": 1}]}),
    "numbers are no array positions": ("a.0", {"a": {"0": 1}}, {"a": [1]}),
    "a leading data. means the same": ("data.a", {"a": 1}, {"data": {"a": 1}}),
    "only one leading data. is dropped": ("data.data.a", {"data": {"a": 1}}, {"a": 1}),
    "the name data is a field of data": ("data", {"data": 1}, {"a": 1}),
    "a nested field named id is no own field": ("a.id", {"a": {"id": 1}}, {"id": 1}),
    "a double quote": ('a"b', {'a"b': 1}, {"a": 1}),
    "a single quote": ("a' OR 1=1 --", {"a' OR 1=1 --": 1}, {"a": 1}),
    "a backslash": ("a\\", {"a\\": 1}, {"a": 1}),
    "a backslash before a quote": ('a\\"', {'a\\"': 1}, {'a"': 1}),
    "brackets": ("a[0]", {"a[0]": 1}, {"a": [1]}),
    "a bracket with #": ("[#-1]", {"[#-1]": 1}, {"a": 1}),
    "a dollar inside": ("a$b", {"a$b": 1}, {"a": 1}),
    "a space": (" ", {" ": 1}, {"  ": 1}),
    "a line break": ("a\nb", {"a\nb": 1}, {"a\\nb": 1}),
    "a control character": ("\x01", {"\x01": 1}, {"\x02": 1}),
    "no ASCII": ("ключ☃\U0001f600", {"ключ☃\U0001f600": 1}, {"ключ": 1}),
    "letters in another case": ("plan", {"plan": 1}, {"Plan": 1}),
    "a parameter's name": (":type", {":type": 1}, {"type": 1}),
}


@pytest.mark.parametrize(("name", "inside", "outside_"), FIELDS.values(), ids=FIELDS)
def test_a_field_name_is_a_value_whatever_it_holds(
    customers: EntityRepository, fill: Fill, name: str, inside: Fields, outside_: Fields
) -> None:
    fill({"inside": inside, "outside": outside_})
    assert matching(customers, {name: 1}) == ["inside"]
    assert matching(customers, {name: {"$exists": False}}) == ["outside"]


OWN: dict[str, tuple[Any, list[str]]] = {
    "status is the entity's own": ({"status": "active"}, ["plain"]),
    "status is the field of data where there is one": ({"status": "open"}, ["fielded"]),
    "status is the field of data even where that is null": ({"status": None}, ["null"]),
    "$ne of status means the same field": ({"status": {"$ne": "active"}}, ["fielded", "null"]),
    "data.status is the field of data alone": ({"data.status": {"$exists": False}}, ["plain"]),
    "an own field always exists": ({"status": {"$exists": False}}, []),
    "id is the entity's own": ({"id": {"$in": ["plain", "null"]}}, ["plain", "null"]),
    "type is the slug": ({"type": "customer"}, ["plain", "fielded", "null"]),
    "createdAt is a number": ({"createdAt": {"$gte": START}}, ["plain", "fielded", "null"]),
    "updatedAt is no text": ({"updatedAt": {"$gte": ""}}, []),
    "$contains works on an own field": ({"id": {"$contains": "ie"}}, ["fielded"]),
    "an own field beside the same name in data": ({"status": "open", "data.status": "open"}, ["fielded"]),
}


@pytest.mark.parametrize(("filters", "names"), OWN.values(), ids=OWN)
def test_five_bare_names_fall_back_to_the_entity(
    customers: EntityRepository, fill: Fill, filters: Any, names: list[str]
) -> None:
    fill({"plain": {}, "fielded": {"status": "open"}, "null": {"status": None}})
    assert matching(customers, filters) == names


def test_the_entitys_status_is_the_one_that_it_has(customers: EntityRepository) -> None:
    archived = customers.create(document({}), status="archived")
    customers.create(document({}))
    assert matching(customers, {"status": "archived"}) == [archived.id]


def test_all_fields_hold_together(customers: EntityRepository, fill: Fill) -> None:
    fill({"both": {"a": 1, "b": 2}, "one": {"a": 1, "b": 3}, "other": {"b": 2}})
    assert matching(customers, {"a": 1, "b": 2}) == ["both"]


@pytest.mark.parametrize("wanted", [9_999, "9999", [9_999]], ids=["numbers", "text", "arrays"])
def test_ten_thousand_values_are_no_problem(customers: EntityRepository, fill: Fill, wanted: Any) -> None:
    fill({"inside": {"x": wanted}, "outside": {"x": "elsewhere"}})
    values = [type(wanted)([number] if wanted == [9_999] else number) for number in range(10_000)]
    assert matching(customers, {"x": {"$in": values}}) == ["inside"]
    assert matching(customers, {"x": {"$nin": values}}) == ["outside"]


MANY: dict[str, tuple[int, Any]] = {
    "1,024 fields": (1024, 1),
    "256 fields with four operators each": (256, {"$gte": 1, "$lt": 2, "$ne": 0, "$in": [1, "a", [], {}]}),
}


@pytest.mark.parametrize(("count", "condition"), MANY.values(), ids=MANY)
def test_as_many_conditions_as_an_object_has_fields_are_no_problem(
    customers: EntityRepository, fill: Fill, count: int, condition: Any
) -> None:
    names = [f"f{number}" for number in range(count)]
    fill({"inside": dict.fromkeys(names, 1), "outside": dict.fromkeys(names, 1) | {names[-1]: 0}})
    assert matching(customers, dict.fromkeys(names, condition)) == ["inside"]


INVALID: dict[str, tuple[Any, str]] = {
    "filters that are no object": ([], "filters must be an object of field names and conditions"),
    "more conditions than a statement can bind": (
        {f"f{number}": 1 for number in range(1025)},
        "filters must not have more than 1024 conditions",
    ),
    "an unknown operator": ({"a": {"$foo": 1}}, "Unknown filter operator: $foo"),
    "an unknown operator beside a known one": ({"a": {"$gt": 1, "$regex": "x"}}, "Unknown filter operator: $regex"),
    "operators mixed with fields": (
        {"a": {"$gt": 1, "b": 2}},
        "The condition on a mixes operators and field names; use one or the other",
    ),
    "$in without an array": ({"a": {"$in": "pro"}}, "$in needs an array of values"),
    "$nin without an array": ({"a": {"$nin": None}}, "$nin needs an array of values"),
    "$gt of null": ({"a": {"$gt": None}}, "$gt needs a number or a string"),
    "$gte of true": ({"a": {"$gte": True}}, "$gte needs a number or a string"),
    "$lt of an array": ({"a": {"$lt": [1]}}, "$lt needs a number or a string"),
    "$lte of an object": ({"a": {"$lte": {}}}, "$lte needs a number or a string"),
    "$exists of a number": ({"a": {"$exists": 1}}, "$exists needs true or false"),
    "an empty name": ({"": 1}, "A field name in filters must not be empty or have an empty part: "),
    "nothing after data.": ({"data.": 1}, "A field name in filters must not be empty or have an empty part: data."),
    "a dot at the end": ({"a.": 1}, "A field name in filters must not be empty or have an empty part: a."),
    "two dots": ({"a..b": 1}, "A field name in filters must not be empty or have an empty part: a..b"),
    "a name that starts with $": ({"$or": []}, "A field name in filters must not start with $: $or"),
    "a part that starts with $": ({"a.$b": 1}, "A field name in filters must not start with $: a.$b"),
    "a long name, shown in part": (
        {"$" + "a" * 100: 1},
        "A field name in filters must not start with $: $" + "a" * 79 + "…",
    ),
}


@pytest.mark.parametrize(("filters", "sentence"), INVALID.values(), ids=INVALID)
def test_invalid_filters_are_refused_with_a_sentence(filters: Any, sentence: str) -> None:
    with pytest.raises(InvalidFilters) as caught:
        parse(filters)
    assert str(caught.value) == sentence
