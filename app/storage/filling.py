"""The filling of an index with what its triggers have not seen: collected beside writers, and put in step by step."""

import apsw

from .field_indexes import CHUNK, LAST, entries_sql, key_sql, table_name


def collect(connection: apsw.Connection, index_id: int) -> int:
    """Sort what an index lacks into a temporary table, for which no writer waits, and return how much that is.

    In order, each page of the index is written once.
    """
    connection.execute("DROP TABLE IF EXISTS temp.entry; CREATE TEMP TABLE entry (value, sequence)")
    row = connection.execute("SELECT type_id, field, filled_to FROM field_index WHERE id = ?", (index_id,)).fetchone()
    if row is not None and row[2] is not None:
        sql = f"INSERT INTO temp.entry {entries_sql(*row[:2])} ORDER BY value, sequence"
        connection.execute(sql, (row[2], LAST))
    count: int = connection.execute("SELECT count(*) FROM temp.entry").get
    return count


def put(connection: apsw.Connection, index_id: int, after: int) -> int:
    """Put the next collected entries into an index, unless it is gone, and return where they end.

    What has changed meanwhile is left to triggers.
    """
    row = connection.execute(
        "SELECT field FROM field_index WHERE id = ? AND dropped_at IS NULL", (index_id,)
    ).fetchone()
    if row is not None:
        sql = f"""
            INSERT OR IGNORE INTO {table_name(index_id)}
            SELECT entry.value, entry.sequence
            FROM temp.entry CROSS JOIN entity ON entity.sequence = entry.sequence
            WHERE entry.rowid > ?1 AND entry.rowid <= ?2
                AND entity.status <> 'deleted' AND {key_sql("entity", row[0])} = entry.value
        """
        connection.execute(sql, (after, after + CHUNK))
    return after + CHUNK


def finish(connection: apsw.Connection, index_id: int) -> None:
    """Remember that every entity is in an index."""
    connection.execute("UPDATE field_index SET filled_to = NULL WHERE id = ?", (index_id,))
