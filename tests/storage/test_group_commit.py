"""Writes that come together are one transaction; each has its own answer, and none is made that was given up."""

import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import apsw
import pytest

from app.storage import filters, group_commit
from app.storage.database import Database
from app.storage.documents import decode
from app.storage.errors import EntityNotFound, OutsideScope, StorageBroken, StorageBusy, StorageFull
from app.storage.group_commit import MOST
from app.storage.repository import EntityRepository
from tests.conftest import UNKNOWN_ID
from tests.server import PATIENCE, until
from tests.turns import turn_taken

from .conftest import Open, document

WRITERS = 8
short = pytest.mark.parametrize("busy_timeout", [300], ids=["300 ms"])

Function = Callable[[apsw.Connection], Any]


def insert(slug: str) -> Function:
    return lambda connection: connection.execute("INSERT INTO organization (slug, created_at) VALUES (?, 0)", (slug,))


def insert_and_fail(connection: apsw.Connection) -> None:
    insert("undone")(connection)
    raise OutsideScope("this")


def slugs(database: Database) -> list[str]:
    return [slug for (slug,) in database.connection.execute("SELECT slug FROM organization ORDER BY id")]


@pytest.fixture
def pool() -> Iterator[ThreadPoolExecutor]:
    with ThreadPoolExecutor(WRITERS) as pool:
        yield pool


@pytest.fixture
def write_together(database: Database, path: Path, pool: ThreadPoolExecutor) -> Callable[..., list[Future[Any]]]:
    """Run functions that write, each in a thread of its own, so that all wait before any begins."""

    def write_together(*acts: Callable[[], Any]) -> list[Future[Any]]:
        with turn_taken(path):
            futures = []
            for number, act in enumerate(acts, start=1):
                futures.append(pool.submit(act))
                until(lambda number=number: len(database._group_commit._waiting) == number)
        return futures

    return write_together


@pytest.fixture
def commits(database: Database) -> list[list[str]]:
    """What was there after each commit."""
    seen: list[list[str]] = []
    other = Database(database.path, 0, database.tokenizer)
    run = database._group_commit._afterwards
    database._group_commit._afterwards = lambda: (seen.append(slugs(other)), run())[1]  # type: ignore[func-returns-value]
    return seen


def test_what_waits_is_written_in_one_transaction_in_the_order_in_which_it_came(
    database: Database, write_together: Callable[..., list[Future[Any]]], commits: list[list[str]]
) -> None:
    names = [f"writer-{number}" for number in range(WRITERS)]
    for future in write_together(*(lambda name=name: database.write(insert(name)) for name in names)):
        future.result(PATIENCE)
    database.close()
    assert commits == [names]


@pytest.fixture
def patient(monkeypatch: pytest.MonkeyPatch) -> Callable[[], None]:
    """Let a group be waited for as if for ever, from now on."""
    return lambda: monkeypatch.setattr(group_commit, "GATHERING", 10 * PATIENCE)


@pytest.fixture
def write_group(database: Database, write_together: Callable[..., list[Future[Any]]]) -> Callable[[str], None]:
    """Write some letters in one transaction."""

    def write_group(letters: str) -> None:
        for future in write_together(*(lambda letter=letter: database.write(insert(letter)) for letter in letters)):
            future.result(PATIENCE)

    return write_group


def test_as_many_as_came_together_last_time_are_waited_for(
    database: Database, write_group: Callable[[str], None], commits: list[list[str]], patient: Callable[[], None]
) -> None:
    patient()
    write_group("abc")
    until(lambda: database._group_commit._wanted == 3)
    for write in [database._group_commit._line_up(insert(letter)) for letter in "def"]:
        write.answer.result(PATIENCE)
    database.close()
    assert commits == [[*"abc"], [*"abcdef"]]


def test_one_that_comes_alone_after_them_waits_but_not_for_ever(
    database: Database, write_group: Callable[[str], None], commits: list[list[str]]
) -> None:
    write_group("ab")
    database._group_commit._line_up(insert("c")).answer.result(PATIENCE)
    database.close()
    assert commits == [[*"ab"], [*"abc"]]


def test_nobody_is_waited_for_after_one_that_came_alone(
    database: Database, write_group: Callable[[str], None], patient: Callable[[], None]
) -> None:
    write_group("ab")
    database.write(insert("c"))
    patient()
    for letter in "de":
        database._group_commit._line_up(insert(letter)).answer.result(PATIENCE)


