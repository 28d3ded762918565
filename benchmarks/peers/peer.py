"""A peer: installed into the cache, given the entities in its own way, asked for the same work as far as it can."""

import json
import os
import subprocess
import sys
from abc import abstractmethod
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from benchmarks import cache
from benchmarks.contender import Server
from benchmarks.entities import SEARCH_FIELDS
from benchmarks.expected import patched
from benchmarks.load import Request, Shape
from benchmarks.process import tool
from benchmarks.tasks import SEARCH_LIMIT, Operation, Task
from benchmarks.telling import tell

PAGES = ("list", "query", "search")
READS = ("get", *PAGES)
UNSYNCED = dict.fromkeys(("create", "patch"), "answered before it is on the disk")
EMPTY = ("query empty", "query empty range")


class Unavailable(Exception):
    """A peer that cannot be had on this machine, with the reason."""


class Peer(Server):
    """A server with entities of its own; `cannot` tells why it cannot do a kind of work, `how` what it does instead.

    `goals` tells how many times as fast as it struere-local is to be at a kind of work.
    """

    label: str  # and version
    goals: Mapping[str, float] = {}
    cannot: Mapping[str, str] = {}
    how: Mapping[str, str] = {}
    statuses: Mapping[str, int] = {"create": 201}
    page_text = '"data":'
    written_text = '"email"'

    def __init__(self, size: int, folder: Path, cpus: Mapping[str, set[int]]) -> None:
        """Install it, if need be, and lay out its data; raise Unavailable."""
        super().__init__(self.label, size, folder, cpus)
        self._expected = cache.answers(size)
        self.installed = self.install()
        self.lay_out()

    @abstractmethod
    def install(self) -> Path:
        """Return the folder that it is installed in; raise Unavailable."""

    def lay_out(self) -> None:
        """Write its data before it starts."""

    @abstractmethod
    def records(self, body: Any) -> list[dict[str, Any]]:
        """Return the records of an answer, one or a page."""

    @abstractmethod
    def created(self, body: Any) -> Request:
        """Return the request for what the answer to a create says was made."""

    def shape(self, operation: Operation) -> Shape:
        """Return what its answers have."""
        text = '"email"' if operation.kind == "get" else self.written_text
        if operation.kind in PAGES:
            text = self.page_text if operation.name in EMPTY else '"email"'
        return Shape(self.statuses.get(operation.kind, 200), text)

    def check(self, operation: Operation, task: Task, number: int, status: int, body: Any) -> bool:
        """Compare with the reference: fields and order; of a search, whose order is each peer's own, the words."""
        if status != self.statuses.get(operation.kind, 200):
            return False
        if operation.kind in ("create", "patch"):
            is_new = operation.kind == "create"
            read = self.created(body) if is_new else self.request(Task("get", number=task.number))
            assert read is not None
            return _same(self.records(self.send(read)[1]), [task.data if is_new else patched(task)])
        expected, found = self._expected[operation.name][number], self.records(body)
        if operation.kind == "get":
            return _same(found, [expected["data"]])
        wanted = [entity["data"] for entity in expected["data"]]
        if operation.kind != "search":
            return _same(found, wanted)
        texts = [" ".join(str(record[name]) for name in SEARCH_FIELDS).lower() for record in found]
        return len(wanted) <= len(found) <= SEARCH_LIMIT and all(task.words in text for text in texts)


def npm(package: str, version: str) -> Path:
    """Install a package of npm into the cache and return its folder; raise Unavailable."""
    tool("npm", "npm")

    def make(folder: Path) -> None:
        _install(["npm", "install", "--no-audit", "--no-fund", "--prefix", str(folder), f"{package}@{version}"])

    return cache.once(f"npm-{package}-{version}", "installed", make) / "node_modules" / package


def pip(package: str, version: str) -> Path:
    """Install a package of PyPI into the cache and return its folder; raise Unavailable."""

    def make(folder: Path) -> None:
        target = ["--target", str(folder), f"{package}=={version}"]
        _install([sys.executable, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", *target])

    return cache.once(f"pip-{package}-{version}", "installed", make)


def ranges(task: Task, bounds: Mapping[str, str]) -> tuple[tuple[str, Any], list[tuple[str, Any]]]:
    """Return the equality of a query, and its range with each bound's name in a peer's own words."""
    (equal, value), (ranged, limits) = task.filters.items()
    return (equal, value), [(bounds[operator].format(ranged), limit) for operator, limit in limits.items()]


def _install(command: list[str]) -> None:
    tell(f"Installing: {command[-1]}")
    quiet = {**os.environ, "SCARF_ANALYTICS": "false", "DO_NOT_TRACK": "1"}
    done = subprocess.run(command, capture_output=True, text=True, check=False, env=quiet)
    if done.returncode:
        raise Unavailable(f"{command[-1]} cannot be installed: {(done.stderr.strip() or '?').splitlines()[-1]}")


def _same(records: list[dict[str, Any]], wanted: list[dict[str, Any]]) -> bool:
    """Tell whether records have the wanted fields, in the same order; others of their own do not matter."""
    found = [{name: _plain(record.get(name)) for name in data} for record, data in zip(records, wanted, strict=False)]
    return len(records) == len(wanted) and found == wanted


def _plain(value: Any) -> Any:
    return json.loads(value) if isinstance(value, str) and value.startswith("[") else value
