"""Writers of the product's own storage, and a ledger of what it has acknowledged to them."""

import json
import random
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from itertools import combinations
from pathlib import Path
from typing import Any
from unittest.mock import patch

from app.storage.database import Database
from app.storage.documents import Document, Limits
from app.storage.entity_types import EntityTypes
from app.storage.errors import EntityTypeNotFound, OutsideScope
from app.storage.migrations import prepare
from app.storage.organizations import Environment, ensure_organization, find_organization
from app.storage.outside import Outside
from app.storage.repository import EntityRepository
from tests.conftest import CUSTOMER
from tests.faults.vfs import PowerCut
from tests.server import PATIENCE
from tests.turns import turn_taken

TOKENIZER = "unicode61 remove_diacritics 2"
LIMITS = Limits(data_bytes=2**20, depth=16, fields=1024, elements=8192, name_length=1024)
TOGETHER = 0.3  # of the writes are several in one group
REFUSED = 0.3  # of those have one that is refused after it was written
REFUSED_ID = "k17" + 29 * "r"
NAMES = ("Jane", "Kim", "Ravi", "Amélie", "Sam")

State = dict[str, tuple[str, str]] | None  # status and data by id; None where not even the type is there


class CountingOutside(Outside):
    """Times and ids that are counted, so that the next ones are known."""

    def __init__(self) -> None:
        self.count = 0

    def now(self) -> int:
        return self.count

    def entity_id(self) -> str:
        self.count += 1
        return self.next_id(0)

    def next_id(self, ahead: int = 1) -> str:
        return f"k17{self.count + ahead:029d}"


class NamedOutside(CountingOutside):
    """One id, however often it is asked for."""

    def __init__(self, name: str) -> None:
        super().__init__()
        self._name = name

    def entity_id(self) -> str:
        return self._name


class Ledger:
    """The states that a database went through by acknowledged writes, and those that a write may have led to."""

    def __init__(self) -> None:
        self.states: list[State] = [None]
        self.attempted: tuple[State, ...] = ()

    @property
    def state(self) -> State:
        return self.states[-1]

    def attempt(self, *states: State) -> None:
        self.attempted = states

    def acknowledge(self) -> None:
        self.states.append(self.attempted[-1])

    def settle(self, found: State) -> None:
        if found in self.attempted:
            self.states.append(found)

    def lost(self, found: State) -> int:
        """Return how many acknowledged writes a state lacks; fail where it never was one."""
        if found in self.attempted:
            return 0
        assert found in self.states, f"a state that never was: {found}, after {self.states[-1]}"
        return len(self.states) - 1 - max(n for n, state in enumerate(self.states) if state == found)


