"""JSON of the wire: what is refused, what comes back, and how large it may be."""

import json
from typing import Any

import pytest

from tests.conftest import Key, assert_error

PATH = "/v1/data/customer"


def send(owner: Key, text: str | bytes, path: str = PATH, **options: Any) -> Any:
    """Post a body as it is."""
    return owner.post(path, data=text if isinstance(text, bytes) else text.encode(), **options)


def exact(text: str) -> str:
    """Return a JSON text's value such that types, digits and the order of fields count."""
    return repr(json.loads(text, object_pairs_hook=list))


TYPES = [None, "application/json", "application/json; charset=latin-1", "text/plain", "application/xml", "nonsense",
         "application/x-www-form-urlencoded", "multipart/form-data; boundary=x"]  # fmt: skip


@pytest.mark.parametrize("content_type", TYPES)
def test_a_body_is_json_whatever_its_content_type_says(owner: Key, content_type: str | None) -> None:
    response = send(owner, '{"data": {"name": "José"}}', content_type=content_type)
    assert (response.status_code, response.json["data"]) == (201, {"name": "José"})


@pytest.mark.parametrize("content_type", TYPES)
def test_a_form_is_no_json_whatever_its_content_type_says(owner: Key, content_type: str | None) -> None:
    assert_error(send(owner, "data=%7B%7D", content_type=content_type), 400)


# What is refused, and a word of the sentence that says which it is.
REFUSED: dict[str, tuple[bytes, str]] = {
    "an unfinished text": (b'{"data": {', "Malformed"),
    "a bare word": (b"nonsense", "Malformed"),
    "single quotes": (b"{'data': {}}", "Malformed"),
    "a comma too many": (b'{"data": {},}', "Malformed"),
    "a comment": (b'{"data": {}} // ok', "Malformed"),
    "two texts": (b'{"data": {}}{}', "Malformed"),
    "a leading zero": (b'{"data": {"x": 01}}', "Malformed"),
    "a control character in a string": (b'{"data": {"x": "\n"}}', "Malformed"),
    "a raw NUL": (b'{"data": {"x": "\0"}}', "Malformed"),
    "an unknown escape": (rb'{"data": {"x": "\x41"}}', "Malformed"),
    "invalid UTF-8": (b'{"data": {"x": "\xff"}}', "UTF-8"),
    "UTF-8 cut short": (b'{"data": {"x": "\xc3"}}', "UTF-8"),
    "overlong UTF-8": (b'{"data": {"x": "\xc0\xaf"}}', "UTF-8"),
    "a surrogate in UTF-8": (b'{"data": {"x": "\xed\xa0\x80"}}', "UTF-8"),
    "UTF-16": ('{"data": {}}'.encode("utf-16-le"), "Malformed"),
    "Latin-1": ('{"data": {"x": "é"}}'.encode("latin-1"), "UTF-8"),
    "NaN": (b'{"data": {"x": NaN}}', "NaN"),
    "Infinity": (b'{"data": {"x": Infinity}}', "Infinity"),
    "minus Infinity": (b'{"data": {"x": [-Infinity]}}', "Infinity"),
    "NaN beside a string of quotes": (rb'{"data": {"x": "\"", "y": NaN}}', "NaN"),
    "half of a surrogate pair": (rb'{"data": {"x": "\ud800"}}', "surrogate"),
    "the other half": (rb'{"data": {"x": "\udc00 "}}', "surrogate"),
    "the halves in the wrong order": (rb'{"data": {"x": "\ude00\ud83d"}}', "surrogate"),
    "half of a surrogate pair in a name": (rb'{"data": {"\ud800": 1}}', "surrogate"),
    "NUL in a string": (rb'{"data": {"x": "a\u0000"}}', "NUL"),
    "NUL in a name": (rb'{"data": {"\u0000": 1}}', "NUL"),
    "NUL deep inside": (rb'{"data": {"x": [{"y": "\\\u0000"}]}}', "NUL"),
    "NUL in a status": (rb'{"data": {}, "status": "\u0000"}', "NUL"),
    "an integer of 65 bits": (b'{"data": {"x": 9223372036854775808}}', "64 bits"),
    "a negative integer of 65 bits": (b'{"data": {"x": -9223372036854775809}}', "64 bits"),
    "an integer of 30 digits": (b'{"data": {"x": [1, 123456789012345678901234567890]}}', "64 bits"),
    "an integer of 5,000 digits": (b'{"data": {"x": ' + 5000 * b"9" + b"}}", "double"),
    "a number beyond every double": (b'{"data": {"x": 1e309}}', "double"),
    "a negative number beyond every double": (b'{"data": {"x": -1.8e308}}', "double"),
    "nesting of 300 levels": (b'{"data": ' + 300 * b"[" + 300 * b"]" + b"}", "nested"),
    "nesting without end": (b'{"data": ' + 100_000 * b"[", "nested"),
    "an array": (b"[]", "object"),
    "an array of entities": (b'[{"data": {}}]', "object"),
    "a string": (b'"data"', "object"),
    "a number": (b"1", "object"),
    "true": (b"true", "object"),
    "null": (b"null", "object"),
    "a vertical tab": (b"\x0b", "Malformed"),
    "a form feed": (b" \x0c ", "Malformed"),
}


