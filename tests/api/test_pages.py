"""What a list and a query have in common: order, pages, limits, cursors and the status."""

from collections.abc import Callable
from typing import Any

import pytest

from tests.conftest import UNKNOWN_ID, Cast, Key, ReplacedOutside, assert_error

PATH = "/v1/data/customer"

Page = Callable[..., Any]


@pytest.fixture(params=["list", "query"])
def page(request: pytest.FixtureRequest, owner: Key) -> Page:
    """Ask for a page of customers by either route and return the response."""

    def page(who: Key = owner, **wanted: Any) -> Any:
        if request.param == "list":
            return who.get(PATH, query_string=wanted)
        return who.post(f"{PATH}/query", wanted)

    return page


def names(response: Any) -> list[str]:
    return [entity["data"]["name"] for entity in response.json["data"]]


def create(owner: Key, count: int) -> list[dict[str, Any]]:
    """Create customers named 0, 1, 2 and so on."""
    return [owner.create({"name": str(number)}) for number in range(count)]


def test_a_page_holds_whole_entities_and_nothing_but_the_three_keys(owner: Key, page: Page) -> None:
    created = create(owner, 2)
    response = page()
    assert response.status_code == 200
    assert response.json == {"data": created, "cursor": None, "hasMore": False}


def test_no_entities_are_an_empty_page(page: Page) -> None:
    assert page().json == {"data": [], "cursor": None, "hasMore": False}


def test_entities_of_other_types_are_not_shown(owner: Key, page: Page) -> None:
    owner.create({"name": "player"}, slug="player")
    assert names(page()) == []


def test_entities_come_oldest_first_by_creation_whatever_the_clock_says(
    owner: Key, outside: ReplacedOutside, page: Page
) -> None:
    ids = []
    for _ in range(12):
        outside.time -= 1
        ids.append(owner.create({})["id"])
    assert [entity["id"] for entity in page().json["data"]] == ids


def test_an_update_does_not_change_the_order(owner: Key, outside: ReplacedOutside, page: Page) -> None:
    first, _ = create(owner, 2)
    outside.time += 1
    owner.patch(f"{PATH}/{first['id']}", {"data": {}})
    assert names(page()) == ["0", "1"]


@pytest.mark.parametrize(
    ("limit", "shown", "more"),
    [(1, 1, True), (2, 2, True), (3, 3, False), (4, 3, False)],
    ids=["one of three", "two of three", "exactly all", "more than all"],
)
def test_the_cursor_is_the_last_id_exactly_when_there_is_more(
    owner: Key, page: Page, limit: int, shown: int, more: bool
) -> None:
    created = create(owner, 3)
    assert page(limit=limit).json == {
        "data": created[:shown],
        "cursor": created[shown - 1]["id"] if more else None,
        "hasMore": more,
    }


def test_a_deleted_rest_is_no_more(owner: Key, page: Page) -> None:
    created = create(owner, 2)
    owner.delete(f"{PATH}/{created[1]['id']}")
    assert page(limit=1).json["hasMore"] is False


@pytest.mark.parametrize("limit", [None, 100, 101, 1000, 2**63 - 1], ids=lambda limit: f"limit {limit}")
def test_a_page_has_50_entities_unless_a_limit_is_given_and_never_more_than_100(
    owner: Key, page: Page, limit: int | None
) -> None:
    create(owner, 101)
    wanted = {} if limit is None else {"limit": limit}
    assert len(page(**wanted).json["data"]) == (50 if limit is None else 100)


def test_pages_follow_each_other_to_the_end(owner: Key, page: Page) -> None:
    create(owner, 5)
    assert walk(page, limit=2) == ["0", "1", "2", "3", "4"]


def walk(page: Page, between: Callable[[dict[str, Any]], object] = bool, **wanted: Any) -> list[str]:
    """Return the names on all pages; `between` gets each page before the next one is asked for."""
    found = []
    while True:
        response = page(**wanted)
        found += names(response)
        if not response.json["hasMore"]:
            return found
        between(response.json)
        wanted["cursor"] = response.json["cursor"]


def test_changes_between_pages_neither_repeat_nor_skip_an_entity(owner: Key, page: Page) -> None:
    create(owner, 9)
    new = iter("abcdefghi")

    def between(shown: dict[str, Any]) -> None:
        first, last = shown["data"]
        owner.create({"name": next(new)})
        owner.patch(f"{PATH}/{first['id']}", {"data": {}, "status": "archived"})
        owner.delete(f"{PATH}/{last['id']}")

    found = walk(page, between, limit=2)
    assert found[:9] == [str(number) for number in range(9)]
    assert len(set(found)) == len(found)


def test_a_cursor_works_when_its_entity_was_deleted(owner: Key, page: Page) -> None:
    created = create(owner, 3)
    owner.delete(f"{PATH}/{created[1]['id']}")
    assert names(page(cursor=created[1]["id"])) == ["2"]


