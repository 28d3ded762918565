"""Cross-origin requests: any web page may call the Data API, and read why a call failed."""

from flask import Flask, Response, request

from ..headers import with_headers
from .auth import is_data_api

ANY_ORIGIN = {"Access-Control-Allow-Origin": "*", "Access-Control-Expose-Headers": "Retry-After"}
# Whatever a page asks with is allowed, so that it sees the 404 and the 405 as well and not a network error.
ANY_METHOD = {
    "Access-Control-Allow-Methods": "GET, HEAD, POST, PUT, PATCH, DELETE, OPTIONS",
    "Access-Control-Allow-Headers": "Authorization, Content-Type",
}


def register(app: Flask) -> None:
    """Allow every origin; call it before registering authentication."""
    app.wsgi_app = with_headers(app.wsgi_app, ANY_ORIGIN, is_data_api)  # type: ignore[assignment, method-assign]
    app.before_request(_answer_preflight)


def _answer_preflight() -> Response | None:
    """Answer for routes that there are not as well."""
    if request.method != "OPTIONS" or "Access-Control-Request-Method" not in request.headers:
        return None
    return Response(status=204, headers=ANY_METHOD) if is_data_api(request.path) else None
