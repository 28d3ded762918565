"""An application and a named cast of API keys, new for each test."""

from collections.abc import Callable, Iterator, Mapping
from functools import cached_property
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from flask import Flask
from flask.testing import FlaskClient, FlaskCliRunner

from app import create_app
from app.parts import Parts
from app.storage.entity_types import Definition, EntityTypes
from app.storage.organizations import Environment, ensure_organization
from app.storage.outside import Outside
from tests import profiles

assert profiles  # registered before pytest reads --hypothesis-profile

START = 1_710_000_000_000  # Unix milliseconds, those of the specification's examples

CUSTOMER = Definition("customer", "Customer", {"name": "string", "email": "string"}, ("name", "email"))
PLAYER = Definition("player", "Player", {"type": "object", "properties": {"nickname": {"type": "string"}}})
UNKNOWN_ID = "k17" + 29 * "0"


class Route(NamedTuple):
    """A request to a route; a path may leave open {slug} and {id}."""

    method: str
    path: str
    body: dict[str, Any] | None = None

    def options(self, slug: str = "customer", entity_id: str = UNKNOWN_ID) -> dict[str, Any]:
        """Return what a client or a key needs to send it."""
        return {"method": self.method, "path": self.path.format(slug=slug, id=entity_id), "json": self.body}


ID_ROUTES = {
    "get": Route("GET", "/v1/data/{slug}/{id}"),
    "update": Route("PATCH", "/v1/data/{slug}/{id}", {"data": {"name": "Changed"}}),
    "delete": Route("DELETE", "/v1/data/{slug}/{id}"),
}
PAGE_ROUTES = {
    "list": Route("GET", "/v1/data/{slug}"),
    "query": Route("POST", "/v1/data/{slug}/query", {}),
    "search": Route("POST", "/v1/data/{slug}/search", {"query": "jane"}),
}
TYPE_ROUTES = {**PAGE_ROUTES, **ID_ROUTES, "create": Route("POST", "/v1/data/{slug}", {"data": {"name": "Jane"}})}
ROUTES = {**TYPE_ROUTES, "entity types": Route("GET", "/v1/entity-types")}


class ReplacedOutside(Outside):
    """A clock that stands still until a test moves it."""

    def __init__(self) -> None:
        self.time = START

    def now(self) -> int:
        return self.time


class Key:
    """An API key with the client that sends it."""

    def __init__(self, client: FlaskClient, plain: str) -> None:
        self.plain = plain
        self._client = client

    def request(self, method: str, path: str, **options: Any) -> Any:
        headers = {"Authorization": f"Bearer {self.plain}", **options.pop("headers", {})}
        return self._client.open(path, method=method, headers=headers, **options)

    def get(self, path: str, **options: Any) -> Any:
        return self.request("GET", path, **options)

    def post(self, path: str, json: Any = None, **options: Any) -> Any:
        return self.request("POST", path, json=json, **options)

    def patch(self, path: str, json: Any = None, **options: Any) -> Any:
        return self.request("PATCH", path, json=json, **options)

    def delete(self, path: str, **options: Any) -> Any:
        return self.request("DELETE", path, **options)

    def create(self, data: dict[str, Any], slug: str = "customer", **more: Any) -> dict[str, Any]:
        """Create an entity and return it."""
        response = self.post(f"/v1/data/{slug}", {"data": data, **more})
        assert response.status_code == 201, response.text
        entity: dict[str, Any] = response.json
        return entity

    def names(self, path: str, body: dict[str, Any] | None = None) -> list[str]:
        """Return the field `name` of the entities of a list, query or search, in order."""
        response = self.get(path) if body is None else self.post(path, body)
        assert response.status_code == 200, response.text
        return [entity["data"]["name"] for entity in response.json["data"]]


def assert_error(response: Any, status: int, sentence: str | None = None) -> None:
    """Check that a response is an error, in the one shape that every error has."""
    assert response.status_code == status, response.text
    assert response.content_type == "application/json"
    assert list(response.json) == (["error", "retryAt"] if status == 429 else ["error"])
    error = response.json["error"]
    assert isinstance(error, str)
    assert error.strip()
    assert sentence in (None, error)


class Cast:
    """Who sends requests, each with a key that is made on first use; all but the stranger belong to `acme`."""

    def __init__(self, make_key: Callable[..., Key]) -> None:
        self._make_key = make_key

    @cached_property
    def owner(self) -> Key:
        """Everything in development."""
        return self._make_key()

    @cached_property
    def colleague(self) -> Key:
        """Another key of development, with the permission `data` alone."""
        return self._make_key(permissions=("data",))

    @cached_property
    def tester(self) -> Key:
        """Everything in eval."""
        return self._make_key("eval")

    @cached_property
    def operator(self) -> Key:
        """Everything in production."""
        return self._make_key("production")

    @cached_property
    def chatter(self) -> Key:
        """A key of development, with the permission `chat` alone."""
        return self._make_key(permissions=("chat",))

    @cached_property
    def stranger(self) -> Key:
        """Everything in development of another organization."""
        return self._make_key("elsewhere")


@pytest.fixture
def outside() -> ReplacedOutside:
    return ReplacedOutside()


@pytest.fixture
def config(tmp_path: Path) -> dict[str, Any]:
    """What a test module or a parameter may add to the application's settings."""
    return {"DATABASE": tmp_path / "struere.db", "LIMITS": "off", "TESTING": True}


@pytest.fixture(scope="session")
def prepared_database(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A database with the environments and their types, to copy."""
    path = tmp_path_factory.mktemp("prepared") / "struere.db"
    parts = create_app({"DATABASE": path}, ReplacedOutside()).extensions["struere"]
    make_environments(parts)
    parts.database.close()
    return path


@pytest.fixture
def app(config: Mapping[str, Any], outside: ReplacedOutside) -> Iterator[Flask]:
    application = create_app(config, outside)
    application.json.sort_keys = False  # type: ignore[attr-defined]
    yield application
    application.extensions["struere"].database.close()


@pytest.fixture
def client(app: Flask) -> FlaskClient:
    return app.test_client()


@pytest.fixture
def runner(app: Flask) -> FlaskCliRunner:
    return app.test_cli_runner()


@pytest.fixture
def parts(app: Flask) -> Parts:
    parts: Parts = app.extensions["struere"]
    return parts


@pytest.fixture
def environments(parts: Parts) -> dict[str, Environment]:
    return make_environments(parts)


def make_environments(parts: Parts) -> dict[str, Environment]:
    """Return the environments of acme by name, and `elsewhere` of another organization; all have the two types."""
    acme = ensure_organization(parts.database, parts.outside, "acme")
    other = ensure_organization(parts.database, parts.outside, "other")
    environments = {name: Environment(acme, name) for name in ("development", "production", "eval")}
    environments["elsewhere"] = Environment(other, "development")
    for environment in environments.values():
        EntityTypes(parts.database, parts.outside, environment).apply([CUSTOMER, PLAYER])
    return environments


@pytest.fixture
def make_key(client: FlaskClient, parts: Parts, environments: dict[str, Environment]) -> Callable[..., Key]:
    """Make another key, with the options of ApiKeys.create."""

    def make_key(environment: str = "development", **options: Any) -> Key:
        return Key(client, parts.keys.create(environments[environment], "a key", **options)[1])

    return make_key


@pytest.fixture
def cast(make_key: Callable[..., Key]) -> Cast:
    return Cast(make_key)


@pytest.fixture
def owner(cast: Cast) -> Key:
    return cast.owner
