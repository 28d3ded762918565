"""Whatever bytes arrive, no answer is a 500 or HTML, and the server goes on."""

import json
import re
import socket
from collections.abc import Iterator
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.profiles import examples
from tests.server import CUSTOMERS, PATIENCE, Server, serve

ANSWER = re.compile(rb"HTTP/1\.[01] (\d{3}) [^\r\n]*\r\n(.*?)\r\n\r\n", re.DOTALL)
BODY = b'{"data":{"name":"Jane"}}'


@pytest.fixture(scope="module")
def server() -> Iterator[Server]:
    with serve("--limits", "off", "--project", str(CUSTOMERS)) as server:
        yield server


def exchange(server: Server, request: bytes) -> bytes:
    """Send bytes, end the sending side, and return all that comes back."""
    with socket.create_connection(server.address, PATIENCE) as connection:
        answer = b""
        try:
            connection.sendall(request)
            connection.shutdown(socket.SHUT_WR)
            while part := connection.recv(65536):
                answer += part
        except ConnectionError:
            pass  # the server may hang up on what it will not read to the end
        return answer


def check(server: Server, request: bytes) -> list[int]:
    """Return the statuses of the answers, each of which is well-formed HTTP with JSON and no 500."""
    rest, statuses = exchange(server, request), []
    while rest:
        head = ANSWER.match(rest)
        assert head, (request, rest)
        status, headers = int(head[1]), head[2].lower()
        statuses.append(status)
        assert status < 500, (request, rest)
        length = re.search(rb"content-length: (\d+)", headers)
        assert length, (request, rest)
        body, rest = rest[head.end() :][: int(length[1])], rest[head.end() + int(length[1]) :]
        if request.startswith((b"HEAD", b"OPTIONS")) or not body:
            return statuses
        assert b"content-type: application/json" in headers, (request, body)
        assert status < 400 or list(json.loads(body)) == ["error"], (request, body)
    return statuses


def head(server: Server, line: str = "POST /v1/data/customer HTTP/1.1", *headers: str) -> bytes:
    lines = [line, "Host: localhost", f"Authorization: Bearer {server.key}", *headers]
    return "\r\n".join([*lines, "", ""]).encode("latin-1")


LYING = {
    "a body shorter than its length": (("Content-Length: 100",), BODY),
    "a body longer than its length": (("Content-Length: 10",), BODY),
    "no length": ((), BODY),
    "length zero": (("Content-Length: 0",), BODY),
    "a negative length": (("Content-Length: -1",), BODY),
    "a length that is no number": (("Content-Length: x",), BODY),
    "an empty length": (("Content-Length: ",), BODY),
    "two lengths": (("Content-Length: 24", "Content-Length: 3"), BODY),
    "a huge length": (("Content-Length: 99999999999999999999",), BODY),
    "length and chunks": (("Content-Length: 24", "Transfer-Encoding: chunked"), b"18\r\n%s\r\n0\r\n\r\n" % BODY),
    "chunks without an end": (("Transfer-Encoding: chunked",), b"18\r\n%s\r\n" % BODY),
    "a chunk longer than its size": (("Transfer-Encoding: chunked",), b"3\r\n%s\r\n0\r\n\r\n" % BODY),
    "a chunk shorter than its size": (("Transfer-Encoding: chunked",), b"ff\r\n%s\r\n0\r\n\r\n" % BODY),
    "a chunk size that is no number": (("Transfer-Encoding: chunked",), b"xyz\r\n%s\r\n0\r\n\r\n" % BODY),
    "a negative chunk size": (("Transfer-Encoding: chunked",), b"-1\r\n%s\r\n0\r\n\r\n" % BODY),
    "a huge chunk size": (("Transfer-Encoding: chunked",), b"ffffffffffffffffff\r\n%s\r\n0\r\n\r\n" % BODY),
    "an unknown transfer coding": (("Transfer-Encoding: gzip",), BODY),
    "two transfer codings": (("Transfer-Encoding: gzip, chunked",), b"0\r\n\r\n"),
    "a compressed body": (("Content-Length: 24", "Content-Encoding: gzip"), BODY),
    "an unknown expectation": (("Content-Length: 24", "Expect: much"), BODY),
    "another content type": (("Content-Length: 24", "Content-Type: multipart/form-data; boundary=x"), BODY),
    "a form": (("Content-Length: 24", "Content-Type: application/x-www-form-urlencoded"), BODY),
    "another character set": (("Content-Length: 24", "Content-Type: application/json; charset=utf-16"), BODY),
}


