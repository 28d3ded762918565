"""An application and a named cast of API keys, new for each test."""

from collections.abc import Iterator, Mapping
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

START = 1_710_000_000_000  # Unix milliseconds, those of the specification's examples

CUSTOMER = Definition("customer", "Customer", {"name": "string", "email": "string"}, ("name", "email"))
PLAYER = Definition("player", "Player", {"type": "object", "properties": {"nickname": {"type": "string"}}})


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


class Cast(NamedTuple):
    """Who sends requests; all but the stranger belong to the organization `acme`."""

    owner: Key  # everything in development
    colleague: Key  # another key of development, with the permission `data` alone
    tester: Key  # eval
    operator: Key  # production
    chatter: Key  # development, with the permission `chat` alone
    stranger: Key  # development of another organization


@pytest.fixture
def outside() -> ReplacedOutside:
    return ReplacedOutside()


@pytest.fixture
def config(tmp_path: Path) -> dict[str, Any]:
    """What a test module or a parameter may add to the application's settings."""
    return {"DATABASE": tmp_path / "struere.db", "LIMITS": "off", "TESTING": True}


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
    """The environments of acme by name, and `elsewhere` of another organization; all have the two types."""
    acme = ensure_organization(parts.database, parts.outside, "acme")
    other = ensure_organization(parts.database, parts.outside, "other")
    environments = {name: Environment(acme, name) for name in ("development", "production", "eval")}
    environments["elsewhere"] = Environment(other, "development")
    for environment in environments.values():
        EntityTypes(parts.database, parts.outside, environment).apply([CUSTOMER, PLAYER])
    return environments


@pytest.fixture
def cast(client: FlaskClient, parts: Parts, environments: dict[str, Environment]) -> Cast:
    def key(environment: str, *permissions: str) -> Key:
        return Key(client, parts.keys.create(environments[environment], "a key", permissions or ("*",))[1])

    return Cast(
        owner=key("development"),
        colleague=key("development", "data"),
        tester=key("eval"),
        operator=key("production"),
        chatter=key("development", "chat"),
        stranger=key("elsewhere"),
    )


@pytest.fixture
def owner(cast: Cast) -> Key:
    return cast.owner
