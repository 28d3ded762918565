"""How answers are put on the wire: headers and body in one piece, and nothing else than gunicorn would send."""

import socket
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from gunicorn.config import Config
from gunicorn.http import wsgi
from gunicorn.http.message import Request
from gunicorn.http.unreader import IterUnreader
from gunicorn.workers.gthread import ThreadWorker

from app.messages import MOST_COPIED, Answer

GUNICORNS: type[wsgi.Response] = Answer.__mro__[1]  # a worker's module puts ours in its place
LARGE = MOST_COPIED + 1
GET, HEAD, OLD = "GET / HTTP/1.1", "HEAD / HTTP/1.1", "GET / HTTP/1.0"


@contextmanager
def ends() -> Iterator[tuple[socket.socket, socket.socket]]:
    """Give two ends of a connection that keeps apart what was sent apart."""
    here, there = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    with here, there:
        here.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 4 * LARGE)
        yield here, there


def sent(kind: type[wsgi.Response], line: str, status: str, body: list[bytes]) -> list[bytes]:
    """Return the pieces in which a kind of response sends an answer; of one in parts nobody knows the length."""
    request = Request(Config(), IterUnreader(iter([f"{line}\r\n\r\n".encode()])), ("127.0.0.1", 1))
    length = [] if len(body) > 1 else [("Content-Length", str(len(b"".join(body))))]
    with ends() as (here, there):
        response = kind(request, here, Config())
        response.start_response(status, [("Content-Type", "application/json"), *length])
        for part in body:
            response.write(part)
        response.close()
        here.shutdown(socket.SHUT_WR)
        return list(iter(lambda: there.recv(2 * LARGE), b""))


CASES = {
    "a body": (GET, "200 OK", [b"{}"], 1),
    "an empty body": (GET, "200 OK", [b""], 1),
    "no body": (GET, "204 No Content", [], 1),
    "a body that is asked for by HEAD": (HEAD, "200 OK", [b"{}"], 1),
    "a request of HTTP/1.0": (OLD, "201 Created", [b"{}"], 1),
    "a large body": (GET, "200 OK", [b"x" * LARGE], 2),
    "a body in parts": (GET, "200 OK", [b"{", b"}"], 4),
}


each_case = pytest.mark.parametrize(("line", "status", "body", "pieces"), CASES.values(), ids=CASES)


@each_case
def test_an_answer_goes_out_in_as_few_pieces_as_can_be(line: str, status: str, body: list[bytes], pieces: int) -> None:
    assert len(sent(Answer, line, status, body)) == pieces


@each_case
def test_an_answer_is_what_gunicorn_would_send(line: str, status: str, body: list[bytes], pieces: int) -> None:
    heads, bodies = zip(*(parted(sent(kind, line, status, body)) for kind in (Answer, GUNICORNS)), strict=True)
    assert heads[0] == heads[1]
    assert bodies[0] == bodies[1]


def parted(pieces: list[bytes]) -> tuple[list[bytes], bytes]:
    """Return the lines of an answer's head, without the time, and its body."""
    head, _, body = b"".join(pieces).partition(b"\r\n\r\n")
    return [line for line in head.split(b"\r\n") if not line.startswith(b"Date: ")], body


@pytest.mark.parametrize(
    ("kind", "name"),
    [
        (GUNICORNS, "_emit_body"),
        (GUNICORNS, "process_headers"),
        (ThreadWorker, "_keepalive_after"),
        (Request, "parse_request_line"),
        (Request, "parse_headers"),
    ],
)
def test_gunicorn_has_what_is_replaced(kind: type, name: str) -> None:
    assert callable(getattr(kind, name))
