"""The indexes that a type's file declares."""

from collections.abc import Iterable

import apsw

from . import filling
from .field_indexes import MOST, FieldIndex, create, of_type, remove


def declare(connection: apsw.Connection, type_id: int, fields: Iterable[str], now: int) -> bool:
    """Make the declared indexes of a type those of some fields, and tell whether that changed any."""
    wanted = set(fields)
    rows = {index.field: index for index in of_type(connection, type_id)}
    declared = {field for field, index in rows.items() if index.reason == "declared" and index.is_live}
    for field in declared - wanted:
        remove(connection, rows[field].id)
    for field in sorted(wanted - declared):
        _declare(connection, type_id, rows.get(field), field, now)
    guessed = [index for index in of_type(connection, type_id) if index.is_live and index.reason != "declared"]
    for index in guessed[: max(0, len(guessed) + len(wanted) - MOST)]:
        remove(connection, index.id)
    return declared != wanted


def _declare(connection: apsw.Connection, type_id: int, old: FieldIndex | None, field: str, now: int) -> None:
    if old is not None and old.is_live:
        connection.execute("UPDATE field_index SET reason = 'declared' WHERE id = ?", (old.id,))
        return
    if old is not None:
        remove(connection, old.id)
    filling.fill_if_small(connection, create(connection, type_id, field, "declared", now), type_id, field)
