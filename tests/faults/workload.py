"""Writers of the product's own storage, and a ledger of what it has acknowledged to them."""

import json
import random
from pathlib import Path
from typing import Any

from app.storage.database import Database
from app.storage.documents import Document, Limits
from app.storage.entity_types import EntityTypes
from app.storage.errors import EntityTypeNotFound
from app.storage.migrations import prepare
from app.storage.organizations import Environment, ensure_organization, find_organization
from app.storage.outside import Outside
from app.storage.repository import EntityRepository
from tests.conftest import CUSTOMER

TOKENIZER = "unicode61 remove_diacritics 2"
LIMITS = Limits(data_bytes=2**20, depth=16, fields=1024, elements=8192, name_length=1024)
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


class Ledger:
    """The states that a database went through by acknowledged writes, and the one that a write may have led to."""

    def __init__(self) -> None:
        self.states: list[State] = [None]
        self.attempted: State = None

    @property
    def state(self) -> State:
        return self.states[-1]

    def attempt(self, state: State) -> None:
        self.attempted = state

    def acknowledge(self) -> None:
        self.states.append(self.attempted)

    def lost(self, found: State) -> int:
        """Return how many acknowledged writes a state lacks; fail where it never was one."""
        if found == self.attempted:
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

    def entities(self, database: Database) -> EntityRepository:
        return EntityRepository(database, self._outside, self._environment, None, "customer")

    def write(self, database: Database) -> None:
        """Create, update or delete an entity."""
        state = self.ledger.state or {}
        live = [entity_id for entity_id, (status, _) in state.items() if status != "deleted"]
        act = self._dice.choices([self.create, self.update, self.delete], [5, 3, 1])[0] if live else self.create
        act(self.entities(database), live)
        self.ledger.acknowledge()

    def settle(self, database: Database) -> None:
        if found(database) == self.ledger.attempted:
            self.ledger.acknowledge()

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

    def _fields(self) -> dict[str, Any]:
        words = self._dice.choices(NAMES, k=self._dice.choice([1, 2, 2000]))
        return {self._dice.choice(["name", "email", "plan"]): " ".join(words)}


def document(fields: dict[str, Any]) -> Document:
    return Document.of(fields, LIMITS)


def connect(path: Path, durability: str = "full", vfs: str | None = None, busy_timeout: int = 0) -> Database:
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
