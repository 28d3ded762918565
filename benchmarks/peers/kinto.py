"""Kinto of PyPI with its memory backend, under its own waitress; a plugin loads its data at each start."""

import json
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

from benchmarks.entities import BEGINNING, SLUG, entity_id
from benchmarks.load import Request
from benchmarks.peers import kinto_load
from benchmarks.peers.peer import READS, UNSYNCED, Peer, pip, ranges
from benchmarks.tasks import PAGE, QUERY_LIMIT, SEARCH_LIMIT, Task

ROOT = Path(__file__).parents[2]
BUCKET = "/v1/buckets/peer"
RECORDS = f"{BUCKET}/collections/{SLUG}/records"
EVERYONE = {"permissions": {"write": ["system.Everyone"]}}

CONFIGURATION = f"""
[app:main]
use = egg:kinto
kinto.storage_backend = kinto.core.storage.memory
kinto.cache_backend = kinto.core.cache.memory
kinto.permission_backend = kinto.core.permission.memory
kinto.bucket_create_principals = system.Everyone
kinto.includes = {kinto_load.__name__}
peer.size = SIZE
multiauth.policies =

[server:main]
use = egg:waitress#main
host = 127.0.0.1
port = %(http_port)s

[loggers]
keys = root

[handlers]
keys = console

[formatters]
keys = plain

[logger_root]
level = ERROR
handlers = console

[handler_console]
class = StreamHandler
args = (sys.stderr,)
formatter = plain

[formatter_plain]
format = %(message)s
"""


class Kinto(Peer):
    """Kinto open to everyone, without keys."""

    version = "26.5.0"
    label = f"Kinto {version}, memory"
    goals = dict.fromkeys((*READS, "create", "patch"), 3)
    how = {"search": "substring of notes", **UNSYNCED}  # noqa: RUF012
    alive = "/v1/__lbheartbeat__"

    def install(self) -> Path:
        """Install it by pip."""
        return pip("kinto", self.version)

    def lay_out(self) -> None:
        """Write its configuration."""
        (self.folder / "kinto.ini").write_text(CONFIGURATION.replace("SIZE", str(self.size)))

    def command(self) -> Sequence[str]:
        """Return the command `kinto start`."""
        return [
            sys.executable,
            str(self.installed / "bin" / "kinto"),
            "start",
            "--ini",
            "kinto.ini",
            "--port",
            str(self.port),
        ]

    def variables(self) -> Mapping[str, str]:
        """Return where it and the plugin are."""
        return {"PYTHONPATH": f"{self.installed}:{ROOT}"}

    def start(self) -> float:
        """Start it, and then make the collection whose records it has loaded."""
        seconds = super().start()
        for path in (BUCKET, f"{BUCKET}/collections/{SLUG}"):
            status, body = self.send(Request("PUT", path, json.dumps(EVERYONE)))
            if status // 100 != 2:
                raise SystemExit(f"Kinto does not make {path}: {status} {body}")
        return seconds

    def request(self, task: Task) -> Request | None:
        """Return a request of Kinto's records; a page begins after a time of modification."""
        path = f"{RECORDS}/{entity_id(task.number)}"
        if task.kind == "get":
            return Request("GET", path)
        if task.kind in ("create", "patch"):
            is_new = task.kind == "create"
            body = json.dumps({"data": task.data})
            return Request("POST" if is_new else "PATCH", RECORDS if is_new else path, body)
        return Request("GET", f"{RECORDS}?{urlencode([*self._page(task), ('_sort', 'last_modified')])}")

    def records(self, body: Any) -> list[dict[str, Any]]:
        """Return the records of an answer."""
        data = body["data"]
        return data if isinstance(data, list) else [data]

    def created(self, body: Any) -> Request:
        """Return the request for what was made."""
        return Request("GET", f"{RECORDS}/{body['data']['id']}")

    def _page(self, task: Task) -> list[tuple[str, Any]]:
        if task.kind == "search":
            return [("like_notes", f"*{task.words}*"), ("_limit", SEARCH_LIMIT)]
        if task.kind == "list":
            since = [] if task.after is None else [("_since", BEGINNING + task.after * 1_000)]
            return [("_limit", PAGE), *since]
        equality, bounds = ranges(task, {"$gte": "min_{}", "$lt": "lt_{}"})
        return [equality, *bounds, ("_limit", QUERY_LIMIT)]