@pytest.mark.parametrize(("text", "word"), REFUSED.values(), ids=REFUSED)
def test_what_is_refused_is_told(owner: Key, text: bytes, word: str) -> None:
    response = send(owner, text)
    assert_error(response, 400)
    assert word in response.json["error"]
    assert owner.get(PATH).json["data"] == []


@pytest.mark.parametrize("text", [b"[]", b"1", b"null", b'""', b"{", rb'{"x": "\ud800"}', b'{"limit": NaN}', b"\x0b"])
@pytest.mark.parametrize("route", ["query", "search"])
def test_other_bodies_are_read_as_strictly(owner: Key, route: str, text: bytes) -> None:
    assert_error(send(owner, text, f"{PATH}/{route}"), 400)


RETURNED = {
    "nothing": "{}",
    "every kind": '{"a": null, "b": true, "c": false, "d": 0, "e": "", "f": [], "g": {}}',
    "the order of fields": '{"z": 1, "a": {"y": 1, "b": 2}, "10": 3, "9": 4, "é": 5, "Z": 6}',
    "integers and fractions apart": '{"a": 1, "b": 1.0, "c": [0, 0.0, -0.0], "d": 100.0}',
    "integers of 64 bits": '{"a": 9223372036854775807, "b": -9223372036854775808, "c": 9007199254740993}',
    "an integer of 65 bits as a string": '{"a": "9223372036854775808"}',
    "fractions": '{"a": 0.1, "b": 0.30000000000000004, "c": 1.7976931348623157e308, "d": 5e-324, "e": 2.5E+3}',
    "large whole fractions": '{"a": 9223372036854775808.0, "b": 1e30, "c": -1e19}',
    "characters": '{"a": "é ☃ \U0001f600 \u2028 \ufffd \uffff", "b": "e\u0301", "ключ": 1}',
    "escapes": r'{"a": "\"\\\/\b\f\n\r\t\u0001\u001f\u007f\u00e9\ud83d\ude00"}',
    "what looks like an escape": r'{"a": "\\u0000 \\ud800", "b\\u0000": 1}',
    "what looks like SQL": '{"a": "\'; DROP TABLE entity; --", "%": "_"}',
    "what looks like HTML": '{"a": "<script>&amp;</script>"}',
    "words of JSON in strings": '{"a": "NaN Infinity 123456789012345678901234567890"}',
    "names of an entity's own fields": '{"id": 1, "type": 2, "status": 3, "data": {"data": 4}, "createdAt": "5"}',
    "odd names": r'{" ": 1, "a.b": 2, "a$": 3, "\"": 4, "\\": 5, "[0]": 6, "constructor": 7, "__proto__": 8}',
    "arrays of every kind": '{"a": [null, true, 1, 1.5, "x", [[]], {"b": []}]}',
}


@pytest.mark.parametrize("text", RETURNED.values(), ids=RETURNED)
def test_data_comes_back_as_it_went_in(owner: Key, text: str) -> None:
    created = send(owner, f'{{"data": {text}}}')
    assert created.status_code == 201, created.text
    got = owner.get(created.headers["Location"]).text
    for answer in (created.text, got):
        fields = dict(json.loads(answer, object_pairs_hook=list))
        assert repr(fields["data"]) == exact(text)


@pytest.mark.parametrize("text", RETURNED.values(), ids=RETURNED)
def test_an_update_keeps_the_data_that_it_does_not_name(owner: Key, text: str) -> None:
    path = send(owner, f'{{"data": {text}}}').headers["Location"]
    fields = dict(json.loads(owner.patch(path, {"data": {"new": 1}}).text, object_pairs_hook=list))
    assert repr(fields["data"]) == repr([*json.loads(text, object_pairs_hook=list), ("new", 1)])


def test_of_two_fields_of_a_name_the_last_counts(owner: Key) -> None:
    assert send(owner, '{"data": {"a": 1, "a": 2}}').json["data"] == {"a": 2}


BODY = 8 * 2**20


@pytest.mark.parametrize("path", [PATH, f"{PATH}/query", f"{PATH}/search"])
def test_a_body_of_8_mib_is_the_largest(owner: Key, path: str) -> None:
    text = '{"data": {}, "query": "fox"}'.ljust(BODY)
    assert send(owner, text, path).status_code in (200, 201)
    assert_error(send(owner, text + " ", path), 413)


