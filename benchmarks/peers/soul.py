"""Soul of npm (soul-cli): the tables of a SQLite file as a REST API, in one node process."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any
from urllib.parse import quote

from benchmarks.entities import SLUG
from benchmarks.load import Request
from benchmarks.peers.peer import UNSYNCED, Peer, npm, ranges
from benchmarks.peers.table import write_table
from benchmarks.process import tool
from benchmarks.tasks import PAGE, QUERY_LIMIT, SEARCH_LIMIT, Task

ROWS = f"/api/tables/{SLUG}/rows"


class Soul(Peer):
    """Soul without authentication and with its rate limit off, as it ships."""

    version = "0.8.2"
    label = f"Soul {version}"
    goals = {"query": 10, "search": 50}  # noqa: RUF012
    how = {"search": "substring of any column", "list": "pages by number", **UNSYNCED}  # noqa: RUF012
    alive = "/api/tables"
    written_text = '"changes":1'

    def install(self) -> Path:
        """Install it by npm, which compiles better-sqlite3."""
        return npm("soul-cli", self.version)

    def lay_out(self) -> None:
        """Write the file that it serves."""
        write_table(self.folder / "peer.db", self.size)

    def command(self) -> Sequence[str]:
        """Return the command `soul`."""
        program = self.installed / "src" / "server.js"
        return [tool("node", "nodejs"), str(program), "--database", "peer.db", "--port", str(self.port)]

    def request(self, task: Task) -> Request:
        """Return a request of Soul's rows."""
        path = f"{ROWS}/{task.number + 1}"
        if task.kind == "get":
            return Request("GET", path)
        if task.kind in ("create", "patch"):
            fields = {name: json.dumps(v) if isinstance(v, list) else v for name, v in task.data.items()}
            is_new = task.kind == "create"
            return Request("POST" if is_new else "PUT", ROWS if is_new else path, json.dumps({"fields": fields}))
        if task.kind == "search":
            return Request("GET", f"{ROWS}?_search={quote(task.words)}&_limit={SEARCH_LIMIT}")
        if task.kind == "list":
            number = 1 if task.after is None else (task.after + 1) // PAGE + 1
            return Request("GET", f"{ROWS}?_page={number}&_limit={PAGE}")
        equality, bounds = ranges(task, {"$gte": "{}__gte", "$lt": "{}__lt"})
        filters = ",".join(f"{name}:{value}" for name, value in (equality, *bounds))
        return Request("GET", f"{ROWS}?_filters={filters}&_ordering=number&_limit={QUERY_LIMIT}")

    def records(self, body: Any) -> list[dict[str, Any]]:
        """Return the records of an answer."""
        rows: list[dict[str, Any]] = body["data"]
        return rows

    def created(self, body: Any) -> Request:
        """Return the request for what was made."""
        return Request("GET", f"{ROWS}/{body['data']['lastInsertRowid']}")
