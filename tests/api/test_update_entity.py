"""PATCH /v1/data/:type/:id"""

from threading import Barrier, Thread
from typing import Any

import pytest

from tests.conftest import START, UNKNOWN_ID, Key, ReplacedOutside, assert_error

PATH = "/v1/data/customer"


@pytest.fixture
def jane(owner: Key) -> dict[str, Any]:
    return owner.create({"name": "Jane", "address": {"city": "Oslo", "zip": "1"}, "tags": ["a", "b"], "plan": "pro"})


@pytest.fixture
def path(jane: dict[str, Any]) -> str:
    return f"{PATH}/{jane['id']}"


def test_an_update_answers_the_whole_entity(
    owner: Key, outside: ReplacedOutside, jane: dict[str, Any], path: str
) -> None:
    outside.time += 50_000
    response = owner.patch(path, {"data": {"plan": "enterprise", "notes": "new"}, "status": "trial"})
    assert response.status_code == 200
    assert response.json == {
        **jane,
        "status": "trial",
        "data": {**jane["data"], "plan": "enterprise", "notes": "new"},
        "updatedAt": START + 50_000,
    }
    assert owner.get(path).json == response.json


@pytest.mark.parametrize(
    ("field", "value"),
    [("address", {"city": "Bergen"}), ("address", {}), ("tags", ["c"]), ("tags", "none"), ("plan", {"name": "pro"})],
    ids=["object by object", "object by empty object", "array by array", "array by string", "string by object"],
)
def test_a_named_field_replaces_the_old_value_whole(
    owner: Key, jane: dict[str, Any], path: str, field: str, value: Any
) -> None:
    assert owner.patch(path, {"data": {field: value}}).json["data"] == {**jane["data"], field: value}


def test_null_is_stored_and_removes_nothing(owner: Key, jane: dict[str, Any], path: str) -> None:
    assert owner.patch(path, {"data": {"plan": None}}).json["data"] == {**jane["data"], "plan": None}


def test_no_fields_change_no_data(owner: Key, jane: dict[str, Any], path: str) -> None:
    assert owner.patch(path, {"data": {}}).json == jane


def test_a_field_keeps_its_place_and_a_new_one_comes_last(owner: Key, path: str) -> None:
    data = owner.patch(path, {"data": {"new": 1, "name": "Janet"}}).json["data"]
    assert list(data) == ["name", "address", "tags", "plan", "new"]


def test_the_status_stays_unless_given(owner: Key, path: str) -> None:
    owner.patch(path, {"data": {}, "status": "archived"})
    assert owner.patch(path, {"data": {}}).json["status"] == "archived"


def test_the_update_time_never_goes_back(owner: Key, outside: ReplacedOutside, path: str) -> None:
    outside.time -= 1
    assert owner.patch(path, {"data": {}}).json["updatedAt"] == START


def test_updates_at_the_same_moment_to_different_fields_all_survive(owner: Key, path: str) -> None:
    fields = {f"field {number}": number for number in range(8)}
    start = Barrier(len(fields))
    answers = []

    def update(name: str) -> None:
        start.wait()
        answers.append(owner.patch(path, {"data": {name: fields[name]}}).status_code)

    threads = [Thread(target=update, args=(name,)) for name in fields]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert answers == [200] * len(fields)
    assert fields.items() <= owner.get(path).json["data"].items()


BAD_BODIES: dict[str, Any] = {
    "an empty body": {},
    "a status alone": {"status": "archived"},
    "null": {"data": None, "status": "archived"},
    "an array": {"data": []},
    "a string": {"data": "{}"},
}


@pytest.mark.parametrize("body", BAD_BODIES.values(), ids=BAD_BODIES)
def test_data_must_be_an_object_even_beside_a_status(
    owner: Key, jane: dict[str, Any], path: str, body: dict[str, Any]
) -> None:
    assert_error(owner.patch(path, body), 400, "data object is required")
    assert owner.get(path).json == jane


@pytest.mark.parametrize("status", ["", "deleted", None, 1, True, ["active"], {}])
def test_the_status_must_be_a_string_neither_empty_nor_deleted(
    owner: Key, jane: dict[str, Any], path: str, status: Any
) -> None:
    assert_error(owner.patch(path, {"data": {"name": "Joan"}, "status": status}), 400)
    assert owner.get(path).json == jane


def test_unknown_fields_of_the_body_are_ignored(owner: Key, jane: dict[str, Any], path: str) -> None:
    assert owner.patch(path, {"data": {}, "id": "mine", "type": "player", "createdAt": 1}).json == jane


def test_an_unknown_id_is_not_found(owner: Key) -> None:
    assert_error(owner.patch(f"{PATH}/{UNKNOWN_ID}", {"data": {}}), 404, "Entity not found")


def test_an_id_of_another_type_is_not_found_and_unchanged(owner: Key, jane: dict[str, Any], path: str) -> None:
    response = owner.patch(f"/v1/data/player/{jane['id']}", {"data": {"name": "Joan"}})
    assert_error(response, 404, "Entity not found")
    assert owner.get(path).json == jane


def test_a_deleted_entity_says_so(owner: Key, path: str) -> None:
    owner.delete(path)
    assert_error(owner.patch(path, {"data": {}, "status": "active"}), 404, "Entity has been deleted")


def test_an_unknown_type_is_not_found(owner: Key, jane: dict[str, Any]) -> None:
    response = owner.patch(f"/v1/data/nothing/{jane['id']}", {"data": {}})
    assert_error(response, 404, "Entity type nothing not found")
