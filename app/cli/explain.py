"""struere-local explain: what a query costs and why."""

import json

import click

from ..api.json import InvalidJSON, parse
from ..config import Settings
from ..storage.errors import Refused
from ..storage.filters import Condition, InvalidFilters
from ..storage.filters import parse as parse_filters
from ..storage.repository import EntityRepository
from .options import environment_option, json_option, open_workspace, setting_options


@click.command()
@setting_options("DATABASE", "ORGANIZATION")
@environment_option
@click.option("--limit", type=click.IntRange(1, 100), default=50, show_default=True, help="Entities of the page.")
@click.option("--status", help="Only entities with this status.")
@click.option("--cursor", help="The id of the entity that the page follows.")
@click.argument("slug")
@click.argument("filters")
@json_option
def explain(
    settings: Settings,
    environment: str,
    limit: int,
    status: str | None,
    cursor: str | None,
    slug: str,
    filters: str,
    as_json: bool,
) -> None:
    """Tell what a query of the entity type with a SLUG costs, and why.

    FILTERS is JSON as in the body of a query, such as '{"plan": "pro", "age": {"$gte": 18}}'. The query is run, for as
    long as it takes: the SQL, SQLite's plan, how many entities were read and matched, the time, and advice are shown.
    """
    conditions = _conditions(filters)
    workspace = open_workspace(settings, create=False, to_read=True)
    parts = workspace.parts
    entities = EntityRepository(parts.database, parts.outside, workspace.environment(environment), None, slug)
    found = entities.explain(conditions, status, limit, cursor)
    if as_json:
        click.echo(json.dumps(found._asdict()))
        return
    click.echo(f"Index    {f'{found.field}, since {found.why}' if found.field else f'none, since {found.why}'}")
    click.echo(f"Read     {found.scanned}")
    click.echo(f"Matched  {found.matched}{', and more follow' if found.has_more else ''}")
    click.echo(f"Time     {found.milliseconds:.1f} ms")
    click.echo(f"SQL      {found.sql}")
    for number, step in enumerate(found.steps):
        click.echo(f"{'' if number else 'Plan':<9}{step}")
    click.echo(f"Advice   {found.advice}")


def _conditions(filters: str) -> tuple[Condition, ...]:
    try:
        return parse_filters(parse(filters.encode()))
    except (InvalidJSON, InvalidFilters) as error:
        raise Refused(f"FILTERS: {error}") from None
