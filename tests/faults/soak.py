"""Hours of mixed work against a real server, whose memory, files and write-ahead log must stay as they are.

make soak is an hour; python -m tests.faults.soak --seconds 300 is five minutes.
"""

import json
import sys
import threading
import time
from collections import Counter, deque
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass, field
from http.client import HTTPConnection, HTTPException
from pathlib import Path
from random import Random
from statistics import quantiles
from typing import Any, NamedTuple

import click

from tests.faults.processes import memory, open_files
from tests.server import COMMAND, CUSTOMERS, PATIENCE, Server, serve

CLIENTS = 8
WORKERS = 2
ENTITIES = 4_000  # live ones, of a kilobyte each: more than SQLite's caches hold, so that these are full at the start
TEXT = "lorem ipsum dolor sit amet " * 32
PATH = "/v1/data/customer"

LOOKS = 5  # at the open files, of which the least counts

# What has to hold after the warm-up.
MEMORY_GROWTH = 1.10
WAL_BYTES = 64 * 2**20


class Sample(NamedTuple):
    """What a look at the server's processes and files tells; memory is that of each worker."""

    seconds: float
    memory: tuple[int, ...]
    files: int
    wal: int


@dataclass
class Work:
    """What the clients have done, and what they go on with."""

    chance: Random
    statuses: Counter[str] = field(default_factory=Counter)
    times: deque[float] = field(default_factory=lambda: deque(maxlen=100_000))
    ids: list[str] = field(default_factory=list)
    lock: threading.Lock = field(default_factory=threading.Lock)
    stop: threading.Event = field(default_factory=threading.Event)

    def next(self) -> tuple[str, str, Any]:
        """Return the next request: half of them read one entity, and as many are created as deleted."""
        with self.lock:
            kind = self.chance.choices(
                ["get", "patch", "create", "delete", "list", "query", "search"], [50, 12, 8, 8, 8, 7, 7]
            )
            number = self.chance.randrange(10**6)
            few = len(self.ids) < ENTITIES
            if kind == ["create"] or (kind == ["delete"] and few):
                return "POST", PATH, {"data": entity(number)}
            if kind == ["delete"]:
                return "DELETE", f"{PATH}/{self.ids.pop(number % len(self.ids))}", None
            one = f"{PATH}/{self.ids[number % len(self.ids)]}"
        return {
            "get": ("GET", one, None),
            "patch": ("PATCH", one, {"data": {"age": number % 100}}),
            "list": ("GET", f"{PATH}?limit=20", None),
            "query": ("POST", f"{PATH}/query", {"filters": {"age": number % 100}, "limit": 20}),
            "search": ("POST", f"{PATH}/search", {"query": f"name{number % 1000}"}),
        }[kind[0]]


def entity(number: int) -> dict[str, Any]:
    return {"name": f"name{number % 1000} lorem", "age": number % 100, "text": TEXT}


def client(server: Server, work: Work, start: float, pace: float) -> None:
    """Send requests at a pace, in seconds from one to the next, on one connection."""
    headers = {"Authorization": f"Bearer {server.key}"}
    connection = HTTPConnection(*server.address, timeout=PATIENCE)
    due = start
    while not work.stop.wait(max(0.0, due - time.monotonic())):
        due += pace
        method, path, body = work.next()
        begun = time.monotonic()
        try:
            connection.request(method, path, None if body is None else json.dumps(body), headers)
            response = connection.getresponse()
            answer = json.loads(response.read())
            status = str(response.status)
        except (OSError, HTTPException) as error:
            connection.close()
            status = type(error).__name__
        work.times.append(time.monotonic() - begun)
        with work.lock:
            work.statuses[status] += 1
            if status == "201":
                work.ids.append(answer["id"])
    connection.close()


def watch(server: Server, seconds: float, every: float) -> Iterator[Sample]:
    """Yield a sample now and then, for a number of seconds."""
    start = time.monotonic()
    wal = server.database.with_name(server.database.name + "-wal")
    pids = server.workers(WORKERS)
    for number in range(1, int(seconds / every) + 1):
        time.sleep(max(0.0, start + number * every - time.monotonic()))
        yield Sample(
            time.monotonic() - start,
            tuple(memory(pid) for pid in pids),
            # A write has the file of the queue open for a moment.
            min(sum(open_files(pid) for pid in (server.process.pid, *pids)) for _ in range(LOOKS)),
            wal.stat().st_size,
        )


