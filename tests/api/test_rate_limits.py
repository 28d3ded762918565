"""Two rates: 60 requests in any 60 seconds for an API key, 200 for an organization."""

import fcntl
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager, contextmanager
from itertools import cycle, islice
from math import ceil
from pathlib import Path
from random import Random
from typing import Any

import pytest
from flask.testing import FlaskClient

from app import create_app
from app.config import SettingError
from tests.conftest import ROUTES, START, UNKNOWN_ID, Cast, Key, ReplacedOutside, Route, assert_error

PATH = "/v1/data/customer"


@pytest.fixture
def clock(outside: ReplacedOutside) -> ReplacedOutside:
    """The one clock of the application and of what counts requests."""
    return outside


@pytest.fixture
def config(config: dict[str, Any], request: pytest.FixtureRequest) -> dict[str, Any]:
    return {**config, "LIMITS": "on", **getattr(request, "param", {})}


def setting(**settings: str) -> pytest.MarkDecorator:
    """Run a test with settings other than the defaults."""
    return pytest.mark.parametrize("config", [settings], indirect=True, ids=[" ".join(settings.values())])


def admitted(key: Key, requests: int) -> int:
    """Send requests and return how many were not refused for their number."""
    return sum(key.get(PATH).status_code == 200 for _ in range(requests))


def test_a_key_has_60_requests_and_no_other_key_pays_for_them(cast: Cast) -> None:
    assert admitted(cast.owner, 61) == 60
    assert admitted(cast.colleague, 1) == 1


def test_an_organization_has_200_requests_over_all_environments(cast: Cast) -> None:
    sent = [admitted(key, 61) for key in (cast.owner, cast.colleague, cast.tester, cast.operator)]
    assert sent == [60, 60, 60, 20]
    assert admitted(cast.stranger, 1) == 1


def test_all_routes_are_counted_together(owner: Key) -> None:
    for route in islice(cycle(ROUTES.values()), 60):
        assert owner.request(**route.options()).status_code != 429
    for route in ROUTES.values():
        assert_error(owner.request(**route.options()), 429, "Rate limit exceeded")


SPENT = {
    **{f"the route {name}": route for name, route in ROUTES.items()},
    "an unknown type": Route("GET", "/v1/data/nothing"),
    "an unknown entity": Route("GET", f"{PATH}/{UNKNOWN_ID}"),
    "a bad body": Route("POST", PATH, {}),
    "a bad limit": Route("GET", f"{PATH}?limit=0"),
    "a wrong method": Route("PUT", PATH),
    "an unrouted path": Route("GET", "/v1/nothing"),
    "no type in the path": Route("GET", "/v1/data"),
    "too large a body": Route("POST", PATH, {"data": {"a": 1000 * "x"}}),
}


@setting(LIMIT_PER_KEY="1", MAX_BODY_BYTES="1000")
@pytest.mark.parametrize("route", SPENT.values(), ids=SPENT)
def test_every_request_with_a_key_is_counted_whatever_becomes_of_it(owner: Key, route: Route) -> None:
    assert owner.request(**route.options()).status_code != 429
    assert_error(owner.get(PATH), 429)


@setting(LIMIT_PER_KEY="1")
def test_a_fault_of_the_server_is_counted(owner: Key, monkeypatch: pytest.MonkeyPatch) -> None:
    with monkeypatch.context() as patch:
        patch.setattr("app.storage.repository.EntityRepository.query", None)
        assert owner.get(PATH).status_code == 500
    assert_error(owner.get(PATH), 429)


@setting(LIMIT_PER_KEY="1", LIMIT_PER_ORGANIZATION="1")
def test_requests_without_a_key_or_its_permission_are_not_counted(client: FlaskClient, cast: Cast) -> None:
    for _ in range(3):
        assert client.get(PATH).status_code == 401
        assert client.get(PATH, headers={"Authorization": "Bearer sk_dev_unknown"}).status_code == 401
        assert cast.chatter.get(PATH).status_code == 403
    assert admitted(cast.owner, 2) == 1


@setting(LIMIT_PER_ORGANIZATION="1")
def test_the_key_and_its_permission_are_checked_first(client: FlaskClient, cast: Cast) -> None:
    assert admitted(cast.owner, 1) == 1
    assert_error(client.get(PATH), 401)
    assert_error(cast.chatter.get(PATH), 403)


@setting(LIMIT_PER_KEY="1")
@pytest.mark.parametrize("route", SPENT.values(), ids=SPENT)
def test_the_rate_is_checked_before_everything_else(owner: Key, route: Route) -> None:
    assert admitted(owner, 1) == 1
    assert_error(owner.request(**route.options()), 429, "Rate limit exceeded")


