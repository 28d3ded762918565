"""The `data` of an entity: checked once, written by one canonical encoder, and never edited as text."""

from collections.abc import Iterable
from typing import Any, NamedTuple

import orjson

from .errors import Invalid


def encode(value: Any) -> str:
    """Return the canonical JSON text of a value: UTF-8, no spaces, fields in their order."""
    return orjson.dumps(value).decode()


def decode(text: str | bytes) -> Any:
    """Return the value of a JSON text that `encode` wrote."""
    return orjson.loads(text)


class Limits(NamedTuple):
    """The largest `data` that is accepted; bytes are those of its canonical text."""

    data_bytes: int
    depth: int
    fields: int
    elements: int
    name_length: int


class Document(NamedTuple):
    """A checked `data` object with its canonical text."""

    fields: dict[str, Any]
    text: str
    limits: Limits

    @classmethod
    def of(cls, fields: dict[str, Any], limits: Limits) -> "Document":
        """Check an object against the limits and encode it; raise Invalid with the limit it breaks."""
        _check(fields, limits, depth=1)
        text = orjson.dumps(fields)
        if len(text) > limits.data_bytes:
            raise Invalid(f"data must not be larger than {limits.data_bytes} bytes as JSON")
        return cls(fields, text.decode(), limits)

    def over(self, old: dict[str, Any]) -> "Document":
        """Return the shallow merge of this document over old fields."""
        return Document.of({**old, **self.fields}, self.limits)


def _check(value: dict[str, Any] | list[Any], limits: Limits, depth: int) -> None:
    if depth > limits.depth:
        raise Invalid(f"data must not be nested deeper than {limits.depth} levels")
    if isinstance(value, dict):
        _check_names(value, limits)
    elif len(value) > limits.elements:
        raise Invalid(f"An array in data must not have more than {limits.elements} elements")
    members: Iterable[Any] = value.values() if isinstance(value, dict) else value
    for member in members:
        if isinstance(member, dict | list):
            _check(member, limits, depth + 1)


def _check_names(value: dict[str, Any], limits: Limits) -> None:
    if len(value) > limits.fields:
        raise Invalid(f"An object in data must not have more than {limits.fields} fields")
    if "" in value:
        raise Invalid("A field name in data must not be empty")
    if any(name.startswith("$") for name in value):
        raise Invalid("A field name in data must not start with $")
    if max(map(len, value), default=0) > limits.name_length:
        raise Invalid(f"A field name in data must not be longer than {limits.name_length} characters")
