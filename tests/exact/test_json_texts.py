"""Every JSON text of the table, as a whole body and as a value inside data."""

import json
import math
from collections.abc import Callable
from typing import Any

import orjson
import pytest

from app.storage.documents import Document, Limits
from tests.conftest import Key
from tests.exact.json_texts import INVALID, OPEN, REFUSED, VALID

TAKEN = {text: value for text, value in {**VALID, **OPEN}.items() if value is not REFUSED}
REFUSABLE = [*INVALID, *(text for text, value in OPEN.items() if value is REFUSED)]


def encoded(text: str | bytes) -> bytes:
    return text if isinstance(text, bytes) else text.encode()


def shown(text: str | bytes) -> str:
    return ascii(text) if len(text) <= 40 else f"{text[:20]!a} and {len(text) - 20} more"


def exactly(value: Any) -> str:
    """Return a text that tells 1 from 1.0, 0.0 from -0.0 and one order of fields from another."""
    return json.dumps(value)


def test_the_table_is_of_a_useful_size() -> None:
    assert len(VALID) + len(INVALID) + len(OPEN) >= 150


@pytest.mark.parametrize("text", TAKEN, ids=shown)
def test_a_valid_value_comes_back_as_it_went_in(owner: Key, text: str | bytes) -> None:
    body = b'{"data":{"value":' + encoded(text) + b"}}"
    created = owner.post("/v1/data/customer", data=body)
    assert created.status_code == 201, created.text
    read = owner.get(created.headers["Location"])
    assert exactly(created.json["data"]["value"]) == exactly(read.json["data"]["value"]) == exactly(TAKEN[text])


@pytest.mark.parametrize("text", REFUSABLE, ids=shown)
def test_an_invalid_value_is_refused_with_a_sentence(owner: Key, text: str | bytes) -> None:
    for body in (encoded(text), b'{"data":{"value":' + encoded(text) + b"}}"):
        answer = owner.post("/v1/data/customer", data=body)
        assert answer.status_code == 400, (body[:80], answer.text)
        assert list(answer.json) == ["error"]
        assert answer.json["error"] not in ("", "data object is required"), body[:80]
    assert owner.names("/v1/data/customer") == []


@pytest.mark.parametrize("text", VALID, ids=shown)
def test_a_valid_body_without_data_is_told_what_it_lacks(owner: Key, text: str) -> None:
    answer = owner.post("/v1/data/customer", data=encoded(text))
    is_object = isinstance(VALID[text], dict)
    sentence = "data object is required" if is_object else "The request body must be a JSON object"
    assert (answer.status_code, answer.json) == (400, {"error": sentence})


def test_the_sign_of_zero_is_kept(owner: Key) -> None:
    created = owner.post("/v1/data/customer", data=b'{"data":{"zero":-0.0}}')
    assert math.copysign(1, created.json["data"]["zero"]) == -1


def sorting(fields: dict[str, Any], limits: Limits) -> Document:
    """Write fields in the order of their names."""
    return Document(fields, orjson.dumps(fields, option=orjson.OPT_SORT_KEYS).decode(), limits)


@pytest.mark.parametrize(
    ("part", "bug", "check", "texts"),
    [
        pytest.param(
            "app.api.schemas.parse",
            json.loads,
            test_an_invalid_value_is_refused_with_a_sentence,
            REFUSABLE,
            id="the parser of Python",
        ),
        pytest.param(
            "app.api.schemas.parse",
            orjson.loads,
            test_an_invalid_value_is_refused_with_a_sentence,
            REFUSABLE,
            id="long integers as doubles",
        ),
        pytest.param(
            "app.api.schemas.parse",
            lambda text: json.loads(text, parse_int=float),
            test_a_valid_value_comes_back_as_it_went_in,
            TAKEN,
            id="every number a double",
        ),
        pytest.param(
            "app.storage.documents.Document.of",
            sorting,
            test_a_valid_value_comes_back_as_it_went_in,
            TAKEN,
            id="fields in another order",
        ),
    ],
)
def test_a_planted_bug_is_caught(
    owner: Key,
    monkeypatch: pytest.MonkeyPatch,
    part: str,
    bug: Callable[..., Any],
    check: Callable[[Key, str | bytes], None],
    texts: Any,
) -> None:
    def attempt() -> None:
        for text in texts:
            check(owner, text)

    monkeypatch.setattr(part, bug)
    with pytest.raises(AssertionError):
        attempt()