@setting(LIMIT_PER_KEY="1", LIMIT_PER_ORGANIZATION="1")
@pytest.mark.parametrize(
    ("method", "path", "status"),
    [("GET", "/health", 200), ("OPTIONS", PATH, 204), ("OPTIONS", "/v1/entity-types", 204)],
)
def test_health_and_preflights_are_neither_limited_nor_counted(owner: Key, method: str, path: str, status: int) -> None:
    preflight = {"Origin": "https://app.example", "Access-Control-Request-Method": "GET"}
    for _ in range(3):
        assert owner.request(method, path, headers=preflight).status_code == status
    assert admitted(owner, 2) == 1
    assert owner.request(method, path, headers=preflight).status_code == status


def test_the_rate_holds_in_any_60_seconds(owner: Key, clock: ReplacedOutside) -> None:
    assert admitted(owner, 30) == 30
    clock.time = START + 40_000
    assert admitted(owner, 31) == 30
    clock.time = START + 59_999
    assert admitted(owner, 1) == 0
    clock.time = START + 60_000
    assert admitted(owner, 31) == 30
    clock.time = START + 99_999
    assert admitted(owner, 1) == 0
    clock.time = START + 100_000
    assert admitted(owner, 31) == 30


# When the requests before it were sent, and when it is refused; all in milliseconds.
REFUSALS = {
    "at once": ([0, 0], 0, 60_000),
    "later": ([0, 0], 29_500, 60_000),
    "at the last moment": ([0, 0], 59_999, 60_000),
    "by the older of two": ([0, 20_000], 30_000, 60_000),
    "by the older that still counts": ([0, 20_000, 61_000], 70_000, 80_000),
    "on an odd millisecond": ([123, 456], 777, 60_123),
}


@setting(LIMIT_PER_KEY="2")
@pytest.mark.parametrize(("sent", "refused", "free"), REFUSALS.values(), ids=REFUSALS)
def test_a_refusal_tells_when_the_next_request_is_admitted(
    owner: Key, clock: ReplacedOutside, sent: list[int], refused: int, free: int
) -> None:
    for time in sent:
        clock.time = START + time
        assert admitted(owner, 1) == 1
    clock.time = START + refused
    response = owner.get(PATH)
    assert_error(response, 429, "Rate limit exceeded")
    retry_at = response.json["retryAt"]
    assert type(retry_at) is int
    assert retry_at == START + free
    assert response.headers["Retry-After"] == str(max(1, ceil((retry_at - clock.time) / 1000)))
    clock.time = START + free - 1
    assert admitted(owner, 1) == 0
    clock.time = retry_at
    assert admitted(owner, 1) == 1


@setting(LIMIT_PER_KEY="2", LIMIT_PER_ORGANIZATION="3")
def test_what_the_rate_of_a_key_refuses_is_counted_nowhere(cast: Cast, clock: ReplacedOutside) -> None:
    assert admitted(cast.owner, 9) == 2
    clock.time += 59_000
    assert admitted(cast.owner, 9) == 0
    assert admitted(cast.colleague, 2) == 1
    clock.time += 1_000
    assert admitted(cast.owner, 3) == 2


@setting(LIMIT_PER_KEY="2", LIMIT_PER_ORGANIZATION="2")
def test_what_the_rate_of_an_organization_refuses_has_spent_the_place_of_its_key(
    cast: Cast, clock: ReplacedOutside
) -> None:
    assert admitted(cast.colleague, 2) == 2
    clock.time = START + 30_000
    assert cast.owner.get(PATH).json["retryAt"] == START + 60_000
    response = cast.owner.get(PATH)
    assert response.json["retryAt"] == START + 90_000
    clock.time = START + 60_000
    assert admitted(cast.owner, 1) == 0
    clock.time = response.json["retryAt"]
    assert admitted(cast.owner, 1) == 1


@setting(LIMIT_PER_KEY="off", LIMIT_PER_ORGANIZATION="2")
def test_a_refused_organization_is_told_when_it_is_admitted(cast: Cast, clock: ReplacedOutside) -> None:
    assert (admitted(cast.owner, 1), admitted(cast.tester, 1)) == (1, 1)
    clock.time += 1_500
    response = cast.operator.get(PATH)
    assert_error(response, 429, "Rate limit exceeded")
    assert response.json["retryAt"] == START + 60_000
    assert response.headers["Retry-After"] == "59"
    clock.time = response.json["retryAt"]
    assert admitted(cast.operator, 1) == 1


@setting(LIMIT_PER_KEY="1/minute", LIMIT_PER_ORGANIZATION="1/hour")
def test_of_two_refusals_the_longer_wait_is_told(owner: Key, clock: ReplacedOutside) -> None:
    assert admitted(owner, 1) == 1
    clock.time += 1_000
    refused = owner.get(PATH)
    assert (refused.json["retryAt"], refused.headers["Retry-After"]) == (START + 3_600_000, "3599")