class Workload:
    """Writes to one entity type as the dice say, and tells the ledger."""

    def __init__(self, dice: random.Random) -> None:
        self.ledger = Ledger()
        self._dice = dice
        self._outside = CountingOutside()

    def set_up(self, database: Database) -> None:
        """Make the file, the organization and the type."""
        self.ledger.attempt({})
        prepare(database)
        organization = ensure_organization(database, self._outside, "local")
        self._environment = Environment(organization, "development")
        EntityTypes(database, self._outside, self._environment).apply([CUSTOMER])
        self.ledger.acknowledge()

    def entities(self, database: Database, outside: Outside | None = None) -> EntityRepository:
        return EntityRepository(database, outside or self._outside, self._environment, None, "customer")

    def write(self, database: Database) -> None:
        """Create, update or delete an entity, or write several at the same moment."""
        if self._dice.random() < TOGETHER:
            self.write_together(database)
            return
        state = self.ledger.state or {}
        live = [entity_id for entity_id, (status, _) in state.items() if status != "deleted"]
        act = self._dice.choices([self.create, self.update, self.delete], [5, 3, 1])[0] if live else self.create
        act(self.entities(database), live)
        self.ledger.acknowledge()

    def write_together(self, database: Database) -> None:
        """Create and update entities in one group, with or without a write that is undone because it is refused."""
        state = self.ledger.state or {}
        live = [entity_id for entity_id, (status, _) in state.items() if status != "deleted"]
        updated = {entity_id: self._fields() for entity_id in self._dice.sample(live, min(2, len(live)))}
        created = {self._outside.entity_id(): self._fields() for _ in range(self._dice.choice([1, 2, 3]))}
        results = {name: self._merged(state.get(name), fields) for name, fields in {**updated, **created}.items()}
        with_refused = self._dice.random() < REFUSED
        self.ledger.attempt(*(_parts(state, results) if with_refused else [state | results]))
        with lined_up(database) as writes:
            if with_refused:
                with refused_afterwards(database):
                    self.entities(database, NamedOutside(REFUSED_ID)).create(document({"name": NAMES[0]}))
            for name, fields in updated.items():
                self.entities(database).update(name, document(fields), "trial")
            for name, fields in created.items():
                self.entities(database, NamedOutside(name)).create(document(fields))
        errors = [write.answer.exception(PATIENCE) for write in writes[-len(results) :]]
        self._learn(state, results, errors, alone=with_refused)

    def _learn(
        self, state: dict[str, Any], results: dict[str, Any], errors: list[BaseException | None], alone: bool
    ) -> None:
        """Tell the ledger what was acknowledged, one by one, and raise what was not."""
        failed = dict(zip(results, errors, strict=True))
        acknowledged = state
        for name, result in results.items():
            if failed[name] is None:
                acknowledged = acknowledged | {name: result}
                if alone:  # each in a transaction of its own, in this order
                    self.ledger.attempt(acknowledged)
                    self.ledger.acknowledge()
        if acknowledged != state and not alone:
            self.ledger.attempt(acknowledged)
            self.ledger.acknowledge()
        if any(errors):
            # One whose answer the cut has taken may be there; of a group that none of has an answer, all or nothing is.
            if acknowledged != state or not any(isinstance(error, PowerCut) for error in errors):
                self.ledger.attempt(
                    *_parts(acknowledged, {name: result for name, result in results.items() if failed[name]})
                )
            raise next(filter(None, errors))

    def settle(self, database: Database) -> None:
        self.ledger.settle(found(database))

    def read(self, database: Database) -> None:
        """Read and search: what was acknowledged is there, and nothing else."""
        state = self.ledger.state or {}
        assert found(database) == state
        live = {entity_id: json.loads(data) for entity_id, (status, data) in state.items() if status != "deleted"}
        for name in NAMES:
            matching = {
                entity_id
                for entity_id, fields in live.items()
                if any(name in fields.get(field, "") for field in CUSTOMER.search_fields)
            }
            shown = self.entities(database).search(name, 100).entities
            assert {json.loads(entity)["id"] for entity in shown} == matching

    def create(self, entities: EntityRepository, live: list[str]) -> None:
        fields = self._fields()
        self._attempt(self._outside.next_id(), "active", fields)
        entities.create(document(fields))

    def update(self, entities: EntityRepository, live: list[str]) -> None:
        entity_id, fields = self._dice.choice(live), self._fields()
        _, old = (self.ledger.state or {})[entity_id]
        self._attempt(entity_id, "trial", {**json.loads(old), **fields})
        entities.update(entity_id, document(fields), "trial")

    def delete(self, entities: EntityRepository, live: list[str]) -> None:
        entity_id = self._dice.choice(live)
        _, old = (self.ledger.state or {})[entity_id]
        self._attempt(entity_id, "deleted", json.loads(old))
        entities.delete(entity_id)

    def _attempt(self, entity_id: str, status: str, fields: dict[str, Any]) -> None:
        self.ledger.attempt({**(self.ledger.state or {}), entity_id: (status, document(fields).text)})

    def _merged(self, old: tuple[str, str] | None, fields: dict[str, Any]) -> tuple[str, str]:
        if old is None:
            return "active", document(fields).text
        return "trial", document({**json.loads(old[1]), **fields}).text

    def _fields(self) -> dict[str, Any]:
        words = self._dice.choices(NAMES, k=self._dice.choice([1, 2, 2000]))
        return {self._dice.choice(["name", "email", "plan"]): " ".join(words)}


@contextmanager
def lined_up(database: Database) -> Iterator[list[Any]]:
    """Let what is written within wait until all of it can be written in one group; give what was lined up."""
    writes: list[Any] = []
    line_up = database._group_commit._line_up
    with turn_taken(database.path), patch.object(database, "write", lambda each: writes.append(line_up(each))):
        yield writes


@contextmanager
def refused_afterwards(database: Database) -> Iterator[None]:
    """Refuse what is written within after it was written, which the product's own writes never do."""
    write = database.write

    def refuse(function: Callable[[Any], Any], connection: Any) -> None:
        function(connection)
        raise OutsideScope("this entity")

    with patch.object(database, "write", lambda each: write(partial(refuse, each))):
        yield


def _parts(state: dict[str, Any], results: dict[str, Any]) -> Iterator[State]:
    """Yield the states in which some of the results are there, all of them last."""
    for count in range(len(results) + 1):
        for names in combinations(results, count):
            yield state | {name: results[name] for name in names}


def document(fields: dict[str, Any]) -> Document:
    return Document.of(fields, LIMITS)


def connect(path: Path, durability: str = "full", vfs: str | None = None, busy_timeout: int = 10_000) -> Database:
    return Database(path, busy_timeout, TOKENIZER, durability, vfs)


def found(database: Database) -> State:
    """Return the state that a database is in."""
    organization = find_organization(database, "local")
    try:
        EntityTypes(database, Outside(), Environment(organization or 0, "development")).get("customer")
    except EntityTypeNotFound:
        return None
    return {
        entity_id: (status, data) for entity_id, status, data in database.read("SELECT id, status, data FROM entity")
    }
