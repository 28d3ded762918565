"""GET /v1/data/:type, as far as it differs from a query; test_pages.py has the rest."""

import pytest

from tests.conftest import Key, assert_error

PATH = "/v1/data/customer"


@pytest.mark.parametrize("limit", ["0", "-1", "1.5", "14.0", "1e2", "ten", "", " ", "true", "0x10", "٣", "NaN", "%00"])
def test_a_limit_in_the_query_string_is_a_whole_number_from_1(owner: Key, limit: str) -> None:
    assert_error(owner.get(f"{PATH}?limit={limit}"), 400)


@pytest.mark.parametrize("limit", ["2", "02", f"{0:030d}2"])
def test_leading_zeros_of_a_limit_mean_nothing(owner: Key, limit: str) -> None:
    for name in "abc":
        owner.create({"name": name})
    assert owner.names(f"{PATH}?limit={limit}") == ["a", "b"]


def test_a_limit_beyond_every_integer_is_served_as_100(owner: Key) -> None:
    owner.create({"name": "a"})
    assert owner.names(f"{PATH}?limit={10**400}") == ["a"]


def test_unknown_parameters_are_ignored(owner: Key) -> None:
    owner.create({"name": "a"})
    assert owner.names(f"{PATH}?offset=5&filters=x") == ["a"]


def test_a_body_is_ignored(owner: Key) -> None:
    owner.create({"name": "a"})
    assert owner.get(PATH, data=b"{").json["data"][0]["data"] == {"name": "a"}


def test_an_unknown_type_is_not_found(owner: Key) -> None:
    assert_error(owner.get("/v1/data/nothing"), 404, "Entity type nothing not found")
