"""What holds of every answer, and what no body can do."""

import hashlib
from collections.abc import Callable
from typing import Any

import pytest
from flask.testing import FlaskClient

from app.parts import Parts
from tests.conftest import ROUTES, Cast, Key, ReplacedOutside, Route

PATH = "/v1/data/customer"


def assert_headers(response: Any) -> None:
    assert response.headers.getlist("X-Content-Type-Options") == ["nosniff"]
    assert response.headers.getlist("Cache-Control") == ["no-store"]


@pytest.mark.parametrize("route", ROUTES.values(), ids=ROUTES)
@pytest.mark.parametrize("who", ["owner", "chatter", None])
def test_every_answer_is_to_be_neither_guessed_at_nor_kept(
    client: FlaskClient, cast: Cast, route: Route, who: str | None
) -> None:
    headers = {"Authorization": f"Bearer {getattr(cast, who).plain}"} if who else {}
    assert_headers(client.open(**route.options(), headers=headers))


@pytest.mark.parametrize(
    ("method", "path"),
    [("GET", "/health"), ("OPTIONS", PATH), ("HEAD", PATH), ("PUT", PATH), ("GET", "/"), ("GET", "/v1/data")],
)
def test_so_is_what_is_no_data(owner: Key, method: str, path: str) -> None:
    assert_headers(owner.request(method, path, headers={"Origin": "https://example.com"}))


def test_so_is_a_fault(owner: Key, parts: Parts) -> None:
    parts.database.connection.execute("DROP TABLE entity")
    response = owner.get(PATH)
    assert response.status_code == 500
    assert_headers(response)


@pytest.mark.parametrize("config", [{"LIMITS": "on", "LIMIT_PER_KEY": "1/minute"}], indirect=True, ids=["one a minute"])
def test_so_is_a_refusal_for_the_rate(owner: Key) -> None:
    owner.get(PATH)
    response = owner.get(PATH)
    assert response.status_code == 429
    assert_headers(response)


OWN = {
    "id": "k17" + 29 * "z",
    "_id": "k17" + 29 * "z",
    "type": "player",
    "createdAt": 1,
    "updatedAt": 1,
    "sequence": 1,
    "type_id": 1,
    "environment": "production",
    "organization": "other",
    "organizationId": 2,
}
each_field = pytest.mark.parametrize("field", OWN)


@each_field
def test_a_new_entity_takes_nothing_of_its_own_from_the_body(owner: Key, outside: ReplacedOutside, field: str) -> None:
    created = owner.create({"name": "Jane"}, **{field: OWN[field]})
    assert created["id"] != OWN["id"]
    assert created == {
        "id": created["id"],
        "type": "customer",
        "status": "active",
        "data": {"name": "Jane"},
        "createdAt": outside.time,
        "updatedAt": outside.time,
    }
    assert owner.get(f"{PATH}/{created['id']}").json == created


@each_field
def test_an_update_changes_nothing_of_an_entitys_own(cast: Cast, outside: ReplacedOutside, field: str) -> None:
    created = cast.owner.create({"name": "Jane"})
    outside.time += 5
    path = f"{PATH}/{created['id']}"
    updated = cast.owner.patch(path, {"data": {"name": "Joan"}, field: OWN[field]})
    assert updated.json == {**created, "data": {"name": "Joan"}, "updatedAt": outside.time}
    assert cast.owner.get(path).json == updated.json
    for other in (cast.operator, cast.tester, cast.stranger):
        assert other.get(PATH).json["data"] == []


@pytest.mark.parametrize("field", ["id", "type", "status", "createdAt", "updatedAt"])
def test_the_same_names_within_data_are_data(owner: Key, field: str) -> None:
    created = owner.create({field: "mine"})
    assert created["data"] == {field: "mine"}
    assert created[field] != "mine"


def test_a_key_reaches_the_database_as_its_digest_alone(parts: Parts, cast: Cast, make_key: Callable[..., Key]) -> None:
    """What compares texts of which nobody can choose the beginning tells nothing by the time that it takes."""
    plain = make_key().plain
    seen: list[Any] = []

    def trace(cursor: object, sql: str, values: Any) -> bool:
        seen.extend([sql, values])
        return True

    connection = parts.database.connection
    connection.exec_trace = trace
    assert parts.keys.authenticate(plain) is not None
    connection.exec_trace = None
    assert hashlib.sha256(plain.encode()).hexdigest() in str(seen)
    assert plain[len("sk_dev_") :] not in str(seen)
