"""struere-local limits"""

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from flask.testing import FlaskClient

from app.storage.outside import Outside
from tests.conftest import Key, ReplacedOutside

from .conftest import Run, assert_misused, assert_refused

PATH = "/v1/entity-types"


@pytest.fixture(autouse=True)
def clock(outside: ReplacedOutside) -> ReplacedOutside:
    """Let the server's clock show what the commands' does, which is the real one."""
    outside.time = Outside().now()
    return outside


@pytest.fixture
def config(config: dict[str, Any], request: pytest.FixtureRequest) -> dict[str, Any]:
    return {**config, "LIMITS": "on", "LIMIT_PER_ORGANIZATION": "100", **getattr(request, "param", {})}


@pytest.fixture
def make(struere: Run, client: FlaskClient) -> Callable[..., tuple[str, Key]]:
    """Make a key by command; return its id and its client."""

    def make(*options: str) -> tuple[str, Key]:
        made = struere("keys", "create", "--name", "shop", "--json", *options).json
        return made["id"], Key(client, made["key"])

    return make


def spend(key: Key, requests: int) -> None:
    for _ in range(requests):
        assert key.get(PATH).status_code == 200


def test_each_key_and_the_organization_have_a_line(struere: Run, make: Callable[..., tuple[str, Key]]) -> None:
    (first, owner), (second, _) = make(), make("--limit", "off")
    spend(owner, 7)
    header, *lines = struere("limits", "show").stdout.splitlines()
    assert re.split(" {2,}", header) == ["SCOPE", "ID", "NAME", "LIMIT", "USED", "LEFT", "FREE AGAIN"]
    assert [re.split(" {2,}", line) for line in lines] == [
        ["key", first, "shop", "60/minute", "7", "53", "-"],
        ["key", second, "shop", "off", "-", "-", "-"],
        ["organization", "local", "-", "100/minute", "7", "93", "-"],
    ]


def test_a_spent_key_tells_when_it_is_free_again(
    struere: Run, make: Callable[..., tuple[str, Key]], clock: ReplacedOutside
) -> None:
    key_id, owner = make("--limit", "2/hour")
    spend(owner, 2)
    row, _ = struere("limits", "show", key_id, "--json").json
    assert row == {
        "scope": "key", "id": key_id, "name": "shop", "limit": "2/hour", "used": 2, "left": 0,
        "freeAt": owner.get(PATH).json["retryAt"],
    }  # fmt: skip
    line = struere("limits", "show", key_id).stdout.splitlines()[1]
    assert re.search(r" 2 +0 +\d{4}-\d\d-\d\d \d\d:\d\d:\d\d", line)


def test_one_key_is_shown_alone_with_its_organization(struere: Run, make: Callable[..., tuple[str, Key]]) -> None:
    (first, _), _ = make(), make()
    assert [row["id"] for row in struere("limits", "show", first, "--json").json] == [first, "local"]


def test_revoked_and_expired_keys_are_not_shown(struere: Run, make: Callable[..., tuple[str, Key]]) -> None:
    (revoked, _), (works, _) = make(), make()
    struere("keys", "revoke", revoked)
    assert [row["id"] for row in struere("limits", "show", "--json").json] == [works, "local"]


def test_without_a_key_there_is_nothing_to_show(struere: Run) -> None:
    assert struere("limits", "show", "--json").json == []


def test_a_reset_gives_a_key_its_requests_back_and_no_other(struere: Run, make: Callable[..., tuple[str, Key]]) -> None:
    (first, owner), (_, colleague) = make("--limit", "3"), make("--limit", "3")
    spend(owner, 3)
    spend(colleague, 3)
    assert struere("limits", "reset", first).stdout == f"Reset the rate limit of {first} (shop).\n"
    assert [row["used"] for row in struere("limits", "show", "--json").json] == [0, 3, 6]
    spend(owner, 3)
    assert colleague.get(PATH).status_code == 429


def test_a_reset_needs_no_settings_of_the_server(
    struere_local: Run, make: Callable[..., tuple[str, Key]], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    key_id, owner = make("--limit", "2/hour")
    spend(owner, 2)
    monkeypatch.setenv("STRUERE_DATABASE", str(tmp_path / "struere.db"))
    monkeypatch.setenv("STRUERE_LIMIT_PER_KEY", "9/second")
    assert struere_local("limits", "reset", key_id).code == 0
    spend(owner, 2)


def test_a_reset_of_all_is_of_organizations_as_well(struere: Run, make: Callable[..., tuple[str, Key]]) -> None:
    _, owner = make("--limit", "off")
    spend(owner, 100)
    assert owner.get(PATH).status_code == 429
    assert struere("limits", "reset", "--all").stdout == "Reset all rate limits.\n"
    spend(owner, 100)


@pytest.mark.parametrize("arguments", [[], ["key_a", "--all"]], ids=["neither", "both"])
def test_a_reset_is_of_a_key_or_of_all(struere: Run, arguments: list[str]) -> None:
    assert_misused(struere("limits", "reset", *arguments), "Name a key, or give --all")


@pytest.mark.parametrize("command", ["show", "reset"])
def test_an_unknown_key_is_refused(struere: Run, make: Callable[..., tuple[str, Key]], command: str) -> None:
    make()
    assert_refused(struere("limits", command, "key_nobody"), "key_nobody", "keys list")


@pytest.mark.parametrize("config", [{"LIMIT_STORAGE": "memory://"}], indirect=True)
@pytest.mark.parametrize("arguments", [["show"], ["reset", "--all"]], ids=" ".join)
def test_what_a_server_keeps_in_its_memory_is_out_of_reach(
    struere: Run, make: Callable[..., tuple[str, Key]], arguments: list[str]
) -> None:
    make()
    assert_refused(struere("limits", *arguments), "in the memory of the server", "restart it")


def test_counters_that_cannot_be_read_are_told(
    struere: Run, make: Callable[..., tuple[str, Key]], tmp_path: Path
) -> None:
    make()
    (tmp_path / "struere.db-limits").mkdir()
    assert_refused(struere("limits", "show"), "Cannot reach where requests are counted")


@pytest.mark.parametrize("rate", ["60/fortnight", "0", "-1", "1000001", "60/minute;1/hour", ""])
def test_a_limit_that_does_not_parse_makes_no_key(struere: Run, rate: str) -> None:
    assert_misused(struere("keys", "create", "--name", "shop", "--limit", rate), "it must be a rate such as 60/minute")
    assert struere("keys", "list", "--json").json == []
