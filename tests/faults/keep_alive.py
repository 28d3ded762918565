"""Clients with kept-alive connections, which tell what became of each request."""

import json
import threading
from collections.abc import Iterator
from contextlib import closing, contextmanager
from http.client import HTTPConnection, HTTPException
from typing import NamedTuple

from tests.server import PATIENCE

CLIENTS = 8


class Sent(NamedTuple):
    """A request: its method, a name that no other request has, and its status, or None where the connection broke."""

    method: str
    name: str
    status: int | None


class Client:
    """A client that creates and lists by turns, on one connection as long as it lasts."""

    def __init__(self, name: str, address: tuple[str, int], key: str) -> None:
        self.sent: list[Sent] = []
        self.refused = 0
        self._name = name
        self._address = address
        self._headers = {"Authorization": f"Bearer {key}"}

    def request_until(self, stop: threading.Event) -> None:
        """Send requests, on a new connection whenever the last one was closed."""
        while not stop.is_set():
            with closing(HTTPConnection(*self._address, timeout=PATIENCE)) as connection:
                try:
                    connection.connect()
                except ConnectionError:
                    self.refused += 1
                    stop.wait(0.01)
                    continue
                while not stop.is_set() and self._request(connection):
                    pass

    @property
    def answered(self) -> int:
        """Return how many requests had an answer."""
        return sum(each.status is not None for each in self.sent)

    def _request(self, connection: HTTPConnection) -> bool:
        """Send a request and tell whether the connection takes another."""
        method, name = ("POST", "GET")[len(self.sent) % 2], f"{self._name}-{len(self.sent)}"
        path = f"/v1/data/customer?limit=1&name={name}"
        body = json.dumps({"data": {"name": name}}) if method == "POST" else None
        try:
            connection.request(method, path, body, self._headers)
            with connection.getresponse() as response:
                response.read()
        except (OSError, HTTPException):
            self.sent.append(Sent(method, name, None))
            return False
        self.sent.append(Sent(method, name, response.status))
        return not response.will_close


@contextmanager
def requesting(address: tuple[str, int], key: str, count: int = CLIENTS) -> Iterator[list[Client]]:
    """Let clients send requests, each in a thread of its own."""
    stop = threading.Event()
    clients = [Client(f"client-{number}", address, key) for number in range(count)]
    threads = [threading.Thread(target=client.request_until, args=(stop,)) for client in clients]
    for thread in threads:
        thread.start()
    try:
        yield clients
    finally:
        stop.set()
        for thread in threads:
            thread.join()
