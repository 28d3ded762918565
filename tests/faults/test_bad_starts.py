"""A start that cannot be: not 0 within two seconds, one line with the file and a remedy, nothing changed or left."""

import os
import re
import shutil
import socket
import sys
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path

import apsw
import pytest

from app.storage.check import problems
from app.storage.database import Database
from app.storage.errors import Refused
from app.storage.migrations import MIGRATIONS, prepare
from tests.exact.planted import plant
from tests.faults.starts import STARTS, Ended, attempt, attempt_mounted, bound_by_rights, can_mount, contents, crash
from tests.profiles import rounds

ROOT = Path(__file__).parents[2]
SOON = 2.0  # seconds
ATTEMPTS = 4  # a busy disk may slow down some
TOKENIZER = "unicode61"

Spoil = Callable[[Path], None]


@pytest.fixture(scope="module")
def checkout(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of the checkout, to start in without what a developer keeps in its instance folder."""
    folder = tmp_path_factory.mktemp("checkout")
    shutil.copytree(ROOT / "app", folder / "app")
    for name in ("wsgi.py", "gunicorn.conf.py"):
        shutil.copy(ROOT / name, folder)
    return folder


@pytest.fixture
def path(tmp_path: Path, prepared_database: Path) -> Path:
    """A sound database with more than one page, in a folder of its own."""
    path = tmp_path / "data" / "struere.db"
    path.parent.mkdir()
    shutil.copy(prepared_database, path)
    return path


def writing(offset: int, content: bytes) -> Spoil:
    """Return what writes bytes into a file."""

    def spoil(path: Path) -> None:
        with path.open("r+b") as file:
            file.seek(offset)
            file.write(content)

    return spoil


def cut_short(path: Path, by: int = 4096) -> None:
    os.truncate(path, path.stat().st_size - by)


def cut_short_beside_a_log(path: Path) -> None:
    """As cut_short, after a crash: the log has less than what is missing."""
    crash(path)
    cut_short(path, 3 * 4096)


def of_another_program(path: Path) -> None:
    path.unlink()
    with closing(apsw.Connection(str(path))) as connection:
        connection.execute("CREATE TABLE theirs (x)")


def without_rights(mode: int, on_folder: bool = False) -> Spoil:
    return lambda path: (path.parent if on_folder else path).chmod(mode)


def missing_and_not_makeable(path: Path) -> None:
    path.unlink()
    path.parent.rmdir()
    path.parent.parent.chmod(0o500)


def folder_that_is_a_file(path: Path) -> None:
    path.unlink()
    path.parent.rmdir()
    path.parent.touch()


def pipe(path: Path) -> None:
    path.unlink()
    os.mkfifo(path)


def with_a_second_name(path: Path) -> None:
    path.with_name("other.db").hardlink_to(path)


def moved_away_without_its_log(path: Path) -> None:
    path.rename(path.with_name("aside.db"))
    path.with_name("struere.db-wal").write_bytes(b"a log")


RESTORE = "restore a backup of it"
ANOTHER = "name another file with --database"
RIGHTS = "change its rights|give this user the right"
MAKE = "serve, types apply and keys create make one, --database names another"
BAD: dict[str, tuple[Spoil, str]] = {
    "a text": (lambda path: path.write_bytes(b"Dear diary, " * 400) and None, ANOTHER),
    "an empty file": (lambda path: os.truncate(path, 0), f"remove it to begin anew, or {RESTORE}"),
    "a file cut short": (cut_short, RESTORE),
    "a file cut short in the middle of a page": (lambda path: cut_short(path, 1000), RESTORE),
    "a file cut short beside a log": (cut_short_beside_a_log, RESTORE),
    "a file cut short in its header": (lambda path: os.truncate(path, 50), ANOTHER),
    "a header without its first byte": (writing(0, b"\0"), ANOTHER),
    "a header with another page size": (writing(16, b"\x20\x00"), RESTORE),
    "a schema that is damaged": (writing(100, os.urandom(400)), RESTORE),
    "a file of a newer version": (writing(60, (len(MIGRATIONS) + 1).to_bytes(4)), "upgrade, or name another file"),
    "a file of another program": (of_another_program, ANOTHER),
    "a folder that is missing and cannot be made": (missing_and_not_makeable, f"{RIGHTS}|{MAKE}"),
    "a folder that is a file": (folder_that_is_a_file, f"{ANOTHER}|{MAKE}"),
    "a pipe": (pipe, ANOTHER),
    "a file with a second name": (with_a_second_name, "remove one, or copy it"),
    "a file that was moved away without its log": (moved_away_without_its_log, f"move the file back, or remove|{MAKE}"),
    "a read-only file": (without_rights(0o400), RIGHTS),
    "a read-only folder": (without_rights(0o500, on_folder=True), RIGHTS),
    "an unreadable file": (without_rights(0), RIGHTS),
    "an unreadable folder": (without_rights(0, on_folder=True), RIGHTS),
}


@pytest.fixture(autouse=True)
def rights(tmp_path: Path) -> Iterator[None]:
    """Give the folders of a test their rights back, so that they can be removed."""
    yield
    for folder in (tmp_path, tmp_path / "data"):
        if folder.is_dir():
            folder.chmod(0o700)


def assert_refused(run: Callable[[], Ended], place: Path | str, remedy: str) -> None:
    """Hold starts to failing well and changing nothing, and the fastest of a few to failing soon."""
    took: list[float] = []
    while not took or min(took) > SOON:
        assert len(took) < ATTEMPTS, took
        ended = run()
        assert ended.code not in (0, None), ended
        assert ended.output == "", ended
        assert re.fullmatch("(Error|struere-local): [^\n]+\n", ended.errors), ended.errors
        assert str(place) in ended.errors, ended.errors
        assert re.search(remedy, ended.errors), ended.errors
        assert ended.changed == [], ended
        took.append(ended.seconds)


@pytest.mark.parametrize("cause", BAD)
def test_a_bad_start_is_refused_with(cause: str, path: Path, checkout: Path, tmp_path: Path) -> None:
    spoil, remedy = BAD[cause]
    spoil(path)
    variables = {"STRUERE_DATABASE": str(path), "STRUERE_PORT": "0"}
    # In short two of the three in turn, as each takes half a second.
    turn = list(BAD).index(cause)
    for number in range(rounds(2, 3)):
        start = list(STARTS)[(turn + number) % len(STARTS)]
        command = bound_by_rights(STARTS[start])
        assert_refused(lambda command=command: attempt(command, variables, checkout, tmp_path), path.parent, remedy)


@pytest.mark.parametrize("start", ["serve", "gunicorn wsgi:app"])
def test_a_bad_start_is_refused_with_a_port_in_use(start: str, path: Path, checkout: Path, tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        variables = {"STRUERE_DATABASE": str(path), "STRUERE_PORT": port}
        remedy = "name another with --port or STRUERE_PORT, or 0 for any free one"
        assert_refused(lambda: attempt(STARTS[start], variables, checkout, tmp_path), port, remedy)


@pytest.mark.parametrize("start", STARTS)
def test_a_bad_start_is_refused_with_a_bad_setting(start: str, path: Path, checkout: Path, tmp_path: Path) -> None:
    variables = {"STRUERE_DATABASE": str(path), "STRUERE_THREADS": "many"}
    remedy = "it must be a whole number from 1 to 256"
    assert_refused(lambda: attempt(STARTS[start], variables, checkout, tmp_path), "STRUERE_THREADS is 'many'", remedy)


# File systems that are mounted for the start


@can_mount
@pytest.mark.skipif(not os.access("/dev/fuse", os.R_OK | os.W_OK), reason="this system has no FUSE for this user")
@pytest.mark.parametrize("start", ["serve", "gunicorn wsgi:app"])
def test_a_bad_start_is_refused_on_a_network_file_system(start: str, path: Path, checkout: Path) -> None:
    path.unlink()
    remedy = r"network file system \(fuse.sshfs\).*name a file on a local disk with --database"
    assert_refused(lambda: attempt_mounted("network", STARTS[start], path, checkout), path, remedy)


@can_mount
@pytest.mark.parametrize("start", STARTS)
def test_a_bad_start_is_refused_on_a_read_only_file_system(start: str, path: Path, checkout: Path) -> None:
    remedy = "read-only file system; copy it, with the files beside it, to a disk that can be written"
    assert_refused(lambda: attempt_mounted("read-only", STARTS[start], path, checkout), path, remedy)


@can_mount
@pytest.mark.parametrize("start", ["serve", "gunicorn wsgi:app"])
@pytest.mark.parametrize("existing", [True, False], ids=["an existing file", "a new file"])
def test_a_bad_start_is_refused_on_a_full_disk(start: str, existing: bool, path: Path, checkout: Path) -> None:
    if not existing:
        path.unlink()
    assert_refused(
        lambda: attempt_mounted("full", STARTS[start], path, checkout), path, "its disk is full; make room on it"
    )


# What no start may overlook


@pytest.mark.parametrize("offset", range(100))
def test_a_flipped_byte_of_the_header_is_refused_or_harms_nothing(offset: int, path: Path) -> None:
    content = bytearray(path.read_bytes())
    content[offset] ^= 0xFF
    path.write_bytes(content)
    before = contents(path.parent)
    database = Database(path, 0, TOKENIZER)
    try:
        prepare(database)
    except Refused:
        assert contents(path.parent) == before
    else:
        with closing(database.connection):
            assert list(problems(database)) == []


PLANTED = {
    "no look at the file": "from struere_local.storage import migrations; migrations.inspect = lambda *_: None",
    "a look that leaves something": (
        "from struere_local.storage import migrations; inspect = migrations.inspect; "
        "migrations.inspect = lambda database, newest: "
        "(database.path.with_name('litter').touch(), inspect(database, newest))"
    ),
}


@pytest.mark.parametrize("bug", PLANTED.values(), ids=PLANTED)
def test_a_planted_bug_is_caught(bug: str, path: Path, tmp_path: Path) -> None:
    of_another_program(path)
    command = plant(tmp_path, bug)
    variables = {"STRUERE_DATABASE": str(path)}
    with pytest.raises(AssertionError):
        assert_refused(lambda: attempt([str(command), "keys", "list"], variables, tmp_path, path.parent), path, ANOTHER)


def test_a_start_that_takes_too_long_is_caught(path: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    of_another_program(path)
    monkeypatch.setattr(sys.modules[__name__], "SOON", 0.01)
    start, variables = STARTS["keys revoke"], {"STRUERE_DATABASE": str(path)}
    with pytest.raises(AssertionError, match=r"\[0\."):
        assert_refused(lambda: attempt(start, variables, tmp_path, path.parent), path, ANOTHER)
