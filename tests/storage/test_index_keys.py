"""What an index has for a value, which is what SQLite finds in the stored text: answers never depend on an index."""

import struct
from collections.abc import Callable
from random import Random
from typing import Any

import apsw
import pytest

from app.storage.documents import encode
from app.storage.index_keys import KEY_LENGTH, key_of

KEYS: dict[str, tuple[dict[str, Any], Any]] = {
    "a text": ({"a": {"b": "é"}}, "é"),
    "a text that is indexed whole": ({"a": {"b": "é" * KEY_LENGTH}}, "é" * KEY_LENGTH),
    "a longer text": ({"a": {"b": "é" * KEY_LENGTH + "a"}}, "é" * KEY_LENGTH),
    "an integer": ({"a": {"b": -(2**63)}}, -(2**63)),
    "zero": ({"a": {"b": 0}}, 0),
    "a number": ({"a": {"b": 1.5}}, 1.5),
    "true": ({"a": {"b": True}}, b"true"),
    "false": ({"a": {"b": False}}, b"false"),
    "null": ({"a": {"b": None}}, b"null"),
    "an array": ({"a": {"b": [1]}}, None),
    "an object": ({"a": {"b": {"c": 1}}}, None),
    "a missing field": ({"a": {"c": 1}}, None),
    "no fields": ({}, None),
    "a field of a text": ({"a": "b"}, None),
    "a field of an array": ({"a": ["b"]}, None),
    "a field of null": ({"a": None}, None),
    "a name with a dot, which no field has": ({"a.b": 1}, None),
}


@pytest.mark.parametrize(("fields", "expected"), KEYS.values(), ids=KEYS)
def test_a_value_has_its_key(fields: dict[str, Any], expected: object) -> None:
    found = key_of(fields, "a.b")
    assert (found, type(found)) == (expected, type(expected))


NUMBERS: dict[str, Callable[[Random], Any]] = {
    "of any bits": lambda dice: struct.unpack("d", dice.randbytes(8))[0],
    "subnormal": lambda dice: struct.unpack("d", dice.getrandbits(52).to_bytes(8, "little"))[0],
    "as large as can be": lambda dice: dice.uniform(1, 1.797) * 1e308,
    "of 17 digits": lambda dice: float(f"{dice.randrange(10**16, 10**17)}e{dice.randint(-40, 40)}"),
    "of money": lambda dice: round(dice.uniform(-1e6, 1e6), 2),
    "whole": lambda dice: float(dice.randrange(-(2**64), 2**64)),
    "integer": lambda dice: dice.randrange(-(2**63), 2**63),
}


@pytest.mark.parametrize("number", NUMBERS.values(), ids=NUMBERS)
def test_the_key_of_a_number_is_what_sqlite_reads(number: Callable[[Random], Any]) -> None:
    seed = Random().randrange(2**32)
    dice = Random(seed)
    connection = apsw.Connection("")
    for value in (number(dice) for _ in range(5_000)):
        if abs(value) < float("inf"):
            fields = {"x": value}
            read = connection.execute("SELECT json_extract(?, '$.x')", (encode(fields),)).get
            assert read == key_of(fields, "x"), (read, value, seed)
