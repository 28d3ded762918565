"""However large a request or what it asks for, it costs a bounded piece of memory and of time."""

import json
import socket
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing, contextmanager
from http.client import HTTPResponse
from pathlib import Path
from typing import Any

import pytest
import requests

from app.config import load
from app.parts import assemble
from app.storage.documents import Document
from app.storage.organizations import Environment, ensure_organization
from app.storage.outside import Outside
from app.storage.transfer import Record, Transfer
from tests.exact.planted import plant
from tests.faults.processes import forget_peak, memory, peak
from tests.server import COMMAND, CUSTOMERS, PATIENCE, Server, serve

MEGABYTE = 10**6
OPTIONS = ("--limits", "off", "--project", str(CUSTOMERS))
PATH = "/v1/data/customer"

pytestmark = pytest.mark.skipif(not Path("/proc/self/clear_refs").exists(), reason="only Linux tells peaks of memory")


@pytest.fixture(scope="module")
def server() -> Iterator[Server]:
    with serve(*OPTIONS) as server:
        yield server


def store(server: Server, count: int, data: dict[str, Any]) -> None:
    """Store customers with the same data, past the API."""
    parts = assemble(load({"DATABASE": server.database}), Outside())
    with closing(parts.database):
        environment = Environment(ensure_organization(parts.database, parts.outside, "local"), "development")
        document = Document.of(data, parts.limits)
        Transfer(parts.database, parts.outside, environment).import_(Record("customer", document) for _ in range(count))


# Bodies

SIZE = 100 * MEGABYTE
PART = b"x" * 62_500


