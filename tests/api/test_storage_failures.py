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
    "full": "Storage is full",
    "held": "Storage is busy; try again",
    "read_only": "Storage cannot be read or written",
}


@pytest.fixture
def full(parts: Parts) -> None:
    parts.database.connection.pragma("max_page_count", 1)


@pytest.fixture
def held(config: dict[str, Any], parts: Parts, outside: ReplacedOutside) -> Iterator[None]:
    """Let another write for as long as the test runs."""
    parts.database.connection.set_busy_timeout(1)
    other = assemble(load(config), outside).database
    with closing(other), other.transaction():
        yield


@pytest.fixture
def read_only(parts: Parts) -> None:
    parts.database.connection.pragma("query_only", True)


@pytest.mark.parametrize(("failure", "sentence"), FAILURES.items(), ids=FAILURES)
def test_it_is_told_and_what_was_written_is_read(
    owner: Key, request: pytest.FixtureRequest, caplog: pytest.LogCaptureFixture, failure: str, sentence: str
) -> None:
    jane = owner.create({"name": "Jane"})
    request.getfixturevalue(failure)
    assert_error(owner.post(PATH, {"data": {"name": 100_000 * "x"}}), 500, sentence)
    assert f"{sentence}: POST '{PATH}'" in caplog.text
    assert "apsw." in caplog.text
    assert owner.get(f"{PATH}/{jane['id']}").json == jane
    assert owner.get(PATH).json["data"] == [jane]
    assert owner.post(f"{PATH}/search", {"query": "jane"}).json["data"] == [jane]
