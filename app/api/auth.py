"""Bearer key -> caller, before anything else looks at a request."""

from collections.abc import Callable
from typing import NamedTuple

from flask import Flask, g, request

from ..storage.api_keys import ApiKey, ApiKeys
from ..storage.repository import Scope
from .application import is_data_api
from .errors import NoPermission, Unauthorized


class Caller(NamedTuple):
    """Who sends a request: the key, what it may see, and on whose budget."""

    key: ApiKey
    scope: Scope | None


def register(app: Flask, keys: ApiKeys, count: Callable[[ApiKey], object]) -> None:
    """Set g.caller on every request of an app, None where it needs no key, and count what has one.

    Raise Unauthorized, NoPermission or what counting raises.
    """

    @app.before_request
    def admit() -> None:
        environ = request.environ
        if not is_data_api(environ) or environ["REQUEST_METHOD"] == "OPTIONS":
            g.caller = None
            return
        g.caller = caller = _caller(keys, environ.get("HTTP_AUTHORIZATION", ""))
        count(caller.key)


def _caller(keys: ApiKeys, authorization: str) -> Caller:
    scheme, _, token = authorization.partition(" ")
    key = keys.authenticate(token.strip(" \t")) if scheme.lower() == "bearer" else None
    if key is None:
        raise Unauthorized
    if "data" not in key.permissions and "*" not in key.permissions:
        raise NoPermission
    return Caller(key, key.parsed_scope())
