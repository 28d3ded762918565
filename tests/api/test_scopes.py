"""A key with a scope sees the listed types, and of each the entities that match its filters; nothing else."""

from collections.abc import Callable
from typing import Any

import pytest

from tests.conftest import ID_ROUTES, PAGE_ROUTES, ROUTES, TYPE_ROUTES, Key, Route, assert_error

PATH = "/v1/data/customer"


@pytest.fixture
def scoped(make_key: Callable[..., Key]) -> Key:
    """A key of the owner's environment that sees customers with the plan pro."""
    return make_key(scope={"customer": {"plan": "pro"}})


@pytest.fixture
def inside(owner: Key) -> dict[str, Any]:
    return owner.create({"name": "Jane inside", "plan": "pro"})


@pytest.fixture
def beyond(owner: Key) -> dict[str, Any]:
    return owner.create({"name": "Jane beyond", "plan": "free"})


def slugs(key: Key) -> list[str]:
    return [each["slug"] for each in key.get("/v1/entity-types").json["data"]]


def test_only_listed_types_are_listed(scoped: Key) -> None:
    assert slugs(scoped) == ["customer"]


@pytest.mark.parametrize("route", TYPE_ROUTES.values(), ids=TYPE_ROUTES)
def test_a_type_that_is_not_listed_is_refused_and_unchanged(owner: Key, scoped: Key, route: Route) -> None:
    created = owner.create({"name": "Jane", "plan": "pro"}, slug="player")
    assert_error(scoped.request(**route.options("player", created["id"])), 403)
    assert owner.get("/v1/data/player").json["data"] == [created]


@pytest.mark.parametrize("route", TYPE_ROUTES.values(), ids=TYPE_ROUTES)
def test_a_type_that_does_not_exist_is_not_found(make_key: Callable[..., Key], route: Route) -> None:
    key = make_key(scope={"nothing": {}})
    assert_error(key.request(**route.options("nothing")), 404, "Entity type nothing not found")
    assert slugs(key) == []


@pytest.mark.parametrize("route", PAGE_ROUTES.values(), ids=PAGE_ROUTES)
def test_only_entities_inside_are_shown(
    scoped: Key, inside: dict[str, Any], beyond: dict[str, Any], route: Route
) -> None:
    assert scoped.request(**route.options()).json == {"data": [inside], "cursor": None, "hasMore": False}


@pytest.mark.parametrize("limit", [1, 2], ids=["exactly all inside", "more than all inside"])
def test_entities_beyond_are_no_more(scoped: Key, inside: dict[str, Any], beyond: dict[str, Any], limit: int) -> None:
    assert scoped.get(f"{PATH}?limit={limit}").json["hasMore"] is False


def test_entities_beyond_take_no_place_in_a_search(owner: Key, scoped: Key, inside: dict[str, Any]) -> None:
    owner.create({"name": "Jane", "plan": "free"})
    assert scoped.names(f"{PATH}/search", {"query": "jane", "limit": 1}) == ["Jane inside"]


@pytest.mark.parametrize("filters", [{"plan": "free"}, {"plan": {"$ne": "pro"}}, {"data.plan": {"$in": ["free"]}}])
def test_filters_never_widen_the_scope(
    scoped: Key, inside: dict[str, Any], beyond: dict[str, Any], filters: dict[str, Any]
) -> None:
    assert scoped.names(f"{PATH}/query", {"filters": filters}) == []


@pytest.mark.parametrize("route", ID_ROUTES.values(), ids=ID_ROUTES)
def test_an_entity_beyond_is_refused_by_id_and_unchanged(
    owner: Key, scoped: Key, beyond: dict[str, Any], route: Route
) -> None:
    assert_error(scoped.request(**route.options(entity_id=beyond["id"])), 403)
    assert owner.get(PATH).json["data"] == [beyond]


def test_an_entity_beyond_cannot_be_brought_inside(owner: Key, scoped: Key, beyond: dict[str, Any]) -> None:
    assert_error(scoped.patch(f"{PATH}/{beyond['id']}", {"data": {"plan": "pro"}}), 403)
    assert owner.get(f"{PATH}/{beyond['id']}").json == beyond