def nested(levels: int) -> dict[str, Any]:
    return {"a": nested(levels - 1)} if levels > 1 else {}


# The largest data, and data that is larger by one.
SIZES: dict[str, tuple[dict[str, Any], dict[str, Any]]] = {
    "1 MiB": ({"a": (2**20 - 8) * "x"}, {"a": (2**20 - 7) * "x"}),
    "1 MiB, counted in bytes": ({"a": (2**19 - 4) * "é"}, {"a": (2**19 - 4) * "é" + "x"}),
    "16 levels of objects": (nested(16), nested(17)),
    "16 levels of objects and arrays": ({"a": [[nested(13)]]}, {"a": [[nested(14)]]}),
    "1,024 fields": (dict.fromkeys(map(str, range(1024))), dict.fromkeys(map(str, range(1025)))),
    "1,024 fields of an object within": (
        {"a": [dict.fromkeys(map(str, range(1024)))]},
        {"a": [dict.fromkeys(map(str, range(1025)))]},
    ),
    "8,192 elements": ({"a": 8192 * [0]}, {"a": 8193 * [0]}),
    "8,192 elements of an array within": ({"a": [{"b": 8192 * [0]}]}, {"a": [{"b": 8193 * [0]}]}),
    "names of 1,024 characters": ({1024 * "é": 1}, {1025 * "é": 1}),
    "names of 1,024 characters within": ({"a": [{1024 * "x": 1}]}, {"a": [{1025 * "x": 1}]}),
    "names of one character": ({"x": 1}, {"": 1}),
    "names of one character within": ({"a": [{" ": 1}]}, {"a": [{"": 1}]}),
    "names with a $ inside": ({"a$": 1}, {"$a": 1}),
    "names with a $ inside, within": ({"a": [{"a$": 1}]}, {"a": [{"$": 1}]}),
}


@pytest.mark.parametrize(("largest", "larger"), SIZES.values(), ids=SIZES)
def test_data_has_limits(owner: Key, largest: dict[str, Any], larger: dict[str, Any]) -> None:
    created = owner.create(largest)
    assert created["data"] == largest
    assert_error(owner.post(PATH, {"data": larger}), 400)
    assert_error(owner.patch(f"{PATH}/{created['id']}", {"data": larger}), 400)
    assert owner.get(PATH).json["data"] == [created]


@pytest.mark.parametrize(
    ("old", "new"),
    [({"a": 2**19 * "x"}, {"b": 2**19 * "x"}), (dict.fromkeys(map(str, range(1024))), {"more": 1})],
    ids=["1 MiB", "1,024 fields"],
)
def test_an_update_may_not_make_data_larger_than_that(owner: Key, old: dict[str, Any], new: dict[str, Any]) -> None:
    created = owner.create(old)
    assert_error(owner.patch(f"{PATH}/{created['id']}", {"data": new}), 400)
    assert owner.get(f"{PATH}/{created['id']}").json == created


@pytest.mark.parametrize(
    ("config", "largest", "larger", "status"),
    [
        ({"MAX_BODY_BYTES": "37"}, {"a": 18 * "x"}, {"a": 19 * "x"}, 413),
        ({"MAX_DATA_BYTES": "10"}, {"a": "xx"}, {"a": "xxx"}, 400),
        ({"MAX_DEPTH": "2"}, nested(2), nested(3), 400),
        ({"MAX_FIELDS": "2"}, {"a": 1, "b": 2}, {"a": 1, "b": 2, "c": 3}, 400),
        ({"MAX_ELEMENTS": "2"}, {"a": [1, 2]}, {"a": [1, 2, 3]}, 400),
        ({"MAX_NAME_LENGTH": "2"}, {"aa": 1}, {"aaa": 1}, 400),
    ],
    indirect=["config"],
    ids=["the body's bytes", "data's bytes", "levels", "fields", "elements", "names"],
)
def test_each_limit_is_a_setting(owner: Key, largest: dict[str, Any], larger: dict[str, Any], status: int) -> None:
    assert send(owner, json.dumps({"data": largest})).status_code == 201
    assert_error(send(owner, json.dumps({"data": larger})), status)


def test_a_value_nested_deeper_than_any_data_may_be_asked_for(owner: Key) -> None:
    value = 200 * "[" + 200 * "]"
    for condition in (value, f'{{"$in": [{value}, 1]}}', f'{{"$contains": {value}}}'):
        response = send(owner, f'{{"filters": {{"x": {condition}}}}}', f"{PATH}/query")
        assert (response.status_code, response.json["data"]) == (200, [])
