"""A contender: a server of its own process on loopback that does tasks by HTTP, is checked, and is measured."""

import http.client
import json
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from itertools import cycle, islice
from pathlib import Path
from time import monotonic
from typing import Any, NamedTuple

from benchmarks.expected import CHECKED
from benchmarks.load import TIMEOUT, Request, Shape, load, write_requests
from benchmarks.process import Process, free_port
from benchmarks.tasks import Operation, Task, tasks_of

STEP = 331  # by how many requests the rounds begin apart; a prime, so that they go through them all
SHOWN = 2_000  # characters of a wrong answer
WARM_UP = (50, 0.5)  # requests and seconds at most


class Measure(NamedTuple):
    """What a round found: requests a second, latency in microseconds, CPU microseconds a request, resident bytes."""

    rate: float
    requests: int
    p50: float
    p99: float
    cpu: float
    memory: int


class Contender(ABC):
    """What can be checked and measured on an operation; `size` is of how many entities its tasks are."""

    name: str
    size: int

    @abstractmethod
    def prepare(self, operation: Operation) -> bool:
        """Make ready for an operation and check the answers; False for one that it cannot do."""

    @abstractmethod
    def measure(self, operation: Operation, seconds: int, number: int) -> Measure:
        """Measure a round of an operation, which has its number."""

    @abstractmethod
    def close(self) -> None:
        """End what runs."""


class Server(Contender):
    """A contender that is a process and answers HTTP."""

    alive = "/"  # a path that is answered as soon as the server is there
    headers: Mapping[str, str] = {}

    def __init__(self, name: str, size: int, folder: Path, cpus: Mapping[str, set[int]]) -> None:
        """Make its folder; `cpus` are those of "server" and of "wrk"."""
        self.name, self.size, self.cpus = name, size, cpus
        self.folder = folder / f"{name}-{size}".replace(" ", "-")
        self.folder.mkdir(parents=True, exist_ok=True)
        self.port = free_port()
        self.process: Process | None = None

    @abstractmethod
    def command(self) -> Sequence[str]:
        """Return the command that serves on the port, in the folder."""

    @abstractmethod
    def request(self, task: Task) -> Request | None:
        """Return how this server does a task, or None where it cannot."""

    @abstractmethod
    def shape(self, operation: Operation) -> Shape:
        """Return what every answer to an operation must have."""

    @abstractmethod
    def check(self, operation: Operation, task: Task, number: int, status: int, body: Any) -> bool:
        """Tell whether an answer is right; the number is the task's among the operation's."""

    def variables(self) -> Mapping[str, str]:
        """Return the environment variables that its process has besides."""
        return {}

    def start(self) -> float:
        """Start the process; return the seconds from the command to the first answer."""
        self.process = Process(self.command(), self.folder, self.cpus["server"], self.variables())
        return self.process.first_answer(self.port, self.alive, self.headers)

    def prepare(self, operation: Operation) -> bool:
        """Write the requests to a file, check the first answers, and warm up."""
        tasks = tasks_of(operation, self.size)
        requests = [request for task in tasks if (request := self.request(task))]
        if len(requests) < len(tasks):
            return False
        write_requests(self._file(operation), requests)
        for number, task in enumerate(tasks[:CHECKED]):
            status, body = self.send(requests[number])
            if not self.check(operation, task, number, status, body):
                asked = " ".join(requests[number])
                raise SystemExit(f"{self.name} answers {operation.name} wrongly: {asked}: {status} {str(body)[:SHOWN]}")
        most, seconds = WARM_UP
        deadline = monotonic() + seconds
        for request in islice(cycle(requests), most):
            if monotonic() < deadline:
                self.send(request)
        return True

    def measure(self, operation: Operation, seconds: int, number: int) -> Measure:
        """Load the server, once it is quiet, and read what it cost."""
        self.running().settle()
        return self.measure_now(operation, seconds, number)

    def measure_now(self, operation: Operation, seconds: int, number: int) -> Measure:
        """Load the server, whatever else it does, and read what it cost."""
        process = self.running()
        before = process.cpu()
        found = load(
            f"http://127.0.0.1:{self.port}", self._sent_headers(), self._file(operation), self.shape(operation),
            seconds, number * STEP, self.cpus["wrk"],
        )  # fmt: skip
        cpu = (process.cpu() - before) * 1e6 / max(found.requests, 1)
        return Measure(*found, cpu, process.memory())

    def send(self, request: Request) -> tuple[int, Any]:
        """Return the status and the JSON that answer a request."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=TIMEOUT)
        try:
            body = request.body.encode() if request.body else None
            connection.request(request.method, request.path, body, self._sent_headers())
            response = connection.getresponse()
            text = response.read()
            return response.status, json.loads(text) if text else None
        finally:
            connection.close()

    def running(self) -> Process:
        """Return the process, which was started."""
        assert self.process is not None
        return self.process

    def close(self) -> None:
        """Stop the process, if it runs."""
        if self.process is not None:
            self.process.stop()

    def _sent_headers(self) -> dict[str, str]:
        return {"Content-Type": "application/json", **self.headers}

    def _file(self, operation: Operation) -> Path:
        return self.folder / f"{operation.name}.txt"
