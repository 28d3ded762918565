"""64 clients that write without a pause to four workers: each is served, and none waits much longer than the others."""

import json
import signal
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager
from http.client import HTTPConnection
from pathlib import Path
from statistics import median, quantiles
from typing import NamedTuple

import pytest

from tests.exact.planted import plant
from tests.profiles import rounds
from tests.server import CUSTOMERS, PATIENCE, Server, run, serve, until

WRITERS = 64
OPTIONS = ("--workers", "4", "--threads", "16", "--limits", "off", "--project", str(CUSTOMERS))
MOST = 8  # times the median that the slowest hundredth may take


class Load(NamedTuple):
    """How often each status was answered, and how long each answer took in seconds."""

    statuses: Counter[int]
    took: list[float]

    def slowest_hundredth(self) -> float:
        """Return the 99th percentile, as a multiple of the median."""
        p50, p99 = median(self.took), quantiles(self.took, n=100)[-1]
        print(f"{len(self.took)} writes: p50 {p50:.3f} s, p99 {p99:.3f} s, longest {max(self.took):.3f} s")
        return p99 / p50


def write_in_parallel(server: Server, seconds: float) -> Load:
    """Create entities on a connection for each writer, and each the next as soon as one is answered."""
    load, together = Load(Counter(), []), threading.Barrier(WRITERS)
    headers = {"Authorization": f"Bearer {server.key}"}

    def write(number: int) -> None:
        with closing(HTTPConnection(*server.address, timeout=PATIENCE)) as connection:
            connection.connect()
            together.wait(PATIENCE)
            end = time.monotonic() + seconds
            while (begun := time.monotonic()) < end:
                connection.request("POST", "/v1/data/customer", json.dumps({"data": {"writer": number}}), headers)
                response = connection.getresponse()
                response.read()
                load.took.append(time.monotonic() - begun)
                load.statuses[response.status] += 1

    with ThreadPoolExecutor(WRITERS) as threads:
        list(threads.map(write, range(WRITERS)))
    return load


def test_64_parallel_writers_are_all_served_and_the_slowest_hundredth_within_8_times_the_median(tmp_path: Path) -> None:
    with serve(*OPTIONS, folder=tmp_path) as server:
        load = write_in_parallel(server, rounds(4, 60))
    assert set(load.statuses) == {201}
    assert load.slowest_hundredth() <= MOST


WAITS_NOT_AT_ALL = "import struere_local.storage.group_commit as group_commit; group_commit.LEAST_PATIENCE = 0"


def test_a_planted_busy_timeout_of_0_is_caught(tmp_path: Path) -> None:
    command, variables = plant(tmp_path, WAITS_NOT_AT_ALL), {"STRUERE_BUSY_TIMEOUT": "0"}
    with serve(*OPTIONS, folder=tmp_path, variables=variables, command=command) as server:
        load = write_in_parallel(server, 1)
    assert max(load.statuses) >= 500


IMPATIENT = {"STRUERE_BUSY_TIMEOUT": "500"}  # milliseconds
WAITS_WITH_THE_TURN = """
import fcntl, os, sys
path = sys.argv[1]
while True:
    file = open(path, "a")
    fcntl.flock(file, fcntl.LOCK_EX)
    if os.path.exists(path) and os.path.samestat(os.stat(path), os.fstat(file.fileno())):
        break  # a worker that starts removes the file where nobody is in it
print(flush=True)
sys.stdin.read()  # until the end of who started it
"""


@contextmanager
def stopped_with_the_turn(server: Server) -> Iterator[None]:
    """Let a process be stopped whose turn it is to write; at the end it is continued, and gives its turn back."""
    program = [sys.executable, "-c", WAITS_WITH_THE_TURN, f"{server.database}-queue"]
    with subprocess.Popen(program, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        assert process.stdout.readline()
        process.send_signal(signal.SIGSTOP)
        try:
            yield
        finally:
            process.terminate()
            process.send_signal(signal.SIGCONT)


@pytest.mark.parametrize("workers", ["1", "2"])
def test_behind_a_stopped_process_writes_fail_in_time_reads_go_on_and_afterwards_so_do_writes(
    tmp_path: Path, workers: str
) -> None:
    options = ("--workers", workers, "--threads", "16", "--limits", "off", "--project", str(CUSTOMERS))
    with serve(*options, folder=tmp_path, variables=IMPATIENT) as server:
        before = server.create({"name": "before"})

        def write(number: int) -> tuple[int, str, float]:
            begun = time.monotonic()
            response = server.request("POST", "/v1/data/customer", json={"data": {"name": f"late {number}"}})
            return response.status_code, response.json()["error"], time.monotonic() - begun

        with ThreadPoolExecutor(8) as threads, stopped_with_the_turn(server):
            for _ in range(2):
                answers = threads.map(write, range(8))
                assert server.get(f"/v1/data/customer/{before['id']}") == before
                for status, sentence, took in answers:
                    assert (status, sentence) == (500, "Storage is busy; try again")
                    assert 0.5 <= took < 2
            command = run("keys", "create", "--name", "late", folder=tmp_path, variables=IMPATIENT)
            assert command.returncode == 1
            assert "is locked by another program; try again" in command.stderr
        after = until(lambda: server.request("POST", "/v1/data/customer", json={"data": {"name": "after"}}).json())
        names = [entity["data"]["name"] for entity in server.get("/v1/data/customer?limit=100")["data"]]
        assert (after["data"]["name"], names[-2:]) == ("after", ["before", "after"])
        assert server.stop() == 0


FORGETS_ONE_IN_THIRTY_FOR_A_WHILE = """
import itertools
import time
from struere_local.storage import writer_queue

begin, writers = writer_queue.begin, itertools.count(1)

def begin_late(*arguments):
    if next(writers) % 30 == 0:
        time.sleep(4)
    begin(*arguments)

writer_queue.begin = begin_late
"""


def test_a_planted_queue_that_forgets_some_for_a_while_is_caught(tmp_path: Path) -> None:
    command = plant(tmp_path, FORGETS_ONE_IN_THIRTY_FOR_A_WHILE)
    with serve(*OPTIONS, folder=tmp_path, command=command) as server:
        load = write_in_parallel(server, 1)
    assert load.slowest_hundredth() > MOST
