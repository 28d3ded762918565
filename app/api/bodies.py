"""The bytes of a request's body: all of them, or none of one that is too large."""

from typing import IO
from wsgiref.types import WSGIEnvironment

from werkzeug.exceptions import RequestEntityTooLarge
from werkzeug.wsgi import get_content_length, get_input_stream

from .errors import BrokenBody

STEP = 64 * 2**10  # bytes read at a time


def read_body(environ: WSGIEnvironment, most: int) -> bytes:
    """Return the body; raise RequestEntityTooLarge as soon as that is sure, BrokenBody where it breaks off."""
    length = get_content_length(environ)  # None where the body comes in chunks
    if length is not None and length > most:
        raise RequestEntityTooLarge
    stream, parts = get_input_stream(environ), list[bytes]()
    size = 0
    while size != length and (part := _read(stream)):
        size += len(part)
        if size > most:
            raise RequestEntityTooLarge
        parts.append(part)
    # gunicorn ends a body quietly where the client hangs up; half of one may happen to be whole JSON.
    if length is not None and size < length:
        raise BrokenBody
    return b"".join(parts)


def _read(stream: IO[bytes]) -> bytes:
    try:
        return stream.read(STEP)
    except Exception as error:
        # Each WSGI server has exceptions of its own for a body that is not what its headers say.
        raise BrokenBody from error
