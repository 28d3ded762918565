"""Datasette of PyPI: any SQLite file as a JSON API, for reading."""

import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

from benchmarks.entities import SLUG
from benchmarks.load import Request
from benchmarks.peers.peer import READS, Peer, pip, ranges
from benchmarks.peers.table import write_search_table, write_table
from benchmarks.tasks import PAGE, QUERY_LIMIT, SEARCH_LIMIT, Task

ROWS = f"/peer/{SLUG}"
# Without what pages in a browser need: counts, facets and suggestions.
PLAIN = [("_shape", "objects"), ("_nocount", 1), ("_nofacet", 1), ("_nosuggest", 1)]


class Datasette(Peer):
    """Datasette 0.65, whose API cannot write."""

    version = "0.65.5"
    label = f"Datasette {version}"
    goals = dict.fromkeys(READS, 3)
    cannot = dict.fromkeys(("create", "patch"), "its API only reads")
    how = {"search": "FTS5, in the order of keys"}  # noqa: RUF012
    alive = "/-/versions.json"
    page_text = '"rows"'

    def install(self) -> Path:
        """Install it by pip."""
        return pip("datasette", self.version)

    def lay_out(self) -> None:
        """Write the file that it serves."""
        write_table(self.folder / "peer.db", self.size)
        write_search_table(self.folder / "peer.db")

    def command(self) -> Sequence[str]:
        """Return the command `datasette serve`."""
        return [sys.executable, "-m", "datasette", "serve", "peer.db", "--port", str(self.port)]

    def variables(self) -> Mapping[str, str]:
        """Return where it is installed."""
        return {"PYTHONPATH": str(self.installed)}

    def request(self, task: Task) -> Request | None:
        """Return a request of Datasette's table API; its cursors are keys."""
        if task.kind in self.cannot:
            return None
        if task.kind == "get":
            return Request("GET", f"{ROWS}/{task.number + 1}.json?_shape=objects")
        return Request("GET", f"{ROWS}.json?{urlencode([*self._page(task), *PLAIN])}")

    def records(self, body: Any) -> list[dict[str, Any]]:
        """Return the records of an answer."""
        rows: list[dict[str, Any]] = body["rows"]
        return rows

    def created(self, body: Any) -> Request:
        """Fail: it creates nothing."""
        raise NotImplementedError

    def _page(self, task: Task) -> list[tuple[str, Any]]:
        if task.kind == "search":
            return [("_search", task.words), ("_size", SEARCH_LIMIT)]
        if task.kind == "list":
            return [("_size", PAGE), *([] if task.after is None else [("_next", task.after + 1)])]
        equality, bounds = ranges(task, {"$gte": "{}__gte", "$lt": "{}__lt"})
        return [equality, *bounds, ("_size", QUERY_LIMIT)]
