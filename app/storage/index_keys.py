"""What a field index has for a value: the one rule for writing, filling, checking and looking up. Pure."""

from typing import Any

KEY_LENGTH = 200  # characters of a text that are indexed; indexes that exist have been made with it


def key_of(fields: dict[str, Any], field: str) -> Any:
    """Return what the index of a field has for an entity with these fields, or None for nothing."""
    value: Any = fields
    for name in field.split("."):
        if not isinstance(value, dict) or name not in value:
            return None
        value = value[name]
    return key(value)


def key(value: Any) -> Any:
    """Return what an index has for a value; None for arrays and objects, of which it has nothing.

    SQLite sorts numbers before texts and texts before BLOBs.
    """
    if isinstance(value, str):
        return value[:KEY_LENGTH]
    if value is None or isinstance(value, bool):
        return {None: b"null", True: b"true", False: b"false"}[value]
    return None if isinstance(value, list | dict) else value
