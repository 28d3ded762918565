"""Every way to fail, and the one shape of every error."""

from collections.abc import Callable
from io import BytesIO
from typing import Any, NamedTuple

import pytest
from flask.testing import FlaskClient

from app.parts import Parts
from app.storage.documents import Document
from app.storage.organizations import Environment
from app.storage.transfer import Record, Transfer
from tests.conftest import ROUTES, Cast, Key, Route, assert_error

PATH = "/v1/data/customer"
MALFORMED = b'{"data": '


@pytest.fixture
def config(config: dict[str, Any]) -> dict[str, Any]:
    return {**config, "MAX_BODY_BYTES": "1000"}


@pytest.fixture
def send(
    client: FlaskClient,
    cast: Cast,
    make_key: Callable[..., Key],
    parts: Parts,
    environments: dict[str, Environment],
) -> Callable[..., Any]:
    """Send a request as someone; there are three customers, with the ids `live`, `deleted` and `beyond` the scope."""
    scoped = make_key(scope={"customer": {"plan": "pro"}})
    customers = Transfer(parts.database, parts.outside, environments["development"])
    for entity_id, plan in {"live": "pro", "deleted": "pro", "beyond": "free"}.items():
        customers.import_([Record("customer", Document.of({"plan": plan}, parts.limits), id=entity_id)])
    cast.owner.delete(f"{PATH}/deleted")

    def send(who: str, method: str, path: str, **options: Any) -> Any:
        if who == "nobody":
            return client.open(path, method=method, **options)
        return (scoped if who == "scoped" else getattr(cast, who)).request(method, path, **options)

    return send


class Failure(NamedTuple):
    """A request that fails: with which status, who sends it, and what the sentence is where clients know it."""

    status: int
    who: str
    method: str
    path: str
    body: bytes | None = None
    sentence: str | None = None


NO_PERMISSION = "API key does not have data permission"
NO_TYPE = "Entity type is required in path"
NO_ID = "Path must be /v1/data/:type/:id"

