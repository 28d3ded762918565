"""Organizations and their environments: the border that nothing crosses."""

from typing import NamedTuple

from .database import Database
from .outside import Outside

ENVIRONMENTS = ("development", "production", "eval")


class Environment(NamedTuple):
    """One environment of one organization."""

    organization_id: int
    name: str


def find_organization(database: Database, slug: str) -> int | None:
    """Return the id of an organization, or None."""
    found = database.row("SELECT id FROM organization WHERE slug = ?", (slug,))
    return found[0] if found else None


def ensure_organization(database: Database, outside: Outside, slug: str) -> int:
    """Return the id of an organization; make it on first use."""
    found = find_organization(database, slug)
    if found is not None:
        return found
    with database.transaction() as connection:
        insert = "INSERT INTO organization (slug, created_at) VALUES (?, ?) ON CONFLICT DO NOTHING"
        connection.execute(insert, (slug, outside.now()))
    return ensure_organization(database, outside, slug)
