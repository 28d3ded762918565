"""POST /v1/data/:type/query: filters, told by which documents they match; test_pages.py has order and pages."""

import json
from typing import Any

import pytest

from tests.conftest import START, Key, assert_error

PATH = "/v1/data/customer/query"


def matching(owner: Key, filters: Any) -> list[str]:
    """Return the names of the customers that match filters."""
    return owner.names(PATH, {"filters": filters, "limit": 100})


VALUES: dict[str, dict[str, Any]] = {
    "missing": {},
    "null": {"x": None},
    "true": {"x": True},
    "false": {"x": False},
    "0": {"x": 0},
    "1": {"x": 1},
    "1.0": {"x": 1.0},
    "2.5": {"x": 2.5},
    "text empty": {"x": ""},
    "text 1": {"x": "1"},
    "text null": {"x": "null"},
    "text true": {"x": "true"},
    "text [1]": {"x": "[1]"},
    "[]": {"x": []},
    "[1]": {"x": [1]},
    "[1, text]": {"x": [1, "text"]},
    "{}": {"x": {}},
    "{a, b}": {"x": {"a": 1, "b": [None]}},
}
TEXTS = ["text empty", "text 1", "text null", "text true", "text [1]"]


def all_but(*names: str) -> list[str]:
    return [name for name in VALUES if name not in names]


CONDITIONS: dict[str, tuple[Any, list[str]]] = {
    "1 equals 1.0, never text or true": (1, ["1", "1.0"]),
    "1.0 equals 1": (1.0, ["1", "1.0"]),
    "0 is not false": (0, ["0"]),
    "true is neither 1 nor text": (True, ["true"]),
    "false is neither 0 nor empty": (False, ["false"]),
    "null is no missing field": (None, ["null"]),
    "text is no number": ("1", ["text 1"]),
    "text is no boolean": ("true", ["text true"]),
    "text is no null": ("null", ["text null"]),
    "text is no array": ("[1]", ["text [1]"]),
    "empty text is a value": ("", ["text empty"]),
    "arrays equal deeply": ([1.0], ["[1]"]),
    "the order of an array counts": (["text", 1], []),
    "an empty array is a value": ([], ["[]"]),
    "objects equal deeply, field order aside": ({"b": [None], "a": 1.0}, ["{a, b}"]),
    "a part of an object is not the object": ({"a": 1}, []),
    "an empty object is a value, not a set of operators": ({}, ["{}"]),
    "$eq is an exact match": ({"$eq": 1}, ["1", "1.0"]),
    "$eq takes an object of operators as a value": ({"$eq": {"$gt": 0}}, []),
    "$ne is the complement of equality": ({"$ne": 1}, all_but("1", "1.0")),
    "$ne of null passes a missing field": ({"$ne": None}, all_but("null")),
    "$neq is $ne": ({"$neq": 1}, all_but("1", "1.0")),
    "$in matches values of any kind": (
        {"$in": [0, "1", None, True, [1], {}]},
        ["null", "true", "0", "text 1", "[1]", "{}"],
    ),
    "$in of one value is equality": ({"$in": [1]}, ["1", "1.0"]),
    "$in of nothing matches nothing": ({"$in": []}, []),
    "$nin is the complement of $in": ({"$nin": [0, 1, "", None]}, all_but("0", "1", "1.0", "text empty", "null")),
    "$nin of nothing matches everything": ({"$nin": []}, all_but()),
    "$gt leaves its operand out": ({"$gt": 1}, ["2.5"]),
    "$gte takes its operand in": ({"$gte": 1}, ["1", "1.0", "2.5"]),
    "$lt leaves its operand out": ({"$lt": 1}, ["0"]),
    "$lte takes its operand in": ({"$lte": 1}, ["0", "1", "1.0"]),
    "numbers compare with numbers alone": ({"$lt": 9}, ["0", "1", "1.0", "2.5"]),
    "strings compare with strings alone": ({"$gte": ""}, TEXTS),
    "$gt compares strings": ({"$gt": "[1]"}, ["text null", "text true"]),
    "$lt compares strings": ({"$lt": "1"}, ["text empty"]),
    "$lte compares strings": ({"$lte": "1"}, ["text empty", "text 1"]),
    "$exists true takes null for a value": ({"$exists": True}, all_but("missing")),
    "$exists false is a missing field alone": ({"$exists": False}, ["missing"]),
    "$contains finds an element of an array": ({"$contains": 1.0}, ["[1]", "[1, text]"]),
    "$contains finds a part of a string": ({"$contains": "u"}, ["text null", "text true"]),
    "$contains finds a whole element, not a part of it": ({"$contains": "tex"}, []),
    "$contains looks into neither numbers nor objects": ({"$contains": "a"}, []),
    "all operators of a field hold": ({"$gt": 0, "$lt": 9, "$ne": 1}, ["2.5"]),
    "operators that exclude each other match nothing": ({"$gt": 1, "$lt": 1}, []),
}