@setting(LIMIT_PER_KEY="1/hour", LIMIT_PER_ORGANIZATION="1/minute")
def test_the_longer_wait_may_be_that_of_the_key(owner: Key, clock: ReplacedOutside) -> None:
    assert admitted(owner, 1) == 1
    refused = owner.get(PATH)
    assert (refused.json["retryAt"], refused.headers["Retry-After"]) == (START + 3_600_000, "3600")


# Only where the key's limit does not count with the organization's is a refusal free, so that one more changes nothing.
@pytest.mark.parametrize(
    ("config", "ask_early"),
    [
        ({"LIMIT_PER_KEY": "3", "LIMIT_PER_ORGANIZATION": "off"}, True),
        ({"LIMIT_PER_KEY": "off", "LIMIT_PER_ORGANIZATION": "3"}, True),
        ({"LIMIT_PER_KEY": "3", "LIMIT_PER_ORGANIZATION": "5"}, False),
    ],
    indirect=["config"],
    ids=["of the key", "of the organization", "of both"],
)
def test_waiting_out_retry_after_gets_an_answer_1000_times_of_1000(
    cast: Cast, clock: ReplacedOutside, ask_early: bool
) -> None:
    chance, refusals = Random(0), 0
    while refusals < 1_000:
        clock.time += chance.choice([0, 1, 500, 999, 1_000, 7_777])
        key = chance.choice([cast.owner, cast.colleague])
        refused = key.get(PATH)
        if refused.status_code == 200:
            continue
        refusals += 1
        now, wait, retry_at = clock.time, int(refused.headers["Retry-After"]), refused.json["retryAt"]
        assert wait == max(1, ceil((retry_at - now) / 1_000))
        for early in (now + (wait - 1) * 1_000, retry_at - 1) if ask_early else ():
            clock.time = early
            assert key.get(PATH).status_code == 429
        clock.time = chance.choice([retry_at, now + wait * 1_000])
        assert key.get(PATH).status_code == 200


# Per key


@pytest.mark.parametrize(("limit", "count"), [("100/hour", 100), ("5/second", 5), ("off", 150)])
def test_a_key_may_have_a_limit_of_its_own(make_key: Callable[..., Key], cast: Cast, limit: str, count: int) -> None:
    assert admitted(make_key(limit=limit), 150) == count
    assert admitted(cast.owner, 1) == 1


@setting(LIMIT_PER_KEY="off")
def test_a_key_may_have_a_limit_where_the_server_has_none(make_key: Callable[..., Key]) -> None:
    assert admitted(make_key(limit="2/minute"), 3) == 2


def test_another_limit_of_a_key_counts_what_was_counted(
    owner: Key, config: dict[str, Any], clock: ReplacedOutside
) -> None:
    assert admitted(owner, 40) == 40
    restarted = create_app({**config, "LIMIT_PER_KEY": "50/hour"}, clock)
    assert admitted(Key(restarted.test_client(), owner.plain), 40) == 10
    restarted.extensions["struere"].database.close()


# What is counted where


def test_counts_survive_a_restart(owner: Key, config: dict[str, Any], clock: ReplacedOutside) -> None:
    assert admitted(owner, 40) == 40
    restarted = create_app(config, clock)
    assert admitted(Key(restarted.test_client(), owner.plain), 40) == 20
    restarted.extensions["struere"].database.close()


def test_requests_without_a_key_change_no_counter_and_no_file(client: FlaskClient, cast: Cast, tmp_path: Path) -> None:
    assert admitted(cast.owner, 5) == 5
    before = {path.name: path.read_bytes() for path in tmp_path.iterdir()}
    for number in range(10_000):
        answer = client.get(PATH, headers={"Authorization": f"Bearer sk_dev_{number:032}"})
        assert answer.status_code == 401
    assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == before
    assert admitted(cast.owner, 60) == 55


def test_a_clock_set_back_an_hour_locks_no_key_for_longer_than_its_window(owner: Key, clock: ReplacedOutside) -> None:
    assert admitted(owner, 60) == 60
    clock.time -= 3_600_000
    refused = owner.get(PATH)
    assert refused.json["retryAt"] == clock.time + 60_000
    clock.time += 60_000
    assert admitted(owner, 61) == 60


# Trouble with the storage


@contextmanager
def blocked(counters: Path) -> Iterator[None]:
    """Put in the way of the file what is none."""
    counters.unlink()
    counters.mkdir()
    yield


@pytest.fixture(autouse=True)
def impatience(monkeypatch: pytest.MonkeyPatch) -> None:
    """Wait for a lock that nobody gives back no longer than it takes to see that."""
    monkeypatch.setattr("app.storage.counter_file.PATIENCE", 200)


@contextmanager
def locked(counters: Path) -> Iterator[None]:
    """Lock the file as a process does that hangs."""
    with counters.open() as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


