"""The `data` of an entity: its canonical text, its limits and its shallow merge."""

from typing import Any

import pytest

from app.storage.documents import Document, Limits, decode, encode
from app.storage.errors import Invalid

from .conftest import Fields

SMALL = Limits(data_bytes=60, depth=3, fields=3, elements=4, name_length=5)

TEXTS: dict[str, str] = {
    "fields in their order": '{"b":1,"a":2,"ab":3}',
    "whole doubles as doubles": '{"a":1.0,"b":1,"c":-0.0}',
    "integers of 64 bits": '{"a":9223372036854775807,"b":-9223372036854775808,"c":9007199254740993}',
    "doubles to their last digit": '{"a":0.1,"b":0.30000000000000004,"c":1e+300,"d":5e-324}',
    "text as UTF-8": '{"a":"Amélie \U0001f600 ☃"}',
    "escapes where JSON needs them": '{"a":"\\" \\\\ \\n \\u0001 / \u2028"}',
    "true, false, null and empty values": '{"a":[true,false,null,"",[],{}]}',
    "names of any characters": '{"a.b":1,"a\\"b":2," ":3,"ключ":4,"__proto__":5}',
}


@pytest.mark.parametrize("text", TEXTS.values(), ids=TEXTS)
def test_what_went_in_comes_back_as_the_same_text(text: str) -> None:
    assert encode(decode(text)) == text


def test_the_text_of_a_document_is_the_canonical_one() -> None:
    fields = {"b": 1, "a": [1.0, "é"]}
    assert Document.of(fields, SMALL).text == '{"b":1,"a":[1.0,"é"]}'


ACCEPTED: dict[str, Fields] = {
    "no field at all": {},
    "the deepest nesting": {"a": {"b": [1]}},
    "the most fields": {"a": 1, "b": 1, "c": 1},
    "the most elements": {"a": [1, 2, 3, 4]},
    "the longest name": {"abcde": 1},
    "the longest name counted in characters, not bytes": {"\U0001f600" * 5: 1},
    "the most bytes": {"a": "x" * 52},
    "$ inside a name": {"a$": 1},
}


@pytest.mark.parametrize("fields", ACCEPTED.values(), ids=ACCEPTED)
def test_data_up_to_the_limits_is_accepted(fields: Fields) -> None:
    assert Document.of(fields, SMALL).fields == fields


DEPTH = "data must not be nested deeper than 3 levels"
FIELDS = "An object in data must not have more than 3 fields"
ELEMENTS = "An array in data must not have more than 4 elements"
NAME = "A field name in data must not be longer than 5 characters"
BYTES = "data must not be larger than 60 bytes as JSON"
REFUSED: dict[str, tuple[Fields, str]] = {
    "an object too deep": ({"a": {"b": {"c": {}}}}, DEPTH),
    "an array too deep": ({"a": [[[]]]}, DEPTH),
    "a field too many": ({"a": 1, "b": 1, "c": 1, "d": 1}, FIELDS),
    "a field too many in an array's object": ({"a": [{"a": 1, "b": 1, "c": 1, "d": 1}]}, FIELDS),
    "an element too many": ({"a": [1, 2, 3, 4, 5]}, ELEMENTS),
    "an element too many in a nested array": ({"a": {"b": [1, 2, 3, 4, 5]}}, ELEMENTS),
    "a name too long": ({"abcdef": 1}, NAME),
    "a nested name too long": ({"a": {"abcdef": 1}}, NAME),
    "an empty name": ({"": 1}, "A field name in data must not be empty"),
    "an empty nested name": ({"a": [{"": 1}]}, "A field name in data must not be empty"),
    "a name that starts with $": ({"$a": 1}, "A field name in data must not start with $"),
    "a nested name that starts with $": ({"a": {"$b": 1}}, "A field name in data must not start with $"),
    "a byte too many": ({"a": "x" * 53}, BYTES),
    "bytes of UTF-8, not characters": ({"a": "é" * 27}, BYTES),
}


@pytest.mark.parametrize(("fields", "sentence"), REFUSED.values(), ids=REFUSED)
def test_data_beyond_a_limit_is_refused_with_the_limit(fields: Fields, sentence: str) -> None:
    with pytest.raises(Invalid) as caught:
        Document.of(fields, SMALL)
    assert str(caught.value) == sentence


MERGES: dict[str, tuple[Fields, Fields, str]] = {
    "a named field replaces the old value": ({"a": 1, "b": 2}, {"a": 3}, '{"a":3,"b":2}'),
    "a field keeps its place and a new one comes last": ({"b": 1, "a": 2}, {"c": 3, "b": 4}, '{"b":4,"a":2,"c":3}'),
    "objects are replaced whole": ({"a": {"b": 1, "c": 2}}, {"a": {"b": 3}}, '{"a":{"b":3}}'),
    "arrays are replaced whole": ({"a": [1, 2]}, {"a": [3]}, '{"a":[3]}'),
    "null is stored": ({"a": 1}, {"a": None}, '{"a":null}'),
    "a name with a dot is a name": ({"a": {"b": 1}}, {"a.b": 2}, '{"a":{"b":1},"a.b":2}'),
    "nothing changes nothing": ({"a": 1}, {}, '{"a":1}'),
    "a whole double replaces an integer": ({"a": 1}, {"a": 1.0}, '{"a":1.0}'),
}


@pytest.mark.parametrize(("old", "new", "text"), MERGES.values(), ids=MERGES)
def test_a_merge_is_shallow(old: Fields, new: Fields, text: str) -> None:
    assert Document.of(new, SMALL).over(old).text == text


MERGED_BEYOND: dict[str, tuple[Fields, Fields, str]] = {
    "fields": ({"a": 1, "b": 1}, {"c": 1, "d": 1}, FIELDS),
    "bytes": ({"a": "x" * 30}, {"b": "x" * 30}, BYTES),
}


@pytest.mark.parametrize(("old", "new", "sentence"), MERGED_BEYOND.values(), ids=MERGED_BEYOND)
def test_a_merge_is_held_to_the_limits(old: Fields, new: Any, sentence: str) -> None:
    with pytest.raises(Invalid, match=sentence):
        Document.of(new, SMALL).over(old)
