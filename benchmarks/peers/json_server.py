"""json-server of npm, both lines: a JSON file in the memory of one node process, written whole after each change."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

from benchmarks.entities import SEARCH_FIELDS, SLUG, entity, entity_id
from benchmarks.load import Request
from benchmarks.peers.peer import PAGES, UNSYNCED, Peer, npm, ranges
from benchmarks.process import tool
from benchmarks.tasks import PAGE, QUERY_LIMIT, SEARCH_LIMIT, Task


class JsonServer0(Peer):
    """json-server 0.17."""

    version = "0.17.4"
    label = f"json-server {version}"
    goals = dict.fromkeys((*PAGES, "create"), 10)
    how = {"search": "substring of any field", **UNSYNCED}  # noqa: RUF012
    page_text = "["

    def install(self) -> Path:
        """Install it by npm."""
        return npm("json-server", self.version)

    def lay_out(self) -> None:
        """Write the file that it serves."""
        made = map(entity, range(self.size))
        records = [{"id": each["id"], **each["data"]} for each in made]
        (self.folder / "db.json").write_text(json.dumps({SLUG: records}))

    def command(self) -> Sequence[str]:
        """Return the command without a line a request."""
        program = self.installed / "lib" / "cli" / "bin.js"
        return [tool("node", "nodejs"), str(program), "--quiet", "--port", str(self.port), "db.json"]

    def request(self, task: Task) -> Request:
        """Return a request of json-server's own language."""
        path = f"/{SLUG}/{entity_id(task.number)}"
        if task.kind == "get":
            return Request("GET", path)
        if task.kind in ("create", "patch"):
            is_new = task.kind == "create"
            return Request("POST" if is_new else "PATCH", f"/{SLUG}" if is_new else path, json.dumps(task.data))
        return Request("GET", f"/{SLUG}?{urlencode(self.page(task))}")

    def page(self, task: Task) -> list[tuple[str, Any]]:
        """Return the query string of a page."""
        if task.kind == "search":
            return [("q", task.words), ("_limit", SEARCH_LIMIT)]
        if task.kind == "list":
            return [("_start", 0 if task.after is None else task.after + 1), ("_limit", PAGE)]
        equality, bounds = ranges(task, {"$gte": "{}_gte", "$lt": "{}_lte"})
        (least, low), (most, high) = bounds
        return [equality, (least, low), (most, high - 1), ("_limit", QUERY_LIMIT)]  # it knows no "less than"

    def records(self, body: Any) -> list[dict[str, Any]]:
        """Return the records of an answer."""
        return body if isinstance(body, list) else [body]

    def created(self, body: Any) -> Request:
        """Return the request for what was made."""
        return Request("GET", f"/{SLUG}/{body['id']}")


class JsonServer1(JsonServer0):
    """json-server 1, a beta."""

    version = "1.0.0-beta.15"
    label = f"json-server {version}"
    how = {"search": "substring of the search fields", **UNSYNCED}  # noqa: RUF012
    page_text = '"data"'

    def command(self) -> Sequence[str]:
        """Return the command."""
        program = self.installed / "lib" / "bin.js"
        return [tool("node", "nodejs"), str(program), "--host", "127.0.0.1", "--port", str(self.port), "db.json"]

    def page(self, task: Task) -> list[tuple[str, Any]]:
        """Return the query string of a page."""
        if task.kind == "search":
            where = {"or": [{name: {"contains": task.words}} for name in SEARCH_FIELDS]}
            return [("_where", json.dumps(where)), ("_page", 1), ("_per_page", SEARCH_LIMIT)]
        if task.kind == "list":
            number = 1 if task.after is None else (task.after + 1) // PAGE + 1
            return [("_page", number), ("_per_page", PAGE)]
        equality, bounds = ranges(task, {"$gte": "{}:gte", "$lt": "{}:lt"})
        return [equality, *bounds, ("_page", 1), ("_per_page", QUERY_LIMIT)]

    def records(self, body: Any) -> list[dict[str, Any]]:
        """Return the records of an answer."""
        return body.get("data", [body])
