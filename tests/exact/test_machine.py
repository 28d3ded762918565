"""Whatever is done to the API, in whatever order, it answers as a dictionary would, and its index equals its rows."""

from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import pytest
import requests
from hypothesis import Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)

from app.config import load
from app.parts import Parts, assemble
from app.storage.check import problems
from app.storage.organizations import Environment, ensure_organization
from app.storage.outside import Outside
from tests import reference
from tests.exact.planted import plant
from tests.profiles import examples
from tests.server import COMMAND, CUSTOMERS, PATIENCE, run, serve

ENVIRONMENTS = ("development", "eval")
SEARCH_FIELDS = ("name", "email")
STATUSES = st.sampled_from(["active", "archived", "trial"])
FIELDS = st.sampled_from(["name", "email", "plan", "status", 'say "hi"'])
VALUES = st.sampled_from(["Jane Doe", "doe", "Joe", "pro", "", 1, 1.0, 2, True, None, [1, "Jane"], {"a": 1}])
DATA = st.dictionaries(FIELDS, VALUES, max_size=3)


class Server:
    """A server on a folder of its own, with two keys, that can be started again."""

    def __init__(self, folder: Path, command: Path = COMMAND) -> None:
        self.folder = folder
        self.command = command
        self.session = requests.Session()
        self.session.trust_env = False
        self.keys: dict[str, str] = {}
        self.start()

    def start(self) -> None:
        self._serving = serve("--limits", "off", "--project", str(CUSTOMERS), folder=self.folder, command=self.command)
        self._server = self._serving.__enter__()
        self.keys = self.keys or {name: self._key(name) for name in ENVIRONMENTS}

    def stop(self) -> None:
        self.session.close()
        self._serving.__exit__(None, None, None)

    def send(self, environment: str, method: str, path: str, body: Any = None) -> requests.Response:
        headers = {"Authorization": f"Bearer {self.keys[environment]}"}
        return self.session.request(method, self._server.url + path, json=body, headers=headers, timeout=PATIENCE)

    def parts(self) -> Parts:
        return assemble(load({"DATABASE": self._server.database}), Outside())

    def _key(self, name: str) -> str:
        parts = self.parts()
        with closing(parts.database):
            organization = ensure_organization(parts.database, parts.outside, "local")
            return parts.keys.create(Environment(organization, name), "machine")[1]