FAILURES = {
    "no key": Failure(401, "nobody", "GET", PATH, None, "Unauthorized"),
    "no key, unrouted path": Failure(401, "nobody", "GET", "/v1/nothing", None, "Unauthorized"),
    "no permission": Failure(403, "chatter", "GET", PATH, None, NO_PERMISSION),
    "no permission, unrouted path": Failure(403, "chatter", "GET", "/v1/nothing", None, NO_PERMISSION),
    "type beyond the scope": Failure(403, "scoped", "GET", "/v1/data/player"),
    "entity beyond the scope": Failure(403, "scoped", "GET", f"{PATH}/beyond"),
    "create beyond the scope": Failure(403, "scoped", "POST", PATH, b'{"data": {}}'),
    "update out of the scope": Failure(403, "scoped", "PATCH", f"{PATH}/live", b'{"data": {"plan": ""}}'),
    "unrouted path": Failure(404, "nobody", "GET", "/nothing"),
    "unrouted root": Failure(404, "nobody", "GET", "/"),
    "unrouted path, any method": Failure(404, "nobody", "DELETE", "/nothing"),
    "unrouted path, odd characters": Failure(404, "nobody", "GET", "/%ff%00%0a<script>"),
    "unrouted path of the API": Failure(404, "owner", "GET", "/v1/nothing"),
    "unrouted root of the API": Failure(404, "owner", "GET", "/v1"),
    "unrouted path beneath entity types": Failure(404, "owner", "GET", "/v1/entity-types/customer"),
    "no type in the path": Failure(400, "owner", "GET", "/v1/data", None, NO_TYPE),
    "no type in the path, slash": Failure(400, "owner", "POST", "/v1/data/", None, NO_TYPE),
    "no id in the path of an update": Failure(400, "owner", "PATCH", PATH, None, NO_ID),
    "no id in the path of a deletion": Failure(400, "owner", "DELETE", f"{PATH}/", None, NO_ID),
    "too long a path": Failure(400, "owner", "GET", f"{PATH}/live/more", None, NO_ID),
    "unknown type": Failure(404, "owner", "GET", "/v1/data/nothing", None, "Entity type nothing not found"),
    "unknown entity": Failure(404, "owner", "GET", f"{PATH}/nothing", None, "Entity not found"),
    "deleted entity": Failure(404, "owner", "GET", f"{PATH}/deleted", None, "Entity has been deleted"),
    "malformed body": Failure(400, "owner", "POST", PATH, MALFORMED),
    "malformed body of an update": Failure(400, "owner", "PATCH", f"{PATH}/live", MALFORMED),
    "malformed body of a query": Failure(400, "owner", "POST", f"{PATH}/query", MALFORMED),
    "malformed body of a search": Failure(400, "owner", "POST", f"{PATH}/search", MALFORMED),
    "no body": Failure(400, "owner", "POST", PATH, b"", "data object is required"),
    "no body of an update": Failure(400, "owner", "PATCH", f"{PATH}/live", b"", "data object is required"),
    "no body of a search": Failure(400, "owner", "POST", f"{PATH}/search", b"", "query is required"),
    "bad limit": Failure(400, "owner", "GET", f"{PATH}?limit=0"),
    "bad cursor": Failure(400, "owner", "GET", f"{PATH}?cursor=nothing", None, "Invalid cursor"),
    "bad filters": Failure(400, "owner", "POST", f"{PATH}/query", b'{"filters": 1}'),
    "bad operator": Failure(
        400, "owner", "POST", f"{PATH}/query", b'{"filters": {"x": {"$foo": 1}}}', "Unknown filter operator: $foo"
    ),
    "several faults": Failure(400, "owner", "POST", f"{PATH}/query", b'{"filters": 1, "limit": 0, "cursor": 5}'),
    "too large a body": Failure(413, "owner", "POST", PATH, b'{"data": {}}' + 1000 * b" "),
    "too large a body of an update": Failure(413, "owner", "PATCH", f"{PATH}/live", b'{"data": {}}' + 1000 * b" "),
    "too large a body of a query": Failure(413, "owner", "POST", f"{PATH}/query", b"{}" + 1000 * b" "),
    "too large a body of a search": Failure(413, "owner", "POST", f"{PATH}/search", b'{"query": ""}' + 1000 * b" "),
}


@pytest.mark.parametrize("failure", FAILURES.values(), ids=FAILURES)
def test_every_failure_is_json_with_one_sentence(send: Callable[..., Any], failure: Failure) -> None:
    status, who, method, path, body, sentence = failure
    assert_error(send(who, method, path, data=body), status, sentence)


ALLOWED = {
    "/health": {"GET"},
    "/v1/entity-types": {"GET"},
    PATH: {"GET", "POST"},
    f"{PATH}/live": {"GET", "PATCH", "DELETE"},
    f"{PATH}/query": {"POST"},
    f"{PATH}/search": {"POST"},
}
NOT_ALLOWED = [
    (method, path)
    for path, allowed in ALLOWED.items()
    for method in ("GET", "POST", "PUT", "PATCH", "DELETE")
    if method not in allowed and (path != PATH or method == "PUT")  # without an id it is the path that is wrong
]


@pytest.mark.parametrize(("method", "path"), NOT_ALLOWED, ids=map(" ".join, NOT_ALLOWED))
def test_a_wrong_method_is_told_the_right_ones(send: Callable[..., Any], method: str, path: str) -> None:
    response = send("owner", method, path, data=b"{}")
    assert_error(response, 405)
    assert set(response.headers["Allow"].split(", ")) - {"HEAD", "OPTIONS"} == ALLOWED[path]