def test_nobody_is_waited_for_by_a_new_thread(
    database: Database, write_group: Callable[[str], None], patient: Callable[[], None]
) -> None:
    write_group("ab")
    database.close()
    patient()
    database._group_commit._line_up(insert("c")).answer.result(PATIENCE)


def test_the_thread_ends_while_it_waits_for_others(
    database: Database, write_group: Callable[[str], None], patient: Callable[[], None]
) -> None:
    patient()
    write_group("ab")
    until(lambda: database._group_commit._wanted == 2)
    thread = database._group_commit._thread
    assert thread is not None
    database.close()
    thread.join(PATIENCE)
    assert not thread.is_alive()


def test_a_group_has_a_bound(database: Database, path: Path, commits: list[list[str]]) -> None:
    with turn_taken(path):
        writes = [database._group_commit._line_up(insert(f"{number}")) for number in range(MOST + 1)]
    for write in writes:
        write.answer.result(PATIENCE)
    database.close()
    assert [len(each) for each in commits] == [MOST, MOST + 1]


@pytest.mark.parametrize("place", range(3))
def test_one_that_fails_is_undone_alone_and_told_alone(
    database: Database, write_together: Callable[..., list[Future[Any]]], place: int
) -> None:
    functions = [insert("acme"), insert("other")]
    functions.insert(place, insert_and_fail)
    futures = write_together(*(lambda each=each: database.write(each) for each in functions))
    with pytest.raises(OutsideScope):
        futures.pop(place).result(PATIENCE)
    for future in futures:
        future.result(PATIENCE)
    assert slugs(database) == ["acme", "other"]


def test_one_that_fails_before_it_has_written_undoes_nothing(
    customers: EntityRepository, write_together: Callable[..., list[Future[Any]]], commits: list[list[str]]
) -> None:
    created, missing = write_together(
        lambda: customers.create(document({"name": "Jane"})), lambda: customers.delete(UNKNOWN_ID)
    )
    with pytest.raises(EntityNotFound):
        missing.result(PATIENCE)
    assert customers.get(created.result(PATIENCE).id)
    until(lambda: len(commits) == 1)


def test_a_create_outside_the_scope_leaves_its_group_as_it_is(
    open_entities: Open, customers: EntityRepository, write_together: Callable[..., list[Future[Any]]]
) -> None:
    scoped = open_entities(scope={"customer": filters.parse({"plan": "pro"})})
    outside, inside, other = write_together(
        lambda: scoped.create(document({"plan": "free"})),
        lambda: scoped.create(document({"plan": "pro"})),
        lambda: customers.create(document({"plan": "free", "name": "Jane"})),
    )
    with pytest.raises(OutsideScope):
        outside.result(PATIENCE)
    created = [inside.result(PATIENCE).json, other.result(PATIENCE).json]
    assert customers.query().entities == created
    assert customers.search("jane").entities == created[1:]


def test_two_updates_of_one_entity_in_a_group_both_survive(
    customers: EntityRepository, write_together: Callable[..., list[Future[Any]]]
) -> None:
    jane = customers.create(document({"name": "Jane"}))
    first, second = write_together(
        lambda: customers.update(jane.id, document({"plan": "pro"})),
        lambda: customers.update(jane.id, document({"age": 34})),
    )
    assert decode(first.result(PATIENCE).data) == {"name": "Jane", "plan": "pro"}
    assert customers.get(jane.id) == second.result(PATIENCE)
    assert decode(second.result(PATIENCE).data) == {"name": "Jane", "plan": "pro", "age": 34}


def test_one_whose_storage_fails_loses_nothing_of_the_others(
    database: Database, customers: EntityRepository, write_together: Callable[..., list[Future[Any]]]
) -> None:
    def fail(connection: apsw.Connection) -> None:
        raise database.failure(apsw.CantOpenError())

    jane = customers.create(document({"name": "Jane"}))
    first, failed, second = write_together(
        lambda: customers.update(jane.id, document({"plan": "pro"})),
        lambda: database.write(fail),
        lambda: customers.update(jane.id, document({"age": 34})),
    )
    with pytest.raises(StorageBroken):
        failed.result(PATIENCE)
    assert first.result(PATIENCE).id == second.result(PATIENCE).id == jane.id
    assert decode(customers.get(jane.id).data) == {"name": "Jane", "plan": "pro", "age": 34}


