"""Organizations and their environments: the border that nothing crosses."""

from typing import NamedTuple

from .database import Database
from .outside import Outside

ENVIRONMENTS = ("development", "production", "eval")


class Environment(NamedTuple):
    """One environment of one organization."""

    organization_id: int
    name: str


def ensure_organization(database: Database, outside: Outside, slug: str) -> int:
    """Return the id of an organization; make it on first use."""
    find = "SELECT id FROM organization WHERE slug = ?"
    if (found := database.connection.execute(find, (slug,)).get) is None:
        with database.transaction() as connection:
            insert = "INSERT INTO organization (slug, created_at) VALUES (?, ?) ON CONFLICT DO NOTHING"
            connection.execute(insert, (slug, outside.now()))
            found = connection.execute(find, (slug,)).get
    return int(found)
