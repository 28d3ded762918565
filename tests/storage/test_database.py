"""The file: made whole or not at all, migrated whole or not at all, private, durable, and never another program's."""

import hashlib
import multiprocessing
import os
import stat
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import apsw
import pytest

from app.storage import database as module
from app.storage.database import APPLICATION_ID, MIGRATIONS, Database
from app.storage.errors import Refused
from app.storage.organizations import Environment, ensure_organization
from app.storage.outside import Outside

from .conftest import TOKENIZER

VERSION = len(MIGRATIONS)


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


def test_the_file_is_ours_and_of_this_version(database: Database) -> None:
    connection = database.connection
    assert (connection.pragma("application_id"), connection.pragma("user_version")) == (APPLICATION_ID, VERSION)


def test_only_the_owner_reads_the_file_and_its_log(database: Database, path: Path) -> None:
    before = os.umask(0)
    try:
        with database.transaction() as connection:
            insert(connection, "acme")
    finally:
        os.umask(before)
    files = {file.name: stat.S_IMODE(file.stat().st_mode) for file in path.parent.iterdir()}
    assert files == {"struere.db": 0o600, "struere.db-wal": 0o600, "struere.db-shm": 0o600}


def test_missing_folders_are_made(tmp_path: Path) -> None:
    path = tmp_path / "a" / "b" / "struere.db"
    database = Database(path, 0, TOKENIZER)
    database.prepare()
    database.close()
    assert [file.name for file in path.parent.iterdir()] == ["struere.db"]


def test_preparing_again_keeps_everything(database: Database, open_database: Callable[..., Database]) -> None:
    with database.transaction() as connection:
        insert(connection, "acme")
    assert slugs(open_database()) == ["acme"]


@pytest.mark.parametrize("name", ["struere.db", "struere.db.new"], ids=["an empty file", "half of a new file"])
def test_what_a_kill_leaves_is_no_obstacle(path: Path, open_database: Callable[..., Database], name: str) -> None:
    path.with_name(name).write_bytes(b"" if name == path.name else b"half")
    path.with_name("struere.db.new-wal").write_bytes(b"half")
    assert slugs(open_database()) == []
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


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


def test_rows_that_refer_to_nothing_are_refused(database: Database) -> None:
    with pytest.raises(apsw.ConstraintError, match="FOREIGN KEY"):
        database.connection.execute("INSERT INTO entity VALUES (1, 'a', 7, 'active', '{}', 0, 0)")


def test_a_migration_keeps_what_is_there(
    database: Database, open_database: Callable[..., Database], monkeypatch: pytest.MonkeyPatch
) -> None:
    with database.transaction() as connection:
        insert(connection, "acme")
    database.close()
    monkeypatch.setattr(module, "MIGRATIONS", (*MIGRATIONS, "CREATE TABLE one (x)", "CREATE TABLE two (x)"))
    migrated = open_database()
    assert slugs(migrated) == ["acme"]
    assert migrated.connection.pragma("user_version") == VERSION + 2
    assert list(migrated.connection.execute("SELECT * FROM one, two")) == []


def test_a_migration_that_fails_changes_nothing(
    database: Database, path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "MIGRATIONS", (*MIGRATIONS, "CREATE TABLE one (x); CREATE TABLE one (x)"))
    with pytest.raises(Refused, match=f"Cannot use {path}: .*table one already exists"):
        database.prepare()
    assert database.connection.pragma("user_version") == VERSION
    assert not database.connection.table_exists("main", "one")


def test_a_first_migration_that_fails_leaves_no_file(
    path: Path, open_database: Callable[..., Database], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "MIGRATIONS", (*MIGRATIONS, "no SQL"))
    with pytest.raises(Refused):
        open_database()
    assert not path.exists()


def sqlite_file(path: Path, application_id: int, version: int) -> None:
    with apsw.Connection(str(path)) as connection:
        connection.execute("CREATE TABLE theirs (x)")
        connection.pragma("application_id", application_id)
        connection.pragma("user_version", version)
    connection.close()


FOREIGN: dict[str, tuple[Callable[[Path], object], str]] = {
    "of a newer version": (
        lambda path: sqlite_file(path, APPLICATION_ID, VERSION + 1),
        "was written by a newer struere-local; upgrade, or name another file with --database",
    ),
    "of another program": (
        lambda path: sqlite_file(path, 0x12345678, VERSION),
        "belongs to another program; name another file with --database",
    ),
    "of a program without a name": (
        lambda path: sqlite_file(path, 0, 0),
        "belongs to another program; name another file with --database",
    ),
    "of text": (
        lambda path: path.write_text("Dear diary, " * 20),
        "is not a SQLite database; name another file with --database",
    ),
    "of one byte": (
        lambda path: path.write_bytes(b"\n"),
        "is not a SQLite database; name another file with --database",
    ),
}


@pytest.mark.parametrize(("make", "sentence"), FOREIGN.values(), ids=FOREIGN)
def test_a_file_that_is_not_ours_is_refused_and_left_as_it_is(
    path: Path, open_database: Callable[..., Database], make: Callable[[Path], object], sentence: str
) -> None:
    make(path)
    before = hashlib.sha256(path.read_bytes()).hexdigest()
    with pytest.raises(Refused) as caught:
        open_database()
    assert str(caught.value) == f"{path} {sentence}"
    assert hashlib.sha256(path.read_bytes()).hexdigest() == before
    assert list(path.parent.iterdir()) == [path]


def test_a_folder_is_no_database(path: Path, open_database: Callable[..., Database]) -> None:
    path.mkdir()
    with pytest.raises(Refused, match=f"{path} is no regular file; name another with --database"):
        open_database()


def test_a_path_through_a_file_is_no_database(path: Path) -> None:
    path.write_text("")
    with pytest.raises(Refused, match="name another file with --database"):
        Database(path / "struere.db", 0, TOKENIZER).prepare()


def test_processes_that_prepare_one_file_at_once_share_it(path: Path) -> None:
    fork = multiprocessing.get_context("fork")
    barrier = fork.Barrier(4)

    def prepare(number: int) -> None:
        database = Database(path, 10_000, TOKENIZER)
        barrier.wait(10)
        database.prepare()
        with database.transaction() as connection:
            insert(connection, f"organization{number}")

    processes = [fork.Process(target=prepare, args=(number,)) for number in range(4)]
    for process in processes:
        process.start()
    for process in processes:
        process.join()
    assert [process.exitcode for process in processes] == [0] * 4
    database = Database(path, 0, TOKENIZER)
    assert sorted(slugs(database)) == [f"organization{number}" for number in range(4)]
    database.close()


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
