"""Browsers may call the Data API from any origin."""

import pytest
from flask.testing import FlaskClient

from tests.conftest import ROUTES, UNKNOWN_ID, Cast, Route

ORIGIN = {"Origin": "https://app.example"}


def words(header: str) -> set[str]:
    return {word.strip().lower() for word in header.split(",")}


@pytest.mark.parametrize("route", ROUTES.values(), ids=ROUTES)
@pytest.mark.parametrize("origin", ["https://app.example", "http://localhost:3000", "null"])
def test_a_preflight_needs_no_key_and_allows_the_request(client: FlaskClient, route: Route, origin: str) -> None:
    response = client.options(
        route.options()["path"],
        headers={
            "Origin": origin,
            "Access-Control-Request-Method": route.method,
            "Access-Control-Request-Headers": "authorization, content-type",
        },
    )
    assert response.status_code in (200, 204)
    assert response.headers["Access-Control-Allow-Origin"] in ("*", origin)
    assert words(response.headers["Access-Control-Allow-Headers"]) == {"authorization", "content-type"}
    assert route.method.lower() in words(response.headers["Access-Control-Allow-Methods"])


@pytest.mark.parametrize("route", ROUTES.values(), ids=ROUTES)
def test_any_origin_may_read_an_answer(cast: Cast, route: Route) -> None:
    response = cast.owner.request(**route.options(), headers=ORIGIN)
    assert response.headers["Access-Control-Allow-Origin"] in ("*", ORIGIN["Origin"])
    assert "retry-after" in words(response.headers["Access-Control-Expose-Headers"])


@pytest.mark.parametrize("path", ["/v1", "/v1/data", "/v1/nothing", "/v1/data/customer/a/b", "/v1/data/customer/a%0Ab"])
def test_a_preflight_needs_no_route(client: FlaskClient, path: str) -> None:
    response = client.options(path, headers={**ORIGIN, "Access-Control-Request-Method": "PATCH"})
    assert (response.status_code, response.data, response.content_type) == (204, b"", None)
    assert response.headers["Access-Control-Allow-Origin"] in ("*", ORIGIN["Origin"])


@pytest.mark.parametrize(
    ("status", "method", "path"),
    [
        (400, "POST", "/v1/data/customer"),
        (404, "GET", f"/v1/data/customer/{UNKNOWN_ID}"),
        (404, "GET", "/v1/data/customer/a%0Ab"),
        (404, "GET", "/v1/nothing"),
        (405, "PUT", "/v1/entity-types"),
    ],
)
def test_any_origin_may_read_an_error(cast: Cast, status: int, method: str, path: str) -> None:
    response = cast.owner.request(method, path, headers=ORIGIN)
    assert response.status_code == status
    assert response.headers["Access-Control-Allow-Origin"] in ("*", ORIGIN["Origin"])


@pytest.mark.parametrize(("who", "status"), [("nobody", 401), ("chatter", 403)])
def test_any_origin_may_read_why_it_has_no_access(client: FlaskClient, cast: Cast, who: str, status: int) -> None:
    send = client.get if who == "nobody" else cast.chatter.get
    response = send("/v1/entity-types", headers=ORIGIN)
    assert response.status_code == status
    assert response.headers["Access-Control-Allow-Origin"] in ("*", ORIGIN["Origin"])
