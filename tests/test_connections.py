"""A thread stays with a connection as long as no other connection needs it."""

import socket
import threading
from collections.abc import Iterator
from contextlib import ExitStack, closing, contextmanager
from http.client import HTTPConnection, parse_headers
from pathlib import Path

import pytest

from tests.server import CUSTOMERS, PATIENCE, Server, serve, until

THREADS = 2
MANY = 200  # requests
HEALTH = b"GET /health HTTP/1.1\r\nHost: a\r\n\r\n"
UNAUTHORIZED = b'POST /v1/data/customer HTTP/1.1\r\nHost: a\r\nContent-Length: 12\r\n\r\n{"data": {}}'
CHUNKED = UNAUTHORIZED.replace(b"Content-Length: 12", b"Transfer-Encoding: chunked").replace(
    b'{"data": {}}', b'c\r\n{"data": {}}\r\n0\r\n\r\n'
)


@pytest.fixture(scope="module")
def server() -> Iterator[Server]:
    with serve("--workers", "1", "--threads", str(THREADS), "--project", str(CUSTOMERS)) as server:
        yield server


@contextmanager
def busy(server: Server, count: int) -> Iterator[list[int]]:
    """Let clients send requests without a pause, each on a connection of its own; give how many each had answered."""
    answered, stop = [0] * count, threading.Event()

    def send(number: int) -> None:
        with closing(HTTPConnection(*server.address, timeout=PATIENCE)) as connection:
            while not stop.is_set():
                ask(connection)
                answered[number] += 1

    threads = [threading.Thread(target=send, args=(number,)) for number in range(count)]
    for thread in threads:
        thread.start()
    try:
        until(lambda: all(answered))
        yield answered
    finally:
        stop.set()
        for thread in threads:
            thread.join()


def ask(connection: HTTPConnection) -> None:
    connection.request("GET", "/health")
    with connection.getresponse() as response:
        assert response.status == 200
        response.read()


def switches(server: Server) -> int:
    """Return how often the thread of the worker that hands over connections has been woken."""
    [worker] = server.workers(1)
    lines = Path(f"/proc/{worker}/task/{worker}/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("voluntary_ctxt_switches"))


def statuses(connection: socket.socket, count: int) -> Iterator[int]:
    """Yield the statuses of answers that come one after the other."""
    with connection.makefile("rb") as answers:
        for _ in range(count):
            yield int(answers.readline().split()[1])
            answers.read(int(parse_headers(answers)["Content-Length"]))


def test_a_connection_is_not_handed_over_for_each_request(server: Server) -> None:
    with closing(HTTPConnection(*server.address, timeout=PATIENCE)) as connection:
        ask(connection)
        before = switches(server)
        for _ in range(MANY):
            ask(connection)
        assert switches(server) - before < MANY / 2


@pytest.mark.parametrize("count", [THREADS - 1, THREADS, THREADS + 1, 4 * THREADS])
def test_busy_connections_keep_no_other_waiting(server: Server, count: int) -> None:
    with busy(server, count) as answered, closing(HTTPConnection(*server.address, timeout=PATIENCE)) as another:
        before = list(answered)
        for _ in range(20):
            ask(another)
        until(lambda: all(now > then for now, then in zip(answered, before, strict=True)))


def test_idle_connections_hold_no_thread(server: Server) -> None:
    with ExitStack() as stack:
        for _ in range(4 * THREADS):
            ask(stack.enter_context(closing(HTTPConnection(*server.address, timeout=PATIENCE))))
        with busy(server, THREADS) as answered:
            until(lambda: min(answered) > 20)


@pytest.mark.parametrize("count", [2, 20])
@pytest.mark.parametrize("first", [HEALTH, UNAUTHORIZED, CHUNKED], ids=["no body", "a body", "chunks"])
def test_requests_that_come_at_once_are_answered_one_after_the_other(server: Server, first: bytes, count: int) -> None:
    with socket.create_connection(server.address, PATIENCE) as connection:
        connection.sendall(count * (first + HEALTH))
        assert list(statuses(connection, 2 * count)) == count * [200 if first == HEALTH else 401, 200]
