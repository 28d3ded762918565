"""The entities as an ordinary SQLite table, for peers that serve one: a column a field, and the obvious indexes."""

import json
import sqlite3
from collections.abc import Iterable
from contextlib import closing
from pathlib import Path
from typing import Any

from benchmarks.entities import SCHEMA, SEARCH_FIELDS, SLUG, Entity, entity

COLUMNS = tuple(SCHEMA)
INDEXED = ("plan", "age", "account")  # what the work filters by


def write_table(path: Path, size: int) -> None:
    """Make a file with the entities in a table, whose key is their number from 1 on."""
    kinds = {"string": "TEXT", "number": "INTEGER", "array": "TEXT"}
    columns = ", ".join(f'"{name}" {kinds[kind]}' for name, kind in SCHEMA.items())
    with closing(sqlite3.connect(path)) as connection, connection:
        connection.execute(f"CREATE TABLE {SLUG} (number INTEGER PRIMARY KEY, {columns})")
        insert(connection, ("number", *COLUMNS), ((n + 1, *values(entity(n))) for n in range(size)))
        for name in INDEXED:
            connection.execute(f"CREATE INDEX {SLUG}_{name} ON {SLUG} ({name})")


def write_search_table(path: Path) -> None:
    """Add an FTS5 table of the search fields, as `sqlite-utils enable-fts` makes it."""
    fields = ", ".join(SEARCH_FIELDS)
    with closing(sqlite3.connect(path)) as connection, connection:
        connection.execute(f'CREATE VIRTUAL TABLE {SLUG}_fts USING fts5({fields}, content="{SLUG}")')
        connection.execute(f"INSERT INTO {SLUG}_fts ({SLUG}_fts) VALUES ('rebuild')")


def insert(connection: sqlite3.Connection, columns: Iterable[str], rows: Iterable[tuple[Any, ...]]) -> None:
    """Insert rows into the table."""
    names = [f'"{name}"' for name in columns]
    places = ", ".join("?" * len(names))
    connection.executemany(f"INSERT INTO {SLUG} ({', '.join(names)}) VALUES ({places})", rows)


def values(made: Entity) -> tuple[Any, ...]:
    """Return the columns of an entity; an array is JSON."""
    return tuple(json.dumps(value) if isinstance(value, list) else value for value in made["data"].values())
