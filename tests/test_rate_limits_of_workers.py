"""The rate limits are exact over real worker processes, however many send at once."""

import threading
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from http.client import HTTPConnection
from pathlib import Path

import pytest

from app.config import load
from app.parts import assemble
from app.storage.organizations import Environment, ensure_organization
from app.storage.outside import Outside
from tests.server import PATIENCE, Server, serve

WORKERS = ("--workers", "2", "--threads", "8")
ORGANIZATIONS = 40
CONNECTIONS, REQUESTS = 6, 15  # of each key: 90 requests, of which 60 are admitted; a connection belongs to a worker
EXACT = Counter({200: 60, 429: 30})


def make_keys(database: Path, organizations: int, keys: int = 1) -> list[list[str]]:
    """Make keys in new organizations; return those of each."""
    parts = assemble(load({"DATABASE": database}), Outside())
    with closing(parts.database):
        environments = [
            Environment(ensure_organization(parts.database, parts.outside, f"organization{number}"), "development")
            for number in range(organizations)
        ]
        return [[parts.keys.create(each, "a key")[1] for _ in range(keys)] for each in environments]


def send(server: Server, key: str, requests: int, barrier: threading.Barrier) -> Counter[int]:
    """Send requests over one connection and return how many answers had each status."""
    statuses: Counter[int] = Counter()
    with closing(HTTPConnection(*server.address, timeout=PATIENCE)) as connection:
        barrier.wait(PATIENCE)
        for _ in range(requests):
            connection.request("GET", "/v1/entity-types", headers={"Authorization": f"Bearer {key}"})
            response = connection.getresponse()
            response.read()
            statuses[response.status] += 1
    return statuses


def send_at_once(server: Server, keys: list[str], requests: int = REQUESTS) -> list[Counter[int]]:
    """Send requests with every key on many connections at once; return how many answers of each had each status."""
    connections = keys * CONNECTIONS
    barrier = threading.Barrier(len(connections))
    with ThreadPoolExecutor(len(connections)) as threads:
        statuses = list(threads.map(lambda key: send(server, key, requests, barrier), connections))
    return [sum(statuses[number :: len(keys)], Counter()) for number in range(len(keys))]


@pytest.fixture(scope="module")
def server() -> Iterator[Server]:
    with serve(*WORKERS) as server:
        yield server


def test_keys_of_many_organizations_get_60_answers_each(server: Server) -> None:
    keys = [key for [key] in make_keys(server.database, ORGANIZATIONS)]
    assert send_at_once(server, keys) == [EXACT] * ORGANIZATIONS


def test_an_organization_of_four_keys_gets_200_answers(tmp_path: Path) -> None:
    with serve(*WORKERS, folder=tmp_path) as server:
        [keys] = make_keys(server.database, 1, keys=4)
        answers = send_at_once(server, keys)
        assert sum(answers, Counter()) == Counter({200: 200, 429: 160})
        assert all(answer[200] <= 60 for answer in answers)
    with serve(*WORKERS, folder=tmp_path) as server:  # a restart forgets nothing
        assert sum(send_at_once(server, keys, requests=1), Counter()) == Counter({429: 4 * CONNECTIONS})


def test_a_storage_that_counts_for_each_worker_is_caught() -> None:
    with serve(*WORKERS, variables={"STRUERE_LIMIT_STORAGE": "memory://"}) as server:
        keys = [key for [key] in make_keys(server.database, ORGANIZATIONS)]
        assert send_at_once(server, keys) != [EXACT] * ORGANIZATIONS
