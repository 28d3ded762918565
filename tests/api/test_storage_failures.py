"""A storage that is full, held or not to be written: told in a sentence, and no reason not to read."""

from collections.abc import Iterator
from contextlib import closing
from typing import Any

import pytest

from app.config import load
from app.parts import Parts, assemble
from tests.conftest import Key, ReplacedOutside, assert_error

PATH = "/v1/data/customer"
FAILURES = {
    "full": ("Storage is full", "apsw.FullError"),
    "held": ("Storage is busy; try again", None),
    "read_only": ("Storage cannot be read or written", "apsw.ReadOnlyError"),
}


@pytest.fixture
def config(config: dict[str, Any]) -> dict[str, Any]:
    return config | {"BUSY_TIMEOUT": 100}


@pytest.fixture
def full(parts: Parts) -> None:
    parts.database.write(lambda connection: connection.pragma("max_page_count", 1))


@pytest.fixture
def held(config: dict[str, Any], parts: Parts, outside: ReplacedOutside) -> Iterator[None]:
    """Let another write for as long as the test runs."""
    other = assemble(load(config), outside).database
    with closing(other), other.transaction():
        yield


@pytest.fixture
def read_only(parts: Parts) -> None:
    parts.database.write(lambda connection: connection.pragma("query_only", True))


@pytest.mark.parametrize("failure", FAILURES)
def test_it_is_told_and_what_was_written_is_read(
    owner: Key, request: pytest.FixtureRequest, caplog: pytest.LogCaptureFixture, failure: str
) -> None:
    sentence, cause = FAILURES[failure]
    jane = owner.create({"name": "Jane"})
    request.getfixturevalue(failure)
    assert_error(owner.post(PATH, {"data": {"name": 100_000 * "x"}}), 500, sentence)
    assert f"{sentence}: POST '{PATH}'" in caplog.text
    assert caplog.text.count("\n") == 1 if cause is None else cause in caplog.text
    assert owner.get(f"{PATH}/{jane['id']}").json == jane
    assert owner.get(PATH).json["data"] == [jane]
    assert owner.post(f"{PATH}/search", {"query": "jane"}).json["data"] == [jane]
