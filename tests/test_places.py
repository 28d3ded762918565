"""Worker processes share the connections evenly, and each keeps to a CPU where there is one for each."""

import os
import signal
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, closing
from http.client import HTTPConnection

import pytest

from tests.faults.processes import open_files
from tests.server import PATIENCE, Server, serve, until

EACH = 20  # connections of a worker
CPUS = sorted(os.sched_getaffinity(0))
WORKERS = max(2, len(CPUS))


@pytest.fixture(scope="module")
def server() -> Iterator[Server]:
    with serve("--workers", str(WORKERS)) as server:
        yield server


def connect(server: Server) -> HTTPConnection:
    """Return a connection that is kept open after an answer."""
    connection = HTTPConnection(*server.address, timeout=PATIENCE)
    connection.request("GET", "/health")
    connection.getresponse().read()
    return connection


def shares(server: Server, pids: Sequence[int]) -> list[int]:
    """Return how many connections each worker has of those that are opened one after another and kept."""
    before = [open_files(pid) for pid in pids]
    with ExitStack() as stack:
        for _ in range(EACH * len(pids)):
            stack.enter_context(closing(connect(server)))
        return [open_files(pid) - number for pid, number in zip(pids, before, strict=True)]


def settled(server: Server, pids: Sequence[int]) -> None:
    """Wait until the workers have opened whatever they do on first use, and no connection is left."""
    for _ in range(EACH * len(pids)):
        server.request("GET", "/health")
    until(lambda: len({open_files(pid) for pid in pids}) == 1)


def test_connections_are_shared_evenly(server: Server) -> None:
    pids = server.workers(WORKERS)
    settled(server, pids)
    assert min(shares(server, pids)) >= EACH // 2


def test_a_worker_after_a_killed_one_takes_its_share(server: Server) -> None:
    killed, *_ = server.workers(WORKERS)
    os.kill(killed, signal.SIGKILL)
    pids = server.workers(WORKERS, without=[killed])
    settled(server, pids)
    assert min(shares(server, pids)) >= EACH // 2


@pytest.mark.skipif(len(CPUS) < 2, reason="one CPU is everyone's")
def test_each_of_as_many_workers_as_cpus_keeps_to_one(server: Server) -> None:
    assert sorted(cpu for pid in server.workers(WORKERS) for cpu in os.sched_getaffinity(pid)) == CPUS


@pytest.mark.skipif(len(CPUS) < 2, reason="one CPU is everyone's")
def test_each_keeps_to_one_of_its_own_after_a_reload_and_a_kill(server: Server) -> None:
    before = server.workers(WORKERS)
    server.process.send_signal(signal.SIGHUP)
    after = server.workers(WORKERS, without=before)
    killed = next(pid for pid in after if os.sched_getaffinity(pid) == {CPUS[-1]})
    os.kill(killed, signal.SIGKILL)
    pids = server.workers(WORKERS, without=[*before, killed])
    until(lambda: sorted(cpu for pid in pids for cpu in os.sched_getaffinity(pid)) == CPUS)


@pytest.mark.skipif(len(CPUS) < 2, reason="one CPU is everyone's")
def test_a_single_worker_goes_where_there_is_room() -> None:
    with serve() as server:
        assert [sorted(os.sched_getaffinity(pid)) for pid in server.workers(1)] == [CPUS]
