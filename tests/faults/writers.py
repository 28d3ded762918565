"""Clients that create and patch, and know what the server has acknowledged, whatever becomes of it."""

import itertools
import json
import threading
from collections import defaultdict
from collections.abc import Iterable, Iterator
from contextlib import closing, contextmanager
from http.client import HTTPConnection, HTTPException
from typing import Any

from tests.server import PATIENCE

CREATE = "/v1/data/customer"
SHARED = "shared"  # prefix of the fields of an entity that every client patches, each its own field


class Writer:
    """A client. Of each field it knows which values may be there: one, or after a broken connection either of two."""

    def __init__(self, name: str, address: tuple[str, int], key: str, shared: str) -> None:
        self.name = name
        self.acknowledged = 0
        self.created: set[str] = set()
        self.may_be: dict[str, dict[str, set[Any]]] = defaultdict(lambda: defaultdict(lambda: {None}))
        self.failures: list[str] = []
        self._address = address
        self._headers = {"Authorization": f"Bearer {key}"}
        self._shared = shared
        self._numbers = itertools.count()

    def write_until(self, stop: threading.Event) -> None:
        """Create and patch, on a new connection whenever one breaks."""
        while not stop.is_set():
            with closing(HTTPConnection(*self._address, timeout=PATIENCE)) as connection:
                try:
                    while not stop.is_set():
                        self._write(connection)
                except (OSError, HTTPException):
                    stop.wait(0.01)  # the server is dead, or will be back

    def visits(self) -> dict[str, int]:
        """Return, also while it writes, by id the last number of visits that was acknowledged; -1 where none was."""
        values = {each: self.may_be.get(each, {}).get("visits", {None}).copy() for each in self.created.copy()}
        return {each: -1 if None in numbers else min(numbers) for each, numbers in values.items()}

    def _write(self, connection: HTTPConnection) -> None:
        """Create an entity, patch it twice, and patch the shared one."""
        number = next(self._numbers)
        status, entity = self._send(connection, "POST", CREATE, {"name": f"{self.name} {number}"})
        if status != 201:
            self.failures.append(f"{status} {entity}")
            return
        self.created.add(entity["id"])
        self.may_be[entity["id"]]["name"] = {f"{self.name} {number}"}
        for field in ("visits", "visits"):
            self._patch(connection, entity["id"], field)
        self._patch(connection, self._shared, f"{SHARED} {self.name}")

    def _patch(self, connection: HTTPConnection, entity_id: str, field: str) -> None:
        value, values = next(self._numbers), self.may_be[entity_id][field]
        values.add(value)
        status, body = self._send(connection, "PATCH", f"{CREATE}/{entity_id}", {field: value})
        if status == 200:
            self.may_be[entity_id][field] = {value}
        else:
            self.failures.append(f"{status} {body}")

    def _send(self, connection: HTTPConnection, method: str, path: str, data: dict[str, Any]) -> tuple[int, Any]:
        connection.request(method, path, json.dumps({"data": data}), self._headers)
        response = connection.getresponse()
        body = json.loads(response.read())
        self.acknowledged += response.status < 300
        return response.status, body


@contextmanager
def writing(writers: Iterable[Writer]) -> Iterator[None]:
    """Let clients write, each in a thread of its own."""
    stop = threading.Event()
    threads = [threading.Thread(target=writer.write_until, args=(stop,)) for writer in writers]
    for thread in threads:
        thread.start()
    try:
        yield
    finally:
        stop.set()
        for thread in threads:
            thread.join()


def lost(writers: Iterable[Writer], stored: dict[str, dict[str, Any]]) -> Iterator[str]:
    """Yield a sentence for each acknowledged write that is not among what is stored, by id."""
    for writer in writers:
        yield from (f"{writer.name}: entity {each} is not there" for each in writer.created - set(stored))
        for entity_id, fields in writer.may_be.items():
            data = stored.get(entity_id, {})
            for field, values in fields.items():
                if entity_id in stored and data.get(field) not in values:
                    yield f"{writer.name}: {field} of {entity_id} is {data.get(field)}, not {values}"
