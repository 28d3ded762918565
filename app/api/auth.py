"""Bearer key -> caller, before anything else looks at a request."""

from typing import NamedTuple

from flask import Flask, g, request

from ..storage.api_keys import ApiKey, ApiKeys
from ..storage.repository import Scope
from .errors import NoPermission, Unauthorized


class Caller(NamedTuple):
    """Who sends a request: the key, what it may see, and on whose budget."""

    key: ApiKey
    scope: Scope | None


def register(app: Flask, keys: ApiKeys) -> None:
    """Set g.caller on every request of an app: None where it needs no key; raise Unauthorized or NoPermission."""

    @app.before_request
    def authenticate() -> None:
        needs_key = is_data_api(request.path) and request.method != "OPTIONS"
        g.caller = _caller(keys, request.environ.get("HTTP_AUTHORIZATION", "")) if needs_key else None


def is_data_api(path: str) -> bool:
    """Tell whether a path is of the Data API, routed or not."""
    return path == "/v1" or path.startswith("/v1/")


def _caller(keys: ApiKeys, authorization: str) -> Caller:
    scheme, _, token = authorization.partition(" ")
    key = keys.authenticate(token.strip(" \t")) if scheme.lower() == "bearer" else None
    if key is None:
        raise Unauthorized
    if "data" not in key.permissions and "*" not in key.permissions:
        raise NoPermission
    return Caller(key, key.parsed_scope())
