"""A database that cannot be written is read by the commands that only read, and nothing is left beside it."""

import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.exact.planted import plant
from tests.faults.starts import Ended, attempt, attempt_mounted, bound_by_rights, can_mount, crash
from tests.server import COMMAND, CUSTOMERS, serve

OPTIONS = ("--organization", "acme")
READING = {
    "check": ["check"],
    "keys list": ["keys", "list", "--json", *OPTIONS],
    "types list": ["types", "list", *OPTIONS],
    "export": ["export", *OPTIONS],
    "backup": ["backup", "--force", "backup"],
}
ANOTHER_DISK = "lies on a read-only file system; copy it, with the files beside it, to a disk that can be written"
each_reading = pytest.mark.parametrize("name", READING)

Read = Callable[[list[str]], Ended]


@pytest.fixture
def path(tmp_path: Path, prepared_database: Path) -> Iterator[Path]:
    path = tmp_path / "data" / "struere.db"
    path.parent.mkdir()
    shutil.copy(prepared_database, path)
    yield path
    path.parent.chmod(0o700)


def words(name: str, command: Path = COMMAND) -> list[str]:
    return [str(command), *READING[name]]


def assert_read(name: str, read: Read, path: Path, command: Path = COMMAND) -> None:
    """Hold a command to doing what it does with a database that can be written."""
    backup = path.parent.parent / "backup"
    ended = read(words(name, command))
    assert (ended.code, ended.changed) == (0, []), ended
    copied = backup.read_bytes() if name == "backup" else None
    path.parent.chmod(0o700)
    path.chmod(0o600)
    expected = attempt(words(name), {"STRUERE_DATABASE": str(path)}, backup.parent, path.parent)
    assert (ended.output, ended.errors) == (expected.output, expected.errors)
    assert copied is None or copied == backup.read_bytes()


@can_mount
@each_reading
def test_a_database_on_a_read_only_disk_is_read_by(name: str, path: Path, tmp_path: Path) -> None:
    assert_read(name, lambda command: attempt_mounted("read-only", command, path, tmp_path), path)


@each_reading
@pytest.mark.parametrize("on_folder", [False, True], ids=["file", "folder"])
def test_a_database_without_the_right_to_write_it_is_read_by(
    name: str, on_folder: bool, path: Path, tmp_path: Path
) -> None:
    (path.parent if on_folder else path).chmod(0o500)
    variables = {"STRUERE_DATABASE": str(path)}
    assert_read(name, lambda command: attempt(bound_by_rights(command), variables, tmp_path, path.parent), path)


@can_mount
@each_reading
def test_with_a_log_on_a_read_only_disk_it_is_refused_rather_than_read_without_by(
    name: str, path: Path, tmp_path: Path
) -> None:
    crash(path)
    path.with_name("struere.db-shm").unlink()
    ended = attempt_mounted("read-only", words(name), path, tmp_path)
    assert (ended.code, ended.output, ended.changed) == (1, "", [])
    assert f"Error: {path} {ANOTHER_DISK}" in ended.errors
    assert ended.errors.count("\n") == 1


@can_mount
def test_with_a_log_and_its_index_on_a_read_only_disk_it_is_read_with_what_is_in_the_log(
    path: Path, tmp_path: Path
) -> None:
    crash(path, "late")
    command = [str(COMMAND), "types", "list", "--organization", "late"]
    ended = attempt_mounted("read-only", command, path, tmp_path)
    assert (ended.code, ended.output.count("\n"), ended.changed) == (0, 1, []), ended


@can_mount
def test_what_would_write_on_a_read_only_disk_is_told_how(path: Path, tmp_path: Path) -> None:
    command = [str(COMMAND), "keys", "create", "--name", "a key"]
    ended = attempt_mounted("read-only", command, path, tmp_path)
    assert (ended.code, ended.changed) == (1, [])
    assert ANOTHER_DISK in ended.errors


def test_what_a_server_has_just_stored_is_read_by_somebody_who_may_not_write(tmp_path: Path) -> None:
    with serve("--limits", "off", "--project", str(CUSTOMERS), folder=tmp_path) as server:
        created = server.create({"name": "Joan"})
        server.database.parent.chmod(0o500)
        try:
            ended = attempt(bound_by_rights([str(COMMAND), "export"]), {}, tmp_path, tmp_path)
        finally:
            server.database.parent.chmod(0o700)
        assert (ended.code, ended.changed) == (0, []), ended
        assert created["id"] in ended.output


# Planted

PLANTED = {
    "a log that is passed over": (
        "from struere_local.storage import read_only; read_only.address = read_only.unchanging"
    ),
    "a look as for writing": (
        "from struere_local.storage import migrations; migrations.is_writable = lambda path: True"
    ),
}


@can_mount
@pytest.mark.parametrize("bug", PLANTED.values(), ids=PLANTED)
def test_a_planted_bug_is_caught(bug: str, path: Path, tmp_path: Path) -> None:
    crash(path, "late")
    command = [str(plant(tmp_path, bug)), "types", "list", "--organization", "late"]
    assert attempt_mounted("read-only", command, path, tmp_path).code == 1