def test_an_entity_inside_can_be_read_updated_and_deleted(scoped: Key, inside: dict[str, Any]) -> None:
    path = f"{PATH}/{inside['id']}"
    assert scoped.get(path).json == inside
    assert scoped.patch(path, {"data": {"name": "Joan"}}).json["data"] == {"name": "Joan", "plan": "pro"}
    assert scoped.delete(path).json == {"success": True}
    assert_error(scoped.get(path), 404, "Entity has been deleted")


def test_an_entity_inside_can_be_created(owner: Key, scoped: Key) -> None:
    created = scoped.create({"plan": "pro"})
    assert owner.get(PATH).json["data"] == [created]


@pytest.mark.parametrize("data", [{}, {"plan": "free"}, {"plan": ["pro"]}], ids=["missing", "other", "of another kind"])
def test_a_create_beyond_is_refused_and_stores_nothing(owner: Key, scoped: Key, data: dict[str, Any]) -> None:
    assert_error(scoped.post(PATH, {"data": {"name": "Jane", **data}}), 403)
    assert owner.names(PATH) == []
    assert owner.names(f"{PATH}/search", {"query": "jane"}) == []


@pytest.mark.parametrize("plan", ["free", None], ids=["by another value", "by null"])
def test_an_update_out_of_the_scope_is_refused_and_changes_nothing(
    owner: Key, scoped: Key, inside: dict[str, Any], plan: str | None
) -> None:
    assert_error(scoped.patch(f"{PATH}/{inside['id']}", {"data": {"name": "Joan", "plan": plan}}), 403)
    assert owner.get(f"{PATH}/{inside['id']}").json == inside
    assert owner.names(f"{PATH}/search", {"query": "joan"}) == []
    assert owner.names(f"{PATH}/search", {"query": "jane"}) == ["Jane inside"]


def test_a_status_out_of_the_scope_is_refused_and_changes_nothing(owner: Key, make_key: Callable[..., Key]) -> None:
    key = make_key(scope={"customer": {"status": "active"}})
    created = key.create({})
    assert_error(key.post(PATH, {"data": {}, "status": "archived"}), 403)
    assert_error(key.patch(f"{PATH}/{created['id']}", {"data": {}, "status": "archived"}), 403)
    assert owner.get(PATH).json["data"] == [created]


SCOPES: dict[str, tuple[Any, list[str]]] = {
    "no scope is everything": (None, ["Ann", "Bob", "Cid"]),
    "no filters are everything of a type": ({"customer": {}}, ["Ann", "Bob", "Cid"]),
    "null filters are everything of a type": ({"customer": None}, ["Ann", "Bob", "Cid"]),
    "all filters hold": ({"customer": {"plan": "pro", "age": {"$gte": 18}}}, ["Ann"]),
    "filters have operators": ({"customer": {"age": {"$in": [17, 30]}}}, ["Bob", "Cid"]),
    "filters walk nested objects": ({"customer": {"address.city": "Oslo"}}, ["Cid"]),
    "filters of another type do not matter": ({"customer": {}, "player": {"plan": "pro"}}, ["Ann", "Bob", "Cid"]),
}


@pytest.mark.parametrize(("scope", "names"), SCOPES.values(), ids=SCOPES)
def test_a_scope_is_types_and_filters(
    owner: Key, make_key: Callable[..., Key], scope: dict[str, Any] | None, names: list[str]
) -> None:
    owner.create({"name": "Ann", "plan": "pro", "age": 18})
    owner.create({"name": "Bob", "plan": "pro", "age": 17})
    owner.create({"name": "Cid", "plan": "free", "age": 30, "address": {"city": "Oslo"}})
    key = make_key(scope=scope)
    assert key.names(PATH) == names
    assert slugs(key) == [slug for slug in ("customer", "player") if scope is None or slug in scope]


@pytest.mark.parametrize("route", TYPE_ROUTES.values(), ids=TYPE_ROUTES)
def test_an_empty_scope_is_nothing(make_key: Callable[..., Key], route: Route) -> None:
    key = make_key(scope={})
    assert_error(key.request(**route.options()), 403)
    assert key.request(**ROUTES["entity types"].options()).json == {"data": []}
