"""64 clients that write without a pause to four workers: each is served, and none waits much longer than the others."""

import json
import threading
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from http.client import HTTPConnection
from pathlib import Path
from statistics import median, quantiles
from typing import NamedTuple

from tests.exact.planted import plant
from tests.profiles import rounds
from tests.server import CUSTOMERS, PATIENCE, Server, serve

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


def test_a_planted_busy_timeout_of_0_is_caught(tmp_path: Path) -> None:
    with serve(*OPTIONS, folder=tmp_path, variables={"STRUERE_BUSY_TIMEOUT": "0"}) as server:
        load = write_in_parallel(server, 1)
    assert max(load.statuses) >= 500


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
