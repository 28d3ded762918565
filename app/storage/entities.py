"""An entity, and the JSON text that the API shows of it: written by Python for one, by SQL for a page."""

from typing import NamedTuple

import orjson

COLUMNS = "entity.id, entity.status, entity.data, entity.created_at, entity.updated_at"


class Entity(NamedTuple):
    """A stored entity; `data` is its JSON text, times are Unix milliseconds."""

    id: str
    type: str
    status: str
    data: str
    created_at: int
    updated_at: int

    @property
    def json(self) -> bytes:
        """The entity as the API shows it; its data is spliced in as stored."""
        fields = {
            "id": self.id,
            "type": self.type,
            "status": self.status,
            "data": orjson.Fragment(self.data),
            "createdAt": self.created_at,
            "updatedAt": self.updated_at,
        }
        return orjson.dumps(fields)


def json_sql(slug: str) -> str:
    """Return SQL of the same text for a row of `entity`; the slug of its type is SQL as well."""
    return f"""concat(
        '{{"id":', json_quote(entity.id), ',"type":', json_quote({slug}), ',"status":', json_quote(entity.status),
        ',"data":', entity.data, ',"createdAt":', entity.created_at, ',"updatedAt":', entity.updated_at, '}}'
    )"""