@pytest.mark.parametrize(("headers", "body"), LYING.values(), ids=LYING)
def test_a_body_that_is_not_what_its_headers_say_is_no_500(
    server: Server, headers: tuple[str, ...], body: bytes
) -> None:
    check(server, head(server, "POST /v1/data/customer HTTP/1.1", *headers) + body)
    assert check(server, head(server, "GET /health HTTP/1.1")) == [200]


LINES = [
    "GET / HTTP/1.1", "GET /v1/data/customer HTTP/1.0", "GET /v1/data/customer HTTP/2.0", "GET /v1/data/customer HTTP/9",
    "GET /v1/data/customer", "get /v1/data/customer HTTP/1.1", "GET  /v1/data/customer HTTP/1.1", " GET / HTTP/1.1",
    "FOO /v1/data/customer HTTP/1.1", "PUT /v1/data/customer HTTP/1.1", "TRACE /v1/data/customer HTTP/1.1",
    "CONNECT localhost:80 HTTP/1.1", "OPTIONS * HTTP/1.1", "OPTIONS /v1/data/customer HTTP/1.1", "HEAD /v1/data/customer HTTP/1.1",
    "GET http://localhost/v1/data/customer HTTP/1.1", "GET //v1/data/customer HTTP/1.1", "GET /v1//data//customer HTTP/1.1",
    "GET /v1/data/customer/../player HTTP/1.1", "GET /v1/data/./customer HTTP/1.1", "GET /v1/data/%2e%2e/health HTTP/1.1",
    "GET /v1/data/customer%2Fquery HTTP/1.1", "GET /v1/data/%00 HTTP/1.1", "GET /v1/data/%ff%fe HTTP/1.1", "GET /v1/data/% HTTP/1.1",
    "GET /v1/data/%zz HTTP/1.1", "GET /v1/data/%C0%AE HTTP/1.1", "GET /v1/data/%ED%A0%80 HTTP/1.1", "GET /v1/data/customer?limit=%31 HTTP/1.1",
    "GET /v1/data/customer?&&&=&== HTTP/1.1", "GET /v1/data/customer?status=%ff HTTP/1.1", "GET /v1/data/customer#x HTTP/1.1",
    "GET /v1/data/customer?cursor=%00 HTTP/1.1", "GET /v1/data/caf\xe9 HTTP/1.1", "GET /v1/data/\x01 HTTP/1.1", "GET /" + "a" * 9000 + " HTTP/1.1",
    "GET /v1/data/" + "a/" * 500 + " HTTP/1.1", "POST /v1/data/customer/query HTTP/1.1", "PATCH /v1/data/customer/query HTTP/1.1", "",
    "\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03", "PRI * HTTP/2.0", "GET /v1/data/customer HTTP/1.1\r\nX: " + "a" * 9000,
    "GET / HTTP/1.1\r\n" + "\r\n".join(f"X-{n}: 1" for n in range(200)), "GET / HTTP/1.1\r\nX y: 1", "GET / HTTP/1.1\r\n: 1",
    "GET / HTTP/1.1\r\nX: a\r\n b", "GET / HTTP/1.1\r\nX\x00: 1", "GET / HTTP/1.1\r\nHost: a\r\nHost: b", "GET / HTTP/1.1\nX: 1",
]  # fmt: skip


@pytest.mark.parametrize("line", LINES, ids=lambda line: ascii(line[:60]))
def test_no_request_line_or_header_is_a_500(server: Server, line: str) -> None:
    check(server, head(server, line))
    assert check(server, head(server, "GET /health HTTP/1.1")) == [200]


@examples(ci=150, full=5_000)
@given(seed=st.integers(0, 2**32))
def test_a_request_with_bytes_changed_is_no_500(server: Server, seed: int) -> None:
    chance = Random(seed)
    request = bytearray(
        head(server, f"{chance.choice(['POST', 'GET'])} /v1/data/customer HTTP/1.1", "Content-Length: 24") + BODY
    )
    for _ in range(chance.randint(1, 4)):
        place = chance.randrange(len(request))
        change = chance.choice(
            [b"", b"\r\n", b"\0", b" ", b"%", b":", b"\xff", bytes([chance.randrange(256)]), b"0" * 20]
        )
        request[place : place + chance.randint(0, 3)] = change
    check(server, bytes(request))


def test_the_check_sees_what_it_looks_for(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    for answer in (
        b"HTTP/1.1 500 Internal Server Error\r\nContent-Length: 0\r\n\r\n",
        b"HTTP/1.1 400 Bad Request\r\nContent-Type: text/html\r\nContent-Length: 4\r\n\r\n<h1>",
        b"<html>",
    ):
        monkeypatch.setattr("tests.exact.test_raw_http.exchange", lambda *_, answer=answer: answer)
        with pytest.raises(AssertionError):
            check(server, b"GET / HTTP/1.1")
