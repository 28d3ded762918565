"""DELETE /v1/data/:type/:id"""

import pytest

from tests.conftest import ID_ROUTES, UNKNOWN_ID, Key, Route, assert_error

PATH = "/v1/data/customer"


@pytest.fixture
def deleted(owner: Key) -> str:
    """The path of an entity that was deleted."""
    path = f"{PATH}/{owner.create({'name': 'Jane'})['id']}"
    assert owner.delete(path).status_code == 200
    return path


def test_a_deletion_answers_success(owner: Key) -> None:
    response = owner.delete(f"{PATH}/{owner.create({})['id']}")
    assert (response.status_code, response.json) == (200, {"success": True})


@pytest.mark.parametrize("route", ID_ROUTES.values(), ids=ID_ROUTES)
def test_a_deleted_entity_says_so_by_id(owner: Key, deleted: str, route: Route) -> None:
    response = owner.request(**route.options(entity_id=deleted.rpartition("/")[2]))
    assert_error(response, 404, "Entity has been deleted")


@pytest.mark.parametrize("status", ["", "?status=deleted", "?status=active"])
def test_a_deleted_entity_is_never_listed(owner: Key, deleted: str, status: str) -> None:
    assert owner.names(PATH + status) == []


@pytest.mark.parametrize(
    "body",
    [{}, {"status": "deleted"}, {"filters": {"status": "deleted"}}, {"filters": {"name": "Jane"}}],
    ids=["no filters", "its status", "its status as a filter", "its data"],
)
def test_a_deleted_entity_is_never_found_by_a_query(owner: Key, deleted: str, body: dict[str, object]) -> None:
    assert owner.names(f"{PATH}/query", body) == []


def test_a_deleted_entity_is_never_found_by_a_search(owner: Key, deleted: str) -> None:
    assert owner.names(f"{PATH}/search", {"query": "jane"}) == []


def test_other_entities_stay(owner: Key, deleted: str) -> None:
    owner.create({"name": "Joan"})
    assert owner.names(PATH) == ["Joan"]


def test_an_archived_entity_can_be_deleted(owner: Key) -> None:
    assert owner.delete(f"{PATH}/{owner.create({}, status='archived')['id']}").status_code == 200


def test_an_unknown_id_is_not_found(owner: Key) -> None:
    assert_error(owner.delete(f"{PATH}/{UNKNOWN_ID}"), 404, "Entity not found")


def test_an_id_of_another_type_is_not_found_and_stays(owner: Key) -> None:
    created = owner.create({})
    assert_error(owner.delete(f"/v1/data/player/{created['id']}"), 404, "Entity not found")
    assert owner.get(f"{PATH}/{created['id']}").json == created


def test_an_unknown_type_is_not_found(owner: Key) -> None:
    assert_error(owner.delete(f"/v1/data/nothing/{UNKNOWN_ID}"), 404, "Entity type nothing not found")
