"""Bearer key -> caller, before anything else looks at a request."""

from typing import NamedTuple

from flask import current_app, g, request

from ..storage.api_keys import ApiKey, ApiKeys
from ..storage.repository import Scope
from .errors import NoPermission, Unauthorized


class Caller(NamedTuple):
    """Who sends a request: the key, what it may see, and on whose budget."""

    key: ApiKey
    scope: Scope | None


def authenticate() -> None:
    """Set g.caller on every Data API request; raise Unauthorized or NoPermission."""
    g.caller = None
    if not is_data_api(request.path) or request.method == "OPTIONS":
        return
    keys: ApiKeys = current_app.extensions["struere"].keys
    scheme, _, token = request.environ.get("HTTP_AUTHORIZATION", "").partition(" ")
    key = keys.authenticate(token.strip(" \t")) if scheme.lower() == "bearer" else None
    if key is None:
        raise Unauthorized
    if not {"data", "*"} & set(key.permissions):
        raise NoPermission
    g.caller = Caller(key, key.parsed_scope())


def is_data_api(path: str) -> bool:
    """Tell whether a path is of the Data API, routed or not."""
    return path == "/v1" or path.startswith("/v1/")