class Machine(RuleBasedStateMachine):
    """The API of two environments against a list of all entities ever created in each."""

    server: Server
    restarts = 1  # in a run

    @initialize()
    def begin(self) -> None:
        """Begin with nothing: what an earlier run left is deleted."""
        self.entities: dict[str, list[dict[str, Any]]] = {name: [] for name in ENVIRONMENTS}
        for name in ENVIRONMENTS:
            for entity in self.send(name, "GET", "/v1/data/customer?limit=100").json()["data"]:
                self.send(name, "DELETE", f"/v1/data/customer/{entity['id']}")

    def send(self, *request: Any) -> requests.Response:
        response = self.server.send(*request)
        assert response.status_code < 500, response.text
        return response

    def pick(self, name: str, number: int) -> dict[str, Any]:
        return self.entities[name][number % len(self.entities[name])]

    @rule(name=st.sampled_from(ENVIRONMENTS), data=DATA, status=STATUSES)
    def create(self, name: str, data: dict[str, Any], status: str) -> None:
        response = self.send(name, "POST", "/v1/data/customer", {"data": data, "status": status})
        entity = response.json()
        assert (response.status_code, entity["data"], entity["status"]) == (201, data, status)
        self.entities[name].append(entity)

    @precondition(lambda self: any(self.entities.values()))
    @rule(name=st.sampled_from(ENVIRONMENTS), number=st.integers(0, 50), data=DATA, status=st.none() | STATUSES)
    def update(self, name: str, number: int, data: dict[str, Any], status: str | None) -> None:
        if not self.entities[name]:
            return
        old = self.pick(name, number)
        body = {"data": data} if status is None else {"data": data, "status": status}
        response = self.send(name, "PATCH", f"/v1/data/customer/{old['id']}", body)
        if old["status"] == "deleted":
            assert (response.status_code, response.json()) == (404, {"error": "Entity has been deleted"})
            return
        new = response.json()
        assert new["updatedAt"] >= old["updatedAt"]
        merged = reference.merge(old["data"], data)
        assert new == {**old, "data": merged, "status": status or old["status"], "updatedAt": new["updatedAt"]}
        old.update(new)

    @precondition(lambda self: any(self.entities.values()))
    @rule(name=st.sampled_from(ENVIRONMENTS), number=st.integers(0, 50))
    def delete(self, name: str, number: int) -> None:
        if not self.entities[name]:
            return
        entity = self.pick(name, number)
        response = self.send(name, "DELETE", f"/v1/data/customer/{entity['id']}")
        assert response.status_code == (404 if entity["status"] == "deleted" else 200)
        entity["status"] = "deleted"

    @rule(name=st.sampled_from(ENVIRONMENTS), number=st.integers(0, 50))
    def get(self, name: str, number: int) -> None:
        for owner in ENVIRONMENTS:
            if self.entities[owner]:
                entity = self.pick(owner, number)
                response = self.send(name, "GET", f"/v1/data/customer/{entity['id']}")
                if owner != name:
                    assert (response.status_code, response.json()) == (404, {"error": "Entity not found"})
                elif entity["status"] == "deleted":
                    assert (response.status_code, response.json()) == (404, {"error": "Entity has been deleted"})
                else:
                    assert response.json() == entity

    @rule(
        name=st.sampled_from(ENVIRONMENTS),
        limit=st.integers(1, 3),
        filters=st.dictionaries(FIELDS, VALUES | st.fixed_dictionaries({"$ne": VALUES}), max_size=1),
        status=st.none() | STATUSES,
    )
    def walk(self, name: str, limit: int, filters: dict[str, Any], status: str | None) -> None:
        body: dict[str, Any] = {"limit": limit, "cursor": None} | ({"status": status} if status else {})
        while True:
            page = self.send(name, "POST", "/v1/data/customer/query", {**body, "filters": filters}).json()
            assert page == reference.page(self.entities[name], filters, **body)
            body["cursor"] = page["cursor"]
            if not page["hasMore"]:
                return

    @rule(name=st.sampled_from(ENVIRONMENTS), query=st.sampled_from(["jane", "do", "pro", "jane x", "1", "doe jane"]))
    def search(self, name: str, query: str) -> None:
        found = self.send(name, "POST", "/v1/data/customer/search", {"query": query, "limit": 100}).json()["data"]
        expected = [entity for entity, _ in reference.search(self.entities[name], query, SEARCH_FIELDS)]
        assert sorted(found, key=lambda entity: entity["id"]) == sorted(expected, key=lambda entity: entity["id"])

    @precondition(lambda self: self.restarts and any(self.entities.values()))
    @rule()
    def restart(self) -> None:
        self.restarts -= 1
        self.server.stop()
        self.server.start()

    @invariant()
    def a_list_is_what_is_live(self) -> None:
        for name, entities in getattr(self, "entities", {}).items():
            page = self.send(name, "GET", "/v1/data/customer?limit=100").json()
            assert page == reference.page(entities, limit=100)

    def teardown(self) -> None:
        parts = self.server.parts()
        with closing(parts.database):
            assert list(problems(parts.database)) == []


@contextmanager
def started(folder: Path, command: Path = COMMAND) -> Iterator[Server]:
    server = Server(folder, command)
    try:
        yield server
    finally:
        server.stop()


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    with started(tmp_path_factory.mktemp("machine")) as server:
        yield server


def explore(server: Server, runs: settings) -> None:
    machine = type("BoundMachine", (Machine,), {"server": server})
    run_state_machine_as_test(machine, settings=settings(runs, stateful_step_count=30))


def test_the_api_answers_as_a_dictionary_would(server: Server) -> None:
    explore(server, examples(ci=12, full=300))


@pytest.mark.parametrize(
    "bug",
    [
        pytest.param(
            "Document.over = lambda self, old: Document.of("
            "{name: value for name, value in {**old, **self.fields}.items() if value is not None}, self.limits)",
            id="a merge that removes nulls",
        ),
        pytest.param("search_index.change = lambda *_: None", id="an index that misses updates"),
    ],
)
def test_a_planted_bug_is_caught(tmp_path: Path, bug: str) -> None:
    with started(tmp_path, plant(tmp_path, bug)) as server, pytest.raises((AssertionError, ExceptionGroup)):
        explore(server, settings(examples(ci=100, full=100), phases=[Phase.generate], database=None, derandomize=True))


def test_the_check_is_a_command_of_the_product(server: Server) -> None:
    checked = run("check", folder=server.folder)
    assert (checked.returncode, checked.stdout) == (0, "")