@pytest.mark.parametrize("slug", ["query", "search"])
@pytest.mark.parametrize("method", ["GET", "PATCH", "DELETE"])
def test_query_and_search_are_never_entity_ids(
    send: Callable[..., Any],
    parts: Parts,
    environments: dict[str, Environment],
    method: str,
    slug: str,
) -> None:
    document = Document.of({}, parts.limits)
    customers = Transfer(parts.database, parts.outside, environments["development"])
    customers.import_([Record("customer", document, id=slug)])
    assert_error(send("owner", method, f"{PATH}/{slug}", data=b'{"data": {}}'), 405)


@pytest.mark.parametrize("entity_id", ["query%0A", "search%0a", "queryx", "Query"])
def test_what_only_looks_like_query_is_an_id(send: Callable[..., Any], entity_id: str) -> None:
    assert_error(send("owner", "GET", f"{PATH}/{entity_id}"), 404, "Entity not found")


@pytest.mark.parametrize("route", ROUTES.values(), ids=ROUTES)
def test_a_trailing_slash_makes_no_difference(send: Callable[..., Any], route: Route) -> None:
    options = route.options(entity_id="live")
    plain = send("owner", **{**options, "method": "GET"})
    slash = send("owner", **{**options, "method": "GET", "path": options["path"] + "/"})
    assert (slash.status_code, slash.data) == (plain.status_code, plain.data)
    assert send("owner", **{**options, "path": options["path"] + "/"}).status_code in (200, 201)


@pytest.mark.parametrize("host", ["a b", "a/b", "user@a", "a,b:c", "[::1", "a:1:2", "ä"])
def test_what_is_no_host_is_refused(send: Callable[..., Any], host: str) -> None:
    response = send("owner", "GET", PATH, headers={"Host": host})
    assert_error(response, 400, "The Host header must be a host, and a port if need be")


@pytest.mark.parametrize("host", ["a", "a:", "127.0.0.1:80", "[::1]:80", "%61", "a,b", "xn--4ca.example"])
def test_any_host_is_answered_alike(send: Callable[..., Any], host: str) -> None:
    assert send("owner", "GET", PATH, headers={"Host": host}).status_code == 200


def test_health_tolerates_a_trailing_slash(client: FlaskClient) -> None:
    assert client.get("/health/").status_code == 200


# Each request has two faults; the answer is about the one that is checked first.
ORDER = {
    "the key before the type": Failure(401, "nobody", "GET", "/v1/data/nothing"),
    "the key before the method": Failure(401, "nobody", "PUT", "/v1/entity-types"),
    "the key before the size": Failure(401, "nobody", "POST", PATH, 2000 * b" "),
    "the key before the body": Failure(401, "nobody", "POST", PATH, MALFORMED),
    "the permission before the type": Failure(403, "chatter", "GET", "/v1/data/nothing", None, NO_PERMISSION),
    "the permission before the method": Failure(403, "chatter", "PUT", "/v1/entity-types", None, NO_PERMISSION),
    "the permission before the body": Failure(403, "chatter", "POST", PATH, MALFORMED, NO_PERMISSION),
    "the type before the body": Failure(404, "owner", "POST", "/v1/data/nothing", MALFORMED),
    "the type before the size": Failure(404, "owner", "POST", "/v1/data/nothing", 2000 * b" "),
    "the type before the limit": Failure(404, "owner", "GET", "/v1/data/nothing?limit=0"),
    "the type before filters": Failure(404, "owner", "POST", "/v1/data/nothing/query", b'{"filters": 1}'),
    "the type before the query": Failure(404, "owner", "POST", "/v1/data/nothing/search", b"{}"),
    "the type before the entity": Failure(
        404, "owner", "GET", "/v1/data/nothing/deleted", None, "Entity type nothing not found"
    ),
    "the scope's types before the body": Failure(403, "scoped", "POST", "/v1/data/player", MALFORMED),
    "the scope's types before the limit": Failure(403, "scoped", "GET", "/v1/data/player?limit=0"),
    "the scope's types before the entity": Failure(403, "scoped", "GET", "/v1/data/player/nothing"),
    "the body before the unknown entity": Failure(400, "owner", "PATCH", f"{PATH}/nothing", MALFORMED),
    "the fields before the unknown entity": Failure(400, "owner", "PATCH", f"{PATH}/nothing", b"{}"),
    "the body before the deleted entity": Failure(400, "owner", "PATCH", f"{PATH}/deleted", MALFORMED),
    "the body before the scope's entities": Failure(400, "scoped", "PATCH", f"{PATH}/beyond", MALFORMED),
    "the fields before the scope's entities": Failure(400, "scoped", "POST", PATH, b'{"data": 1}'),
}


