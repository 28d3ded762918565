"""A database that cannot be written is read by the commands that only read, and nothing is left beside it."""

import os
import shutil
import subprocess
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing, contextmanager
from pathlib import Path

import apsw
import pytest

from tests.exact.planted import plant
from tests.faults.starts import Ended, attempt, attempt_mounted, bound_by_rights, can_mount, crash
from tests.server import COMMAND, CUSTOMERS, PATIENCE, Server, environment, run, serve

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
@each_reading
def test_with_an_empty_log_on_a_read_only_disk_it_is_read_by(name: str, path: Path, tmp_path: Path) -> None:
    path.with_name("struere.db-wal").touch()
    assert_read(name, lambda command: attempt_mounted("read-only", command, path, tmp_path), path)


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


# Somebody who may read but not write, beside servers

PAUSED = {  # each in the middle of reading
    "export": (
        ["export"],
        "from struere_local.storage.transfer import Transfer; real = Transfer.export; "
        "Transfer.export = lambda *arguments: pause() or real(*arguments)",
    ),
    "check": (
        ["check"],
        "from struere_local.storage import check; real = check._tables; "
        "check._tables = lambda *arguments: pause() or real(*arguments)",
    ),
    "backup": (
        ["backup", "backup"],
        "from struere_local.cli import backup as command; from struere_local.storage import backup; backup.PAGES = 1; "
        "command._progress = contextmanager(lambda label: (yield lambda done, total: pause()))",
    ),
}
PAUSE = """
import functools, sys
@functools.cache
def pause():
    print("It reads.", file=sys.stderr, flush=True)
    sys.stdin.readline()
"""
ENTITIES = 100  # in an environment with the few of the example
LARGE = 50_000  # characters of each: in all more than SQLite caches, or lets its log grow to
SOMEBODY = 65534
KEY = "sk_dev_" + "reads" * 8
gives_files = pytest.mark.skipif(os.geteuid() != 0, reason="only root can give a database to another user")
each_paused = pytest.mark.parametrize("name", PAUSED)


@pytest.fixture
def of_somebody(tmp_path: Path) -> Path:
    """Return a database of another user that everybody may read, after its server has ended."""
    with serve("--limits", "off", "--project", str(CUSTOMERS), "--key", KEY, folder=tmp_path) as server:
        for number in range(ENTITIES):
            server.create({"name": "before", "notes": f"{number}" + "x" * LARGE})
        path = server.database
    for each, mode in ((path.parent, 0o755), (path, 0o644)):
        each.chmod(mode)
        os.chown(each, SOMEBODY, SOMEBODY)
    return path


@contextmanager
def reading(name: str, path: Path) -> Iterator[subprocess.Popen[str]]:
    """Start a command that may not write a database, and wait until it is in the middle of it."""
    folder = path.parent.parent
    words, bug = PAUSED[name]
    command = bound_by_rights([str(plant(folder, PAUSE + bug)), *words])
    pipes = dict.fromkeys(("stdin", "stdout", "stderr"), subprocess.PIPE)
    with subprocess.Popen(command, cwd=folder, env=environment({}), text=True, **pipes) as process:
        try:
            assert process.stderr is not None
            assert process.stderr.readline() == "It reads.\n"
            yield process
        finally:
            process.kill()


def rewrite(server: Server) -> None:
    """Change every entity, and have SQLite move what it can from the log into the database."""
    for entity in server.get(f"/v1/data/customer?limit={ENTITIES}", KEY)["data"]:
        body = {"data": {"name": "after", "notes": "y" * LARGE}}
        assert server.request("PATCH", f"/v1/data/customer/{entity['id']}", KEY, json=body).status_code == 200
    with closing(apsw.Connection(str(server.database))) as connection:
        connection.execute("PRAGMA wal_checkpoint(PASSIVE)").fetchall()


@gives_files
@each_paused
def test_beside_a_server_that_begins_to_write_one_moment_is_read_by(name: str, of_somebody: Path) -> None:
    with serve("--limits", "off", "--key", KEY, folder=of_somebody.parent.parent) as server:
        assert server.get("/health", KEY)
        assert of_somebody.with_name("struere.db-wal").stat().st_size == 0
        with reading(name, of_somebody) as process:
            rewrite(server)
            output, errors = process.communicate("\n", PATIENCE)
    assert process.returncode == 0, errors
    assert (output.count('"before"'), output.count('"after"')) == (ENTITIES if name == "export" else 0, 0)
    if name == "backup":
        exported = run("export", "--database", "backup", folder=of_somebody.parent.parent).stdout
        assert (exported.count('"before"'), exported.count('"after"')) == (ENTITIES, 0)


@gives_files
@each_paused
@pytest.mark.parametrize("stays", [True, False], ids=["stays", "ends"])
def test_what_a_server_that_starts_meanwhile_may_have_changed_is_refused_by(
    name: str, stays: bool, of_somebody: Path
) -> None:
    with reading(name, of_somebody) as process, ExitStack() as stack:
        server = stack.enter_context(serve("--limits", "off", "--key", KEY, folder=of_somebody.parent.parent))
        rewrite(server)
        if not stays:
            stack.close()
        _, errors = process.communicate("\n", PATIENCE)
    assert process.returncode == 1
    told = f"Error: {of_somebody} was opened or changed by another program while it was read; try again\n"
    assert errors == told
    assert not (of_somebody.parent.parent / "backup").exists()


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
