"""Entities as JSON: in a response, and a line each in an export or a project's entities/ folder."""

import re
from collections.abc import Iterable, Iterator
from typing import Any

from ..storage.documents import Document, Limits
from ..storage.entities import Entity
from ..storage.errors import Invalid, Refused
from ..storage.transfer import Record
from .json import InvalidJSON, parse

ID = re.compile("(?!(query|search)$)[A-Za-z0-9_-]{1,64}")
FIELDS = ("id", "type", "status", "data", "createdAt", "updatedAt")
TIMES = range(2**53)  # Unix milliseconds that a double holds


def read_records(lines: Iterable[bytes], limits: Limits, name: str) -> Iterator[Record]:
    """Yield the record of each line that is not blank; raise Refused with the file's name and the line."""
    for number, line in enumerate(lines, start=1):
        if line.strip():
            try:
                yield _record(parse(line), limits, f"{name}, line {number}")
            except (InvalidJSON, Invalid) as error:
                raise Refused(f"{name}, line {number}: {error}") from None


def write_record(entity: Entity) -> bytes:
    """Return the line of an entity, fields as in the API."""
    return entity.json + b"\n"


def _record(value: Any, limits: Limits, place: str) -> Record:
    if not isinstance(value, dict):
        raise Invalid("an entity must be a JSON object")
    if unknown := value.keys() - FIELDS:
        raise Invalid(f"unknown field {min(unknown)}; the fields are {', '.join(FIELDS)}")
    if not isinstance(value.get("data"), dict):
        raise Invalid("data object is required")
    status = value.get("status", "active")
    if not isinstance(status, str) or status in ("", "deleted"):
        raise Invalid("status must be a non-empty string other than deleted")
    entity_id = value.get("id")
    if entity_id is not None and not (isinstance(entity_id, str) and ID.fullmatch(entity_id)):
        raise Invalid("id must be 1 to 64 letters, digits, - or _, and neither query nor search")
    if not isinstance(value.get("type"), str):
        raise Invalid("type must be the slug of an entity type")
    created_at, updated_at = _time(value, "createdAt"), _time(value, "updatedAt")
    document = Document.of(value["data"], limits)
    return Record(value["type"], document, status, entity_id, created_at, updated_at, place)


def _time(value: dict[str, Any], name: str) -> int | None:
    time = value.get(name)
    if time is not None and (type(time) is not int or time not in TIMES):
        raise Invalid(f"{name} must be Unix milliseconds")
    return time
