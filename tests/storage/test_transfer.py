"""Whole environments in and out: ids, times and order are kept, and an import is stored whole or not at all."""

from collections.abc import Iterator

import pytest

from app.storage.database import Database
from app.storage.documents import decode
from app.storage.entities import Entity
from app.storage.entity_types import EntityTypes
from app.storage.errors import EntityTypeNotFound, Refused
from app.storage.organizations import Environment
from app.storage.repository import EntityRepository
from app.storage.transfer import AT_ONCE, Record, Transfer
from tests.conftest import CUSTOMER, PLAYER, START, ReplacedOutside

from .conftest import Open, document, ids_of

JANE = Record("customer", document({"name": "Jane", "n": 1.0}), "archived", "jane", START - 20, START - 10)
KIM = Record("player", document({"nickname": "Kim"}), id="kim")


@pytest.fixture
def elsewhere(database: Database, outside: ReplacedOutside, neighbours: list[Environment]) -> Transfer:
    """Another environment with the same types."""
    EntityTypes(database, outside, neighbours[0]).apply([PLAYER, CUSTOMER])
    return Transfer(database, outside, neighbours[0])


def ids(transfer: Transfer, slug: str | None = None) -> list[str]:
    return [entity.id for entity in transfer.export(slug)]


def as_record(entity: Entity) -> Record:
    fields = document(decode(entity.data))
    return Record(entity.type, fields, entity.status, entity.id, entity.created_at, entity.updated_at)


def test_what_a_record_gives_is_kept(transfer: Transfer, customers: EntityRepository) -> None:
    transfer.import_([JANE])
    assert customers.get("jane") == Entity(
        "jane", "customer", "archived", '{"name":"Jane","n":1.0}', START - 20, START - 10
    )


def test_what_a_record_lacks_is_made(transfer: Transfer) -> None:
    transfer.import_([Record("customer", document({}))])
    [entity] = transfer.export()
    assert entity[1:] == ("customer", "active", "{}", START, START)
    assert len(entity.id) == 32


def test_a_record_that_was_never_updated_was_when_it_was_created(transfer: Transfer) -> None:
    transfer.import_([JANE._replace(updated_at=None)])
    assert [entity.updated_at for entity in transfer.export()] == [JANE.created_at]


def test_an_import_tells_how_many_it_stored(transfer: Transfer) -> None:
    assert transfer.import_([]) == 0
    assert transfer.import_([JANE, KIM]) == 2
    assert transfer.count() == 2


def test_an_export_has_the_live_entities_of_all_types_in_creation_order(
    transfer: Transfer, open_entities: Open
) -> None:
    transfer.import_([JANE, KIM, JANE._replace(id="june"), JANE._replace(id="joan")])
    open_entities().delete("june")
    assert (ids(transfer), transfer.count()) == (["jane", "kim", "joan"], 3)
    assert (ids(transfer, "customer"), transfer.count("customer")) == (["jane", "joan"], 2)


def test_an_export_of_an_unknown_type_is_refused(transfer: Transfer) -> None:
    with pytest.raises(EntityTypeNotFound, match="Entity type planet not found"):
        ids(transfer, "planet")


def test_what_was_exported_is_the_same_after_an_import_elsewhere(transfer: Transfer, elsewhere: Transfer) -> None:
    transfer.import_([JANE, KIM, JANE._replace(id="june", created_at=0)])
    elsewhere.import_(map(as_record, transfer.export()))
    assert list(elsewhere.export()) == list(transfer.export())


def test_an_export_is_of_one_environment(transfer: Transfer, elsewhere: Transfer) -> None:
    transfer.import_([JANE])
    assert (ids(elsewhere), elsewhere.count()) == ([], 0)


def test_entities_may_change_while_they_are_exported(transfer: Transfer, customers: EntityRepository) -> None:
    transfer.import_([JANE, JANE._replace(id="june")])
    for entity in transfer.export():
        customers.update(entity.id, document({"seen": True}))
    assert transfer.count() == 2


BAD = {
    "a type that is not defined": (KIM._replace(type="planet"), "entity type planet is not defined"),
    "an id that an entity of its type has": (JANE, "id jane is taken in this environment"),
    "an id that an entity of another type has": (KIM._replace(id="jane"), "id jane is taken in this environment"),
    "an id that a deleted entity had": (JANE._replace(id="gone"), "id gone is taken in this environment"),
    "an id that comes twice": (KIM, "id kim is taken in this environment"),
}


@pytest.mark.parametrize(("bad", "sentence"), BAD.values(), ids=BAD)
def test_an_import_with_a_bad_record_stores_nothing(
    transfer: Transfer, customers: EntityRepository, bad: Record, sentence: str
) -> None:
    transfer.import_([JANE, JANE._replace(id="gone")])
    customers.delete("gone")
    with pytest.raises(Refused, match=sentence):
        transfer.import_([KIM, bad])
    assert ids(transfer) == ["jane"]
    assert ids_of(customers.search("jane")) == ["jane"]


def test_an_import_whose_source_fails_stores_nothing(transfer: Transfer) -> None:
    def records() -> Iterator[Record]:
        yield JANE
        raise Refused("line 2: no JSON")

    with pytest.raises(Refused, match="line 2"):
        transfer.import_(records())
    assert ids(transfer) == []


def test_an_import_holds_no_more_than_some_of_its_records(transfer: Transfer) -> None:
    """Those before are written by then, as the transaction alone can see."""

    def records() -> Iterator[Record]:
        for number in range(3 * AT_ONCE):
            assert transfer.count() >= number - AT_ONCE
            yield JANE._replace(id=f"jane-{number}")

    assert transfer.import_(records()) == 3 * AT_ONCE
    assert ids(transfer) == [f"jane-{number}" for number in range(3 * AT_ONCE)]


def test_an_id_that_comes_again_much_later_stores_nothing(transfer: Transfer) -> None:
    records = [JANE._replace(id=f"jane-{number}") for number in range(AT_ONCE + 1)]
    with pytest.raises(Refused, match="id jane-0 is taken"):
        transfer.import_([*records, records[0]])
    assert transfer.count() == 0


def test_what_is_created_after_an_import_follows_it(transfer: Transfer, customers: EntityRepository) -> None:
    first = customers.create(document({"name": "Jane"}))
    customers.delete(first.id)
    transfer.import_([JANE, KIM])
    last = customers.create(document({"name": "Jane"}))
    assert ids(transfer) == ["jane", "kim", last.id]
    assert len(customers.search("jane").entities) == 2


def test_an_id_may_be_the_same_in_another_environment(transfer: Transfer, elsewhere: Transfer) -> None:
    transfer.import_([JANE])
    elsewhere.import_([JANE])
    assert ids(transfer) == ids(elsewhere) == ["jane"]


def segments(database: Database) -> int:
    """Return how many segments the search table has."""
    sql = "SELECT count(DISTINCT segid) FROM search_1_idx"
    count: int = database.connection.execute(sql).get
    return count


@pytest.mark.parametrize(("before", "new", "expected"), [(0, 40, 1), (10, 40, 1), (60, 4, 5)])
def test_an_import_that_makes_up_most_of_a_type_leaves_one_segment_to_search(
    database: Database, transfer: Transfer, customers: EntityRepository, before: int, new: int, expected: int
) -> None:
    transfer.import_(Record("customer", document({"name": "kim"})) for _ in range(before))
    for _ in range(3):
        customers.create(document({"name": "jane"}))
    transfer.import_(Record("customer", document({"name": "kim"})) for _ in range(new))
    assert segments(database) == expected
    assert len(customers.search("kim", limit=100).entities) == before + new
