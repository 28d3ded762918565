"""No string in any place makes a 500, or shows what belongs to another environment."""

import json
from collections.abc import Callable
from typing import Any
from urllib.parse import quote

import pytest

from app.storage import filters, repository
from app.storage.repository import EntityRepository, Page
from tests.conftest import Cast
from tests.exact.naughty_strings import NAUGHTY

SECRET = "what only the tester may see"

each_text = pytest.mark.parametrize("text", NAUGHTY.values(), ids=NAUGHTY)


@pytest.fixture
def cast(cast: Cast) -> Cast:
    """The cast, with an entity in each of two environments."""
    cast.owner.create({"name": "Jane"})
    cast.tester.create({"name": SECRET})
    return cast


def send(cast: Cast, method: str, path: str, body: Any = None, headers: dict[str, str] | None = None) -> Any:
    """Send a request as the owner and return its answer, which is JSON, no 500, and holds no secret."""
    data = None if body is None else json.dumps(body).encode()
    answer = cast.owner.request(method, path, data=data, headers=headers or {})
    assert answer.status_code < 500, answer.text
    assert answer.content_type == "application/json", answer.text
    assert SECRET not in answer.text
    return answer


def is_storable(text: str) -> bool:
    return "\0" not in text and not any("\ud800" <= each <= "\udfff" for each in text)


@each_text
def test_as_a_value_it_comes_back_or_is_refused(cast: Cast, text: str) -> None:
    answer = send(cast, "POST", "/v1/data/customer", {"data": {"name": text, "tags": [text]}})
    if not is_storable(text):
        assert answer.status_code == 400
        return
    assert answer.json["data"] == {"name": text, "tags": [text]}
    for condition in (text, {"$in": [text]}, {"$gte": text, "$lte": text}, {"$contains": text}):
        found = send(cast, "POST", "/v1/data/customer/query", {"filters": {"name": condition}})
        assert answer.json in found.json["data"], condition


@each_text
def test_as_a_field_name_it_is_found_by_a_filter_or_refused(cast: Cast, text: str) -> None:
    answer = send(cast, "POST", "/v1/data/customer", {"data": {text: 1}})
    valid = is_storable(text) and text and not text.startswith("$") and len(text) <= 1024
    assert answer.status_code == (201 if valid else 400)
    found = send(cast, "POST", "/v1/data/customer/query", {"filters": {text: 1}})
    if valid and "." not in text:
        assert found.json["data"] == [answer.json]
    assert send(cast, "POST", "/v1/data/customer/query", {"filters": {"data." + text: {text: text}}}).status_code in (
        200,
        400,
    )


@each_text
def test_as_a_search_it_is_words_and_never_syntax(cast: Cast, text: str) -> None:
    answer = send(cast, "POST", "/v1/data/customer/search", {"query": text})
    assert answer.status_code == (200 if is_storable(text) and text else 400)
    found = send(cast, "POST", "/v1/data/customer/search", {"query": "jane " + text})
    assert found.status_code == (200 if is_storable(text) else 400)


@each_text
def test_as_a_status_it_is_kept_or_refused(cast: Cast, text: str) -> None:
    valid = is_storable(text) and text not in ("", "deleted")
    answer = send(cast, "POST", "/v1/data/customer", {"data": {}, "status": text})
    assert answer.status_code == (201 if valid else 400)
    if valid:
        assert send(cast, "POST", "/v1/data/customer/query", {"status": text}).json["data"] == [answer.json]
        assert send(cast, "GET", f"/v1/data/customer?status={quote(text)}").json["data"] == [answer.json]


@each_text
def test_in_paths_and_query_strings_it_names_nothing(cast: Cast, text: str) -> None:
    encoded = quote(text, safe="", errors="surrogatepass")
    send(cast, "GET", f"/v1/data/{encoded}")
    send(cast, "GET", f"/v1/{encoded}")
    send(cast, "GET", f"/v1/data/customer?status={encoded}&limit={encoded}")
    for method in ("GET", "PATCH", "DELETE"):
        answer = send(cast, method, f"/v1/data/customer/{encoded}", {"data": {}})
        assert answer.status_code >= 400 or text == ""
    assert send(cast, "GET", f"/v1/data/customer?cursor={encoded}").status_code == (400 if text else 200)
    assert send(cast, "POST", "/v1/data/customer/query", {"cursor": text}).status_code == (400 if text else 200)


@each_text
def test_as_a_key_it_is_unauthorized(cast: Cast, text: str) -> None:
    token = text.encode("utf-8", "surrogatepass").decode("latin-1")
    if set("\r\n\0") & set(token):
        pytest.skip("HTTP cannot carry it in a header")
    for header in (f"Bearer {token}", token):
        answer = send(cast, "GET", "/v1/data/customer", headers={"Authorization": header})
        assert answer.status_code == 401


def pasted(condition: filters.Condition, parameters: filters.Parameters) -> filters.Field:
    """Write the name of a field into the SQL, instead of binding it."""
    path = f"'$.{'.'.join(condition.path)}'"
    return filters.Field(f"json_type(entity.data, {path})", f"json_extract(entity.data, {path})", "json_each('[]')")


def everything(self: EntityRepository, **_: Any) -> Page:
    """Answer a query from all environments."""
    rows = self._database.connection.execute(f"SELECT {repository.COLUMNS} FROM entity")
    return Page([self._entity(*row) for row in rows], has_more=False)


@pytest.mark.parametrize(
    ("part", "bug", "check"),
    [
        pytest.param((filters, "_field"), pasted, test_as_a_field_name_it_is_found_by_a_filter_or_refused, id="SQL"),
        pytest.param((repository, "phrases"), list, test_as_a_search_it_is_words_and_never_syntax, id="FTS5"),
        pytest.param(
            (EntityRepository, "query"), everything, test_in_paths_and_query_strings_it_names_nothing, id="border"
        ),
        pytest.param((EntityRepository, "query"), everything, test_as_a_value_it_comes_back_or_is_refused, id="leak"),
    ],
)
def test_a_planted_bug_is_caught(
    cast: Cast,
    monkeypatch: pytest.MonkeyPatch,
    part: tuple[Any, str],
    bug: Callable[..., Any],
    check: Callable[[Cast, str], None],
) -> None:
    def attempt() -> None:
        for text in NAUGHTY.values():
            check(cast, text)

    monkeypatch.setattr(*part, bug)
    with pytest.raises(AssertionError):
        attempt()
