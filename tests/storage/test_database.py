"""Connections and transactions: durable, private, kept whole or not at all."""

import os
import stat
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path

import apsw
import pytest

from app.storage.database import Database
from app.storage.errors import StorageBroken, StorageBusy, StorageFull
from app.storage.organizations import Environment, ensure_organization
from app.storage.outside import Outside

from .conftest import TOKENIZER


def insert(connection: apsw.Connection, slug: str) -> None:
    connection.execute("INSERT INTO organization (slug, created_at) VALUES (?, 0)", (slug,))


def slugs(database: Database) -> list[str]:
    return [slug for (slug,) in database.connection.execute("SELECT slug FROM organization ORDER BY id")]


def test_every_connection_is_durable_and_keeps_a_write_ahead_log(database: Database) -> None:
    def pragmas() -> tuple[object, ...]:
        names = ("journal_mode", "synchronous", "foreign_keys", "busy_timeout")
        return tuple(database.connection.pragma(name) for name in names)

    full = 2  # https://sqlite.org/pragma.html#pragma_synchronous
    with ThreadPoolExecutor(1) as thread:
        assert pragmas() == thread.submit(pragmas).result() == ("wal", full, 1, 10_000)


def test_fast_syncs_at_checkpoints_alone(path: Path, database: Database) -> None:
    normal = 1
    with closing(Database(path, 0, TOKENIZER, "fast")) as fast:
        assert [fast.connection.pragma(name) for name in ("journal_mode", "synchronous", "fullfsync")] == [
            "wal", normal, 0,
        ]  # fmt: skip
    assert database.connection.pragma("fullfsync") == 1


def test_only_the_owner_reads_the_file_and_its_log(database: Database, path: Path) -> None:
    before = os.umask(0)
    try:
        with database.transaction() as connection:
            insert(connection, "acme")
    finally:
        os.umask(before)
    files = {file.name: stat.S_IMODE(file.stat().st_mode) for file in path.parent.iterdir()}
    assert files == dict.fromkeys(("struere.db", "struere.db-wal", "struere.db-shm", "struere.db-queue"), 0o600)


def test_a_transaction_is_kept_whole(database: Database, open_database: Callable[..., Database]) -> None:
    with database.transaction() as connection:
        insert(connection, "acme")
        insert(connection, "other")
        assert slugs(open_database()) == []
    assert slugs(open_database()) == ["acme", "other"]


@pytest.mark.parametrize("error", [ValueError, KeyboardInterrupt])
def test_a_transaction_that_fails_keeps_nothing(database: Database, error: type[BaseException]) -> None:
    def fail() -> None:
        with database.transaction() as connection:
            insert(connection, "acme")
            raise error

    with pytest.raises(error):
        fail()
    assert slugs(database) == []
    with database.transaction() as connection:
        insert(connection, "other")
    assert slugs(database) == ["other"]


def test_a_full_storage_is_told_can_be_read_and_is_written_to_once_there_is_room(database: Database) -> None:
    insert(database.connection, "acme")
    most = database.connection.pragma("max_page_count", 1)

    def fill() -> None:
        with database.transaction() as connection:
            insert(connection, "other")
            insert(connection, 2 * most * 4096 * "x")

    with pytest.raises(StorageFull, match="Storage is full"):
        fill()
    assert slugs(database) == ["acme"]
    database.connection.pragma("max_page_count", 10 * most)
    fill()
    assert slugs(database)[:2] == ["acme", "other"]


@pytest.mark.parametrize("busy_timeout", [10], ids=["ten milliseconds"])
def test_a_write_that_waits_too_long_is_told_and_the_next_one_goes_on(
    database: Database, open_database: Callable[..., Database]
) -> None:
    with open_database().transaction(), pytest.raises(StorageBusy), database.transaction():
        pytest.fail("Two write at once")
    with database.transaction() as connection:
        insert(connection, "acme")
    assert slugs(database) == ["acme"]


def test_a_connection_that_can_only_read_is_opened_anew(database: Database) -> None:
    database.connection.pragma("query_only", True)
    with pytest.raises(StorageBroken), database.transaction() as connection:
        insert(connection, "acme")
    with database.transaction() as connection:
        insert(connection, "acme")
    assert slugs(database) == ["acme"]


def test_damage_is_told_by_whoever_reads_it(database: Database, path: Path) -> None:
    database.close()
    path.write_bytes(path.read_bytes()[:4096] + 4096 * b"x" + path.read_bytes()[8192:])
    with pytest.raises(StorageBroken, match="Storage cannot be read or written"):
        list(database.read("SELECT * FROM organization"))


def test_a_snapshot_does_not_see_what_is_written_meanwhile(
    database: Database, open_database: Callable[..., Database]
) -> None:
    other = open_database()
    with database.snapshot():
        assert slugs(database) == []
        with other.transaction() as connection:
            insert(connection, "acme")
        assert slugs(database) == []
    assert slugs(database) == ["acme"]


def test_each_thread_has_a_connection_and_closing_closes_them_all(database: Database) -> None:
    with ThreadPoolExecutor(1) as thread:
        other = thread.submit(lambda: database.connection).result()
        assert other is not database.connection
        assert thread.submit(lambda: database.connection).result() is other
        database.close()
        with pytest.raises(apsw.ConnectionClosedError):
            other.execute("SELECT 1")
    assert slugs(database) == []


def test_an_organization_is_made_once(database: Database, outside: Outside) -> None:
    first = ensure_organization(database, outside, "acme")
    assert ensure_organization(database, outside, "other") != first
    assert ensure_organization(database, outside, "acme") == first
    assert slugs(database) == ["acme", "other"]


def test_an_environment_is_one_of_three(database: Database, environment: Environment) -> None:
    with pytest.raises(apsw.ConstraintError):
        database.connection.execute(
            "INSERT INTO entity_type VALUES (NULL, ?, 'staging', 'a', 'A', '{}', '[]', '', 0)",
            (environment.organization_id,),
        )


def test_a_statement_is_compiled_once_for_every_limit(database: Database) -> None:
    asked: list[int] = []  # https://sqlite.org/c3ref/set_authorizer.html: while a statement is compiled
    connection = database.connection
    connection.authorizer = lambda *_: asked.append(1) or apsw.SQLITE_OK
    compiled = []
    for limit in range(1, 4):
        connection.execute("SELECT slug FROM organization ORDER BY id LIMIT ?", (limit,)).fetchall()
        compiled.append(len(asked))
    assert compiled[0] > 0
    assert len(set(compiled)) == 1
