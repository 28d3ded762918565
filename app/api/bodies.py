"""The bytes of a request's body: all of them, or none of one that is too large."""

from flask import Request
from werkzeug.exceptions import RequestEntityTooLarge

from .errors import BrokenBody

STEP = 64 * 2**10  # bytes read at a time


def read_body(request: Request, most: int) -> bytes:
    """Return the body; raise RequestEntityTooLarge as soon as that is sure, BrokenBody where it breaks off."""
    length = request.content_length  # None where the body comes in chunks
    if length is not None and length > most:
        raise RequestEntityTooLarge
    parts: list[bytes] = []
    size = 0
    while size != length and (part := _read(request)):
        size += len(part)
        if size > most:
            raise RequestEntityTooLarge
        parts.append(part)
    # gunicorn ends a body quietly where the client hangs up; half of one may happen to be whole JSON.
    if length is not None and size < length:
        raise BrokenBody
    return b"".join(parts)


def _read(request: Request) -> bytes:
    try:
        return request.stream.read(STEP)
    except Exception as error:
        # Each WSGI server has exceptions of its own for a body that is not what its headers say.
        raise BrokenBody from error
