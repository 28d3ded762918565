"""JSON of the wire: one strict parser and one encoder."""

import re
from collections.abc import Iterable, Sequence
from itertools import accumulate
from typing import Any
from wsgiref.types import StartResponse, WSGIEnvironment

import orjson
from flask import Response

MAXIMUM_DEPTH = 240  # orjson writes at most 254 levels, and an answer adds some of its own

STRINGS = re.compile(rb'"(?:[^"\\]++|\\.)*+"?', re.DOTALL)
LONG_INTEGERS = re.compile(rb"(?<![\d.eE+-])-?\d{19,}(?![\d.eE])")
DIGITS, MANY_DIGITS = bytes.maketrans(b"123456789", 9 * b"0"), 19 * b"0"  # a search for \d{19} takes 8 times as long
NO_NUMBERS = re.compile(rb"NaN|Infinity")
LEVELS = {ord("["): 1, ord("{"): 1, ord("]"): -1, ord("}"): -1}
START = 2**16  # bytes; 240 levels of most texts
NOT_BRACKETS = bytes(set(range(256)) - set(LEVELS))


class InvalidJSON(ValueError):
    """A text that is not JSON that this API accepts, with a sentence that says why."""


def parse(text: bytes) -> Any:
    """Return the value of a JSON text; raise InvalidJSON.

    RFC 8259 without its liberties: UTF-8 only, no byte order mark, no NUL character, integers within 64 bits signed,
    other numbers finite as doubles. Of two fields of the same name the last counts.
    """
    if _is_deeper(text, MAXIMUM_DEPTH):
        raise InvalidJSON(f"JSON must not be nested deeper than {MAXIMUM_DEPTH} levels")
    try:
        value = orjson.loads(text)
    except orjson.JSONDecodeError as error:
        raise InvalidJSON(_reason(text, error)) from None
    if MANY_DIGITS in text.translate(DIGITS):
        _check_integers(text)
    if rb"\u0000" in text and _has_nul(value):
        raise InvalidJSON("JSON strings must not hold the NUL character")
    return value


class JSON(Response):
    """A response of one part that is sent as it is: with no header to correct and nothing to close."""

    def __call__(self, environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        """Answer a request."""
        start_response(self.status, self.headers.to_wsgi_list())
        return () if environ["REQUEST_METHOD"] == "HEAD" else self.response  # type: ignore[return-value]


def respond(body: Any, status: int = 200, headers: dict[str, str] | None = None) -> Response:
    """Return a response of a value as JSON."""
    return respond_text([orjson.dumps(body)], status, headers)


def respond_text(parts: Sequence[bytes], status: int = 200, headers: dict[str, str] | None = None) -> Response:
    """Return a response of the JSON text that parts make."""
    return JSON(b"".join((*parts, b"\n")), status, headers, content_type="application/json")


def _is_deeper(text: bytes, levels: int) -> bool:
    if text.count(b"[") + text.count(b"{") <= levels:
        return False
    # What is deep from its start is soon refused, however long it is.
    return _deepens(text[:START], levels) or _deepens(text, levels)


def _deepens(text: bytes, levels: int) -> bool:
    brackets = STRINGS.sub(b"", text).translate(None, NOT_BRACKETS)
    return any(depth > levels for depth in accumulate(map(LEVELS.__getitem__, brackets)))


def _reason(text: bytes, error: orjson.JSONDecodeError) -> str:
    try:
        text.decode()
    except UnicodeDecodeError:
        return "JSON must be valid UTF-8"
    message = str(error)
    if "surrogate" in message:
        return "JSON strings must not hold half of a surrogate pair"
    if "infinity" in message:
        return "Numbers must be within the range of a double"
    if NO_NUMBERS.search(text) and NO_NUMBERS.search(STRINGS.sub(b'""', text)):
        return "NaN and Infinity are not JSON; use null or a number"
    return f"Malformed JSON: {message}"


def _check_integers(text: bytes) -> None:
    for digits in LONG_INTEGERS.findall(STRINGS.sub(b'""', text)):
        if len(digits) > 20 or not -(2**63) <= int(digits) < 2**63:
            raise InvalidJSON("Integers must be within 64 bits signed; write a larger number as a string")


def _has_nul(value: Any) -> bool:
    if isinstance(value, str):
        return "\0" in value
    if isinstance(value, dict):
        return any(_has_nul(name) or _has_nul(member) for name, member in value.items())
    return isinstance(value, list) and any(map(_has_nul, value))
