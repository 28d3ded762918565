"""Parallel clients of two worker processes: nothing is lost, nothing is repeated, nobody is turned away."""

import json
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager
from functools import partial
from http.client import HTTPConnection
from pathlib import Path
from typing import Any

import pytest

from app.config import load
from app.parts import assemble
from app.storage.check import problems
from app.storage.outside import Outside
from tests.exact.planted import plant
from tests.server import CUSTOMERS, PATIENCE, Server, serve

Send = Callable[..., Any]
PATCHES = 40
ROUNDS = 25
WALKS = 50
DELETIONS = 50  # beside the walks, at the least
WRITERS = 64
OPTIONS = ("--workers", "2", "--threads", "8", "--limits", "off", "--project", str(CUSTOMERS))


@pytest.fixture(scope="module")
def server() -> Iterator[Server]:
    with serve(*OPTIONS) as server:
        yield server


@contextmanager
def connected(server: Server) -> Iterator[Send]:
    """Give what sends requests over one connection and returns their bodies; no answer may be an error."""
    headers = {"Authorization": f"Bearer {server.key}"}
    with closing(HTTPConnection(*server.address, timeout=PATIENCE)) as connection:

        def send(method: str, path: str, body: Any = None) -> Any:
            connection.request(method, path, None if body is None else json.dumps(body), headers)
            response = connection.getresponse()
            text = response.read()
            assert response.status < 400, text
            return json.loads(text)

        yield send


def in_parallel(count: int, act: Callable[[int], Any]) -> list[Any]:
    """Run an act with the numbers from 0, each in a thread of its own and all at the same moment."""
    barrier = threading.Barrier(count)

    def start(number: int) -> Any:
        barrier.wait(PATIENCE)
        return act(number)

    with ThreadPoolExecutor(count) as threads:
        return list(threads.map(start, range(count)))


def patch_at_once(server: Server, path: str, number: int, field: int) -> None:
    with connected(server) as send:
        send("PATCH", path, {"data": {f"field {field}": number}})


def update_in_parallel(server: Server) -> None:
    """Update many fields of one entity at once, again and again; each must have its last value."""
    with connected(server) as send:
        path = f"/v1/data/customer/{send('POST', '/v1/data/customer', {'data': {}})['id']}"
        for number in range(ROUNDS):
            in_parallel(PATCHES, partial(patch_at_once, server, path, number))
            assert send("GET", path)["data"] == {f"field {field}": number for field in range(PATCHES)}


def test_parallel_updates_of_different_fields_all_survive(server: Server) -> None:
    update_in_parallel(server)


@pytest.mark.parametrize(
    "bug",
    [
        pytest.param(
            "Database._writing = contextmanager(lambda self, *_: (yield self.connection))", id="no transaction"
        ),
        pytest.param(
            "Database._writing = lambda self, *_: self.snapshot()", id="a transaction that begins as a reader"
        ),
    ],
)
def test_a_planted_bug_is_caught(tmp_path: Path, bug: str) -> None:
    with serve(*OPTIONS, command=plant(tmp_path, bug)) as server, pytest.raises(AssertionError):
        update_in_parallel(server)


def write_in_parallel(server: Server) -> None:
    """Create with many clients at once; each must find exactly what it wrote."""

    def write(number: int) -> list[str]:
        with connected(server) as send:
            created = [send("POST", "/v1/data/customer", {"data": {"writer": number, "n": n}}) for n in range(5)]
            found = send("POST", "/v1/data/customer/query", {"filters": {"writer": number}})
            assert found["data"] == created
            return [entity["id"] for entity in created]

    ids = [each for written in in_parallel(WRITERS, write) for each in written]
    assert len(set(ids)) == WRITERS * 5


def test_parallel_writers_all_succeed_and_each_sees_what_it_wrote(server: Server) -> None:
    write_in_parallel(server)


WAITS_NOT_AT_ALL = "import struere_local.storage.group_commit as group_commit; group_commit.LEAST_PATIENCE = 0"


def test_writers_that_do_not_wait_for_each_other_are_caught(tmp_path: Path) -> None:
    command, variables = plant(tmp_path, WAITS_NOT_AT_ALL), {"STRUERE_BUSY_TIMEOUT": "0"}
    with serve(*OPTIONS, command=command, variables=variables) as server, pytest.raises(AssertionError):
        write_in_parallel(server)


class Churn:
    """A client that creates two entities and deletes an older one, again and again; every second one stays."""

    def __init__(self) -> None:
        self.staying: list[str] = []
        self.doomed: list[str] = []
        self.deleted = 0
        self.ended = threading.Event()

    def run(self, server: Server) -> None:
        with connected(server) as send:
            while not self.ended.is_set():
                doomed, stays = (send("POST", "/v1/data/customer", {"data": {"churn": True}})["id"] for _ in range(2))
                self.staying.append(stays)
                self.doomed.append(doomed)
                if len(self.doomed) > 10:
                    send("DELETE", f"/v1/data/customer/{self.doomed.pop(0)}")
                    self.deleted += 1


def walk_beside_writers(server: Server) -> None:
    """Walk all pages while others insert and delete: nothing repeated, nothing that stays skipped."""
    churns = [Churn(), Churn()]
    with connected(server) as send, ThreadPoolExecutor(len(churns)) as threads:
        writers = [threads.submit(churn.run, server) for churn in churns]
        try:
            walks = 0
            while walks < WALKS or sum(churn.deleted for churn in churns) < DELETIONS:
                staying = {each for churn in churns for each in tuple(churn.staying)}
                seen = pages(send, limit=7 + walks % 30)
                assert len(seen) == len(set(seen))
                assert staying <= set(seen)
                walks += 1
                for writer in writers:
                    assert not writer.done(), writer.result()
        finally:
            for churn in churns:
                churn.ended.set()
        for writer in writers:
            writer.result()


def test_walks_beside_writers_repeat_nothing_and_skip_nothing_that_stays(server: Server) -> None:
    walk_beside_writers(server)


BY_OFFSET = """
SQL = '''
    SELECT sequence FROM entity WHERE status <> 'deleted' ORDER BY sequence
    LIMIT 1 OFFSET (SELECT count(*) FROM entity WHERE sequence < (SELECT sequence FROM entity WHERE id = ?))
'''
EntityRepository._sequence = lambda self, cursor: self._database.connection.execute(SQL, (cursor,)).get or 0
"""


def test_paging_by_offset_is_caught(tmp_path: Path) -> None:
    with serve(*OPTIONS, command=plant(tmp_path, BY_OFFSET)) as server, pytest.raises(AssertionError):
        walk_beside_writers(server)


def pages(send: Send, limit: int) -> list[str]:
    """Return the ids of every page, up to a number of pages that no list of these tests has."""
    ids: list[str] = []
    cursor = ""
    for _ in range(1_000):
        page = send("GET", f"/v1/data/customer?limit={limit}&cursor={cursor}")
        ids += [entity["id"] for entity in page["data"]]
        cursor = page["cursor"]
        if not page["hasMore"]:
            return ids
    raise AssertionError("The list has no end")


def test_the_index_of_what_was_written_in_parallel_is_sound(server: Server) -> None:
    database = assemble(load({"DATABASE": server.database}), Outside()).database
    with closing(database):
        assert list(problems(database)) == []
