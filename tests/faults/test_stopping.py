"""Stopping, reloading and recycling under load: no request fails but those that a killed worker held.

A request has failed if it was answered with 5xx, or if its connection broke after the server had read it: then it is in
the server's log of requests or, a create, among what is stored. A client cannot see this: it takes any connection that
broke before an answer for a failure, and here none may break at all while there is a server. A connection that is
refused is a failure, too, unless the server is stopping. A killed worker held at most one request of each client.
"""

import os
import select
import signal
import socket
import subprocess
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, closing, contextmanager
from http.client import HTTPConnection, HTTPResponse
from pathlib import Path

import pytest

from app.serve import STOP
from tests.exact.planted import plant
from tests.faults.held import held
from tests.faults.keep_alive import CLIENTS, Client, requesting
from tests.profiles import rounds
from tests.server import COMMAND, CUSTOMERS, PATIENCE, Server, children, environment, run, serve, until

OPTIONS = ("--workers", "2", "--limits", "off", "--project", str(CUSTOMERS))

Act = Callable[[Server], object]


def wait_for_answers(clients: Sequence[Client], count: int = 30) -> None:
    """Wait until each client has had some answers more."""
    before = [client.answered for client in clients]
    until(lambda: all(client.answered >= old + count for client, old in zip(clients, before, strict=True)))


def hang_up(server: Server) -> None:
    """Reload, and wait until all workers are new ones."""
    old = server.workers(2)
    server.process.send_signal(signal.SIGHUP)
    server.workers(2, without=old)


def end_worker(number: signal.Signals) -> Act:
    """Return what sends a signal to one worker, and waits until there is another in its place."""

    def act(server: Server) -> None:
        old = server.workers(2)
        os.kill(min(old), number)
        server.workers(2, without=[min(old)])

    return act


def trouble(server: Server, act: Act, times: int) -> list[Client]:
    """Do something to a server again and again while clients send requests to it, and return them."""
    with requesting(server.address, str(server.key)) as clients:
        for _ in range(times):
            wait_for_answers(clients)
            act(server)
        wait_for_answers(clients)
    return clients


def assert_none_failed(clients: Sequence[Client], held: int = 0) -> None:
    assert {each.status for client in clients for each in client.sent} <= {200, 201, None}
    assert max(sum(each.status is None for each in client.sent) for client in clients) <= held
    assert [client.refused for client in clients] == [0] * CLIENTS


@pytest.mark.parametrize(
    ("act", "held"),
    [(hang_up, 0), (end_worker(signal.SIGTERM), 0), (end_worker(signal.SIGKILL), 1)],
    ids=["reloading", "a worker that is told to stop", "a worker that is killed"],
)
def test_no_request_fails_but_what_a_killed_worker_held_during(act: Act, held: int) -> None:
    times = rounds(2, 30)
    with serve(*OPTIONS) as server:
        clients = trouble(server, act, times)
        assert_none_failed(clients, held * times)
        assert server.stop() == 0


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT], ids=["SIGTERM", "SIGINT"])
def test_no_request_fails_when_a_server_stops(tmp_path: Path, number: signal.Signals) -> None:
    """A connection may be refused from then on, or break before the server has read a request."""
    for round_ in range(rounds(1, 20)):
        with serve(*OPTIONS, "--log-requests", "on", folder=folder_of(tmp_path, round_)) as server:
            with requesting(server.address, str(server.key)) as clients:
                wait_for_answers(clients)
                assert server.stop(number) == 0
            statuses = {each.status for client in clients for each in client.sent}
            assert statuses <= {200, 201, None}
            broken = [each.name for client in clients for each in client.sent if each.status is None]
            log = server.errors()
            assert [name for name in broken if f"name={name} " in log] == []
            assert_closed(server)


def assert_closed(server: Server) -> None:
    """Hold the workers to having ended by themselves: the last one that closes the database removes its log."""
    assert server.database.exists()
    assert not Path(f"{server.database}-wal").exists()


def folder_of(parent: Path, number: int) -> Path:
    folder = parent / str(number)
    folder.mkdir()
    return folder


