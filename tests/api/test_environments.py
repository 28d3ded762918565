"""Nothing crosses the border of an environment or an organization."""

from typing import Any

import pytest

from app.parts import Parts
from app.storage.documents import Document
from app.storage.entity_types import Definition, EntityTypes
from app.storage.organizations import Environment
from app.storage.transfer import Record, Transfer
from tests.conftest import ID_ROUTES, PAGE_ROUTES, TYPE_ROUTES, Cast, Key, Route, assert_error

PATH = "/v1/data/customer"
ROLES = ["owner", "tester", "operator", "stranger"]  # each in an environment of its own
BORDERS = [("owner", role) for role in ROLES[1:]] + [(role, "owner") for role in ROLES[1:]]


@pytest.fixture(params=BORDERS, ids=lambda border: "{} and {}".format(*border))
def border(request: pytest.FixtureRequest, cast: Cast) -> tuple[Key, Key]:
    """Two keys with a border between them."""
    here, there = request.param
    return getattr(cast, here), getattr(cast, there)


def set_types(parts: Parts, environment: Environment, *definitions: Definition) -> None:
    EntityTypes(parts.database, parts.outside, environment).apply(definitions)


@pytest.mark.parametrize("route", ID_ROUTES.values(), ids=ID_ROUTES)
def test_an_id_from_beyond_is_not_found_and_unchanged(border: tuple[Key, Key], route: Route) -> None:
    here, there = border
    created = there.create({"name": "Jane"})
    assert_error(here.request(**route.options(entity_id=created["id"])), 404, "Entity not found")
    assert there.get(f"{PATH}/{created['id']}").json == created


@pytest.mark.parametrize("route", ID_ROUTES.values(), ids=ID_ROUTES)
def test_a_deleted_id_from_beyond_is_not_found_either(border: tuple[Key, Key], route: Route) -> None:
    here, there = border
    created = there.create({})
    there.delete(f"{PATH}/{created['id']}")
    assert_error(here.request(**route.options(entity_id=created["id"])), 404, "Entity not found")


@pytest.mark.parametrize("route", PAGE_ROUTES.values(), ids=PAGE_ROUTES)
def test_entities_from_beyond_are_not_shown(border: tuple[Key, Key], route: Route) -> None:
    here, there = border
    there.create({"name": "Jane there"})
    mine = here.create({"name": "Jane here"})
    assert here.request(**route.options()).json == {"data": [mine], "cursor": None, "hasMore": False}


def test_a_filter_does_not_reach_beyond(border: tuple[Key, Key]) -> None:
    here, there = border
    entity_id = there.create({"name": "Jane"})["id"]
    assert here.names(f"{PATH}/query", {"filters": {"id": entity_id}}) == []


def test_entities_of_the_same_id_are_separate(parts: Parts, cast: Cast, environments: dict[str, Environment]) -> None:
    document = Document.of({"name": "Jane"}, parts.limits)
    for environment in environments.values():
        Transfer(parts.database, parts.outside, environment).import_([Record("customer", document, id="same")])
    cast.owner.patch(f"{PATH}/same", {"data": {"name": "Joan"}})
    cast.tester.delete(f"{PATH}/same")
    assert cast.owner.names(PATH) == ["Joan"]
    assert cast.tester.names(PATH) == []
    assert cast.operator.names(PATH) == ["Jane"]
    assert cast.stranger.names(PATH) == ["Jane"]


def test_each_environment_lists_its_own_types(parts: Parts, cast: Cast, environments: dict[str, Environment]) -> None:
    for name, environment in environments.items():
        set_types(parts, environment, Definition("customer", f"Customer of {name}", {name: "string"}, (name,)))
    for role, name in zip(ROLES, ("development", "eval", "production", "elsewhere"), strict=True):
        listed: dict[str, Any] = getattr(cast, role).get("/v1/entity-types").json["data"][0]
        assert listed["name"] == f"Customer of {name}"
        assert (listed["schema"], listed["searchFields"]) == ({name: "string"}, [name])


@pytest.mark.parametrize("route", TYPE_ROUTES.values(), ids=TYPE_ROUTES)
@pytest.mark.parametrize("who", ["tester", "operator", "stranger"])
def test_a_type_of_another_environment_is_not_found(
    parts: Parts, cast: Cast, environments: dict[str, Environment], who: str, route: Route
) -> None:
    set_types(parts, environments["development"], Definition("secret", "Secret", {}))
    created = cast.owner.create({"name": "Jane"}, slug="secret")
    response = getattr(cast, who).request(**route.options("secret", created["id"]))
    assert_error(response, 404, "Entity type secret not found")
    assert cast.owner.get("/v1/data/secret").json["data"] == [created]


def test_keys_of_one_environment_see_the_same(cast: Cast) -> None:
    created = cast.owner.create({"name": "Jane"})
    assert cast.colleague.get(f"{PATH}/{created['id']}").json == created