@pytest.mark.parametrize("failure", ORDER.values(), ids=ORDER)
def test_of_several_faults_the_first_in_order_is_told(send: Callable[..., Any], failure: Failure) -> None:
    status, who, method, path, body, sentence = failure
    assert_error(send(who, method, path, data=body), status, sentence)


def test_too_large_a_body_that_does_not_tell_its_length_is_refused(send: Callable[..., Any]) -> None:
    stream = BytesIO(b'{"data": {}}' + 1000 * b" ")
    response = send("owner", "POST", PATH, input_stream=stream, environ_overrides={"wsgi.input_terminated": True})
    assert_error(response, 413)


def test_a_body_shorter_than_it_says_is_refused(send: Callable[..., Any]) -> None:
    response = send("owner", "POST", PATH, data=b'{"data": {}}', environ_overrides={"CONTENT_LENGTH": "100"})
    assert_error(response, 400)


SECRET = "sk_dev_secret of /srv/struere.db"

PARTS = {
    "the keys": ("app.storage.api_keys.ApiKeys.authenticate", "GET", PATH),
    "the entity types": ("app.storage.entity_types.EntityTypes.get", "GET", PATH),
    "the list": ("app.storage.repository.EntityRepository.query", "GET", PATH),
    "the reading": ("app.storage.repository.EntityRepository.get", "GET", f"{PATH}/live"),
    "the writing": ("app.storage.repository.EntityRepository.update", "PATCH", f"{PATH}/live"),
    "the deletion": ("app.storage.repository.EntityRepository.delete", "DELETE", f"{PATH}/live"),
    "the encoder": ("app.api.entities.respond_text", "GET", PATH),
    "the clock": ("tests.conftest.ReplacedOutside.now", "GET", "/health"),
}


@pytest.mark.parametrize(("part", "method", "path"), PARTS.values(), ids=PARTS)
@pytest.mark.parametrize("exception", [RuntimeError, ValueError, OSError])
def test_a_broken_part_is_an_internal_error_that_only_the_log_knows(
    send: Callable[..., Any],
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
    part: str,
    method: str,
    path: str,
    exception: type[Exception],
) -> None:
    def fail(*arguments: object, **options: object) -> None:
        raise exception(SECRET)

    with monkeypatch.context() as patch:
        patch.setattr(part, fail)
        response = send("owner", method, path, data=b'{"data": {}}')
    assert_error(response, 500, "Internal error")
    assert "secret" not in str(response.headers) + response.text
    assert "Traceback" in caplog.text
    assert SECRET in caplog.text
    assert f"{method} {path!r}" in caplog.text


def test_a_broken_database_is_an_internal_error(send: Callable[..., Any], parts: Parts) -> None:
    parts.database.connection.execute("DROP TABLE entity")
    assert_error(send("owner", "GET", PATH), 500, "Internal error")


def test_the_server_goes_on_after_a_fault(send: Callable[..., Any], monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*arguments: object) -> None:
        raise RuntimeError

    with monkeypatch.context() as patch:
        patch.setattr("app.storage.search_index.add", fail)
        assert_error(send("owner", "POST", PATH, data=b'{"data": {"name": "Jane"}}'), 500)
    assert send("owner", "POST", PATH, data=b'{"data": {"name": "Joan"}}').status_code == 201
    names = [entity["data"].get("name") for entity in send("owner", "GET", PATH).json["data"]]
    assert names == [None, None, "Joan"]