@pytest.mark.parametrize(("condition", "names"), CONDITIONS.values(), ids=CONDITIONS)
def test_a_condition_matches_values(owner: Key, condition: Any, names: list[str]) -> None:
    for name, data in VALUES.items():
        owner.create({"name": name, **data})
    assert matching(owner, {"x": condition}) == names


CUSTOMERS: dict[str, dict[str, Any]] = {
    "Ann": {"plan": "pro", "age": 18, "address": {"city": "Oslo", "geo": {"zone": 3}}, "joined": "2024-12-31"},
    "Bob": {"plan": "pro", "age": 17, "address": {"city": "Bergen"}, "joined": "2025-01-01", "status": "lead"},
    "Cid": {"plan": "free", "age": 99, "address": [{"city": "Oslo"}], "joined": "2025-01-01T08:00", "data": {"age": 1}},
    "Dee": {"address.city": "Oslo", "createdAt": "today", "status": None, "type": "person", "id": 7, "z\\\"'[0] ☃": 1},
}

FILTERS: dict[str, tuple[Any, list[str]]] = {
    "null filters match everything": (None, ["Ann", "Bob", "Cid", "Dee"]),
    "empty filters match everything": ({}, ["Ann", "Bob", "Cid", "Dee"]),
    "all fields hold together": ({"plan": "pro", "age": {"$gte": 18}}, ["Ann"]),
    "dots walk nested objects, not arrays, and are no names": ({"address.city": "Oslo"}, ["Ann"]),
    "dots walk deep": ({"address.geo.zone": {"$gt": 2}}, ["Ann"]),
    "dots do not count elements": ({"address.0.city": {"$exists": True}}, []),
    "dots beneath what is no object lead nowhere": ({"age.years": {"$exists": True}}, []),
    "a nested object equals as a whole": ({"address": {"city": "Bergen"}}, ["Bob"]),
    "a leading data. means the same": ({"data.age": {"$gte": 18}}, ["Ann", "Cid"]),
    "only one leading data. is dropped": ({"data.data.age": 1}, ["Cid"]),
    "data alone is a field of that name": ({"data": {"age": 1}}, ["Cid"]),
    "both spellings hold together": ({"age": {"$gte": 18}, "data.age": {"$lt": 99}}, ["Ann"]),
    "ISO dates compare": ({"joined": {"$gte": "2025-01-01", "$lt": "2025-01-02"}}, ["Bob", "Cid"]),
    "status is the entity's where data has none": ({"status": "active"}, ["Ann", "Cid"]),
    "status is the field of data where there is one": ({"status": "lead"}, ["Bob"]),
    "status is the field of data even where it is null": ({"status": None}, ["Dee"]),
    "status of the specification's example": ({"status": {"$in": ["active", "trial"]}}, ["Ann", "Cid"]),
    "data.status is the field of data alone": ({"data.status": {"$exists": False}}, ["Ann", "Cid"]),
    "type is the slug where data has none": ({"type": "customer"}, ["Ann", "Bob", "Cid"]),
    "id is a string where data has none": ({"id": {"$gt": "k17"}}, ["Ann", "Bob", "Cid"]),
    "id is the field of data where there is one": ({"id": 7}, ["Dee"]),
    "createdAt is Unix milliseconds where data has none": ({"createdAt": START}, ["Ann", "Bob", "Cid"]),
    "createdAt is the field of data where there is one": ({"createdAt": {"$lt": "tomorrow"}}, ["Dee"]),
    "updatedAt is Unix milliseconds": ({"updatedAt": {"$gte": START, "$lte": START}}, ["Ann", "Bob", "Cid", "Dee"]),
    "a nested name is no own field": ({"address.status": {"$exists": True}}, []),
    "another name is no own field": ({"created_at": {"$exists": True}}, []),
    "a name may hold any character": ({"z\\\"'[0] ☃": 1}, ["Dee"]),
    "a name is never SQL": ({"name' OR 1=1 --": {"$exists": True}}, []),
    "a value is never SQL": ({"plan": "pro' OR 1=1 --"}, []),
    "a value is no pattern": ({"plan": "%"}, []),
    "letters of another case are other letters": ({"plan": {"$in": ["Pro", "PRO"]}}, []),
}  # fmt: skip


