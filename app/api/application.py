"""Flask, with the headers of every answer and with cross-origin requests, and without what no route here needs."""

import re
from collections.abc import Callable, Iterable
from functools import lru_cache
from typing import Any
from wsgiref.types import StartResponse, WSGIEnvironment

from flask import Flask, Response
from flask.sessions import NullSession, SessionInterface
from flask.wrappers import Request
from werkzeug.exceptions import BadRequest
from werkzeug.routing import MapAdapter

from ..headers import HEADERS

# Any web page may call the Data API, and read why a call failed.
ANY_ORIGIN = {"Access-Control-Allow-Origin": "*", "Access-Control-Expose-Headers": "Retry-After"}
# Whatever a page asks with is allowed, so that it sees the 404 and the 405 as well and not a network error.
ANY_METHOD = {
    "Access-Control-Allow-Methods": "GET, HEAD, POST, PUT, PATCH, DELETE, OPTIONS",
    "Access-Control-Allow-Headers": "Authorization, Content-Type",
}
# RFC 9112, section 3.2, wants a 400 for all others: https://www.rfc-editor.org/rfc/rfc3986#section-3.2.2
HOST = re.compile(r"(?:[\w.~!$&'()*+,;=%-]*|\[[\w.:]+\])(?::\d*)?", re.ASCII)
# Most requests ask for one of a few paths: the routes of those asked for last are remembered, unless they are long.
PATHS, LONG = 100, 200  # paths, and characters of one
OF_OTHERS = list(HEADERS.items())
OF_DATA_API = [*OF_OTHERS, *ANY_ORIGIN.items()]


class NoSessions(SessionInterface):
    """Nothing is kept from one request to the next."""

    none = NullSession()

    def open_session(self, app: Flask, request: Request) -> NullSession:
        """Return the one that all requests have."""
        return self.none


class Routes(MapAdapter):
    """The routes for one path and method, which remember what they have found."""

    _found: Any = None

    def match(self, *arguments: Any, **options: Any) -> Any:
        """Return the route, as Flask asks for it, or what else is asked; raise NotFound or MethodNotAllowed."""
        if arguments or options != {"return_rule": True}:
            return super().match(*arguments, **options)
        self._found = self._found or super().match(return_rule=True)
        return self._found


class Application(Flask):
    """A Flask application of views that return responses and are no coroutines, with the same routes for every host.

    Of hooks and signals it has the application's hooks before a request only, which return nothing.
    """

    session_interface = NoSessions()

    def __init__(self, *arguments: Any, **options: Any) -> None:
        """Begin as Flask does, with no routes."""
        super().__init__(*arguments, **options)
        self._known_routes = lru_cache(PATHS)(self._routes)

    def wsgi_app(self, environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        """Answer a request; a preflight is answered for routes that there are not as well."""
        is_open = is_data_api(environ)
        more = OF_DATA_API if is_open else OF_OTHERS

        # Annotations of a function within a function are evaluated at each call.
        def start(status, own, *error):  # type: ignore[no-untyped-def]
            return start_response(status, own + more, *error)

        if is_open and environ["REQUEST_METHOD"] == "OPTIONS" and "HTTP_ACCESS_CONTROL_REQUEST_METHOD" in environ:
            start_response("204 NO CONTENT", [*ANY_METHOD.items(), *more])
            return ()
        return super().wsgi_app(environ, start)

    def full_dispatch_request(self) -> Response:
        """Answer a request, or tell what is wrong with it."""
        try:
            for hook in self.before_request_funcs[None]:
                hook()
            return self.dispatch_request()  # type: ignore[return-value]
        except Exception as error:
            return self.handle_user_exception(error)  # type: ignore[return-value]

    def do_teardown_request(self, exc: object = None) -> None:
        """Leave a request; no hook waits for it."""

    def do_teardown_appcontext(self, exc: object = None) -> None:
        """Leave the application; no hook waits for it."""

    def ensure_sync(self, func: Callable[..., Any]) -> Callable[..., Any]:
        """Return a function as it is: to see that it is no coroutine takes longer than most do."""
        return func

    def create_url_adapter(self, request: Request | None) -> MapAdapter | None:
        """Return what finds the route of a request by its path alone: to decode the host would cost as much again."""
        if request is None:
            return None
        if not HOST.fullmatch(request.environ.get("HTTP_HOST", "")):
            raise BadRequest("The Host header must be a host, and a port if need be")
        find = self._known_routes if len(request.path) < LONG else self._routes
        return find(request.path, request.method)

    def _routes(self, path: str, method: str) -> Routes:
        return Routes(self.url_map, "", "/", "", "http", path, method)


def is_data_api(environ: WSGIEnvironment) -> bool:
    """Tell whether a request is one to the Data API, routed or not."""
    path: str = "/" + environ.get("PATH_INFO", "").lstrip("/")
    return path == "/v1" or path.startswith("/v1/")
