"""Who may send requests at all: API keys, their permissions, expiry and revocation."""

import hashlib
import re
from collections.abc import Callable
from typing import Any

import pytest
from flask.testing import FlaskClient

from app.parts import Parts
from app.storage.organizations import Environment
from tests.conftest import ROUTES, START, Cast, Key, ReplacedOutside, Route, assert_error

PATH = "/v1/data/customer"


@pytest.mark.parametrize("route", ROUTES.values(), ids=ROUTES)
def test_every_route_of_the_data_api_needs_a_key(client: FlaskClient, cast: Cast, route: Route) -> None:
    assert_error(client.open(**route.options()), 401, "Unauthorized")


@pytest.mark.parametrize("path", ["/v1", "/v1/", "/v1/nothing", "/v1/data", "/v1/data/nothing/a/b"])
def test_no_path_beneath_v1_tells_anything_without_a_key(client: FlaskClient, path: str) -> None:
    assert_error(client.put(path), 401, "Unauthorized")


HEADERS: dict[str, str] = {
    "empty": "",
    "blank": " ",
    "no scheme": "{key}",
    "another scheme": "Basic {key}",
    "a scheme of other letters": "Bearers {key}",
    "no separator": "Bearer{key}",
    "another separator": "Bearer:{key}",
    "no key": "Bearer",
    "an empty key": "Bearer ",
    "an unknown key": "Bearer sk_dev_00000000000000000000000000000000",
    "a key of no known prefix": "Bearer nonsense",
    "a key without its prefix": "Bearer {bare}",
    "a key of another prefix": "Bearer sk_prod_{bare}",
    "a key in capitals": "Bearer {upper}",
    "a key cut short": "Bearer {short}",
    "a key and more": "Bearer {key}0",
    "a key in quotes": 'Bearer "{key}"',
    "two keys": "Bearer {key} {key}",
    "two keys with a comma": "Bearer {key}, Bearer {key}",
    "a key's hash": "Bearer {hash}",
    "SQL": "Bearer ' OR 1=1 --",
    "a no-break space after the key": "Bearer {key}\xa0",
    "a no-break space before the key": "Bearer \xa0{key}",
    "a no-break space before the scheme": "\xa0Bearer {key}",
    "a line break of another kind": "Bearer {key}\x85",
    "no ASCII": "Bearer \xe9\xff",
    "very long": "Bearer " + 8000 * "k",
}


@pytest.mark.parametrize("header", HEADERS.values(), ids=HEADERS)
def test_no_other_header_is_a_key(client: FlaskClient, cast: Cast, header: str) -> None:
    plain = cast.owner.plain
    forms = {"key": plain, "bare": plain[7:], "upper": plain.upper(), "short": plain[:-1], "hash": sha256(plain)}
    assert_unauthorized(client, header.format(**forms))


