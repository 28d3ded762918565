"""Cross-origin requests: any web page may call the Data API, and read why a call failed."""

from flask import Flask, Response, request
from flask_cors import CORS

from .auth import is_data_api

DATA_API = r"(?s:/v1(?:/.*)?)\Z"  # a path may hold an encoded line break


def register(app: Flask) -> None:
    """Allow every origin; call it before registering authentication."""
    CORS(app, resources=DATA_API, allow_headers=["Authorization", "Content-Type"], expose_headers=["Retry-After"])
    app.before_request(_answer_preflight)


def _answer_preflight() -> Response | None:
    """Answer for routes that there are not as well: a page is to see their 404, not a network error."""
    is_preflight = request.method == "OPTIONS" and "Access-Control-Request-Method" in request.headers
    return Response(status=204) if is_preflight and is_data_api() else None