def fill(server: Server, work: Work) -> None:
    """Create the entities that the work begins with."""
    with ThreadPoolExecutor(CLIENTS) as pool:
        work.ids += [each["id"] for each in pool.map(server.create, map(entity, range(ENTITIES)))]


def soak(
    seconds: float, rate: float, warm_up: float, every: float, seed: int, command: Path = COMMAND
) -> tuple[list[Sample], Work]:
    """Work for a number of seconds at a rate a second; return the samples after the warm-up, and what was done."""
    work = Work(Random(seed))
    with ExitStack() as stack:
        options = ("--limits", "off", "--workers", str(WORKERS), "--project", str(CUSTOMERS))
        server = stack.enter_context(serve(*options, command=command))
        fill(server, work)
        pool = stack.enter_context(ThreadPoolExecutor(CLIENTS))
        stack.callback(work.stop.set)
        start = time.monotonic()
        done = [pool.submit(client, server, work, start + n / rate, CLIENTS / rate) for n in range(CLIENTS)]
        samples = []
        for sample in watch(server, warm_up + seconds, every):
            click.echo(told(sample, work), err=True)
            if sample.seconds >= warm_up:
                samples.append(sample)
        work.stop.set()
        for each in done:
            each.result()
    return samples, work


def told(sample: Sample, work: Work) -> str:
    """Return a line about how it goes."""
    times = quantiles(list(work.times)[-1_000:], n=100) if len(work.times) > 1 else [0.0] * 99
    megabytes = " + ".join(f"{each / 2**20:.1f}" for each in sample.memory)
    return (
        f"{sample.seconds:6.0f} s  {sum(work.statuses.values()):7d} requests  {megabytes} MiB  {sample.files} files  "
        f"WAL {sample.wal / 2**20:.1f} MiB  median {times[49] * 1000:.1f} ms  99 % {times[98] * 1000:.1f} ms"
    )


def findings(samples: list[Sample], work: Work) -> list[tuple[str, str, str, bool]]:
    """Return a row for each thing that has to hold: what, its bound, what was measured, and whether it holds."""
    growth = max(max(column) / column[0] for column in zip(*(each.memory for each in samples), strict=True))
    files = {each.files for each in samples}
    wal = max(each.wal for each in samples)
    wrong = {status: count for status, count in work.statuses.items() if not status.startswith(("2", "4"))}
    return [
        ("memory of a worker", f"at most {MEMORY_GROWTH:.2f} times", f"{growth:.2f} times", growth <= MEMORY_GROWTH),
        ("write-ahead log", f"below {WAL_BYTES / 2**20:.0f} MiB", f"{wal / 2**20:.1f} MiB", wal < WAL_BYTES),
        ("open files", "constant", f"{min(files)} to {max(files)}", len(files) == 1),
        ("failed requests", "none", f"{wrong or 0} of {sum(work.statuses.values())}", not wrong),
    ]


@click.command()
@click.option("--seconds", default=3_600.0, show_default=True, help="How long, after the warm-up.")
@click.option("--rate", default=100.0, show_default=True, help="Requests a second.")
@click.option("--warm-up", default=60.0, show_default=True, help="Seconds before it counts.")
@click.option("--every", default=10.0, show_default=True, help="Seconds between two looks.")
@click.option("--seed", type=int, default=lambda: time.time_ns() % 10**6, help="Of the random work.")
def main(seconds: float, rate: float, warm_up: float, every: float, seed: int) -> None:
    """Soak a server with mixed work, and tell whether it stays as it is."""
    click.echo(
        f"{seconds:.0f} s at {rate:.0f} requests a second after {warm_up:.0f} s of warm-up; seed {seed}", err=True
    )
    samples, work = soak(seconds, rate, warm_up, every, seed)
    rows = findings(samples, work)
    for what, bound, measured, holds in rows:
        click.echo(f"{what:<20} {bound:<20} {measured:<28} {'holds' if holds else 'BROKEN'}")
    click.echo("Answers: " + ", ".join(f"{count} {status}" for status, count in sorted(work.statuses.items())))
    sys.exit(not all(holds for *_, holds in rows))


if __name__ == "__main__":
    main()
