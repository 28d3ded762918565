"""Random documents and filters, made to meet each other often."""

import struct
from collections.abc import Callable
from random import Random
from typing import Any

from hypothesis import strategies as st

AWKWARD_NAMES = [
    "a", "b", "name", "plan", "age", "status", "id", "type", "createdAt", "updatedAt", "data", "query",
    'say "hi"', "it's", "a[0]", "[0]", "]", "#", "[#-1]", "back\\slash", "\\", "\\u0061", "new\nline",
    "tab\t", "\x01", "\x7f", " ", "é", "e\u0301", "😀", "\u2028", "'; DROP TABLE entity; --",
    "json_extract(data, '$')", "*", "%", "?", ":p0", "@x", "a$", "1", "-1", "0x", "null", "true", "__proto__", "constructor", "a/b", "../x", "{}", "(", "\uffff", "ﬀ",
]  # fmt: skip
names = st.sampled_from(AWKWARD_NAMES) | st.text(
    st.characters(exclude_categories=["Cs"], exclude_characters="\0."), min_size=1, max_size=8
).filter(lambda name: not name.startswith("$"))

EDGES = [0, 1, -1, 2**31, 2**53 - 1, 2**53, 2**53 + 1, 2**62, 2**63 - 1, -(2**63), -(2**53) - 1]
integers = st.sampled_from(EDGES) | st.integers(-(2**63), 2**63 - 1) | st.integers(-3, 3)
floats = (
    st.sampled_from(
        [0.0, -0.0, 1.0, 1.5, 0.1, 5e-324, 2.2250738585072014e-308, 1.7976931348623157e308, 2.0**53, 2.0**63]
    )
    | st.sampled_from(EDGES).map(float)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.binary(min_size=8, max_size=8)
    .map(lambda bits: struct.unpack("d", bits)[0])
    .filter(lambda number: number == number and abs(number) != float("inf"))
)
texts = st.sampled_from(
    ["", "a", "b", "ab", "1", "1.0", "true", "null", "2024-01-31", "pro", "active", "é", "z", "😀"]
) | st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=8)
scalars = st.none() | st.booleans() | integers | floats | texts
values = st.recursive(
    scalars,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(names, inner, max_size=3),
    max_leaves=6,
)
documents = st.dictionaries(names, values, max_size=5)

COMPARISONS = ["$gt", "$gte", "$lt", "$lte"]
OPERATORS = [*COMPARISONS, "$eq", "$ne", "$neq", "$in", "$nin", "$exists", "$contains"]


def filters_for(chance: Random, documents: list[dict[str, Any]]) -> dict[str, Any]:
    """Return valid filters over fields and values that documents have, or nearly have."""
    known = [field for document in documents for field in fields_of(document).items()]
    unknown = [(name, None) for name in AWKWARD_NAMES if "." not in name]
    operands = [value for _, value in known] or [None]
    filters: dict[str, Any] = {}
    for _ in range(chance.randint(1, 2)):
        name, value = chance.choice(known if known and chance.random() < 0.8 else unknown)
        filters[chance.choice(["", "", "data."]) + name] = _condition(chance, value, operands)
    return filters


def _condition(chance: Random, value: Any, operands: list[Any]) -> Any:
    """Return a plain value or operators, with operands near a value or from elsewhere in the documents."""

    def operand() -> Any:
        return chance.choice(_twins(value if chance.random() < 0.7 else chance.choice(operands)))

    plain = operand()
    if chance.random() < 0.3 and not (isinstance(plain, dict) and any(name.startswith("$") for name in plain)):
        return plain
    return {name: _operand(chance, name, operand, value) for name in chance.sample(OPERATORS, chance.randint(1, 2))}


def _operand(chance: Random, operation: str, operand: Callable[[], Any], value: Any) -> Any:
    if operation == "$exists":
        return chance.random() < 0.5
    if operation in ("$in", "$nin"):
        many = chance.randrange(300) if chance.random() < 0.1 else 0
        return [*range(10_000, 10_000 + many), *(operand() for _ in range(chance.randrange(4))), *map(str, range(many))]
    if operation in COMPARISONS:
        ordered = operand()
        return ordered if isinstance(ordered, int | float | str) and not isinstance(ordered, bool) else 0
    if operation == "$contains" and isinstance(value, list | str) and value and chance.random() < 0.7:
        return chance.choice(_twins(chance.choice(value)))
    return operand()


def fields_of(document: Any, prefix: str = "") -> dict[str, Any]:
    """Return every field that a filter can name, with its value."""
    found = {}
    for name, value in document.items():
        if "." not in name:
            found[prefix + name] = value
            if isinstance(value, dict):
                found |= fields_of(value, f"{prefix}{name}.")
    return found


def _twins(value: Any) -> list[Any]:
    """Return values that differ from one only a little, or not at all."""
    match value:
        case bool():
            return [value, int(value), str(value).lower(), not value]
        case int():
            near = [value - 1, value + 1, float(value), float(value - 1), str(value)]
            return [value] + [each for each in near if not isinstance(each, int) or abs(each) < 2**63]
        case float():
            near = [value, -value, str(value)]
            return near + ([int(value)] if value.is_integer() and abs(value) < 2**63 else [])
        case str():
            return [value, value + "a", value[:-1], value.upper(), [value]]
        case list():
            return [value, value[::-1], value[:-1], [*value, None], *value[:1]]
        case dict():
            return [value, dict(reversed(value.items())), {**value, "a": None}, [value]]
        case _:
            return [None, False, 0, "", "null"]