def test_a_request_that_broke_would_be_found_in_the_log() -> None:
    with serve("--limits", "off", "--log-requests", "on", "--project", str(CUSTOMERS)) as server:
        with requesting(server.address, str(server.key)) as clients:
            wait_for_answers(clients, 4)
        names = [each.name for client in clients for each in client.sent]
        until(lambda: all(f"name={name} " in server.errors() for name in names))


# gunicorn of one's own


@contextmanager
def gunicorn(
    folder: Path, *options: str, **variables: str
) -> Iterator[tuple[subprocess.Popen[bytes], tuple[str, int], str]]:
    """Run gunicorn as the README does; give the process, the address and a key."""
    database = str(folder / "struere.db")
    settings = {"STRUERE_WORKERS": "2", "STRUERE_LIMITS": "off", "STRUERE_DATABASE": database, **variables}
    run("types", "apply", str(CUSTOMERS), folder=folder, variables=settings)
    key = run("keys", "create", "--name", "load", folder=folder, variables=settings).stdout.strip()
    with socket.create_server(("127.0.0.1", 0)) as listener:
        command = [COMMAND.parent / "gunicorn", "-c", "python:struere_local.gunicorn_conf", *options]
        address = listener.getsockname()
        with subprocess.Popen(
            [*command, "--bind", f"fd://{listener.fileno()}", "struere_local:create_app()"],
            cwd=folder,
            env=environment(settings),
            pass_fds=[listener.fileno()],
        ) as process:
            try:
                yield process, address, key
            finally:
                process.terminate()
                process.wait(PATIENCE)


@pytest.mark.parametrize(
    "options", [(), ("--max-requests", "40", "--max-requests-jitter", "20")], ids=["reloading", "recycling"]
)
def test_no_request_fails_while_gunicorn_is(tmp_path: Path, options: tuple[str, ...]) -> None:
    with gunicorn(tmp_path, *options) as (process, address, key):
        with requesting(address, key) as clients:
            wait_for_answers(clients, 1)
            first = children(process.pid)
            for _ in range(rounds(1, 20)):
                if not options:
                    process.send_signal(signal.SIGHUP)
                wait_for_answers(clients, 60)
            until(lambda: not children(process.pid) & first)
        assert_none_failed(clients)


# Writes that wait for their turn

LONG = 3.5  # seconds; an answer that no client takes is given up before


@contextmanager
def waiting_write(address: tuple[str, int], key: str) -> Iterator[socket.socket]:
    """Send a create, all but its last byte until the server says that it is at work on it, and leave it there."""
    head = f"POST /v1/data/customer {AUTHORIZED.format(key=key)}Content-Length: 12\r\nExpect: 100-continue\r\n\r\n"
    with socket.create_connection(address, PATIENCE) as connection:
        connection.sendall(head.encode())
        assert connection.recv(len(CONTINUE)) == CONTINUE
        connection.sendall(b'{"data": {}}')
        yield connection


def ask_for_health(process: subprocess.Popen[bytes], address: tuple[str, int]) -> None:
    with closing(HTTPConnection(*address, timeout=PATIENCE)) as connection:
        connection.request("GET", "/health")
        assert connection.getresponse().status == 200


INTERRUPTIONS: dict[str, Callable[[subprocess.Popen[bytes], tuple[str, int]], object]] = {
    "stopping": lambda process, address: process.send_signal(signal.SIGTERM),
    "reloading": lambda process, address: process.send_signal(signal.SIGHUP),
    "recycling": ask_for_health,  # one of two requests that a worker takes, whichever it counts first
}


def interrupt(folder: Path, interruption: str, *options: str) -> int:
    """Interrupt a server while a write waits for another program; return the status of its answer, or 0 for none."""
    with (
        gunicorn(folder, "--workers", "1", "--max-requests", "2", *options) as (process, address, key),
        held(folder / "struere.db") as release,
        waiting_write(address, key) as connection,
    ):
        INTERRUPTIONS[interruption](process, address)
        if select.select([connection], [], [], LONG)[0]:  # cut off
            return 0
        release()
        with HTTPResponse(connection) as response:
            response.begin()
            return response.status


@pytest.mark.parametrize("interruption", INTERRUPTIONS)
def test_a_write_that_waits_for_seconds_is_answered_by_a_server_that_is(tmp_path: Path, interruption: str) -> None:
    assert interrupt(tmp_path, interruption) == 201


