"""GET /v1/data/:type/:id"""

import pytest

from tests.conftest import START, UNKNOWN_ID, Key, assert_error


def test_an_entity_has_exactly_the_six_fields(owner: Key) -> None:
    created = owner.create({"name": "Jane"})
    response = owner.get(f"/v1/data/customer/{created['id']}")
    assert response.status_code == 200
    assert response.json == {
        "id": created["id"],
        "type": "customer",
        "status": "active",
        "data": {"name": "Jane"},
        "createdAt": START,
        "updatedAt": START,
    }


def test_times_are_integers(owner: Key) -> None:
    entity = owner.get(f"/v1/data/customer/{owner.create({})['id']}").json
    assert [type(entity[name]) for name in ("createdAt", "updatedAt")] == [int, int]


@pytest.mark.parametrize("status", ["archived", "on hold"])
def test_an_entity_is_found_whatever_its_status(owner: Key, status: str) -> None:
    created = owner.create({}, status=status)
    assert owner.get(f"/v1/data/customer/{created['id']}").json == created


@pytest.mark.parametrize("entity_id", [UNKNOWN_ID, "1", "' OR 1=1 --", "%00", "%ff", "🦉", 5000 * "k"])
def test_an_unknown_id_is_not_found(owner: Key, entity_id: str) -> None:
    owner.create({})
    assert_error(owner.get(f"/v1/data/customer/{entity_id}"), 404, "Entity not found")


def test_an_id_of_another_type_is_not_found(owner: Key) -> None:
    created = owner.create({}, slug="player")
    assert_error(owner.get(f"/v1/data/customer/{created['id']}"), 404, "Entity not found")


def test_a_deleted_entity_says_so(owner: Key) -> None:
    path = f"/v1/data/customer/{owner.create({})['id']}"
    owner.delete(path)
    assert_error(owner.get(path), 404, "Entity has been deleted")


def test_an_unknown_type_is_not_found(owner: Key) -> None:
    created = owner.create({})
    assert_error(owner.get(f"/v1/data/nothing/{created['id']}"), 404, "Entity type nothing not found")
