"""Going page by page, while entities come and go, repeats nothing and skips nothing that stays."""

from collections.abc import Callable
from random import Random
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.parts import Parts
from app.storage import declarations, field_indexes
from app.storage.documents import decode
from app.storage.repository import EntityRepository, Page
from tests import reference
from tests.conftest import Key
from tests.profiles import examples

pytestmark = pytest.mark.usefixtures("many_are_few")


class World:
    """The entities of the type `customer`, and what happens to them between two pages."""

    def __init__(self, owner: Key, chance: Random) -> None:
        self.owner = owner
        self.chance = chance
        self.entities: list[dict[str, Any]] = []

    def live(self) -> list[dict[str, Any]]:
        return [entity for entity in self.entities if entity["status"] != "deleted"]

    def happen(self) -> None:
        """Create, delete or change an entity."""
        act = self.chance.choice([self.create, self.create, self.delete, self.change])
        if act == self.create or self.live():
            act()

    def create(self) -> None:
        status = self.chance.choice(["active", "archived"])
        self.entities.append(
            self.owner.create(
                {"plan": self.chance.choice(["pro", "free"]), "age": self.chance.randrange(12)}, status=status
            )
        )

    def delete(self) -> None:
        entity = self.chance.choice(self.live())
        self.owner.delete(f"/v1/data/customer/{entity['id']}")
        entity["status"] = "deleted"

    def change(self) -> None:
        entity = self.chance.choice(self.live())
        answer = self.owner.patch(f"/v1/data/customer/{entity['id']}", {"data": {"plan": "free"}})
        entity.update(answer.json)


def index(parts: Parts, chance: Random) -> None:
    """Declare some indexes, and no more the ones from before."""
    with parts.database.transaction() as connection:
        declarations.declare(connection, 1, chance.sample(["plan", "age"], chance.randint(0, 2)), now=0)


def walk(owner: Key, parts: Parts, seed: int, start: int, between: int) -> None:
    """Walk all pages of a query, with events between them, and compare each page with the reference's."""
    world = World(owner, Random(seed))
    for _ in range(start):
        world.create()
    status = world.chance.choice([None, "active"])
    filters = world.chance.choice(
        [{}, {"plan": "free"}, {"plan": {"$gte": "free"}}, {"plan": "pro", "age": {"$lt": 9}}]
    )
    throughout = {entity["id"] for entity in reference.page(world.entities, filters, status, 10**6)["data"]}
    seen: list[str] = []
    page: dict[str, Any] = {"cursor": None, "hasMore": True}
    while page["hasMore"]:
        if world.chance.random() < 0.3:
            index(parts, world.chance)
        body = {"limit": world.chance.randint(1, 3), "cursor": page["cursor"], **({"status": status} if status else {})}
        page = owner.post("/v1/data/customer/query", {**body, "filters": filters}).json
        assert page == reference.page(world.entities, filters, **body), seed
        seen += [entity["id"] for entity in page["data"]]
        for _ in range(world.chance.randint(0, between) if len(seen) < 60 else 0):
            world.happen()
    assert len(seen) == len(set(seen)), seed
    staying = {entity["id"] for entity in reference.page(world.entities, filters, status, 10**6)["data"]}
    assert throughout & staying <= set(seen), seed


@pytest.fixture
def forget(parts: Parts, environments: object) -> Callable[[], None]:
    connection = parts.database.connection
    connection.pragma("synchronous", "off")  # a test of answers, not of durability

    def forget() -> None:
        connection.execute("DELETE FROM search_1; DELETE FROM entity")
        field_indexes.remove_all(connection, 1)

    return forget


@examples(ci=100, full=2_000)
@given(seed=st.integers(0, 2**32), start=st.integers(0, 20), between=st.integers(0, 4))
def test_a_walk_sees_what_the_reference_does(
    owner: Key, parts: Parts, forget: Callable[[], None], seed: int, start: int, between: int
) -> None:
    forget()
    walk(owner, parts, seed, start, between)


def by_offset(repository: EntityRepository, limit: int = 50, cursor: str | None = None, **rest: Any) -> Page:
    """Page as an OFFSET does: skip as many as were on the pages before."""
    offset = OFFSETS.get(cursor or "", 0)
    every = QUERY(repository, limit=10**6, **rest).entities
    page = Page(every[offset : offset + limit], len(every) > offset + limit)
    if page.entities:
        OFFSETS[decode(page.entities[-1])["id"]] = offset + limit
    return page


def forgetful(repository: EntityRepository, cursor: str | None) -> int:
    """Find no cursor whose entity is gone."""
    sequence = SEQUENCE(repository, cursor)
    gone = repository._database.connection.execute("SELECT status = 'deleted' FROM entity WHERE id = ?", (cursor,)).get
    return 0 if gone else sequence


QUERY, SEQUENCE = EntityRepository.query, EntityRepository._sequence
OFFSETS: dict[str, int] = {}


@pytest.mark.parametrize(("method", "bug"), [("query", by_offset), ("_sequence", forgetful)])
def test_a_planted_bug_is_caught(
    owner: Key,
    parts: Parts,
    forget: Callable[[], None],
    monkeypatch: pytest.MonkeyPatch,
    method: str,
    bug: Callable[..., Any],
) -> None:
    def attempt() -> None:
        for seed in range(60):
            forget()
            walk(owner, parts, seed, 12, 4)

    attempt()
    monkeypatch.setattr(EntityRepository, method, bug)
    with pytest.raises(AssertionError):
        attempt()
