"""POST /v1/data/:type"""

import re
from typing import Any

import pytest

from tests.conftest import START, Key, assert_error

PATH = "/v1/data/customer"


def test_a_new_entity_is_answered_whole(owner: Key) -> None:
    response = owner.post(PATH, {"data": {"name": "Jane Doe", "plan": "pro"}, "status": "trial"})
    assert response.status_code == 201
    assert response.json == {
        "id": response.json["id"],
        "type": "customer",
        "status": "trial",
        "data": {"name": "Jane Doe", "plan": "pro"},
        "createdAt": START,
        "updatedAt": START,
    }


def test_a_new_entity_is_stored(owner: Key) -> None:
    created = owner.create({"name": "Jane"})
    assert owner.get(f"{PATH}/{created['id']}").json == created


def test_the_location_leads_to_the_entity(owner: Key) -> None:
    response = owner.post(PATH, {"data": {}})
    assert response.headers["Location"] == f"{PATH}/{response.json['id']}"
    assert owner.get(response.headers["Location"]).json == response.json


def test_an_id_is_k17_and_29_random_characters(owner: Key) -> None:
    ids = {owner.create({})["id"] for _ in range(20)}
    assert len(ids) == 20
    assert all(re.fullmatch("k17[0-9a-hjkmnp-tv-z]{29}", entity_id) for entity_id in ids)
    assert all(len({entity_id[place] for entity_id in ids}) > 1 for place in range(3, 32))


def test_the_status_is_active_unless_given(owner: Key) -> None:
    assert owner.create({})["status"] == "active"


def test_data_may_be_empty(owner: Key) -> None:
    assert owner.create({})["data"] == {}


def test_data_may_hold_fields_that_the_schema_does_not(owner: Key) -> None:
    data = {"name": 5, "unheard": {"of": [True]}}
    assert owner.create(data)["data"] == data


def test_unknown_fields_of_the_body_are_ignored(owner: Key) -> None:
    created = owner.create({"name": "Jane"}, id="mine", type="player", createdAt=1, updatedAt=2, other=[3])
    assert created["id"] != "mine"
    assert created["type"] == "customer"
    assert (created["createdAt"], created["updatedAt"], created["data"]) == (START, START, {"name": "Jane"})


@pytest.mark.parametrize("body", [{}, {"status": "active"}, *({"data": data} for data in (None, [], "{}", 1, True))])
def test_data_must_be_an_object(owner: Key, body: Any) -> None:
    assert_error(owner.post(PATH, body), 400, "data object is required")


@pytest.mark.parametrize("status", ["", "deleted", None, 1, True, ["active"], {}])
def test_the_status_must_be_a_string_neither_empty_nor_deleted(owner: Key, status: Any) -> None:
    assert_error(owner.post(PATH, {"data": {}, "status": status}), 400)
    assert owner.get(PATH).json["data"] == []


def test_an_unknown_type_is_not_found(owner: Key) -> None:
    assert_error(owner.post("/v1/data/nothing", {"data": {}}), 404, "Entity type nothing not found")
