"""struere-local keys"""

import re
from pathlib import Path
from typing import Any

import pytest
from flask.testing import FlaskClient

from app.parts import Parts
from app.storage.organizations import Environment, ensure_organization
from app.storage.outside import Outside
from tests.conftest import Key, ReplacedOutside

from .conftest import Run, assert_misused, assert_refused

DAY = 86_400_000  # milliseconds


@pytest.fixture(autouse=True)
def clock(outside: ReplacedOutside) -> ReplacedOutside:
    """Let the server's clock show what the commands' does, which is the real one."""
    outside.time = Outside().now()
    return outside


def status(client: FlaskClient, plain: str) -> int:
    code: int = Key(client, plain).get("/v1/entity-types").status_code
    return code


def test_a_key_is_shown_alone_on_standard_output(struere: Run, client: FlaskClient) -> None:
    made = struere("keys", "create", "--name", "shop")
    assert re.fullmatch(r"sk_dev_[a-z0-9]{32,}\n", made.stdout)
    assert re.fullmatch(
        r"Made key_[a-z0-9]+ for development in .*struere.db; the key is shown only this once:\n", made.stderr
    )
    assert status(client, made.stdout.strip()) == 200


def test_a_key_is_never_shown_again(struere: Run) -> None:
    plain = struere("keys", "create", "--name", "shop").stdout.strip()
    for listed in (struere("keys", "list").stdout, struere("keys", "list", "--json").stdout):
        assert plain[:11] in listed
        assert plain[:12] not in listed


def test_a_key_as_json_has_its_terms(struere: Run, client: FlaskClient) -> None:
    made = struere("keys", "create", "--name", "shop", "--json").json
    assert status(client, made["key"]) == 200
    assert made.pop("id").startswith("key_")
    assert made.pop("key").startswith("sk_dev_")
    assert made == {
        "name": "shop",
        "environment": "development",
        "permissions": ["*"],
        "scope": None,
        "limit": None,
        "expires": None,
    }


OPTIONS: dict[str, tuple[list[str], str, Any]] = {
    "an environment": (["--environment", "eval"], "environment", "eval"),
    "one permission": (["--permission", "data"], "permissions", ["data"]),
    "several permissions, each once": (
        ["--permission", "sync", "--permission", "data", "--permission", "sync"],
        "permissions",
        ["sync", "data"],
    ),
    "types": (["--type", "customer", "--type", "player"], "scope", {"customer": {}, "player": {}}),
    "a scope": (["--scope", '{"customer": {"age": {"$gte": 18}}}'], "scope", {"customer": {"age": {"$gte": 18}}}),
    "a scope that shows nothing": (["--scope", "{}"], "scope", {}),
    "a limit": (["--limit", "600/hour"], "limit", "600/hour"),
    "a limit a minute": (["--limit", "600"], "limit", "600/minute"),
    "no limit": (["--limit", "OFF"], "limit", "off"),
    "a date": (["--expires", "2100-01-31T00:00Z"], "expires", 4_105_036_800_000),
}


@pytest.mark.parametrize(("options", "field", "value"), OPTIONS.values(), ids=OPTIONS)
def test_a_key_is_made_with(struere: Run, options: list[str], field: str, value: Any) -> None:
    assert struere("keys", "create", "--name", "shop", "--json", *options).json[field] == value
    assert struere("keys", "list", "--json").json[0][field] == value