def test_a_cursor_works_when_its_entity_no_longer_matches(owner: Key, page: Page) -> None:
    created = create(owner, 3)
    owner.patch(f"{PATH}/{created[1]['id']}", {"data": {}, "status": "archived"})
    assert names(page(cursor=created[1]["id"], status="active")) == ["2"]


def test_a_cursor_of_the_last_entity_is_an_empty_page(owner: Key, page: Page) -> None:
    assert names(page(cursor=create(owner, 2)[1]["id"])) == []


def test_an_empty_cursor_means_none(owner: Key, page: Page) -> None:
    create(owner, 2)
    assert names(page(cursor="")) == ["0", "1"]


@pytest.mark.parametrize("cursor", [UNKNOWN_ID, "nonsense", "null", "' OR 1=1 --", " "])
def test_a_cursor_that_is_no_entity_is_invalid(owner: Key, page: Page, cursor: str) -> None:
    create(owner, 1)
    assert_error(page(cursor=cursor), 400, "Invalid cursor")


def test_a_cursor_of_another_type_is_invalid(owner: Key, page: Page) -> None:
    assert_error(page(cursor=owner.create({}, slug="player")["id"]), 400, "Invalid cursor")


@pytest.mark.parametrize("who", ["tester", "operator", "stranger"])
def test_a_cursor_of_another_environment_or_organization_is_invalid(cast: Cast, page: Page, who: str) -> None:
    cursor = cast.owner.create({})["id"]
    assert_error(page(getattr(cast, who), cursor=cursor), 400, "Invalid cursor")


@pytest.mark.parametrize(
    ("status", "expected"),
    [("active", ["0"]), ("archived", ["a"]), ("on hold", ["b"]), ("Active", []), ("act", []), ("deleted", [])],
)
def test_the_status_filters_exactly(owner: Key, page: Page, status: str, expected: list[str]) -> None:
    create(owner, 1)
    owner.create({"name": "a"}, status="archived")
    owner.create({"name": "b"}, status="on hold")
    assert names(page(status=status)) == expected


def test_every_status_but_deleted_is_shown_without_a_filter(owner: Key, page: Page) -> None:
    create(owner, 1)
    owner.create({"name": "a"}, status="archived")
    assert names(page()) == ["0", "a"]


def test_the_status_is_the_entitys_own_even_beside_a_field_of_that_name(owner: Key, page: Page) -> None:
    owner.create({"name": "0", "status": "archived"})
    assert names(page(status="archived")) == []
    assert names(page(status="active")) == ["0"]


def test_pages_of_a_status_follow_each_other(owner: Key, page: Page) -> None:
    for number in range(6):
        owner.create({"name": str(number)}, status="odd" if number % 2 else "even")
    assert walk(page, status="odd", limit=1) == ["1", "3", "5"]


small_pages = pytest.mark.parametrize("config", [{"MAX_PAGE_BYTES": "30"}], indirect=True, ids=["30 bytes a page"])
LENGTHS: dict[str, tuple[list[str], list[int]]] = {
    "less than fits": (["0", "0"], [2]),  # 12 bytes each
    "one more than fits": (["0", "0", "0"], [2, 1]),
    "exactly what fits": (["012345", "01"], [2]),  # 17 and 13 bytes
    "a byte more than fits": (["0123456", "01"], [1, 1]),
    "bytes and not characters": (["ééé", "01"], [2]),
    "a byte more of these": (["éééx", "01"], [1, 1]),
    "one larger than a page": (["x" * 50], [1]),
    "one larger than a page amid small ones": (["0", "x" * 50, "0"], [1, 1, 1]),
    "all larger than a page": (["x" * 50] * 3, [1, 1, 1]),
}


@small_pages
@pytest.mark.parametrize(("texts", "shown"), LENGTHS.values(), ids=LENGTHS)
def test_a_page_ends_before_its_data_would_be_too_large_but_holds_one(
    owner: Key, page: Page, texts: list[str], shown: list[int]
) -> None:
    created = [owner.create({"name": text}) for text in texts]
    found, lengths, cursor = [], [], ""
    while cursor is not None:
        body = page(cursor=cursor).json
        assert body["hasMore"] == (body["cursor"] is not None)
        assert body["cursor"] in (None, body["data"][-1]["id"])
        found += body["data"]
        lengths.append(len(body["data"]))
        cursor = body["cursor"]
    assert (found, lengths) == (created, shown)


@small_pages
def test_a_search_holds_the_best_that_fit(owner: Key) -> None:
    created = [owner.create({"name": name}) for name in ("a", "a b", "a b c")]
    response = owner.post(f"{PATH}/search", {"query": "a"})
    assert response.json == {"data": created[:2], "cursor": None, "hasMore": False}
    assert len(owner.post(f"{PATH}/search", {"query": "c"}).json["data"]) == 1
