"""API keys: the plain key is shown once and stored nowhere; a key works until it is revoked or expires."""

import hashlib
import re
import time
from contextlib import closing
from pathlib import Path
from typing import Any

import apsw
import pytest

from app.storage.api_keys import ApiKeys
from app.storage.database import Database
from app.storage.errors import ApiKeyNotFound, Refused
from app.storage.filters import parse
from app.storage.organizations import Environment
from tests.conftest import START, ReplacedOutside

MINUTE = 60_000  # milliseconds
GIVEN = "sk_dev_" + "a1" * 16


def last_used(keys: ApiKeys, environment: Environment) -> int | None:
    return keys.all(environment.organization_id)[0].last_used_at


def test_a_key_is_returned_as_it_is_found(keys: ApiKeys, environment: Environment) -> None:
    scope = {"customer": {"plan": "pro"}}
    key, plain = keys.create(environment, "shop", ("data", "chat"), scope, START + 1, "600/minute")
    assert key[1:] == (
        environment,
        plain[:11],
        "shop",
        ("data", "chat"),
        scope,
        "600/minute",
        START,
        None,
        START + 1,
        None,
    )
    assert keys.authenticate(plain) == key
    assert key.parsed_scope() == {"customer": parse({"plan": "pro"})}


def test_a_key_has_all_permissions_and_no_scope_by_default(keys: ApiKeys, environment: Environment) -> None:
    key, _ = keys.create(environment, "shop")
    assert (key.permissions, key.scope, key.parsed_scope(), key.expires_at) == (("*",), None, None, None)


@pytest.mark.parametrize(("name", "prefix"), [("development", "dev"), ("production", "prod"), ("eval", "eval")])
def test_a_key_is_its_environments_prefix_and_random_characters(
    keys: ApiKeys, environment: Environment, name: str, prefix: str
) -> None:
    made = [keys.create(environment._replace(name=name), "shop")[1] for _ in range(3)]
    assert len(set(made)) == 3
    for plain in made:
        assert re.fullmatch(f"sk_{prefix}_[a-z0-9]{{32,}}", plain)


def test_the_environment_is_the_stored_one_not_the_prefixs(
    database: Database, keys: ApiKeys, environment: Environment
) -> None:
    _, plain = keys.create(environment, "shop")
    database.connection.execute("UPDATE api_key SET environment = 'eval'")
    found = keys.authenticate(plain)
    assert found is not None
    assert found.environment == environment._replace(name="eval")


def test_only_the_hash_of_a_key_is_in_the_files(
    database: Database, keys: ApiKeys, environment: Environment, path: Path
) -> None:
    _, plain = keys.create(environment, "Shop")  # what follows the prefix in the file begins with no character of a key
    keys.authenticate(plain)
    in_log = b"".join(file.read_bytes() for file in path.parent.iterdir())
    database.close()
    for bytes_ in (in_log, path.read_bytes()):
        assert hashlib.sha256(plain.encode()).hexdigest().encode() in bytes_
        assert plain[:11].encode() in bytes_
        assert plain[:12].encode() not in bytes_
        assert plain[12:].encode() not in bytes_


def test_a_key_is_found_without_waiting_for_a_writer(
    keys: ApiKeys, environment: Environment, path: Path, database: Database
) -> None:
    key, plain = keys.create(environment, "a key")
    with closing(apsw.Connection(str(path))) as writer:
        writer.execute("BEGIN IMMEDIATE")
        begun = time.monotonic()
        assert keys.authenticate(plain) == key
        assert time.monotonic() - begun < 5, "it waited for its turn"
    assert last_used(keys, environment) is None
    assert keys.authenticate(plain) == key
    assert last_used(keys, environment) == START
    assert database.connection.pragma("busy_timeout") == 10_000


def test_only_the_exact_key_is_found(keys: ApiKeys, environment: Environment) -> None:
    key, plain = keys.create(environment, "shop")
    wrong = ["", "sk_dev_", key.id, key.prefix, plain[:-1], plain + "a", plain.upper(), f" {plain}", "%", "é"]
    wrong.append(hashlib.sha256(plain.encode()).hexdigest())
    assert [keys.authenticate(each) for each in wrong] == [None] * len(wrong)


def test_a_key_stops_working_at_its_expiry(keys: ApiKeys, environment: Environment, outside: ReplacedOutside) -> None:
    _, plain = keys.create(environment, "shop", expires_at=START + MINUTE)
    outside.time = START + MINUTE - 1
    assert keys.authenticate(plain)
    outside.time += 1
    assert keys.authenticate(plain) is None


def test_a_revoked_key_stops_working_at_once(keys: ApiKeys, environment: Environment) -> None:
    key, plain = keys.create(environment, "shop")
    assert keys.revoke(environment.organization_id, key.id) == key._replace(revoked_at=START)
    assert keys.authenticate(plain) is None


