"""Backups beside writers, and backups and restores that are killed."""

import os
import random
import re
import shutil
import signal
import stat
import subprocess
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import apsw
import pytest

from app.config import load
from app.parts import assemble
from app.storage.backup import back_up
from app.storage.check import problems
from app.storage.database import Database
from app.storage.documents import Document
from app.storage.entity_types import Definition, EntityTypes
from app.storage.errors import StorageFailed
from app.storage.files import has_log
from app.storage.migrations import prepare
from app.storage.organizations import Environment, ensure_organization
from app.storage.outside import Outside
from app.storage.transfer import Record, Transfer
from tests.exact.planted import plant
from tests.faults.starts import contents, timed
from tests.faults.writers import Writer, writing
from tests.profiles import rounds
from tests.server import COMMAND, CUSTOMERS, PATIENCE, environment, run, run_on_terminal, serve, until

WRITERS = 4
SECONDS_A_GIGABYTE = 5
LINES = 3000  # of an import that is killed
OPTIONS = ("--workers", "2", "--limits", "off", "--project", str(CUSTOMERS))


def backed_up(database: Path, file: Path) -> None:
    ended = run("backup", "--database", str(database), str(file), folder=file.parent)
    assert ended.returncode == 0, ended.stderr


def counts(path: Path, field: str = "count") -> dict[str, int]:
    """Return by id what is counted in a field of the entities of a sound database, or -1 where nothing is."""
    database = assemble(load({"DATABASE": path}), Outside()).database
    try:
        assert list(problems(database)) == []
        rows: Any = database.connection.execute("SELECT id, json_extract(data, ?) FROM entity", (f"$.{field}",))
        return {entity_id: -1 if count is None else count for entity_id, count in rows}
    finally:
        database.close()


BackUp = Callable[[Database, Path], object]


def back_up_beside_writers(folder: Path, back_up: BackUp) -> None:
    """Hold backups to having everything that was acknowledged before they began."""
    with serve(*OPTIONS) as server:
        shared = server.create({"name": "shared"})["id"]
        writers = [Writer(str(number), server.address, str(server.key), shared) for number in range(WRITERS)]
        database = assemble(load({"DATABASE": server.database}), Outside()).database
        with writing(writers):
            until(lambda: all(len(writer.created) > 5 for writer in writers))
            for number in range(rounds(15, 200)):
                file = folder / f"backup-{number}"
                before = {id_: count for writer in writers for id_, count in writer.visits().items()}
                back_up(database, file)
                assert stat.S_IMODE(file.stat().st_mode) == 0o600
                stored = counts(file, "visits")
                assert {id_: count for id_, count in before.items() if id_ not in stored or stored[id_] < count} == {}
                assert list(folder.iterdir()) == [file]
                file.unlink()
        assert [failure for writer in writers for failure in writer.failures] == []


def by_command_and_by_function(database: Database, file: Path) -> None:
    """Back up by command at first: the function alone begins at once, and so tells more."""
    if file.name in ("backup-0", "backup-1"):
        backed_up(database.path, file)
    else:
        back_up(database, file)


def test_a_backup_beside_writers_has_everything_that_was_acknowledged_before(tmp_path: Path) -> None:
    back_up_beside_writers(tmp_path, by_command_and_by_function)


def copy_without_log(database: Database, file: Path) -> None:
    shutil.copy(database.path, file)
    file.chmod(0o600)


def copy_for_all(database: Database, file: Path) -> None:
    back_up(database, file)
    file.chmod(0o644)


@pytest.mark.parametrize("bug", [copy_without_log, copy_for_all])
def test_a_planted_bug_of_the_backup_is_caught(tmp_path: Path, bug: BackUp) -> None:
    with pytest.raises((AssertionError, StorageFailed, apsw.Error)):
        back_up_beside_writers(tmp_path, bug)


def test_what_was_backed_up_is_served_again(tmp_path: Path) -> None:
    with serve(*OPTIONS) as server:
        created = server.create({"name": "Joan"})
        backed_up(server.database, tmp_path / "backup")
        server.create({"name": "Late"})
    run("restore", "backup", folder=tmp_path)
    with serve("--limits", "off", folder=tmp_path) as again:
        listed = again.get("/v1/data/customer", server.key)["data"]
        assert listed[-1] == created
        assert again.get("/v1/data/customer/" + created["id"], server.key) == created
        found = again.request("POST", "/v1/data/customer/search", server.key, json={"query": "joan"}).json()
        assert found["data"] == [created]