@pytest.mark.parametrize(("filters", "names"), FILTERS.values(), ids=FILTERS)
def test_filters_match_customers(owner: Key, filters: Any, names: list[str]) -> None:
    for name, data in CUSTOMERS.items():
        owner.create({"name": name, **data})
    assert matching(owner, filters) == names


def test_the_own_id_finds_the_entity(owner: Key) -> None:
    created = [owner.create({"name": name}) for name in "abc"]
    assert matching(owner, {"id": {"$in": [each["id"] for each in created[1:]]}}) == ["b", "c"]


EXACT: dict[str, tuple[list[Any], Any, list[Any]]] = {
    "integers of 64 bits": ([2**63 - 2, 2**63 - 1], 2**63 - 1, [2**63 - 1]),
    "integers above 2^53": ([2**53, 2**53 + 1], {"$gt": 2**53}, [2**53 + 1]),
    "negative integers": ([-(2**63), -1], {"$lt": -1}, [-(2**63)]),
    "fractions": ([0.1, 0.3, 0.30000000000000004], {"$in": [0.1, 0.3]}, [0.1, 0.3]),
    "strings by code point": (["Z", "a", "\uffff", "\U0001f600"], {"$gt": "\uffff"}, ["\U0001f600"]),
}


@pytest.mark.parametrize(("values", "condition", "found"), EXACT.values(), ids=EXACT)
def test_values_compare_exactly(owner: Key, values: list[Any], condition: Any, found: list[Any]) -> None:
    for value in values:
        owner.create({"x": value})
    response = owner.post(PATH, {"filters": {"x": condition}})
    assert [entity["data"]["x"] for entity in response.json["data"]] == found


@pytest.mark.parametrize("kind", [int, str], ids=["numbers", "strings"])
def test_ten_thousand_values_are_no_problem(owner: Key, kind: type) -> None:
    owner.create({"name": "inside", "x": kind(9_999)})
    owner.create({"name": "outside", "x": kind(10_000)})
    values = [kind(number) for number in range(10_000)]
    assert matching(owner, {"x": {"$in": values}}) == ["inside"]
    assert matching(owner, {"x": {"$nin": values}}) == ["outside"]


def test_conditions_on_1024_fields_are_no_problem(owner: Key) -> None:
    fields = {f"field {number}": 1 for number in range(1024)}
    owner.create(fields)
    owner.create({**fields, "field 1023": 2})
    response = owner.post(PATH, {"filters": fields})
    assert [entity["data"] for entity in response.json["data"]] == [fields]


def test_a_cursor_goes_on_within_the_filters(owner: Key) -> None:
    for name in "abcdef":
        owner.create({"name": name, "odd": name in "bdf"})
    body = {"filters": {"odd": True}, "limit": 1}
    first = owner.post(PATH, body).json
    assert owner.names(PATH, {**body, "cursor": first["cursor"]}) == ["d"]
    last = owner.post(PATH, {**body, "cursor": first["cursor"], "limit": 2}).json
    assert (last["cursor"], last["hasMore"]) == (None, False)


