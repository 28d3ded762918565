"""Writers begin in the order in which they came, and wait no longer than they may."""

import time
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path

import pytest

from app.storage.database import Database
from app.storage.errors import StorageBusy
from tests.server import PATIENCE, until
from tests.turns import turn_taken, waiting

WRITERS = 6
short = pytest.mark.parametrize("busy_timeout", [300], ids=["300 ms"])


def line_up(open_database: Callable[..., Database], path: Path, pool: ThreadPoolExecutor) -> list[Future[None]]:
    """Start writers one after the other, each when the one before waits for its turn."""
    writers = []
    for number in range(WRITERS):
        writers.append(pool.submit(write, open_database(), f"writer-{number}"))
        until(lambda place=number + 1: waiting(path) == place)
    return writers


def write(database: Database, slug: str) -> None:
    with database.transaction() as connection:
        connection.execute("INSERT INTO organization (slug, created_at) VALUES (?, 0)", (slug,))


def slugs(database: Database) -> list[str]:
    return [slug for (slug,) in database.connection.execute("SELECT slug FROM organization ORDER BY id")]


def test_writers_write_in_the_order_in_which_they_came(
    database: Database, open_database: Callable[..., Database], path: Path
) -> None:
    with ThreadPoolExecutor(WRITERS) as pool:
        with turn_taken(path):
            writers = line_up(open_database, path, pool)
            assert slugs(database) == []
        for writer in writers:
            writer.result()
    assert slugs(database) == [f"writer-{number}" for number in range(WRITERS)]


@short
def test_each_in_the_queue_gives_up_when_its_own_time_is_over(
    database: Database, open_database: Callable[..., Database], path: Path
) -> None:
    """And not when those before it have had theirs as well."""
    with ThreadPoolExecutor(WRITERS) as pool, database.transaction():
        with turn_taken(path):
            writers = line_up(open_database, path, pool)
        started = time.monotonic()
        for writer in writers:
            with pytest.raises(StorageBusy):
                writer.result()
        assert time.monotonic() - started < WRITERS * 0.3 / 2


def test_neither_readers_nor_writes_that_need_not_be_wait_for_a_turn(database: Database, path: Path) -> None:

    def use() -> object:
        with database.snapshot():
            assert slugs(database) == ["acme"]
        database.write_if_free("UPDATE organization SET created_at = ?", (1,))
        return database.connection.execute("SELECT created_at FROM organization").get

    write(database, "acme")
    with ThreadPoolExecutor(1) as pool, turn_taken(path):
        assert pool.submit(use).result(PATIENCE) == 1


def test_without_a_file_for_the_queue_writes_go_on(database: Database, path: Path) -> None:
    Path(f"{path}-queue").mkdir()
    write(database, "acme")
    assert slugs(database) == ["acme"]


def test_a_connection_waits_as_before_once_it_has_begun(database: Database) -> None:
    with database.transaction() as connection:
        assert connection.pragma("busy_timeout") == 10_000


def test_the_file_of_the_queue_goes_when_the_database_is_closed_and_nobody_is_in_it(
    database: Database, path: Path
) -> None:
    with turn_taken(path):
        database.close()
        assert Path(f"{path}-queue").exists()
    write(database, "acme")
    database.close()
    assert not Path(f"{path}-queue").exists()