# Kills


@pytest.fixture(scope="module")
def large(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A database that takes a while to copy: 24 MB in the short profile."""
    path = tmp_path_factory.mktemp("large") / "struere.db"
    fill(path, rounds(24, 200))
    return path


def fill(path: Path, megabytes: int) -> None:
    """Make a database with as many entities of a megabyte."""
    parts = assemble(load({"DATABASE": path, "MAX_DATA_BYTES": 2**21}), Outside())
    prepare(parts.database)
    organization = ensure_organization(parts.database, parts.outside, "local")
    where = Environment(organization, "development")
    EntityTypes(parts.database, parts.outside, where).apply([Definition("blob", "Blob", {}, ("name",))])
    blob = "0123456789abcdef" * 2**16
    documents = (Document.of({"name": f"blob {n}", "count": n, "blob": blob}, parts.limits) for n in range(megabytes))
    Transfer(parts.database, parts.outside, where).import_(Record("blob", document) for document in documents)
    parts.database.close()


def killed(command: Sequence[str | Path], folder: Path, begun: Callable[[], object], delay: float) -> bool:
    """Run a command and kill it a while after it has begun; return whether it was killed."""
    with subprocess.Popen(
        command, cwd=folder, env=environment(), stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True
    ) as process:
        until(lambda: process.poll() is not None or begun())
        time.sleep(delay)
        process.kill()
        _, errors = process.communicate(timeout=PATIENCE)
    assert process.returncode in (0, -signal.SIGKILL), errors
    return process.returncode != 0


def delays(number: int) -> Iterator[float]:
    """Yield seconds, the first of them 0; pytest shows the seed where a test fails."""
    seed = random.randrange(2**32)
    print(f"seed {seed}")
    dice = random.Random(seed)
    return (0 if not n else dice.uniform(0, 0.3) for n in range(number))


def kill_backups(database: Path, folder: Path, command: Path = COMMAND) -> None:
    """Hold a backup that was killed to leaving nothing under its name, or else a whole one."""
    file, draft = folder / "backup", folder / ".backup.struere-draft"
    kills, whole = 0, counts(database)
    for delay in delays(rounds(8, 100)):
        file.unlink(missing_ok=True)
        draft.unlink(missing_ok=True)
        words = [command, "backup", "--database", database, file]
        kills += killed(words, folder, lambda: draft.exists() or file.exists(), delay)
        assert {path.name for path in folder.iterdir()} - {"struere-local"} <= {"backup", ".backup.struere-draft"}
        if file.exists():
            assert counts(file) == whole
    assert kills


def test_a_killed_backup_leaves_nothing_that_looks_like_one(large: Path, tmp_path: Path) -> None:
    kill_backups(large, tmp_path)
    (tmp_path / "backup").unlink(missing_ok=True)
    (tmp_path / ".backup.struere-draft").write_bytes(b"half")
    backed_up(large, tmp_path / "backup")
    assert [path.name for path in tmp_path.iterdir()] == ["backup"]


def kill_restores(large: Path, folder: Path, command: Path = COMMAND) -> None:
    """Hold a restore that was killed to leaving the old database or the new one, and what it replaced."""
    path, old = folder / "struere.db", folder / "old"
    fill(old, 1)
    kills, states = 0, (counts(old), counts(large))
    for delay in delays(rounds(8, 100)):
        shutil.copy(old, path)
        words = [command, "restore", "--force", "--database", path, large]
        kills += killed(words, folder, (folder / ".struere.db.struere-draft").exists, delay)
        assert counts(path) in states
        for kept in folder.glob("struere.db.replaced-*"):
            assert counts(kept) == states[0]
            kept.unlink()
    assert kills


def test_a_killed_restore_leaves_the_old_database_or_the_new_one(large: Path, tmp_path: Path) -> None:
    kill_restores(large, tmp_path)


def kill_imports(folder: Path, command: Path = COMMAND) -> None:
    """Hold an import that was killed to having stored all lines or none."""
    path, lines = folder / "struere.db", folder / "lines"
    fill(path, 1)
    lines.write_text(
        "".join(f'{{"type": "blob", "data": {{"count": {n}, "name": "{"n" * 2000}"}}}}\n' for n in range(LINES))
    )
    before, kills = counts(path), 0
    for delay in delays(rounds(5, 60)):
        words = [command, "import", "--database", path, lines]
        kills += killed(words, folder, lambda: has_log(path), delay)
        after = counts(path)
        assert len(after) - len(before) in (0, LINES)
        before = after
    assert kills


def test_a_killed_import_leaves_all_or_nothing(tmp_path: Path) -> None:
    kill_imports(tmp_path)


IN_PLACE = "replacing = contextmanager(lambda target: (yield target))"
KILLED: dict[str, tuple[Callable[[Path, Path, Path], None], str]] = {
    "a backup under its name": (kill_backups, f"from struere_local.storage import backup; backup.{IN_PLACE}"),
    "a restore in place": (kill_restores, f"from struere_local.storage import restore; restore.{IN_PLACE}"),
    "an import line by line": (
        lambda large, folder, command: kill_imports(folder, command),
        "Database.transaction = contextmanager(lambda self: (yield self.connection))",
    ),
}


@pytest.mark.parametrize(("kill", "bug"), KILLED.values(), ids=KILLED)
def test_a_planted_bug_of_what_is_killed_is_caught(
    large: Path, tmp_path: Path, kill: Callable[[Path, Path, Path], None], bug: str
) -> None:
    with pytest.raises((AssertionError, StorageFailed, apsw.Error)):
        kill(large, tmp_path, plant(tmp_path, bug))


# Restoring


def test_a_server_without_any_request_keeps_its_database(tmp_path: Path) -> None:
    with serve(folder=tmp_path) as server:
        backed_up(server.database, tmp_path / "backup")
        before = contents(tmp_path / "instance")
        refused = run("restore", "--force", "backup", folder=tmp_path)
        assert refused.returncode == 1
        assert refused.stderr == f"Error: {server.database} is open in a server or another program; stop that first\n"
        refused = run("backup", "--force", str(server.database), "--database", "backup", folder=tmp_path)
        assert "is a database that is open" in refused.stderr
        assert contents(tmp_path / "instance") == before
    assert run("restore", "--force", "backup", folder=tmp_path).returncode == 0


def test_a_log_that_was_left_behind_is_not_read_into_what_is_restored(tmp_path: Path) -> None:
    fill(tmp_path / "backup", 2)
    path = tmp_path / "struere.db"
    fill(path, 3)
    before = counts(path)
    with serve("--database", str(path), folder=tmp_path) as server:
        server.request("POST", "/v1/data/blob", json={"data": {"count": 7}})
        os.killpg(server.process.pid, signal.SIGKILL)
        server.process.wait(PATIENCE)
    assert path.with_name("struere.db-wal").stat().st_size
    ended = run("restore", "--force", "--database", str(path), "backup", folder=tmp_path)
    assert ended.returncode == 0, ended.stderr
    assert counts(path) == counts(tmp_path / "backup")
    kept = counts(tmp_path / "struere.db.replaced-1")
    assert len(kept) == len(before) + 1
    assert not list(tmp_path.glob("*-wal"))


# Time and progress


def test_a_backup_takes_at_most_five_seconds_a_gigabyte(tmp_path: Path) -> None:
    """The fastest of some, as a busy disk may slow down one; without the time to start Python."""
    path, file = tmp_path / "struere.db", tmp_path / "backup"
    fill(path, rounds(150, 1000))
    gigabytes = path.stat().st_size / 1e9
    took: list[float] = []
    while not took or min(took) > SECONDS_A_GIGABYTE * gigabytes:
        assert len(took) < 8, took
        *_, start = timed([COMMAND, "config"], {}, tmp_path)
        code, _, errors, whole = timed([COMMAND, "backup", "--force", "--database", path, file], {}, tmp_path)
        assert code == 0, errors
        took.append(whole - start)
    print(f"{min(took) / gigabytes:.1f} s/GB")


@pytest.mark.parametrize(("command", "label"), [("backup", "Copying"), ("restore", "Restoring")])
def test_a_terminal_sees_how_far_it_is(large: Path, tmp_path: Path, command: str, label: str) -> None:
    options = ["--database", large, "copy"] if command == "backup" else ["--database", "struere.db", large]
    shown = run_on_terminal(command, *options, folder=tmp_path)
    assert re.search(rf"{label} .*100%", shown), shown
