"""Every exception as {"error": one sentence}: the only place that knows what status each has."""

import re

from flask import Flask, Response, request
from marshmallow import ValidationError
from werkzeug.exceptions import HTTPException, MethodNotAllowed, RequestEntityTooLarge
from werkzeug.exceptions import NotFound as Unrouted

from ..storage.errors import Invalid, NotFound, OutsideScope, StorageBusy, StorageFailed, TooSlow
from .json import InvalidJSON, respond

COLLECTION = re.compile(r"/v1/data/+[^/]+/*")  # /v1/data/customer


class Problem(Exception):
    """What is wrong with a request before it reaches the storage; the docstring of each kind is its sentence."""

    def __str__(self) -> str:
        return str(self.__doc__)


class Unauthorized(Problem):
    """Unauthorized"""


class NoPermission(Problem):
    """API key does not have data permission"""


class BrokenBody(Problem):
    """The request body broke off or is not what its headers say"""


class RateLimited(Problem):
    """Rate limit exceeded"""

    def __init__(self, retry_at: int, retry_after: int) -> None:
        """Take when a request will be admitted, in Unix milliseconds, and the whole seconds until then."""
        super().__init__(retry_at, retry_after)
        self.retry_at = retry_at
        self.retry_after = retry_after


STATUSES: dict[type[Exception], int] = {
    Invalid: 400,
    InvalidJSON: 400,
    TooSlow: 400,
    BrokenBody: 400,
    Unauthorized: 401,
    NoPermission: 403,
    OutsideScope: 403,
    NotFound: 404,
}
ERROR_HEADERS: dict[type[Exception], dict[str, str]] = {
    Unauthorized: {"WWW-Authenticate": "Bearer"},
}


def register(app: Flask) -> None:
    """Answer every exception of an app as JSON."""
    for kind in STATUSES:
        app.register_error_handler(kind, _known)
    app.register_error_handler(RateLimited, _rate_limited)
    app.register_error_handler(ValidationError, lambda error: _error(_first(error.messages), 400))
    app.register_error_handler(Unrouted, _unrouted)
    app.register_error_handler(MethodNotAllowed, _method_not_allowed)
    app.register_error_handler(RequestEntityTooLarge, lambda error: _too_large(app.config["MAX_BODY_BYTES"]))
    app.register_error_handler(HTTPException, lambda error: _error(error.description or error.name, error.code or 500))
    app.register_error_handler(StorageFailed, lambda error: _fault(app, error, str(error)))
    app.register_error_handler(Exception, lambda error: _fault(app, error, "Internal error"))


def _error(sentence: str, status: int, headers: dict[str, str] | None = None, **more: int) -> Response:
    return respond({"error": sentence, **more}, status, headers)


def _first(messages: object) -> str:
    """Return the first sentence of marshmallow's nested messages."""
    while not isinstance(messages, str):
        messages = next(iter(messages.values() if isinstance(messages, dict) else messages))  # type: ignore[call-overload]
    return messages


def _known(error: Exception) -> Response:
    status = next(status for kind, status in STATUSES.items() if isinstance(error, kind))
    return _error(str(error), status, ERROR_HEADERS.get(type(error)))


def _rate_limited(error: RateLimited) -> Response:
    return _error(str(error), 429, {"Retry-After": str(error.retry_after)}, retryAt=error.retry_at)


def _too_large(most: int) -> Response:
    return _error(f"The request body must not be larger than {most} bytes", 413)


def _unrouted(error: Unrouted) -> Response:
    start, separator, rest = request.path.partition("/v1/data")
    if start or not separator or rest[:1] not in ("", "/"):
        return _error(f"There is no route {request.path}; the routes are /v1/entity-types and /v1/data/:type", 404)
    if rest[:2] in ("", "/", "//"):
        return _error("Entity type is required in path", 400)
    return _error("Path must be /v1/data/:type/:id", 400)


def _method_not_allowed(error: MethodNotAllowed) -> Response:
    if request.method in ("PATCH", "DELETE") and COLLECTION.fullmatch(request.path):
        return _error("Path must be /v1/data/:type/:id", 400)
    allowed = ", ".join(sorted(error.valid_methods or ()))
    return _error(f"{request.method} is not allowed here; allowed are {allowed}", 405, {"Allow": allowed})


def _fault(app: Flask, error: Exception, sentence: str) -> Response:
    cause = None if isinstance(error, StorageBusy) else error  # who was not fast enough, no trace tells
    app.logger.error("%s: %s %r", sentence, request.method, request.path, exc_info=cause)
    return _error(sentence, 500)
