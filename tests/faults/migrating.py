"""Starts on new and old files that are killed or come in pairs: a program, since only one thread may fork safely.

python -m tests.faults.migrating HARNESS ROUNDS SEED [BUG] prints how the rounds went, and ends with 1 where one failed.
"""

import os
import random
import signal
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import apsw

from app.storage import migrations
from app.storage.check import problems
from app.storage.database import Database
from app.storage.inspection import APPLICATION_ID
from app.storage.migrations import prepare

REAL = migrations.MIGRATIONS
LARGE = """
    CREATE TABLE one AS WITH RECURSIVE number (n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM number LIMIT 2000)
        SELECT n, hex(randomblob(200)) AS filling FROM number;
    CREATE TABLE two AS SELECT * FROM one;
    CREATE INDEX three ON two (filling);
    DROP TABLE one;
    ALTER TABLE organization ADD COLUMN four TEXT;
"""
OLD, NEW = (1, False, False), (len(REAL) + 1, True, True)  # version, whether two and four are there
ROWS = 500
TOKENIZER = "unicode61 remove_diacritics 2"


def old_file(path: Path) -> None:
    """Make a file of version 1, alone in its folder."""
    empty(path.parent)
    with closing(apsw.Connection(str(path))) as connection:
        connection.pragma("application_id", APPLICATION_ID)
        connection.pragma("journal_mode", "wal")
        connection.execute(REAL[0])
        names = [(f"organization {n}",) for n in range(ROWS)]
        with connection:
            connection.executemany("INSERT INTO organization (slug, created_at) VALUES (?, 0)", names)
        connection.pragma("user_version", 1)


def empty(folder: Path) -> None:
    for each in folder.iterdir():
        each.unlink()


def state(path: Path) -> tuple[int, bool, bool]:
    """Return the version of a sound file, and what of the last migration is in it; the file stays as it is."""
    database = Database(path, 10_000, TOKENIZER)
    try:
        connection = database.connection
        assert list(problems(database)) == []
        assert connection.execute("SELECT count(*) FROM organization").get in (0, ROWS)
        four = "SELECT count(*) FROM pragma_table_info('organization') WHERE name = 'four'"
        assert not connection.table_exists("main", "one")
        return (
            connection.pragma("user_version"),
            connection.table_exists("main", "two"),
            bool(connection.execute(four).get),
        )
    finally:
        database.close()


@contextmanager
def starting(path: Path, number: int) -> Iterator[list[int]]:
    """Fork processes that prepare a file at the same moment; give their ids."""
    waits, begins = os.pipe()
    pids = []
    for _ in range(number):
        pid = os.fork()
        if not pid:
            os.close(begins)
            os.read(waits, 1)
            os._exit(start(path))
        pids.append(pid)
    os.close(waits)
    os.close(begins)
    try:
        yield pids
    finally:
        codes = [os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) for pid in pids]
        assert set(codes) <= {0, -signal.SIGKILL}, codes


def start(path: Path) -> int:
    database = Database(path, 10_000, TOKENIZER)
    try:
        prepare(database)
        assert database.connection.pragma("user_version") == len(migrations.MIGRATIONS)
    except Exception as error:
        print(f"{type(error).__name__}: {error}", file=sys.stderr, flush=True)
        return 1
    database.close()
    return 0


def kill(folder: Path, rounds: int, dice: random.Random) -> Counter[str]:
    """Hold migrations that are killed to being there whole or not at all, and the copies before them to the same."""
    path = folder / "struere.db"
    took = min(time_of_one(path) for _ in range(5))
    met: Counter[str] = Counter()
    # One moment in each part of a stretch that is somewhat longer than a migration.
    for delay in dice.sample([(part + dice.random()) / rounds * took * 1.2 for part in range(rounds)], rounds):
        old_file(path)
        with starting(path, 1) as pids:
            time.sleep(delay)
            os.kill(pids[0], signal.SIGKILL)
        found = state(path)
        assert found in (OLD, NEW), found
        copied = kept(folder)
        assert set(map(state, copied)) <= {OLD}
        met["new" if found == NEW else "old and copied" if copied else "old"] += 1
        with starting(path, 1):
            pass
        (copy,) = kept(folder)
        assert (state(path), state(copy)) == (NEW, OLD)
        assert {each.name for each in folder.iterdir()} == {path.name, copy.name}
    assert met["old"] + met["old and copied"], met
    return met


def kept(folder: Path) -> list[Path]:
    """Return the copies that migrations have kept, whole by their names."""
    return [each for each in folder.glob("struere.db.before-*") if each.name.rpartition("-")[2].isdigit()]


def time_of_one(path: Path) -> float:
    """Return the seconds that a migration takes."""
    old_file(path)
    began = time.monotonic()
    with starting(path, 1):
        pass
    return time.monotonic() - began


def pair_on_new(folder: Path, rounds: int, dice: random.Random) -> Counter[str]:
    """Hold starts that come in pairs to both going well on a file that is not there."""
    return pairs(folder, rounds, lambda path: empty(path.parent), {"struere.db"})


def pair_on_old(folder: Path, rounds: int, dice: random.Random) -> Counter[str]:
    """Hold starts that come in pairs to both going well on a file that is to be migrated."""
    return pairs(folder, rounds, old_file, {"struere.db", f"struere.db.before-{NEW[0]}-1"})


def pairs(folder: Path, rounds: int, make: Callable[[Path], None], left: set[str]) -> Counter[str]:
    path = folder / "struere.db"
    for _ in range(rounds):
        make(path)
        with starting(path, 2):
            pass
        assert state(path) == NEW
        assert {each.name for each in folder.iterdir()} == left
    return Counter(pairs=rounds)


HARNESSES = {each.__name__: each for each in (kill, pair_on_new, pair_on_old)}


def no_transaction() -> None:
    """Plant: a migration that is stored statement by statement."""
    Database.transaction = contextmanager(lambda self: (yield self.connection))  # type: ignore[method-assign]


def no_draft() -> None:
    """Plant: a copy that has its name before it is whole."""

    def back_up(database: Database, target: Path) -> None:
        target.touch()
        time.sleep(0.05)
        target.unlink()
        real(database, target)

    real, migrations.back_up = migrations.back_up, back_up


def no_lock() -> None:
    """Plant: starts that do not wait for each other; slow ones, so that they meet."""

    def slowly(connection: apsw.Connection) -> None:
        time.sleep(0.05)
        real(connection)

    real, migrations._apply = migrations._apply, slowly
    migrations.locked = contextmanager(lambda folder: (yield))


BUGS = {each.__name__: each for each in (no_transaction, no_draft, no_lock)}


def main(harness: str, rounds: str, seed: str, bug: str = "") -> None:
    migrations.MIGRATIONS = (*REAL, LARGE)
    if bug:
        BUGS[bug]()
    with tempfile.TemporaryDirectory() as folder:
        print(dict(HARNESSES[harness](Path(folder), int(rounds), random.Random(int(seed)))))


if __name__ == "__main__":
    main(*sys.argv[1:])
