"""struere-local as a contender: started by its own command, everything on as it is shipped but the rates."""

import json
import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from benchmarks import cache
from benchmarks.contender import Server
from benchmarks.entities import SLUG, entity_id
from benchmarks.expected import patched
from benchmarks.fill import KEY
from benchmarks.limits import HIGH
from benchmarks.load import Request, Shape
from benchmarks.tasks import PAGE, QUERY_LIMIT, SEARCH_LIMIT, Operation, Task
from tests.server import COMMAND

TYPE = f"/v1/data/{SLUG}"
NAME = "struere-local"


class Struere(Server):
    """The server, on a copy of a prepared database."""

    alive = "/health"
    headers = {"Authorization": f"Bearer {KEY}"}  # noqa: RUF012

    def __init__(self, size: int, folder: Path, cpus: Mapping[str, set[int]], options: Sequence[str] = ()) -> None:
        """Copy the database of a size; the options are those of `serve`."""
        super().__init__(NAME, size, folder, cpus)
        self._options = options
        self._expected = cache.answers(size)
        self._database = self.folder / "struere.db"
        shutil.copyfile(cache.database(size), self._database)

    def command(self) -> Sequence[str]:
        """Return the command `struere-local serve`."""
        return [str(COMMAND), "serve", "--port", str(self.port), "--database", str(self._database), *self._options]

    def variables(self) -> Mapping[str, str]:
        """Return both limits, on and so high that no load meets them."""
        return HIGH

    def request(self, task: Task) -> Request:
        """Return the Data API's request for a task."""
        return request_of(task)

    def shape(self, operation: Operation) -> Shape:
        """Return a text that answers of the kind always have."""
        is_page = operation.kind in ("list", "query", "search")
        return Shape(201 if operation.kind == "create" else 200, '"hasMore":' if is_page else '"updatedAt":')

    def check(self, operation: Operation, task: Task, number: int, status: int, body: Any) -> bool:
        """Compare an answer with the reference's, and what was written with what is read."""
        if operation.name in self._expected:
            return status == 200 and body == self._expected[operation.name][number]
        wanted = task.data if task.kind == "create" else patched(task)
        read = self.send(Request("GET", f"{TYPE}/{body['id']}"))
        return status == self.shape(operation).status and body["data"] == wanted and read == (200, body)


def request_of(task: Task) -> Request:
    """Return the Data API's request for a task."""
    if task.kind == "get":
        return Request("GET", f"{TYPE}/{entity_id(task.number)}")
    if task.kind == "list":
        cursor = "" if task.after is None else f"&cursor={entity_id(task.after)}"
        return Request("GET", f"{TYPE}?limit={PAGE}{cursor}")
    if task.kind == "query":
        return Request("POST", f"{TYPE}/query", json.dumps({"filters": task.filters, "limit": QUERY_LIMIT}))
    if task.kind == "search":
        return Request("POST", f"{TYPE}/search", json.dumps({"query": task.words, "limit": SEARCH_LIMIT}))
    path = TYPE if task.kind == "create" else f"{TYPE}/{entity_id(task.number)}"
    return Request("POST" if task.kind == "create" else "PATCH", path, json.dumps({"data": task.data}))