def test_a_function_that_runs_out_of_time_by_itself_is_answered(database: Database) -> None:
    def late(connection: apsw.Connection) -> None:
        raise TimeoutError("by itself")

    with pytest.raises(TimeoutError, match="by itself"):
        database.write(late)


def test_a_write_that_does_not_fit_fails_alone(
    database: Database, write_together: Callable[..., list[Future[Any]]]
) -> None:
    database.write(lambda connection: connection.pragma("cache_size", 10))  # so that it spills before the commit
    most = database.write(lambda connection: connection.pragma("page_count"))
    database.write(lambda connection: connection.pragma("max_page_count", most + 4))
    large, small = write_together(
        lambda: database.write(insert(100 * 4096 * "x")), lambda: database.write(insert("acme"))
    )
    with pytest.raises(StorageFull):
        large.result(PATIENCE)
    small.result(PATIENCE)
    assert slugs(database) == ["acme"]


def test_a_commit_that_fails_fails_for_all_and_nothing_is_half_done(
    database: Database, write_together: Callable[..., list[Future[Any]]]
) -> None:
    fails = [False]
    database.write(lambda connection: connection.set_commit_hook(lambda: fails[0]))
    fails[0] = True
    futures = write_together(lambda: database.write(insert("acme")), lambda: database.write(insert("other")))
    for future in futures:
        assert isinstance(future.exception(PATIENCE), apsw.ConstraintError)
    assert slugs(database) == []
    fails[0] = False
    database.write(insert("acme"))
    assert slugs(database) == ["acme"]


@short
def test_a_write_that_was_given_up_is_never_made(database: Database, path: Path) -> None:
    with turn_taken(path):
        started = time.monotonic()
        with pytest.raises(StorageBusy):
            database.write(insert("late"))
        assert 0.3 <= time.monotonic() - started < 1
        assert slugs(database) == []
    database.write(insert("acme"))
    assert slugs(database) == ["acme"]


@short
def test_a_write_that_has_begun_is_waited_for(database: Database) -> None:
    def write_slowly(connection: apsw.Connection) -> None:
        insert("acme")(connection)
        threading.Event().wait(0.5)

    database.write(write_slowly)
    assert slugs(database) == ["acme"]


@short
def test_beside_another_that_writes_for_long_a_write_is_given_up_in_time(
    database: Database, open_database: Callable[..., Database]
) -> None:
    with open_database().transaction() as connection:
        insert("other")(connection)
        started = time.monotonic()
        with pytest.raises(StorageBusy):
            database.write(insert("late"))
        assert time.monotonic() - started < 1
    database.write(insert("acme"))
    assert slugs(database) == ["other", "acme"]


def test_an_error_that_somebody_keeps_holds_no_transaction_open(
    database: Database, open_database: Callable[..., Database], customers: EntityRepository
) -> None:
    with pytest.raises(EntityNotFound) as kept:
        customers.delete(UNKNOWN_ID)
    with open_database().transaction() as connection:
        insert("other")(connection)
    customers.create(document({}))
    assert kept.value


@contextmanager
def threads_started() -> Iterator[Callable[[], int]]:
    before = set(threading.enumerate())
    yield lambda: len(set(threading.enumerate()) - before)


def test_a_thread_is_there_from_the_first_write_until_the_close(open_database: Callable[..., Database]) -> None:
    with threads_started() as count:
        database = open_database()
        assert list(database.read("SELECT * FROM organization")) == []
        assert count() == 0
        for name in ("acme", "other"):
            database.write(insert(name))
        assert count() == 1
        database.close()
        assert count() == 0
        database.write(insert("third"))
        database.close()
        assert count() == 0


def test_what_waits_at_the_close_is_written_or_fails(database: Database, path: Path, pool: ThreadPoolExecutor) -> None:
    with turn_taken(path):
        write = pool.submit(database.write, insert("acme"))
        until(lambda: database._group_commit._waiting)
        started = time.monotonic()
        database.close()
        assert time.monotonic() - started < 5
    error = write.exception(PATIENCE)
    assert slugs(database) == ([] if error else ["acme"])
