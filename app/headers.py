"""Headers of every answer, whoever gives it, and how the answers of a WSGI application get them."""

from collections.abc import Callable, Iterable, Mapping
from typing import Any
from wsgiref.types import StartResponse, WSGIApplication, WSGIEnvironment

# A browser is neither to guess another type than JSON nor to keep what a key was needed for.
HEADERS = {"X-Content-Type-Options": "nosniff", "Cache-Control": "no-store"}


def with_headers(
    application: WSGIApplication, headers: Mapping[str, str], is_for: Callable[[str], bool] = lambda path: True
) -> WSGIApplication:
    """Return a WSGI application that adds headers to its answers for some paths."""
    more = list(headers.items())

    def answer(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        def start(status: str, own: list[tuple[str, str]], *error: Any) -> Callable[[bytes], object]:
            return start_response(status, own + more, *error)

        return application(environ, start if is_for("/" + environ.get("PATH_INFO", "").lstrip("/")) else start_response)

    return answer
