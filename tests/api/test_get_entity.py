"""GET /v1/data/:type/:id"""

import pytest

from tests.conftest import START, Cast, Key


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


@pytest.mark.parametrize("who", ["tester", "operator", "stranger"])
def test_an_id_of_another_environment_or_organization_is_not_found(cast: Cast, who: str) -> None:
    created = cast.owner.create({"name": "Jane"})
    response = getattr(cast, who).get(f"/v1/data/customer/{created['id']}")
    assert (response.status_code, response.json) == (404, {"error": "Entity not found"})