def sha256(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


def assert_unauthorized(client: FlaskClient, authorization: str) -> None:
    """Check that nothing tells the answer from the one without any key."""
    answer = client.get(PATH, headers={"Authorization": authorization})
    without = client.get(PATH)
    assert_error(answer, 401, "Unauthorized")
    assert answer.headers["WWW-Authenticate"] == "Bearer"
    assert (answer.status, answer.headers.to_wsgi_list(), answer.data) == (
        without.status,
        without.headers.to_wsgi_list(),
        without.data,
    )


def test_a_revoked_key_is_no_key_from_its_next_request_on(
    client: FlaskClient, parts: Parts, environments: dict[str, Environment]
) -> None:
    key, plain = parts.keys.create(environments["development"], "a key")
    assert Key(client, plain).get(PATH).status_code == 200
    parts.keys.revoke(environments["development"].organization_id, key.id)
    assert_unauthorized(client, f"Bearer {plain}")


def test_an_expired_key_is_no_key(client: FlaskClient, make_key: Callable[..., Key], outside: ReplacedOutside) -> None:
    key = make_key(expires_at=START + 1000)
    outside.time = START + 999
    assert key.get(PATH).status_code == 200
    outside.time = START + 1000
    assert_unauthorized(client, f"Bearer {key.plain}")


@pytest.mark.parametrize("place", ["?key={}", "?api_key={}", "?access_token={}"])
def test_a_key_in_the_query_string_is_none(client: FlaskClient, cast: Cast, place: str) -> None:
    assert_error(client.get(PATH + place.format(cast.owner.plain)), 401, "Unauthorized")


@pytest.mark.parametrize("scheme", ["Bearer", "bearer", "BEARER", "bEARER"])
def test_the_case_of_the_scheme_does_not_matter(client: FlaskClient, cast: Cast, scheme: str) -> None:
    response = client.get(PATH, headers={"Authorization": f"{scheme} {cast.owner.plain}"})
    assert response.status_code == 200


@pytest.mark.parametrize("permissions", [("chat",), ("sync",), ("chat", "sync"), ()], ids=" ".join)
@pytest.mark.parametrize("route", ROUTES.values(), ids=ROUTES)
def test_a_key_without_the_permission_is_refused(
    make_key: Callable[..., Key], permissions: tuple[str, ...], route: Route
) -> None:
    response = make_key(permissions=permissions).request(**route.options())
    assert_error(response, 403, "API key does not have data permission")


@pytest.mark.parametrize("permissions", [("data",), ("*",), ("chat", "data"), ("sync", "*")], ids=" ".join)
def test_data_or_everything_is_permission_enough(make_key: Callable[..., Key], permissions: tuple[str, ...]) -> None:
    key = make_key(permissions=permissions)
    created = key.create({"name": "Jane"})
    assert key.get(f"{PATH}/{created['id']}").json == created


def test_a_key_has_every_permission_unless_told_otherwise(parts: Parts, environments: dict[str, Environment]) -> None:
    assert parts.keys.create(environments["development"], "a key")[0].permissions == ("*",)


@pytest.mark.parametrize(
    ("environment", "prefix"), [("development", "sk_dev_"), ("production", "sk_prod_"), ("eval", "sk_eval_")]
)
def test_a_key_is_the_prefix_of_its_environment_and_32_random_characters_or_more(
    make_key: Callable[..., Key], environment: str, prefix: str
) -> None:
    one, other = make_key(environment).plain, make_key(environment).plain
    assert re.fullmatch(prefix + "[a-z0-9]{32,}", one)
    assert one != other


def test_the_environment_is_the_stored_one_whatever_the_prefix_says(
    client: FlaskClient, parts: Parts, cast: Cast, environments: dict[str, Environment]
) -> None:
    key, plain = parts.keys.create(environments["development"], "a key")
    with parts.database.transaction() as connection:
        connection.execute("UPDATE api_key SET environment = 'production' WHERE id = ?", (key.id,))
    cast.owner.create({"name": "development"})
    cast.operator.create({"name": "production"})
    assert Key(client, plain).names(PATH) == ["production"]


def test_only_the_hash_of_a_key_is_stored(parts: Parts, cast: Cast, config: dict[str, Any]) -> None:
    cast.owner.create({})
    files = config["DATABASE"].parent.glob("struere.db*")
    stored = b"".join(path.read_bytes() for path in files)
    assert sha256(cast.owner.plain).encode() in stored
    assert cast.owner.plain[:-20].encode() not in stored
    assert cast.owner.plain[-20:].encode() not in stored


def test_the_last_use_of_a_key_is_known_to_the_minute(
    parts: Parts, cast: Cast, outside: ReplacedOutside, environments: dict[str, Environment]
) -> None:
    def last_uses() -> list[int | None]:
        return [key.last_used_at for key in parts.keys.all(environments["development"].organization_id)]

    owner, _ = cast.owner, cast.colleague
    assert last_uses() == [None, None]
    owner.get(PATH)
    assert last_uses() == [START, None]
    outside.time += 3_600_000
    owner.get("/v1/data/nothing")
    assert last_uses()[0] == pytest.approx(outside.time, abs=60_000)
