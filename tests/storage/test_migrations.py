"""The file: made whole or not at all, migrated whole or not at all, and never another program's."""

import hashlib
import multiprocessing
import stat
from collections.abc import Callable
from pathlib import Path

import apsw
import pytest

from app.storage import migrations as module
from app.storage.check import problems
from app.storage.database import Database
from app.storage.errors import Refused
from app.storage.inspection import APPLICATION_ID
from app.storage.migrations import MIGRATIONS, prepare
from app.storage.organizations import Environment
from app.storage.outside import Outside
from app.storage.repository import EntityRepository

from .conftest import TOKENIZER, document
from .test_database import insert, slugs

VERSION = len(MIGRATIONS)


def test_the_file_is_ours_and_of_this_version(database: Database) -> None:
    connection = database.connection
    assert (connection.pragma("application_id"), connection.pragma("user_version")) == (APPLICATION_ID, VERSION)


def test_missing_folders_are_made(tmp_path: Path) -> None:
    path = tmp_path / "a" / "b" / "struere.db"
    database = Database(path, 0, TOKENIZER)
    prepare(database)
    database.close()
    assert [file.name for file in path.parent.iterdir()] == ["struere.db"]


def test_preparing_again_keeps_everything(database: Database, open_database: Callable[..., Database]) -> None:
    with database.transaction() as connection:
        insert(connection, "acme")
    assert slugs(open_database()) == ["acme"]


def test_what_a_kill_leaves_is_no_obstacle(path: Path, open_database: Callable[..., Database]) -> None:
    for ending in ("", "-wal", "-shm", "-journal"):
        path.with_name(f".struere.db.struere-draft{ending}").write_bytes(b"half")
    database = open_database()
    assert slugs(database) == []
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    database.close()
    assert list(path.parent.iterdir()) == [path]


def test_no_file_is_made_beside_the_log_of_one_that_was_moved_away(
    database: Database, open_database: Callable[..., Database], path: Path
) -> None:
    insert(database.connection, "acme")
    names = ("struere.db", "struere.db-wal")
    kept = {name: path.with_name(name).read_bytes() for name in names}
    database.close()
    path.unlink()
    path.with_name("struere.db-wal").write_bytes(kept["struere.db-wal"])
    with pytest.raises(Refused, match=r"is gone but its write-ahead log is there.*move the file back, or remove"):
        open_database()
    path.write_bytes(kept["struere.db"])
    assert slugs(open_database()) == ["acme"]


@pytest.mark.parametrize("ending", ["-wal", "-shm"])
def test_what_else_is_left_of_a_file_that_is_gone_is_not_taken_for_the_new_ones(
    open_database: Callable[..., Database], path: Path, ending: str
) -> None:
    path.with_name(f"struere.db{ending}").write_bytes(b"" if ending == "-wal" else b"of another")
    assert slugs(open_database()) == []


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
    kept = Database(migrated.path.with_name(f"struere.db.before-{VERSION + 2}-1"), 0, TOKENIZER)
    assert slugs(kept) == ["acme"]
    assert kept.connection.pragma("user_version") == VERSION
    kept.close()


VERSION_3 = """
    INSERT INTO organization VALUES (1, 'acme', 0);
    INSERT INTO entity_type VALUES (1, 1, 'development', 'customer', 'Customer', '{}', '["name"]', 'unicode61', 0);
    CREATE VIRTUAL TABLE search_1 USING fts5(text);
    INSERT INTO field_index (type_id, field, reason, created_at) VALUES (1, 'plan', 'declared', 0);
    CREATE TABLE field_1 (
        value ANY NOT NULL, sequence INTEGER NOT NULL, PRIMARY KEY (value, sequence)
    ) STRICT, WITHOUT ROWID;
    CREATE TRIGGER field_1_insert AFTER INSERT ON entity WHEN NEW.type_id = 1 BEGIN
        INSERT INTO field_1 SELECT json_extract(NEW.data, '$."plan"'), NEW.sequence;
    END;
    CREATE TRIGGER field_1_update AFTER UPDATE OF status, data ON entity WHEN NEW.type_id = 1 BEGIN
        DELETE FROM field_1 WHERE value = json_extract(OLD.data, '$."plan"') AND sequence = OLD.sequence;
        INSERT INTO field_1 SELECT json_extract(NEW.data, '$."plan"'), NEW.sequence;
    END;
    CREATE TRIGGER field_1_delete AFTER DELETE ON entity WHEN OLD.type_id = 1 BEGIN
        DELETE FROM field_1 WHERE value = json_extract(OLD.data, '$."plan"') AND sequence = OLD.sequence;
    END;
    INSERT INTO entity VALUES (1, 'a', 1, 'active', '{"plan":"pro"}', 0, 0);
    INSERT INTO search_1 (rowid, text) VALUES (1, '');
"""


def test_the_triggers_of_version_3_go_and_the_entries_that_they_made_stay(
    open_database: Callable[..., Database], outside: Outside, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "MIGRATIONS", MIGRATIONS[:3])
    old = open_database()
    old.connection.execute(VERSION_3)
    old.close()
    monkeypatch.undo()
    database = open_database()
    assert database.connection.execute("SELECT count(*) FROM sqlite_schema WHERE type = 'trigger'").get == 0
    assert list(problems(database)) == []
    customers = EntityRepository(database, outside, Environment(1, "development"), None, "customer")
    customers.create(document({"plan": "free"}))
    customers.update("a", document({"plan": "team"}))
    assert database.connection.execute("SELECT * FROM field_1").fetchall() == [("free", 2), ("team", 1)]
    assert list(problems(database)) == []


def test_a_migration_that_fails_changes_nothing(
    database: Database, path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "MIGRATIONS", (*MIGRATIONS, "CREATE TABLE one (x); CREATE TABLE one (x)"))
    with pytest.raises(Refused, match=f"Cannot use {path} .*table one already exists"):
        prepare(database)
    assert database.connection.pragma("user_version") == VERSION
    assert not database.connection.table_exists("main", "one")
    database.close()
    assert list(path.parent.iterdir()) == [path]


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
    "of nothing": (
        lambda path: path.touch(),
        "is empty; remove it to begin anew, or restore a backup of it",
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
    with pytest.raises(Refused, match=f"{path} is no regular file; name another file with --database"):
        open_database()


def test_a_path_through_a_file_is_no_database(path: Path) -> None:
    path.write_text("")
    with pytest.raises(Refused, match="name another file with --database"):
        prepare(Database(path / "struere.db", 0, TOKENIZER))


def test_processes_that_prepare_one_file_at_once_share_it(path: Path) -> None:
    fork = multiprocessing.get_context("fork")
    barrier = fork.Barrier(4)

    def start(number: int) -> None:
        database = Database(path, 10_000, TOKENIZER)
        barrier.wait(10)
        prepare(database)
        with database.transaction() as connection:
            insert(connection, f"organization{number}")

    processes = [fork.Process(target=start, args=(number,)) for number in range(4)]
    for process in processes:
        process.start()
    for process in processes:
        process.join()
    assert [process.exitcode for process in processes] == [0] * 4
    database = Database(path, 0, TOKENIZER)
    assert sorted(slugs(database)) == [f"organization{number}" for number in range(4)]
    database.close()
