"""Which route answers a request, whatever was asked for before."""

import gc

import pytest
from flask import Flask, request

from app.api.application import LONG, PATHS, Routes
from tests.conftest import Key

ALLOWED = {
    "/v1/data/customer": {"GET", "HEAD", "OPTIONS", "POST"},
    "/v1/data/customer/query": {"OPTIONS", "POST"},
    "/v1/data/customer/a": {"DELETE", "GET", "HEAD", "OPTIONS", "PATCH"},
    "/v1/entity-types": {"GET", "HEAD", "OPTIONS"},
}


@pytest.mark.parametrize("times", [1, 2], ids=["the first time", "once it is known"])
@pytest.mark.parametrize("path", ALLOWED)
def test_a_path_allows_its_methods(owner: Key, path: str, times: int) -> None:
    for _ in range(times):
        found = {method: owner.request(method, path) for method in ("GET", "POST", "PUT", "OPTIONS")}
    assert {method for method, answer in found.items() if answer.status_code == 405} == found.keys() - ALLOWED[path]
    for method in ("PUT", "OPTIONS"):
        assert set(found[method].headers["Allow"].split(", ")) == ALLOWED[path]


def test_entities_keep_their_paths_apart(owner: Key) -> None:
    """More entities than paths are remembered, some of them twice."""
    ids = [owner.create({})["id"] for _ in range(PATHS + 10)]
    for entity_id in [*ids, *ids[:5], *ids[-5:]]:
        assert owner.get(f"/v1/data/customer/{entity_id}").json["id"] == entity_id


@pytest.mark.parametrize(("length", "known"), [(LONG - 1, PATHS), (LONG, 0)], ids=["short", "long"])
def test_no_more_than_some_short_paths_are_remembered(app: Flask, length: int, known: int) -> None:
    gc.collect()
    before = {id(each) for each in gc.get_objects() if isinstance(each, Routes)}
    for number in range(PATHS + 10):
        app.test_client().get(f"/v1/{number}".ljust(length, "x"))
    gc.collect()
    assert sum(isinstance(each, Routes) and id(each) not in before for each in gc.get_objects()) == known


def test_a_route_is_told_as_it_is_asked_for(app: Flask) -> None:
    with app.test_request_context("/health"):
        routes = app.create_url_adapter(request)
        assert routes
        assert routes.match(return_rule=True)[0].endpoint == routes.match()[0] == "health.get_health"