def test_a_cursor_works_when_its_entity_has_left_the_filters(owner: Key) -> None:
    for name in "abc":
        owner.create({"name": name, "plan": "pro"})
    body = {"filters": {"plan": "pro"}, "limit": 2}
    page = owner.post(PATH, body).json
    owner.patch(f"/v1/data/customer/{page['cursor']}", {"data": {"plan": "free"}})
    assert owner.names(PATH, {**body, "cursor": page["cursor"]}) == ["c"]


def test_filters_and_status_hold_together(owner: Key) -> None:
    owner.create({"name": "a", "plan": "pro"}, status="archived")
    owner.create({"name": "b", "plan": "pro"})
    owner.create({"name": "c"}, status="archived")
    assert owner.names(PATH, {"filters": {"plan": "pro"}, "status": "archived"}) == ["a"]


@pytest.mark.parametrize("body", [b"", b"{}", b" \n", b'{"filters": null, "cursor": null}', b'{"unknown": 1}'])
def test_a_body_without_wishes_means_everything(owner: Key, body: bytes) -> None:
    owner.create({"name": "a"})
    response = owner.post(PATH, data=body)
    assert [entity["data"]["name"] for entity in response.json["data"]] == ["a"]


@pytest.mark.parametrize(("limit", "count"), [(2, 2), (2.0, 2), (14.0, 3), (1e300, 3)])
def test_a_limit_is_a_whole_number_however_it_is_written(owner: Key, limit: float, count: int) -> None:
    for name in "abc":
        owner.create({"name": name})
    assert len(owner.names(PATH, {"limit": limit})) == count


@pytest.mark.parametrize("limit", [0, -1, 0.5, 14.5, -(2**63), "10", True, False, None, [], {}], ids=json.dumps)
def test_other_limits_are_refused(owner: Key, limit: Any) -> None:
    assert_error(owner.post(PATH, {"limit": limit}), 400)


@pytest.mark.parametrize("cursor", [0, 1, True, False, [], {}, ["a"]], ids=json.dumps)
def test_a_cursor_that_is_no_string_is_invalid(owner: Key, cursor: Any) -> None:
    assert_error(owner.post(PATH, {"cursor": cursor}), 400, "Invalid cursor")


BAD_FILTERS: dict[str, Any] = {
    "filters are no array": [],
    "filters are no string": "plan",
    "filters are not false": False,
    "a name is not empty": {"": 1},
    "a name has no empty part": {"a..b": 1},
    "a name does not begin with a dot": {".a": 1},
    "a name does not end with a dot": {"a.": 1},
    "data. alone is no name": {"data.": 1},
    "a name does not start with $": {"$or": []},
    "a name after data. does not start with $": {"data.$x": 1},
    "operators and field names do not mix": {"x": {"$gt": 1, "a": 1}},
    "field names and operators do not mix": {"x": {"a": 1, "$gt": 1}},
    **{f"{operator} needs an array": {"x": {operator: 1}} for operator in ("$in", "$nin")},
    "$in takes no object": {"x": {"$in": {"0": 1}}},
    "$nin takes no string": {"x": {"$nin": "abc"}},
    **{
        f"{operator} takes no {kind}": {"x": {operator: operand}}
        for operator in ("$gt", "$gte", "$lt", "$lte")
        for kind, operand in {"null": None, "boolean": True, "array": [1], "object": {"a": 1}}.items()
    },
    "$exists takes no number": {"x": {"$exists": 1}},
    "$exists takes no string": {"x": {"$exists": "true"}},
    "$exists takes no null": {"x": {"$exists": None}},
}


@pytest.mark.parametrize("filters", BAD_FILTERS.values(), ids=BAD_FILTERS)
def test_what_is_no_filter_is_refused(owner: Key, filters: Any) -> None:
    assert_error(owner.post(PATH, {"filters": filters}), 400)


@pytest.mark.parametrize("operator", ["$foo", "$regex", "$or", "$GT", "$", "$not", "$like"])
def test_an_unknown_operator_is_named(owner: Key, operator: str) -> None:
    response = owner.post(PATH, {"filters": {"x": {"$gt": 1, operator: 1}}})
    assert_error(response, 400, f"Unknown filter operator: {operator}")


def test_an_unknown_type_is_not_found(owner: Key) -> None:
    assert_error(owner.post("/v1/data/nothing/query", {}), 404, "Entity type nothing not found")
