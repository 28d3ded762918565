"""The write-ahead log stays small, whoever reads."""

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import apsw
import pytest

from app.storage.checkpoints import FILE_BYTES, PAGES, Checkpoints
from app.storage.database import Database

WRITES = 160
LARGE = "x" * 100_000  # with its index some 50 pages
BOUND = FILE_BYTES + 8 * 2**20  # what is written while the last reader ends

Open = Callable[[], Database]


@contextmanager
def somebody_reading(database: Database) -> Iterator[None]:
    """Read all the time: each reader begins before the one before it ends."""
    stop = threading.Event()

    def read() -> None:
        connections = [database.open(database.path) for _ in range(2)]
        for number in range(10**9):
            reader, other = connections[number % 2], connections[1 - number % 2]
            reader.execute("BEGIN")
            reader.execute("SELECT count(*) FROM organization").fetchall()
            if other.in_transaction:
                other.execute("COMMIT")
            if stop.wait(0.02):
                return

    thread = threading.Thread(target=read)
    thread.start()
    try:
        yield
    finally:
        stop.set()
        thread.join()


def log_of(database: Database) -> Path:
    return database.path.with_name(database.path.name + "-wal")


def write(database: Database) -> int:
    """Write more than the log may hold, and return how large it became."""
    largest = 0
    for number in range(WRITES):
        with database.transaction() as connection:
            connection.execute("INSERT INTO organization (slug, created_at) VALUES (?, 0)", (f"{number} {LARGE}",))
        largest = max(largest, log_of(database).stat().st_size)
    return largest


def test_the_log_stays_small_although_there_is_always_someone_reading(open_database: Open) -> None:
    database = open_database()
    with somebody_reading(database):
        assert write(database) <= BOUND


def test_with_the_checkpoints_of_sqlite_alone_it_would_not(
    open_database: Open, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Checkpoints, "__init__", lambda *_: None)
    monkeypatch.setattr(Checkpoints, "run", lambda *_: None)
    database = open_database()
    with somebody_reading(database):
        assert write(database) > BOUND


def test_the_log_stays_small_where_only_the_use_of_keys_is_written(open_database: Open) -> None:
    database = open_database()
    with database.transaction() as connection:
        connection.execute("INSERT INTO organization (slug, created_at) VALUES (?, 0)", ("acme",))
    for number in range(4 * PAGES):
        database.write_if_free("UPDATE organization SET created_at = ?", (number,))
    assert database.row("SELECT created_at FROM organization")[0] == 4 * PAGES - 1
    assert log_of(database).stat().st_size < 2 * PAGES * 4_096


def test_beside_a_reader_that_does_not_end_writes_go_on_and_the_log_starts_again_afterwards(
    open_database: Open,
) -> None:
    database = open_database()
    reader = database.open(database.path)
    reader.execute("BEGIN")
    assert reader.execute("SELECT count(*) FROM organization").get == 0
    assert write(database) > BOUND
    reader.execute("COMMIT")
    for number in range(2):
        with database.transaction() as connection:
            connection.execute("UPDATE organization SET created_at = ? WHERE id = 1", (number + 1,))
    assert log_of(database).stat().st_size <= FILE_BYTES
    assert database.connection.execute("SELECT count(*) FROM organization").get == WRITES


def test_the_log_of_one_large_transaction_is_cut_at_the_next(open_database: Open) -> None:
    database = open_database()
    with database.transaction() as connection:
        for number in range(WRITES):
            connection.execute("INSERT INTO organization (slug, created_at) VALUES (?, 0)", (f"{number} {LARGE}",))
    assert log_of(database).stat().st_size > BOUND
    with database.transaction() as connection:
        connection.execute("UPDATE organization SET created_at = 1 WHERE id = 1")
    assert log_of(database).stat().st_size <= FILE_BYTES


def test_what_is_written_on_the_way_never_waits_for_readers(
    open_database: Open, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As the use of a key, recorded while a list is read."""
    database = open_database()
    reader = database.open(database.path)
    reader.execute("BEGIN")
    reader.execute("SELECT count(*) FROM organization").fetchall()
    with monkeypatch.context() as without:
        without.setattr(Checkpoints, "run", lambda *_: None)
        write(database)
    pages = log_of(database).stat().st_size // 4096
    assert pages > 4 * PAGES
    waits: list[apsw.Connection] = []
    monkeypatch.setattr(Checkpoints, "_wait_for_readers", lambda self, connection: waits.append(connection))
    database.write_if_free("UPDATE organization SET created_at = ?", (1,))
    assert waits == []
    with database.transaction() as connection:
        connection.execute("UPDATE organization SET created_at = 2")
    assert waits == [connection]


def test_a_write_waits_for_its_turn_as_long_as_before(open_database: Open) -> None:
    database = open_database()
    with somebody_reading(database):
        write(database)
    assert database.connection.pragma("busy_timeout") == 10_000
