"""A thread stays with a connection as long as no other connection needs it."""

import socket
from collections.abc import Iterator
from contextlib import ExitStack, closing, contextmanager
from http.client import HTTPConnection, parse_headers

import pytest

from tests.faults.keep_alive import Client, requesting
from tests.faults.processes import switches
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
    with serve("--workers", "1", "--threads", str(THREADS), "--limits", "off", "--project", str(CUSTOMERS)) as server:
        yield server


@contextmanager
def busy(server: Server, count: int) -> Iterator[list[Client]]:
    """Let clients send requests without a pause, each on a connection of its own, once all have had an answer."""
    with requesting(server.address, str(server.key), count) as clients:
        until(lambda: all(client.answered for client in clients))
        yield clients
    assert {each.status for client in clients for each in client.sent} == {200, 201}


def ask(connection: HTTPConnection) -> None:
    connection.request("GET", "/health")
    with connection.getresponse() as response:
        assert response.status == 200
        response.read()


def statuses(connection: socket.socket, count: int) -> Iterator[int]:
    """Yield the statuses of answers that come one after the other."""
    with connection.makefile("rb") as answers:
        for _ in range(count):
            yield int(answers.readline().split()[1])
            answers.read(int(parse_headers(answers)["Content-Length"]))


def test_a_connection_is_not_handed_over_for_each_request(server: Server) -> None:
    with closing(HTTPConnection(*server.address, timeout=PATIENCE)) as connection:
        ask(connection)
        [worker] = server.workers(1)
        before = switches(worker)
        for _ in range(MANY):
            ask(connection)
        assert switches(worker) - before < MANY / 2


@pytest.mark.parametrize("count", [THREADS - 1, THREADS, THREADS + 1, 4 * THREADS])
def test_busy_connections_keep_no_other_waiting(server: Server, count: int) -> None:
    with busy(server, count) as clients, closing(HTTPConnection(*server.address, timeout=PATIENCE)) as another:
        before = [client.answered for client in clients]
        for _ in range(20):
            ask(another)
        until(lambda: all(client.answered > then for client, then in zip(clients, before, strict=True)))


def test_idle_connections_hold_no_thread(server: Server) -> None:
    with ExitStack() as stack:
        for _ in range(4 * THREADS):
            ask(stack.enter_context(closing(HTTPConnection(*server.address, timeout=PATIENCE))))
        with busy(server, THREADS) as clients:
            until(lambda: min(client.answered for client in clients) > 20)


@pytest.mark.parametrize("count", [2, 20])
@pytest.mark.parametrize("first", [HEALTH, UNAUTHORIZED, CHUNKED], ids=["no body", "a body", "chunks"])
def test_requests_that_come_at_once_are_answered_one_after_the_other(server: Server, first: bytes, count: int) -> None:
    with socket.create_connection(server.address, PATIENCE) as connection:
        connection.sendall(count * (first + HEALTH))
        assert list(statuses(connection, 2 * count)) == count * [200 if first == HEALTH else 401, 200]
