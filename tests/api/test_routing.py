"""Which route answers a request, whatever was asked for before."""

import pytest

from app.api.application import PATHS
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
