"""struere-local backup and restore"""

import os
import shutil
import stat
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import apsw
import pytest

from app.storage.migrations import MIGRATIONS
from tests.faults.starts import contents

from .conftest import Run, assert_refused

IMMUTABLE = apsw.SQLITE_OPEN_READONLY | apsw.SQLITE_OPEN_URI


@pytest.fixture
def path(folder: Path, prepared_database: Path) -> Path:
    """The database of the current folder."""
    path = folder / "instance" / "struere.db"
    path.parent.mkdir()
    shutil.copy(prepared_database, path)
    return path


@pytest.fixture
def file(path: Path, folder: Path, struere_local: Run) -> Path:
    """A backup of it."""
    assert struere_local("backup", "kept").code == 0
    return folder / "kept"


def test_a_backup_is_private_and_told(struere_local: Run, path: Path, folder: Path) -> None:
    before = contents(path.parent)
    told = f"{path} is backed up in {folder}/my copy; bring it back with: struere-local restore '{folder}/my copy'\n"
    assert struere_local("backup", "my copy") == (0, "", told)
    assert stat.S_IMODE((folder / "my copy").stat().st_mode) == 0o600
    assert struere_local("types", "list", "--organization", "acme", "--database", "my copy").stdout.count("\n") == 3
    assert contents(path.parent) == before
    assert {each.name for each in folder.iterdir()} == {"instance", "my copy"}


def test_a_backup_replaces_a_file_only_when_told_to(struere_local: Run, file: Path) -> None:
    file.write_text("old")
    file.with_name("kept-wal").write_text("old")
    assert_refused(struere_local("backup", "kept"), f"{file} exists; name another file, or replace it with --force")
    assert file.read_text() == "old"
    assert struere_local("backup", "--force", "kept").code == 0
    assert not file.with_name("kept-wal").exists()
    assert struere_local("check", "--database", "kept").code == 0


def test_a_restored_database_is_that_of_the_backup(struere_local: Run, path: Path, file: Path) -> None:
    path.unlink()
    assert struere_local("restore", "kept") == (0, "", f"{path} is restored from {file}.\n")
    assert path.read_bytes() == file.read_bytes()
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


def test_a_restore_makes_the_folder(struere_local: Run, folder: Path, file: Path) -> None:
    assert struere_local("restore", "kept", "--database", "new/folder/struere.db").code == 0
    assert struere_local("check", "--database", "new/folder/struere.db").code == 0


def test_a_restore_replaces_a_database_only_when_told_to_and_keeps_each(
    struere_local: Run, path: Path, file: Path
) -> None:
    before = contents(path.parent)
    assert_refused(struere_local("restore", "kept"), f"{path} exists; --force puts the backup in its place and keeps")
    assert contents(path.parent) == before
    path.write_text("first")
    told = f"{path} is restored from {file}; as it was it stays in {path}.replaced-%d.\n"
    assert struere_local("restore", "--force", "kept") == (0, "", told % 1)
    path.write_text("second")
    path.with_name("struere.db-wal").write_text("its log")
    assert struere_local("restore", "--force", "kept") == (0, "", told % 2)
    names = ("struere.db.replaced-1", "struere.db.replaced-2", "struere.db.replaced-2-wal")
    assert [path.with_name(name).read_text() for name in names] == ["first", "second", "its log"]
    assert {each.name for each in path.parent.iterdir()} == {"struere.db", *names}
    assert path.read_bytes() == file.read_bytes()


def damaged_page(file: Path) -> None:
    """Damage a page of a table; the schema is sound."""
    with closing(apsw.Connection(f"{file.as_uri()}?immutable=1", flags=IMMUTABLE)) as connection:
        page: int = connection.execute("SELECT rootpage FROM sqlite_schema WHERE name = 'organization'").get
    content = bytearray(file.read_bytes())
    content[(page - 1) * 4096 : (page - 1) * 4096 + 200] = os.urandom(200)
    file.write_bytes(content)