@pytest.mark.parametrize(("duration", "milliseconds"), [("30d", 30 * DAY), ("12h", DAY // 2), ("45m", 45 * 60_000)])
def test_a_key_expires_after_a_duration(
    struere: Run, client: FlaskClient, outside: ReplacedOutside, duration: str, milliseconds: int
) -> None:
    made = struere("keys", "create", "--name", "shop", "--expires", duration, "--json").json
    assert 0 <= made["expires"] - milliseconds - outside.time < 60_000
    outside.time = made["expires"] - 1
    assert status(client, made["key"]) == 200
    outside.time += 1
    assert status(client, made["key"]) == 401


def test_a_revoked_key_stops_working(struere: Run, client: FlaskClient) -> None:
    made = struere("keys", "create", "--name", "shop", "--json").json
    revoked = struere("keys", "revoke", made["id"])
    assert (revoked.code, revoked.stdout) == (0, f"Revoked {made['id']} (shop).\n")
    assert status(client, made["key"]) == 401
    assert struere("keys", "list").stdout.endswith("revoked\n")


def test_the_list_has_a_line_a_key_in_creation_order(struere: Run, parts: Parts) -> None:
    for name in ("shop", "agent"):
        struere("keys", "create", "--name", name)
    local = Environment(ensure_organization(parts.database, parts.outside, "local"), "development")
    parts.keys.create(local, "old", expires_at=1)
    header, *lines = struere("keys", "list").stdout.splitlines()
    assert re.split(" {2,}", header) == [
        "ID", "KEY", "NAME", "ENVIRONMENT", "PERMISSIONS", "SCOPE", "LIMIT", "CREATED", "LAST USED", "STATE",
    ]  # fmt: skip
    cells = [re.split(" {2,}", line) for line in lines]
    assert [[row[2], *row[3:7], row[-2], row[-1]] for row in cells] == [
        ["shop", "development", "*", "-", "-", "-", "active"],
        ["agent", "development", "*", "-", "-", "-", "active"],
        ["old", "development", "*", "-", "-", "-", "expired"],
    ]


def test_the_list_as_json_has_terms_and_times(struere: Run, client: FlaskClient, outside: ReplacedOutside) -> None:
    made = struere("keys", "create", "--name", "shop", "--json").json
    [unused] = struere("keys", "list", "--json").json
    plain = made.pop("key")
    assert unused == made | {
        "prefix": plain[:11],
        "createdAt": unused["createdAt"],
        "lastUsedAt": None,
        "revokedAt": None,
    }
    status(client, plain)
    assert struere("keys", "list", "--json").json == [unused | {"lastUsedAt": outside.time}]


def test_organizations_are_kept_apart(struere: Run, client: FlaskClient) -> None:
    ours = struere("keys", "create", "--name", "ours", "--json").json
    theirs = struere("keys", "create", "--name", "theirs", "--organization", "other", "--json").json
    assert [key["name"] for key in struere("keys", "list", "--json").json] == ["ours"]
    assert [key["name"] for key in struere("keys", "list", "--organization", "other", "--json").json] == ["theirs"]
    assert_refused(struere("keys", "revoke", theirs["id"]), f"API key {theirs['id']} not found")
    assert status(client, ours["key"]) == status(client, theirs["key"]) == 200


MISUSES: dict[str, tuple[list[str], str]] = {
    "no name": (["create"], "Missing option '--name'"),
    "an unknown environment": (["create", "--name", "a", "--environment", "staging"], "'staging' is not one of"),
    "an unknown permission": (["create", "--name", "a", "--permission", "write"], "'write' is not one of"),
    "a scope that is no JSON": (["create", "--name", "a", "--scope", "{customer"], "Malformed JSON"),
    "a scope that is no object": (["create", "--name", "a", "--scope", "[]"], "a scope is an object"),
    "a scope that is null": (["create", "--name", "a", "--scope", "null"], "a scope is an object"),
    "a name that is not UTF-8": (["create", "--name", "\udcff"], "printable"),
    "a name of two lines": (["create", "--name", "a\nb"], "printable"),
    "an empty name": (["create", "--name", ""], "printable"),
    "a time in the past": (["create", "--name", "a", "--expires", "2001-01-01"], "in the past"),
    "a type and a scope": (["create", "--name", "a", "--type", "b", "--scope", "{}"], "--type or --scope"),
    "a time past what can be written": (["create", "--name", "a", "--expires", "9999-12-31T23:59:59-12:00"], "neither"),
    "a year past what can be written": (["create", "--name", "a", "--expires", "9999-06-01"], "neither"),
    "too deep a scope": (["create", "--name", "a", "--scope", f'{{"a": {{"b": {"[" * 250}{"]" * 250}}}}}'], "nested"),
    "no time": (["create", "--name", "a", "--expires", "soon"], "'soon' is neither a duration such as 30d"),
    "no id": (["revoke"], "Missing argument 'ID'"),
    "an unknown option": (["list", "--all"], "No such option"),
}


@pytest.mark.parametrize(("arguments", "sentence"), MISUSES.values(), ids=MISUSES)
def test_wrong_usage_is_told_and_makes_nothing(struere: Run, arguments: list[str], sentence: str) -> None:
    assert_misused(struere("keys", *arguments), sentence)
    assert struere("keys", "list", "--json").json == []


REFUSALS: dict[str, tuple[list[str], str]] = {
    "an unknown id": (["revoke", "key_x"], "API key key_x not found; list the keys with: struere-local keys list"),
    "a scope with an unknown operator": (
        ["create", "--name", "a", "--scope", '{"b": {"c": {"$foo": 1}}}'],
        "Unknown filter operator: $foo",
    ),
}


@pytest.mark.parametrize(("arguments", "sentence"), REFUSALS.values(), ids=REFUSALS)
def test_what_cannot_be_is_refused_in_one_line(struere: Run, arguments: list[str], sentence: str) -> None:
    assert_refused(struere("keys", *arguments), sentence)
    assert struere("keys", "list", "--json").json == []


@pytest.mark.parametrize("arguments", [["list"], ["revoke", "key_x"]], ids=["list", "revoke"])
def test_a_database_that_is_not_there_is_not_made(struere_local: Run, folder: Path, arguments: list[str]) -> None:
    assert_refused(struere_local("keys", *arguments), "There is no database", "--database")
    assert list(folder.iterdir()) == []


def test_the_first_key_makes_the_database(struere_local: Run, folder: Path) -> None:
    assert struere_local("keys", "create", "--name", "shop").code == 0
    assert [file.name for file in (folder / "instance").iterdir()] == ["struere.db"]


def test_the_executable_does_as_the_tests_command(executable: Run, folder: Path) -> None:
    made = executable("keys", "create", "--name", "shop", STRUERE_DATABASE="keys.db")
    assert (made.code, made.stdout[:7], made.stderr.count("\n")) == (0, "sk_dev_", 1)
    assert [file.name for file in folder.iterdir()] == ["keys.db"]
    assert_refused(executable("keys", "revoke", "key_x", "--database", "keys.db"), "API key key_x not found")
    assert_misused(executable("keys", "create"), "Missing option '--name'")