# A stop that begins while workers of before a reload are at work

LATE = STOP + 3  # seconds, with what a busy machine needs; a reload that were waited for first would take STOP more


def test_a_stop_takes_seconds_while_a_worker_of_before_a_reload_waits_to_write(tmp_path: Path) -> None:
    with (
        serve("--limits", "off", "--project", str(CUSTOMERS), folder=tmp_path) as server,
        held(server.database),
        waiting_write(server.address, str(server.key)),
    ):
        server.process.send_signal(signal.SIGHUP)
        assert server.told("The settings were read again") == "."
        begun = time.monotonic()
        assert server.stop() == 0
        assert time.monotonic() - begun < LATE


def test_a_gunicorn_of_ones_own_stops_in_time_too_while_a_worker_of_before_waits_to_write(tmp_path: Path) -> None:
    with (
        gunicorn(tmp_path, "--workers", "1") as (process, address, key),
        held(tmp_path / "struere.db"),
        waiting_write(address, key),
    ):
        old = children(process.pid)
        process.send_signal(signal.SIGHUP)
        until(lambda: len(children(process.pid) - old) == 1 and len(children(process.pid)) == 2)
        begun = time.monotonic()
        process.terminate()
        assert process.wait(PATIENCE) == 0
        assert time.monotonic() - begun < LATE


# Clients that would hold up a stop

AUTHORIZED = "HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {key}\r\n"
CONTINUE = b"HTTP/1.1 100 Continue\r\n\r\n"
SLOW = {
    "says nothing": "",
    "stops in a header": "POST /v1/data/cus",
    "stops in a body": f'POST /v1/data/customer {AUTHORIZED}Content-Length: 99\r\n\r\n{{{{"data"',
    "keeps a connection that it was told is closed": f"GET /health {AUTHORIZED}Connection: close\r\n\r\n",
    "keeps a connection": f"GET /health {AUTHORIZED}\r\n",
    "reads no answer": f"GET /v1/data/customer?limit=100 {AUTHORIZED}\r\n",
}


@contextmanager
def slow_clients(server: Server, of_each: int) -> Iterator[None]:
    """Send what slow clients send, and then neither read nor send nor close."""
    with ExitStack() as stack:
        for request in of_each * list(SLOW.values()):
            connection = stack.enter_context(socket.create_connection(server.address, PATIENCE))
            connection.sendall(request.format(key=server.key).encode())
        yield


def test_a_stop_takes_seconds_whatever_clients_do(tmp_path: Path) -> None:
    options = ("--threads", str(4 * len(SLOW)), "--limits", "off", "--project", str(CUSTOMERS))
    with serve(*options, folder=tmp_path) as server:
        for _ in range(60):  # more than fits between two sockets
            server.create({"text": "x" * 200_000})
        with slow_clients(server, of_each=3):
            server.get("/health")  # behind the others, so that they are being served
            begun = time.monotonic()
            assert server.stop() == 0
            took = time.monotonic() - begun
        print(f"stopped within {took:.1f} s")
        assert took < STOP  # when the arbiter would have killed the worker
        assert_closed(server)


# Planted

CUTS_OFF_WHAT_IT_COMPUTES = """
from struere_local import worker
from struere_local.gunicorn_conf import *

worker.is_ready = lambda *_: False
"""


def test_a_planted_worker_that_cuts_off_a_write_that_waits_is_caught(tmp_path: Path) -> None:
    (tmp_path / "planted.py").write_text(CUTS_OFF_WHAT_IT_COMPUTES)
    assert interrupt(tmp_path, "stopping", "--config", "planted.py") == 0


DIES_AT_ONCE = """
import os
from struere_local.worker import Worker

Worker.handle_exit = lambda *_: os._exit(0)
"""


def test_a_planted_worker_that_dies_at_once_when_told_to_stop_is_caught(tmp_path: Path) -> None:
    with serve(*OPTIONS, command=plant(tmp_path, DIES_AT_ONCE)) as server:
        clients = trouble(server, end_worker(signal.SIGTERM), 3)
        with pytest.raises(AssertionError):
            assert_none_failed(clients)
