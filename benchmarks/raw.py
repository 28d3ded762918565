"""The other floor: one process that does with apsw alone, without HTTP, what the server's requests ask for.

Run as a program it loops over a file of requests and prints one line of JSON with what it found.
"""

import json
import os
import re
import secrets
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import apsw
import orjson

from benchmarks.entities import SEARCH_FIELDS, SLUG
from benchmarks.process import resident

Row = tuple[Any, ...]

COLUMNS = "entity.id, entity.status, entity.data, entity.created_at, entity.updated_at"
COMPARISONS = {"$gte": ">=", "$lt": "<"}


class Raw:
    """One connection to a database that the server made, durable as the server's."""

    def __init__(self, path: Path) -> None:
        """Open the database."""
        self._connection = apsw.Connection(str(path), flags=apsw.SQLITE_OPEN_READWRITE)
        self._connection.set_busy_timeout(10_000)
        self._connection.pragma("synchronous", "full")
        self._type: int = self._connection.execute("SELECT id FROM entity_type WHERE slug = ?", (SLUG,)).get
        self._search = f"search_{self._type}"

    def parse(self, line: str) -> Callable[[], list[Row]]:
        """Return what does a request of the server's; it returns the rows that it read or wrote."""
        method, target, *rest = line.rstrip("\n").split(" ", 2)
        url = urlsplit(target)
        body = orjson.loads(rest[0]) if rest else {}
        end = url.path.removeprefix(f"/v1/data/{SLUG}").removeprefix("/")
        if method == "GET":
            return (lambda: self.get(end)) if end else self._list({k: v[0] for k, v in parse_qs(url.query).items()})
        if method == "PATCH":
            return lambda: self._patch(end, body["data"])
        kinds = {"query": self._query, "search": self._find, "": self._create}
        return kinds[end](body)

    def get(self, entity_id: str) -> list[Row]:
        """Return the row of an entity."""
        sql = f"SELECT {COLUMNS} FROM entity WHERE type_id = ? AND id = ?"
        return self._connection.execute(sql, (self._type, entity_id)).fetchall()

    def _list(self, parameters: dict[str, str]) -> Callable[[], list[Row]]:
        sql = f"""
            SELECT {COLUMNS} FROM entity WHERE type_id = ?1 AND status <> 'deleted'
            AND sequence > ifnull((SELECT sequence FROM entity WHERE type_id = ?1 AND id = ?2), 0)
            ORDER BY sequence LIMIT ?3
        """
        values = (self._type, parameters.get("cursor"), int(parameters["limit"]))
        return lambda: self._connection.execute(sql, values).fetchall()

    def _query(self, body: dict[str, Any]) -> Callable[[], list[Row]]:
        terms, values = ["type_id = ? AND status <> 'deleted'"], [self._type]
        for name, condition in body["filters"].items():
            operators = condition if isinstance(condition, dict) else {"=": condition}
            for operator, operand in operators.items():
                terms.append(f"json_extract(data, '$.{name}') {COMPARISONS.get(operator, operator)} ?")
                values.append(operand)
        sql = f"SELECT {COLUMNS} FROM entity WHERE {' AND '.join(terms)} ORDER BY sequence LIMIT ?"
        return lambda: self._connection.execute(sql, (*values, body["limit"])).fetchall()

    def _find(self, body: dict[str, Any]) -> Callable[[], list[Row]]:
        sql = f"""
            SELECT {COLUMNS} FROM {self._search} JOIN entity ON sequence = {self._search}.rowid
            WHERE {self._search} MATCH ? ORDER BY rank, {self._search}.rowid DESC LIMIT ?
        """
        values = (" OR ".join(f'"{word}"' for word in re.findall(r"\w+", body["query"])) + "*", body["limit"])
        return lambda: self._connection.execute(sql, values).fetchall()

    def _create(self, body: dict[str, Any]) -> Callable[[], list[Row]]:
        def create() -> list[Row]:
            now, entity_id = time.time_ns() // 1_000_000, secrets.token_hex(16)
            with self._connection:
                self._connection.execute(
                    "INSERT INTO entity (id, type_id, status, data, created_at, updated_at) VALUES (?, ?, ?, ?, ?, ?)",
                    (entity_id, self._type, "active", orjson.dumps(body["data"]).decode(), now, now),
                )
                sequence = self._connection.last_insert_rowid()
                self._index("INSERT INTO {} (text, rowid) VALUES (?, ?)", body["data"], sequence)
            return [(entity_id,)]

        return create

    def _patch(self, entity_id: str, fields: dict[str, Any]) -> list[Row]:
        now = time.time_ns() // 1_000_000
        with self._connection:
            [(sequence, old)] = self._connection.execute(
                "SELECT sequence, data FROM entity WHERE type_id = ? AND id = ?", (self._type, entity_id)
            ).fetchall()
            data = orjson.loads(old) | fields
            self._connection.execute(
                "UPDATE entity SET data = ?, updated_at = ? WHERE sequence = ?",
                (orjson.dumps(data).decode(), now, sequence),
            )
            self._index("UPDATE {} SET text = ? WHERE rowid = ?", data, sequence)
        return [(entity_id,)]

    def _index(self, sql: str, data: dict[str, Any], sequence: int) -> None:
        text = "\n".join(data[name] for name in SEARCH_FIELDS)
        self._connection.execute(sql.format(self._search), (text, sequence))


def main(path: str, requests: str, seconds: float, skip: int) -> None:
    """Loop over the requests of a file for some seconds, beginning after some, and print what was found."""
    raw = Raw(Path(path))
    lines = Path(requests).read_text().splitlines()
    operations = [raw.parse(line) for line in lines]
    latencies: list[float] = []
    cpu, began = time.process_time(), time.perf_counter()
    now = began
    while now < began + seconds or not latencies:
        operations[(skip + len(latencies)) % len(operations)]()
        before, now = now, time.perf_counter()
        latencies.append(now - before)
    used = time.process_time() - cpu
    latencies.sort()
    count = len(latencies)
    found = {
        "rate": count / (now - began), "requests": count, "p50": latencies[count // 2] * 1e6,
        "p99": latencies[int(count * 0.99)] * 1e6, "cpu": used * 1e6 / count,
        "memory": resident(os.getpid()),
    }  # fmt: skip
    print(json.dumps(found))


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], float(sys.argv[3]), int(sys.argv[4]))