def test_revoking_again_keeps_the_first_time(keys: ApiKeys, environment: Environment, outside: ReplacedOutside) -> None:
    key, _ = keys.create(environment, "shop")
    first = keys.revoke(environment.organization_id, key.id)
    outside.time += MINUTE
    assert keys.revoke(environment.organization_id, key.id) == first


def test_other_keys_are_neither_listed_nor_revoked(
    keys: ApiKeys, environment: Environment, neighbours: list[Environment]
) -> None:
    other = neighbours[-1]
    _, plain = keys.create(environment, "shop")
    key, others_plain = keys.create(other, "theirs")
    with pytest.raises(ApiKeyNotFound, match=f"API key {key.id} not found"):
        keys.revoke(environment.organization_id, key.id)
    assert [each.name for each in keys.all(environment.organization_id)] == ["shop"]
    assert keys.authenticate(plain)
    assert keys.authenticate(others_plain) == key


def test_keys_are_listed_in_creation_order(keys: ApiKeys, environment: Environment) -> None:
    made = [keys.create(environment, name)[0] for name in ("c", "a", "b")]
    assert keys.all(environment.organization_id) == made


def test_the_last_use_is_recorded_at_most_once_a_minute(
    keys: ApiKeys, environment: Environment, outside: ReplacedOutside
) -> None:
    _, plain = keys.create(environment, "shop")
    recorded = []
    for passed in (0, 1, MINUTE - 1, MINUTE, 2 * MINUTE - 1, 2 * MINUTE):
        outside.time = START + passed
        keys.authenticate(plain)
        recorded.append(last_used(keys, environment))
    assert recorded == [START] * 3 + [START + MINUTE] * 2 + [START + 2 * MINUTE]


def test_a_refused_use_is_not_recorded(keys: ApiKeys, environment: Environment) -> None:
    _, plain = keys.create(environment, "shop", expires_at=START)
    keys.authenticate(plain)
    assert last_used(keys, environment) is None


@pytest.mark.parametrize("busy_timeout", [0])
def test_a_key_works_while_another_writes(path: Path, keys: ApiKeys, environment: Environment) -> None:
    _, plain = keys.create(environment, "shop")
    writer = apsw.Connection(str(path))
    writer.execute("BEGIN IMMEDIATE")
    assert keys.authenticate(plain)
    writer.close()
    assert last_used(keys, environment) is None


NO_SCOPES: dict[str, tuple[Any, str]] = {
    "an array": (["customer"], "A scope is a JSON object"),
    "an empty array": ([], "A scope is a JSON object"),
    "an empty text": ("", "A scope is a JSON object"),
    "a number": (1, "A scope is a JSON object"),
    "zero": (0, "A scope is a JSON object"),
    "false": (False, "A scope is a JSON object"),
    "filters that are no object": ({"customer": "pro"}, "The scope has invalid filters: filters must be an object"),
    "an unknown operator": ({"customer": {"a": {"$foo": 1}}}, "invalid filters: Unknown filter operator: \\$foo"),
}


@pytest.mark.parametrize(("scope", "sentence"), NO_SCOPES.values(), ids=NO_SCOPES)
def test_what_is_no_scope_makes_no_key(keys: ApiKeys, environment: Environment, scope: Any, sentence: str) -> None:
    with pytest.raises(Refused, match=sentence):
        keys.create(environment, "shop", scope=scope)
    assert keys.all(environment.organization_id) == []


def test_a_given_key_is_made_once(keys: ApiKeys, environment: Environment) -> None:
    keys.ensure(environment, GIVEN)
    keys.ensure(environment, GIVEN)
    assert [key.prefix for key in keys.all(environment.organization_id)] == [GIVEN[:11]]
    assert keys.authenticate(GIVEN)


@pytest.mark.parametrize(
    "plain",
    ["sk_dev_" + "a" * 31, "sk_prod_" + "a" * 32, "sk_dev_" + "A" * 32, "a" * 40, GIVEN + "\n"],
    ids=["too short", "of another environment", "capitals", "no prefix", "a line break"],
)
def test_a_given_key_that_looks_like_none_is_refused(keys: ApiKeys, environment: Environment, plain: str) -> None:
    with pytest.raises(Refused, match="is sk_dev_ and at least 32 characters of a-z and 0-9"):
        keys.ensure(environment, plain)
    assert keys.all(environment.organization_id) == []


def test_a_given_key_of_another_organization_is_refused(
    keys: ApiKeys, environment: Environment, neighbours: list[Environment]
) -> None:
    keys.ensure(neighbours[-1], GIVEN)
    with pytest.raises(Refused, match="revoked, expired or of another environment"):
        keys.ensure(environment, GIVEN)


def test_a_given_key_that_was_revoked_is_refused(keys: ApiKeys, environment: Environment) -> None:
    keys.ensure(environment, GIVEN)
    keys.revoke(environment.organization_id, keys.all(environment.organization_id)[0].id)
    with pytest.raises(Refused, match="revoked, expired or of another environment"):
        keys.ensure(environment, GIVEN)