@pytest.mark.parametrize("trouble", [blocked, locked])
def test_trouble_with_the_storage_neither_opens_the_gates_nor_closes_them(
    owner: Key,
    clock: ReplacedOutside,
    tmp_path: Path,
    caplog: pytest.LogCaptureFixture,
    trouble: Callable[[Path], AbstractContextManager[None]],
) -> None:
    assert admitted(owner, 10) == 10
    with trouble(tmp_path / "struere.db-limits"):
        assert admitted(owner, 70) == 60
        assert_error(owner.get(PATH), 429, "Rate limit exceeded")
        clock.time += 30_000
        assert admitted(owner, 1) == 0
        assert [record.levelname for record in caplog.records] == ["WARNING"]
        assert "Requests are counted by each worker for itself" in caplog.text
        clock.time += 30_000
        assert admitted(owner, 61) == 60
        assert len(caplog.records) == 2
        clock.time -= 3_600_000
        assert owner.get(PATH).json["retryAt"] == clock.time + 60_000


def test_the_storage_is_used_again_once_the_trouble_is_over(owner: Key, clock: ReplacedOutside, tmp_path: Path) -> None:
    assert admitted(owner, 40) == 40
    with locked(tmp_path / "struere.db-limits"):
        assert admitted(owner, 10) == 10
    clock.time += 5_000
    assert admitted(owner, 60) == 20


@pytest.mark.parametrize("back", [1, 3_600_000])
def test_a_clock_set_back_keeps_nobody_from_the_storage(
    owner: Key, clock: ReplacedOutside, tmp_path: Path, back: int
) -> None:
    assert admitted(owner, 1) == 1
    with locked(tmp_path / "struere.db-limits"):
        assert admitted(owner, 60) == 60
    clock.time -= back
    assert admitted(owner, 60) == 59


def test_a_file_of_somebody_else_is_left_alone(owner: Key, tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    counters = tmp_path / "struere.db-limits"
    counters.write_text("Dear diary")
    assert admitted(owner, 61) == 60
    assert "is no file of counters; name another with STRUERE_LIMIT_STORAGE" in caplog.text
    assert counters.read_text() == "Dear diary"


def test_requests_at_the_same_moment_are_counted_exactly(owner: Key) -> None:
    with ThreadPoolExecutor(8) as threads:
        assert sum(threads.map(lambda _: admitted(owner, 10), range(8))) == 60


@pytest.mark.parametrize(
    ("config", "count"),
    [
        ({"LIMITS": "off", "LIMIT_PER_KEY": "1", "LIMIT_PER_ORGANIZATION": "1"}, 3),
        ({"LIMIT_PER_KEY": "off", "LIMIT_PER_ORGANIZATION": "off"}, 3),
        ({"LIMIT_PER_KEY": "2", "LIMIT_PER_ORGANIZATION": "off"}, 2),
        ({"LIMIT_PER_KEY": "2/minute"}, 2),
        ({"LIMIT_PER_KEY": "off", "LIMIT_PER_ORGANIZATION": "1"}, 1),
        ({"LIMIT_PER_KEY": "2", "LIMIT_PER_ORGANIZATION": "1"}, 1),
    ],
    indirect=["config"],
    ids=lambda value: " ".join(f"{name}={each}" for name, each in value.items()) if isinstance(value, dict) else None,
)
def test_both_rates_are_settings_and_can_be_switched_off(owner: Key, count: int) -> None:
    assert admitted(owner, 3) == count


@setting(LIMIT_PER_KEY="off")
def test_a_key_without_a_rate_still_counts_for_its_organization(cast: Cast) -> None:
    assert admitted(cast.owner, 201) == 200
    assert admitted(cast.colleague, 1) == 0


@pytest.mark.parametrize("name", ["LIMIT_PER_KEY", "LIMIT_PER_ORGANIZATION"])
@pytest.mark.parametrize(
    "value", ["", "0", "-1", "many", "60/fortnight", "60 per", "1.5", "0/minute", "60/minute;1/hour", "none"]
)
def test_a_rate_that_does_not_parse_stops_the_start(
    config: dict[str, Any], tmp_path: Path, name: str, value: str
) -> None:
    with pytest.raises(SettingError, match=name.lower().replace("_", "-")):
        create_app({**config, "DATABASE": tmp_path / "new.db", name: value})
    assert not (tmp_path / "new.db").exists()


@pytest.mark.parametrize(("name", "value"), [("LIMITS", "perhaps"), ("LIMIT_STORAGE", "nowhere://")])
def test_other_settings_of_the_limits_that_do_not_parse_stop_the_start(
    config: dict[str, Any], name: str, value: str
) -> None:
    with pytest.raises(SettingError, match=name.lower().replace("_", "-")):
        create_app({**config, name: value})
