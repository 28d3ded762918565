"""Whether a database is sound: nothing is found in one that is, and each damage is told in a sentence."""

from pathlib import Path

import pytest

from app.storage.check import problems
from app.storage.database import Database
from app.storage.repository import EntityRepository

from .conftest import Fill, document


@pytest.fixture(autouse=True)
def filled(customers: EntityRepository, fill: Fill) -> None:
    """Store a customer, an updated one and a deleted one."""
    fill({"a": {"name": "Jane"}, "b": {"name": "Kim"}, "c": {"name": "June"}})
    customers.update("b", document({"name": "Ravi"}))
    customers.delete("c")


def test_nothing_is_found_in_a_sound_database(database: Database) -> None:
    assert list(problems(database)) == []


DAMAGES: dict[str, tuple[str, str]] = {
    "data that changed without its index": (
        """UPDATE entity SET data = '{"name":"Joan"}' WHERE id = 'a'""",
        "The search index of entity a is not that of its data",
    ),
    "an entity that is not in the index": (
        "DELETE FROM search_1 WHERE rowid = 1",
        "The search index of entity a is not that of its data",
    ),
    "an index entry of a deleted entity": (
        "UPDATE entity SET status = 'deleted' WHERE id = 'a'",
        "Search table search_1 has entries without an entity: 1",
    ),
    "an index that is missing": ("DROP TABLE search_2", "Search table search_2 is missing"),
    "an index of no type": (
        "CREATE VIRTUAL TABLE search_9 USING fts5(text)",
        "Search table search_9 belongs to no entity type",
    ),
    "words that are not those of the text": (
        "UPDATE search_1_content SET c0 = 'Kim' WHERE id = 1",
        "SQLite finds: ",
    ),
    "an entity of no type": (
        "PRAGMA foreign_keys = OFF; UPDATE entity SET type_id = 7 WHERE id = 'c'",
        "Row 3 of entity refers to what is not there",
    ),
}


@pytest.mark.parametrize(("damage", "sentence"), DAMAGES.values(), ids=DAMAGES)
def test_a_damage_is_told_and_left_as_it_is(database: Database, damage: str, sentence: str) -> None:
    database.connection.execute(damage)
    before = [file.read_bytes() for file in files(database)]
    found = list(problems(database))
    assert found[0].startswith(sentence)
    assert list(problems(database)) == found
    assert [file.read_bytes() for file in files(database)] == before


def files(database: Database) -> list[Path]:
    """Return the database file and its write-ahead log."""
    return [database.path, database.path.with_name(f"{database.path.name}-wal")]
