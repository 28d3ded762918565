"""The FTS5 table of each entity type. Every function runs inside the caller's transaction."""

import shlex
from collections.abc import Iterable, Sequence
from functools import cache
from typing import Any

import apsw

from .documents import decode
from .search import index_text


def create(connection: apsw.Connection, type_id: int, tokenizer: str) -> None:
    """Make the empty search table of a type."""
    quoted = tokenizer.replace("'", "''")
    connection.execute(f"CREATE VIRTUAL TABLE {table_name(type_id)} USING fts5(text, tokenize = '{quoted}')")


def drop(connection: apsw.Connection, type_id: int) -> None:
    """Remove the search table of a type."""
    connection.execute(f"DROP TABLE {table_name(type_id)}")


def add(connection: apsw.Connection, type_id: int, sequence: int, text: str) -> None:
    """Index the text of a new entity."""
    connection.execute(_insert_sql(type_id), (sequence, text))


def add_all(connection: apsw.Connection, type_id: int, entries: Iterable[tuple[int, str]]) -> None:
    """Index the texts of new entities, each with its sequence."""
    connection.executemany(_insert_sql(type_id), entries)


def _insert_sql(type_id: int) -> str:
    return f"INSERT INTO {table_name(type_id)} (rowid, text) VALUES (?, ?)"


def change(connection: apsw.Connection, type_id: int, sequence: int, text: str) -> None:
    """Index the new text of an entity."""
    connection.execute(f"UPDATE {table_name(type_id)} SET text = ? WHERE rowid = ?", (text, sequence))


def remove(connection: apsw.Connection, type_id: int, sequence: int) -> None:
    """Take an entity out of the index."""
    connection.execute(f"DELETE FROM {table_name(type_id)} WHERE rowid = ?", (sequence,))


def merge(connection: apsw.Connection, type_id: int) -> None:
    """Make one segment of a search table's many: a search looks into each."""
    table = table_name(type_id)
    connection.execute(f"INSERT INTO {table} ({table}) VALUES ('optimize')")


def rebuild(connection: apsw.Connection, type_id: int, search_fields: Sequence[str], tokenizer: str) -> None:
    """Index every live entity of a type anew."""
    drop(connection, type_id)
    create(connection, type_id, tokenizer)
    rows: Iterable[Any] = connection.execute(
        "SELECT sequence, data FROM entity WHERE type_id = ? AND status <> 'deleted'", (type_id,)
    )
    for sequence, data in rows:
        add(connection, type_id, sequence, index_text(decode(data), search_fields))
    merge(connection, type_id)


def is_stale(connection: apsw.Connection, tokenizer: str) -> bool:
    """Tell whether a type's index was made with another tokenizer."""
    return bool(_made_with_another(connection, tokenizer))


def retokenize(connection: apsw.Connection, tokenizer: str) -> None:
    """Rebuild the index of every type that was made with another tokenizer."""
    for type_id, search_fields in _made_with_another(connection, tokenizer):
        rebuild(connection, type_id, decode(search_fields), tokenizer)
        connection.execute("UPDATE entity_type SET tokenizer = ? WHERE id = ?", (tokenizer, type_id))


def _made_with_another(connection: apsw.Connection, tokenizer: str) -> list[Any]:
    sql = "SELECT id, search_fields FROM entity_type WHERE tokenizer <> ?"
    return connection.execute(sql, (tokenizer,)).fetchall()


def words(connection: apsw.Connection, tokenizer: str, text: str) -> list[str]:
    """Split a text as the tokenizer does; return each different word as it is written, in the order of its last use."""
    name, *arguments = _parts(tokenizer)
    encoded = text.encode()
    tokens: Any = connection.fts5_tokenizer(name, arguments)(encoded, apsw.FTS5_TOKENIZE_QUERY, None)
    written: dict[str, str] = {}
    for start, end, token in tokens:
        written.pop(token, None)
        written[token] = encoded[start:end].decode()
    return list(written.values())


@cache
def _parts(tokenizer: str) -> list[str]:
    return shlex.split(tokenizer)


def table_name(type_id: int) -> str:
    """Return the name of a type's search table."""
    return f"search_{type_id:d}"