def with_length(connection: socket.socket, head: bytes) -> None:
    connection.sendall(head + b"Content-Length: %d\r\n\r\n" % SIZE)
    for _ in range(SIZE // len(PART)):
        connection.sendall(PART)


def in_chunks(connection: socket.socket, head: bytes) -> None:
    connection.sendall(head + b"Transfer-Encoding: chunked\r\n\r\n")
    for _ in range(SIZE // len(PART)):
        connection.sendall(b"%x\r\n%s\r\n" % (len(PART), PART))
    connection.sendall(b"0\r\n\r\n")


def in_one_chunk(connection: socket.socket, head: bytes) -> None:
    connection.sendall(head + b"Transfer-Encoding: chunked\r\n\r\n%x\r\n" % SIZE)
    for _ in range(SIZE // len(PART)):
        connection.sendall(PART)
    connection.sendall(b"\r\n0\r\n\r\n")


Send = Callable[[socket.socket, bytes], None]
WAYS: dict[str, Send] = {"with its length": with_length, "in chunks": in_chunks, "in one chunk": in_one_chunk}


def answer(server: Server, send: Send, key: str | None) -> tuple[int, bytes]:
    """Send all of a body before reading anything, as most clients do; return the status and the body of the answer."""
    head = f"POST {PATH} HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {key}\r\n".encode()
    with socket.create_connection(server.address, PATIENCE) as connection:
        send(connection, head)
        with HTTPResponse(connection) as response:
            response.begin()
            return response.status, response.read()


def refuse_a_large_body(server: Server, send: Send, key: str | None) -> tuple[int, bytes]:
    """Hold the answer to arriving, and the worker to 10 MB of memory more."""
    server.create({})  # what every worker loads once
    (worker,) = server.workers(1)
    before = memory(worker)
    forget_peak(worker)
    refused = answer(server, send, key)
    assert peak(worker) - before <= 10 * MEGABYTE
    assert server.get("/health")["status"] == "ok"
    return refused


@pytest.mark.parametrize("send", WAYS.values(), ids=WAYS)
def test_a_body_of_100_megabytes_is_refused_in_10_and_the_client_reads_why(send: Send) -> None:
    with serve(*OPTIONS) as fresh:
        status, body = refuse_a_large_body(fresh, send, fresh.key)
        assert (status, body) == (413, b'{"error":"The request body must not be larger than 8388608 bytes"}\n')


@pytest.mark.parametrize("send", WAYS.values(), ids=WAYS)
def test_so_is_one_without_a_key(server: Server, send: Send) -> None:
    assert refuse_a_large_body(server, send, "none")[0] == 401


READ_TO_THE_END = """
from struere_local.api import bodies, schemas
schemas.read_body = lambda environ, most: environ['wsgi.input'].read() and bodies.read_body(environ, most)
"""
CLOSE_AT_ONCE = """
from struere_local import worker
worker.linger = lambda connection: connection.close()
"""


@pytest.mark.parametrize(
    ("bug", "error"), [(READ_TO_THE_END, AssertionError), (CLOSE_AT_ONCE, OSError)], ids=["reads all", "hangs up"]
)
def test_a_server_that_does_otherwise_is_caught(tmp_path: Path, bug: str, error: type[Exception]) -> None:
    with serve(*OPTIONS, command=plant(tmp_path, bug)) as planted, pytest.raises(error):
        refuse_a_large_body(planted, in_chunks, planted.key)


DEEP = {
    "arrays": b"[" * 10**7,
    "objects": b'{"a":' * (2 * 10**6),
    "arrays that end": b"[" * (5 * 10**6) + b"]" * (5 * 10**6),
    "arrays in data": b'{"data": ' + b"[" * 10**7,
}


@pytest.fixture(scope="module")
def roomy() -> Iterator[Server]:
    with serve(*OPTIONS, variables={"STRUERE_MAX_BODY_BYTES": str(2**24)}) as server:
        yield server


@pytest.mark.parametrize("body", DEEP.values(), ids=DEEP)
def test_10_megabytes_of_nesting_are_refused_in_a_fifth_of_a_second(roomy: Server, body: bytes) -> None:
    """The fastest of five, as a busy machine may slow down one."""
    took: list[float] = []
    while not took or min(took) > 0.2:
        assert len(took) < 5, took
        started = time.monotonic()
        response = roomy.request("POST", PATH, data=body)
        took.append(time.monotonic() - started)
        assert (response.status_code, response.json()) == (
            400,
            {"error": "JSON must not be nested deeper than 240 levels"},
        )


# Pages

MEBIBYTE = 2**20
PAGE = 8 * MEBIBYTE
ENTITIES = 100
LARGE = {"name": "Jane", "text": "x" * (MEBIBYTE - len('{"name":"Jane","text":""}'))}


@contextmanager
def full(command: Path = COMMAND) -> Iterator[Server]:
    """Run a server with a hundred entities of a mebibyte each, beside those of the example."""
    with serve(*OPTIONS, command=command) as server:
        store(server, ENTITIES, LARGE)
        yield server


@pytest.fixture(scope="module")
def large() -> Iterator[Server]:
    with full() as server:
        yield server


PAGES: dict[str, Callable[[str | None], dict[str, Any]]] = {
    "list": lambda cursor: {"method": "GET", "path": f"{PATH}?limit=100&cursor={cursor or ''}"},
    "query": lambda cursor: {"method": "POST", "path": f"{PATH}/query", "json": {"limit": 100, "cursor": cursor}},
}
by_route = pytest.mark.parametrize("route", PAGES)


def octets(page: dict[str, Any]) -> int:
    """Return the bytes of the data on a page, in which every character is one."""
    return sum(len(json.dumps(entity["data"], separators=(",", ":"))) for entity in page["data"])


def walk(server: Server, route: str) -> list[dict[str, Any]]:
    """Return every page, each of which takes a bounded piece of memory."""
    pages: list[dict[str, Any]] = []
    (worker,) = server.workers(1)
    while not pages or pages[-1]["hasMore"]:
        before = memory(worker)
        forget_peak(worker)
        pages.append(server.request(**PAGES[route](pages[-1]["cursor"] if pages else None)).json())
        # The rows, the answer made of them, and half as much again for an answer that grows.
        assert peak(worker) - before <= 3.5 * PAGE
    return pages


@by_route
def test_a_page_ends_where_its_data_would_be_more_than_8_mebibytes(large: Server, route: str) -> None:
    first, *others = walk(large, route)
    assert [len(first["data"]), octets(first) <= PAGE] == [5 + 7, True]
    assert [len(page["data"]) for page in others] == [8] * 11 + [5]
    assert [octets(page) for page in others] == [PAGE] * 11 + [5 * MEBIBYTE]
    assert [page["cursor"] for page in (first, *others[:-1])] == [
        page["data"][-1]["id"] for page in (first, *others[:-1])
    ]
    assert others[-1]["cursor"] is None
    assert len({entity["id"] for page in (first, *others) for entity in page["data"]}) == 5 + ENTITIES


def test_a_search_leaves_out_the_last_of_what_it_found(large: Server) -> None:
    (worker,) = large.workers(1)
    before = memory(worker)
    forget_peak(worker)
    found = large.request("POST", f"{PATH}/search", json={"query": "jane", "limit": 100}).json()
    assert peak(worker) - before <= 3.5 * PAGE
    assert [len(found["data"]), octets(found) <= PAGE] == [8, True]
    assert (found["cursor"], found["hasMore"]) == (None, False)


READ_ALL_ROWS = """
from struere_local.storage.repository import EntityRepository
bounded = EntityRepository._bounded
EntityRepository._bounded = lambda self, rows, limit: bounded(self, list(rows), limit)
"""


@by_route
def test_a_server_that_reads_all_rows_at_once_is_caught(tmp_path: Path, route: str) -> None:
    with full(plant(tmp_path, READ_ALL_ROWS)) as planted, pytest.raises(AssertionError, match="peak"):
        walk(planted, route)


# Time

TIMEOUT = 0.3  # seconds
ROWS = 20_000
SLOW: dict[str, tuple[str, dict[str, Any]]] = {
    "a query of many conditions": ("query", {"filters": {f"field{n}": {"$ne": n} for n in range(1_000)} | {"x": 1}}),
    "a search for many words": ("search", {"query": " ".join(f"w{n} v{n}" for n in range(100_000))}),
}
by_slowness = pytest.mark.parametrize(("route", "body"), SLOW.values(), ids=SLOW)
TOO_SLOW = {"error": "This would take longer than 300 milliseconds; use fewer words, fewer filters or a smaller limit"}


@contextmanager
def hurried(milliseconds: int = 300, command: Path = COMMAND) -> Iterator[Server]:
    """Run a server of one thread with many entities, and a time in which not all can be looked at."""
    variables = {"STRUERE_STATEMENT_TIMEOUT": str(milliseconds), "STRUERE_THREADS": "1"}
    with serve(*OPTIONS, variables=variables, command=command) as server:
        store(server, ROWS, {"name": "Jane " + " ".join(f"w{n}" for n in range(20))})
        yield server


@pytest.fixture(scope="module")
def busy() -> Iterator[Server]:
    with hurried() as server:
        yield server


def interrupt(server: Server, route: str, body: dict[str, Any]) -> None:
    """Hold an answer to coming in time, the best of three, and to telling what happened."""
    took: list[float] = []
    while not took or min(took) > TIMEOUT + 0.7:
        assert len(took) < 3, took
        started = time.monotonic()
        response = server.request("POST", f"{PATH}/{route}", json=body)
        took.append(time.monotonic() - started)
        assert (response.status_code, response.json()) == (400, TOO_SLOW)


@by_slowness
def test_what_takes_too_long_is_ended_and_answered(busy: Server, route: str, body: dict[str, Any]) -> None:
    interrupt(busy, route, body)


def test_the_thread_goes_on_reading_and_writing(busy: Server) -> None:
    interrupt(busy, *SLOW["a query of many conditions"])
    created = busy.create({"name": "Joan"})
    found = busy.request("POST", f"{PATH}/search", json={"query": "joan"}).json()
    assert found["data"] == [created]


def test_writes_are_not_hurried(tmp_path: Path) -> None:
    with hurried(1) as server:
        assert server.request("POST", f"{PATH}/query", json=SLOW["a query of many conditions"][1]).status_code == 400
        large = "\n".join(f"word{n}" for n in range(80_000))
        created = server.create({"name": large})
        assert server.request("PATCH", f"{PATH}/{created['id']}", json={"data": {"plan": "pro"}}).status_code == 200
        assert server.request("DELETE", f"{PATH}/{created['id']}").status_code == 200


NEVER_LOOK = """
from struere_local.storage import bounds
bounds.STEPS = 2**31 - 1
"""


def test_a_server_that_does_not_look_at_the_clock_is_caught(tmp_path: Path) -> None:
    with hurried(command=plant(tmp_path, NEVER_LOOK)) as planted, pytest.raises(AssertionError):
        interrupt(planted, *SLOW["a query of many conditions"])


# Slow clients

SLOW_CLIENTS = 12  # of 8 threads, the default


def test_clients_that_dribble_keep_the_threads_from_others_until_they_are_done(server: Server) -> None:
    """As the README says, which is why a proxy belongs before it."""
    head = (
        f"POST {PATH} HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {server.key}\r\nContent-Length: 12\r\n\r\n"
    )
    with ExitStack() as stack:
        clients = [stack.enter_context(socket.create_connection(server.address)) for _ in range(SLOW_CLIENTS)]
        for client in clients:
            client.sendall(head.encode() + b'{"data"')
        with pytest.raises(requests.Timeout):
            requests.get(f"{server.url}/health", timeout=1)
        for client in clients:
            client.sendall(b": {}}")
        assert server.get("/health")["status"] == "ok"
