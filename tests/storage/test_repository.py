"""Entities of one type: created, read page by page, merged, deleted, and kept inside a scope."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import apsw
import pytest

from app.storage import filters
from app.storage.database import Database
from app.storage.documents import decode
from app.storage.entity_types import EntityTypes
from app.storage.errors import (
    EntityDeleted,
    EntityNotFound,
    EntityTypeNotFound,
    InvalidCursor,
    OutsideScope,
    StorageError,
)
from app.storage.organizations import Environment
from app.storage.repository import EntityRepository
from tests.conftest import CUSTOMER, START, ReplacedOutside

from .conftest import Fill, Open, document, ids_of

PRO = {"customer": filters.parse({"plan": "pro"})}


def ids(entities: EntityRepository, **wanted: Any) -> list[str]:
    return ids_of(entities.query(**wanted))


def pages(entities: EntityRepository, limit: int) -> list[list[str]]:
    """Return the ids of each page, until a page says that no more follow."""
    found, cursor, has_more = [], None, True
    while has_more:
        page = entities.query(limit=limit, cursor=cursor)
        found.append(ids_of(page))
        cursor, has_more = found[-1][-1] if found[-1] else None, page.has_more
    return found


def test_a_created_entity_is_returned_as_it_is_stored(customers: EntityRepository) -> None:
    created = customers.create(document({"name": "Jane"}))
    assert created[1:] == ("customer", "active", '{"name":"Jane"}', START, START)
    assert customers.get(created.id) == created


def test_ids_are_k17_and_29_characters_and_all_different(customers: EntityRepository) -> None:
    created = [customers.create(document({})).id for _ in range(10)]
    assert len(set(created)) == 10
    for entity_id in created:
        assert len(entity_id) == 32
        assert entity_id.startswith("k17")
        assert set(entity_id) <= set("0123456789abcdefghjkmnpqrstvwxyz")


def test_an_update_merges_data_and_keeps_the_rest(customers: EntityRepository, outside: ReplacedOutside) -> None:
    created = customers.create(document({"name": "Jane", "plan": "pro"}), status="trial")
    outside.time += 5
    updated = customers.update(created.id, document({"plan": None}))
    assert updated == created._replace(data='{"name":"Jane","plan":null}', updated_at=START + 5)
    assert customers.get(created.id) == updated


def test_an_update_sets_a_status_if_one_is_given(customers: EntityRepository) -> None:
    created = customers.create(document({"name": "Jane"}))
    assert customers.update(created.id, document({}), status="archived") == created._replace(status="archived")


def test_updated_at_never_goes_back_when_the_clock_does(customers: EntityRepository, outside: ReplacedOutside) -> None:
    created = customers.create(document({}))
    outside.time -= 1_000
    assert customers.update(created.id, document({"name": "Jane"})).updated_at == created.updated_at


def test_a_deletion_never_sets_updated_at_back(
    database: Database, customers: EntityRepository, outside: ReplacedOutside
) -> None:
    created = customers.create(document({}))
    outside.time -= 1_000
    customers.delete(created.id)
    assert database.connection.execute("SELECT status, updated_at FROM entity").get == ("deleted", START)


BY_ID: dict[str, Callable[[EntityRepository, str], Any]] = {
    "get": lambda entities, entity_id: entities.get(entity_id),
    "update": lambda entities, entity_id: entities.update(entity_id, document({"name": "changed"})),
    "delete": lambda entities, entity_id: entities.delete(entity_id),
}


@pytest.mark.parametrize("act", BY_ID.values(), ids=BY_ID)
def test_a_deleted_entity_is_gone(customers: EntityRepository, act: Callable[..., Any]) -> None:
    created = customers.create(document({}))
    customers.delete(created.id)
    with pytest.raises(EntityDeleted, match=r"^Entity has been deleted$"):
        act(customers, created.id)


def test_deleted_entities_are_in_no_query_not_even_by_their_status(customers: EntityRepository) -> None:
    customers.delete(customers.create(document({})).id)
    assert ids(customers) == ids(customers, status="deleted") == []
    assert ids(customers, conditions=filters.parse({"status": "deleted"})) == []


@pytest.mark.parametrize("act", BY_ID.values(), ids=BY_ID)
def test_an_unknown_id_is_not_found(customers: EntityRepository, act: Callable[..., Any]) -> None:
    with pytest.raises(EntityNotFound, match=r"^Entity not found$"):
        act(customers, "k17")


@pytest.mark.parametrize("act", BY_ID.values(), ids=BY_ID)
def test_an_id_of_another_type_environment_or_organization_is_not_found_and_unchanged(
    database: Database,
    outside: ReplacedOutside,
    neighbours: list[Environment],
    open_entities: Open,
    customers: EntityRepository,
    act: Callable[..., Any],
) -> None:
    created = customers.create(document({"name": "Jane"}))
    others = [open_entities("player")]
    for environment in neighbours:
        EntityTypes(database, outside, environment).apply([CUSTOMER])
        others.append(EntityRepository(database, outside, environment, None, "customer"))
    for entities in others:
        with pytest.raises(EntityNotFound):
            act(entities, created.id)
        with pytest.raises(InvalidCursor):
            entities.query(cursor=created.id)
        assert ids(entities) == []
        assert ids_of(entities.search("jane")) == []
    assert customers.get(created.id) == created


def test_an_unknown_type_is_not_found(open_entities: Open) -> None:
    with pytest.raises(EntityTypeNotFound, match=r"^Entity type planet not found$"):
        open_entities("planet")


def test_queries_are_in_creation_order_whatever_the_clock_says(
    customers: EntityRepository, outside: ReplacedOutside
) -> None:
    created = []
    for step in (0, -5, 10, 0):
        outside.time += step
        created.append(customers.create(document({})).id)
    assert ids(customers) == created


PAGES = {
    "no entity": (0, 3, [[]]),
    "fewer than a page": (2, 3, ["ab"]),
    "exactly a page": (3, 3, ["abc"]),
    "one more than a page": (4, 3, ["abc", "d"]),
    "exactly two pages": (6, 3, ["abc", "def"]),
    "pages of one": (3, 1, ["a", "b", "c"]),
}


@pytest.mark.parametrize(("count", "limit", "expected"), PAGES.values(), ids=PAGES)
def test_a_page_says_exactly_whether_more_follow(
    customers: EntityRepository, fill: Fill, count: int, limit: int, expected: list[str]
) -> None:
    fill({name: {} for name in "abcdef"[:count]})
    assert pages(customers, limit) == [list(page) for page in expected]


def test_filtered_and_deleted_entities_do_not_count_as_more(customers: EntityRepository, fill: Fill) -> None:
    fill({name: {"plan": "pro" if name in "ac" else "free"} for name in "abcd"})
    customers.delete("d")
    page = customers.query(filters.parse({"plan": "pro"}), limit=2)
    assert (ids_of(page), page.has_more) == (["a", "c"], False)
    assert not customers.query(limit=2, cursor="a").has_more


def test_status_is_matched_exactly(customers: EntityRepository) -> None:
    trial = customers.create(document({}), status="trial")
    customers.create(document({}), status="Trial")
    assert ids(customers, status="trial") == [trial.id]


MEANWHILE: dict[str, tuple[Callable[[EntityRepository], Any], str]] = {
    "deleted": (lambda entities: entities.delete("b"), "cd"),
    "updated, so that it no longer matches": (lambda entities: entities.update("b", document({"plan": "free"})), "cd"),
    "archived": (lambda entities: entities.update("b", document({}), status="archived"), "cd"),
    "followed by a deleted one": (lambda entities: entities.delete("c"), "d"),
}


@pytest.mark.parametrize(("act", "rest"), MEANWHILE.values(), ids=MEANWHILE)
def test_a_cursor_keeps_working_when_its_entity_was(
    customers: EntityRepository, fill: Fill, act: Callable[..., Any], rest: str
) -> None:
    fill({name: {"plan": "pro"} for name in "abcd"})
    act(customers)
    assert ids(customers, conditions=PRO["customer"], status="active", cursor="b") == list(rest)


def test_an_entity_created_between_two_pages_comes_last(customers: EntityRepository, fill: Fill) -> None:
    fill({name: {} for name in "abc"})
    new = customers.create(document({})).id
    assert ids(customers, cursor="b") == ["c", new]


@pytest.mark.parametrize("cursor", [None, ""], ids=["null", "empty"])
def test_no_cursor_is_the_first_page(customers: EntityRepository, fill: Fill, cursor: str | None) -> None:
    fill({"a": {}})
    assert ids(customers, cursor=cursor) == ["a"]


def test_a_scope_shows_only_what_matches_its_filters(open_entities: Open, fill: Fill) -> None:
    fill({"a": {"plan": "pro"}, "b": {"plan": "free"}, "c": {"plan": "pro"}})
    inside = open_entities(scope=PRO)
    assert pages(inside, 1) == [["a"], ["c"]]
    assert ids(inside, conditions=filters.parse({"plan": "free"})) == []
    assert inside.get("a").id == "a"


def test_an_empty_filter_in_a_scope_shows_the_whole_type(open_entities: Open, fill: Fill) -> None:
    fill({"a": {}, "b": {"plan": "free"}})
    assert ids(open_entities(scope={"customer": ()})) == ["a", "b"]


def test_a_type_that_the_scope_does_not_list_is_outside(open_entities: Open) -> None:
    with pytest.raises(OutsideScope, match=r"^The API key's scope does not include entity type player$"):
        open_entities("player", scope=PRO)


def test_an_unknown_type_is_not_found_even_where_the_scope_lists_it(open_entities: Open) -> None:
    with pytest.raises(EntityTypeNotFound):
        open_entities("planet", scope={"planet": ()})


OUTSIDE: dict[str, Callable[[EntityRepository], Any]] = {
    "reading what lies outside": lambda entities: entities.get("free"),
    "updating what lies outside": lambda entities: entities.update("free", document({"plan": "pro"})),
    "deleting what lies outside": lambda entities: entities.delete("free"),
    "creating outside": lambda entities: entities.create(document({"plan": "free"})),
    "creating without the field": lambda entities: entities.create(document({})),
    "an update that leads outside": lambda entities: entities.update("pro", document({"plan": "free"})),
}


@pytest.mark.parametrize("act", OUTSIDE.values(), ids=OUTSIDE)
def test_what_lies_outside_a_scope_is_refused_and_changes_nothing(
    database: Database, open_entities: Open, fill: Fill, act: Callable[..., Any]
) -> None:
    fill({"pro": {"plan": "pro", "name": "Jane"}, "free": {"plan": "free", "name": "Kim"}})
    before = contents(database)
    with pytest.raises(OutsideScope, match=r"^The API key's scope does not include this entity$"):
        act(open_entities(scope=PRO))
    assert contents(database) == before


@pytest.mark.parametrize("act", OUTSIDE.values(), ids=OUTSIDE)
def test_what_lies_outside_a_scope_is_refused_before_anything_is_written(
    database: Database, open_entities: Open, fill: Fill, act: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    fill({"pro": {"plan": "pro", "name": "Jane"}, "free": {"plan": "free", "name": "Kim"}})
    before = database.connection.total_changes()
    monkeypatch.setattr(database, "write", lambda function: function(database.connection))
    with pytest.raises(OutsideScope):
        act(open_entities(scope=PRO))
    assert database.connection.total_changes() == before


def contents(database: Database) -> list[Any]:
    """Return every entity and every indexed text."""
    connection = database.connection
    return [*connection.execute("SELECT * FROM entity"), *connection.execute("SELECT rowid, text FROM search_1")]


def test_an_update_inside_a_scope_is_kept(open_entities: Open, fill: Fill) -> None:
    fill({"pro": {"plan": "pro"}})
    inside = open_entities(scope=PRO)
    inside.update("pro", document({"name": "Jane"}))
    assert decode(inside.get("pro").data) == {"plan": "pro", "name": "Jane"}


def test_a_scope_on_the_status_bounds_updates(open_entities: Open, fill: Fill) -> None:
    fill({"a": {}})
    active = open_entities(scope={"customer": filters.parse({"status": "active"})})
    with pytest.raises(OutsideScope):
        active.update("a", document({}), status="archived")
    assert active.get("a").status == "active"


WRITES = {
    "create": lambda entities: entities.create(document({"name": "Kim"})),
    "update": lambda entities: entities.update("a", document({"name": "Kim"})),
    "delete": lambda entities: entities.delete("a"),
}


@pytest.mark.parametrize("act", WRITES.values(), ids=WRITES)
def test_a_write_that_fails_in_the_index_changes_no_row(
    database: Database, customers: EntityRepository, fill: Fill, act: Callable[..., Any]
) -> None:
    fill({"a": {"name": "Jane"}})
    database.connection.execute("DROP TABLE search_1")
    rows = list(database.connection.execute("SELECT * FROM entity"))
    with pytest.raises(apsw.SQLError):
        act(customers)
    assert list(database.connection.execute("SELECT * FROM entity")) == rows


def test_updates_of_different_fields_at_the_same_moment_all_survive(customers: EntityRepository, fill: Fill) -> None:
    fill({"a": {}})

    def update(number: int) -> None:
        customers.update("a", document({f"f{number}": number}))

    with ThreadPoolExecutor(8) as threads:
        list(threads.map(update, range(40)))
    assert decode(customers.get("a").data) == {f"f{number}": number for number in range(40)}


def test_one_of_many_deletions_at_the_same_moment_succeeds(customers: EntityRepository, fill: Fill) -> None:
    fill({"a": {}})

    def delete(_: int) -> str:
        try:
            customers.delete("a")
        except StorageError as error:
            return str(error)
        return "deleted"

    with ThreadPoolExecutor(8) as threads:
        assert sorted(threads.map(delete, range(8))) == ["Entity has been deleted"] * 7 + ["deleted"]


def test_paging_while_others_write_repeats_nothing_and_skips_nothing(customers: EntityRepository, fill: Fill) -> None:
    lasting = [f"lasting{number}" for number in range(30)]
    fill(
        {name: {} for pair in zip(lasting, (f"passing{number}" for number in range(30)), strict=True) for name in pair}
    )

    def disturb(number: int) -> None:
        customers.delete(f"passing{number}")
        customers.create(document({"name": "new"}))
        customers.update(f"lasting{number}", document({"name": "changed"}))

    with ThreadPoolExecutor(4) as threads:
        running = [threads.submit(disturb, number) for number in range(30)]
        seen = [entity_id for page in pages(customers, 7) for entity_id in page]
        for each in running:
            each.result()
    assert len(seen) == len(set(seen))
    assert [entity_id for entity_id in seen if entity_id in lasting] == lasting