BAD: dict[str, tuple[Callable[[Path], object], str]] = {
    "a text": (lambda file: file.write_text("Dear diary, " * 20), "is not a SQLite database"),
    "nothing": (lambda file: os.truncate(file, 0), "is empty"),
    "half of one": (lambda file: os.truncate(file, file.stat().st_size // 2), "is damaged"),
    "one with damaged pages": (damaged_page, "is damaged"),
    "one of a newer version": (
        lambda file: file.write_bytes(
            file.read_bytes()[:60] + bytes([0, 0, 0, len(MIGRATIONS) + 1]) + file.read_bytes()[64:]
        ),
        "was written by a newer struere-local",
    ),
    "a database with a log": (
        lambda file: file.with_name("kept-wal").write_text("log"),
        "is a database with a write-ahead log; copy it with: struere-local backup",
    ),
}


@pytest.mark.parametrize(("spoil", "sentence"), BAD.values(), ids=BAD)
def test_a_restore_refuses(
    struere_local: Run, folder: Path, file: Path, spoil: Callable[[Path], object], sentence: str
) -> None:
    spoil(file)
    before = contents(folder)
    assert_refused(struere_local("restore", "--force", "kept"), f"{file} {sentence}")
    assert contents(folder) == before


def test_a_damaged_database_gives_no_backup(struere_local: Run, folder: Path, path: Path) -> None:
    damaged_page(path)
    assert_refused(struere_local("backup", "kept"), f"{path} is damaged")
    assert not (folder / "kept").exists()


BAD_TARGETS: dict[str, tuple[str, str]] = {
    "the database itself": ("instance/struere.db", "belongs to the database"),
    "its write-ahead log": ("instance/struere.db-wal", "belongs to the database"),
    "the counts of the rate limits": ("instance/struere.db-limits", "belongs to the database"),
    "the queue of its writers": ("instance/struere.db-queue", "belongs to the database"),
    "what the database is made of": ("instance/.struere.db.struere-draft", "belongs to the database"),
    "a folder": ("instance", "is no regular file; name another file"),
    "a file in a folder that is not there": ("nowhere/kept", "There is no folder"),
}


@pytest.mark.parametrize(("target", "sentence"), BAD_TARGETS.values(), ids=BAD_TARGETS)
def test_a_backup_is_never_written_to(struere_local: Run, folder: Path, path: Path, target: str, sentence: str) -> None:
    before = contents(folder)
    assert_refused(struere_local("backup", "--force", target), sentence)
    assert contents(folder) == before


@pytest.mark.parametrize("name", ["struere.db", ".struere.db.struere-draft"])
def test_a_database_is_not_restored_from_itself(struere_local: Run, path: Path, name: str) -> None:
    if not path.with_name(name).exists():
        shutil.copy(path, path.with_name(name))
    before = contents(path.parent)
    assert_refused(
        struere_local("restore", "--force", str(path.with_name(name))), "is the database itself, or was to be"
    )
    assert contents(path.parent) == before


@pytest.mark.parametrize("name", ["struere.db.new", "struere.db.1", "new", ".struere.db"])
def test_a_backup_may_have_any_other_name(struere_local: Run, path: Path, name: str) -> None:
    kept, was = path.with_name(name), path.read_bytes()
    assert struere_local("backup", str(kept)).code == 0
    copy = kept.read_bytes()
    path.unlink()
    assert struere_local("restore", str(kept)).code == 0
    assert (path.read_bytes(), kept.read_bytes()) == (copy, copy)
    assert len(copy) == len(was)


@pytest.mark.parametrize("command", ["backup", "export"])
def test_nothing_is_lost_beside_what_is_written(struere_local: Run, folder: Path, path: Path, command: str) -> None:
    neighbors = ("kept.new", "kept.tmp", "kept~", ".kept")
    for neighbor in neighbors:
        (folder / neighbor).write_text("somebody's own")
    assert struere_local(command, "kept").code == 0
    assert {(folder / neighbor).read_text() for neighbor in neighbors} == {"somebody's own"}


def test_a_backup_needs_a_database(struere_local: Run, folder: Path) -> None:
    assert_refused(struere_local("backup", "kept"), "There is no database")
    assert list(folder.iterdir()) == []


def test_a_restore_needs_a_backup(struere_local: Run, folder: Path) -> None:
    assert_refused(struere_local("restore", "nowhere"), f"There is no file {folder}/nowhere; name a backup")
    assert list(folder.iterdir()) == []


@pytest.mark.parametrize("command", ["backup", "restore"])
def test_the_help_tells_of_the_keys(struere_local: Run, command: str) -> None:
    assert "API keys" in struere_local(command, "--help").stdout
