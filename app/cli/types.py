"""struere-local types: apply, list and remove entity types."""

import json
from pathlib import Path
from typing import Any

import click

from ..api.entity_types import shown
from ..config import Settings
from ..project import read_definitions
from ..storage.entity_types import Change
from .indexes import HEADER, cells, fill_all, rows_of
from .options import color, echo_table, environment_option, json_option, open_workspace, setting_options

COLORS = {"+": "green", "~": "yellow", "-": "red", "=": None}


@click.group()
def types() -> None:
    """Apply, list, show and remove entity types."""


@types.command()
@setting_options("DATABASE", "ORGANIZATION")
@environment_option
@click.argument("folder", type=click.Path(path_type=Path))
@click.option("--remove", is_flag=True, help="Remove the types that the folder does not define.")
@click.option("--force", is_flag=True, help="With --remove: their entities as well.")
def apply(settings: Settings, environment: str, folder: Path, remove: bool, force: bool) -> None:
    """Make an environment's entity types those of a FOLDER, and tell what changed.

    The folder, or the entity-types/ in it, has one type a file, as .json, .yaml or .yml with the keys name, slug,
    schema, searchFields and indexes. Each type is told as + new, ~ changed, = unchanged or - gone from the folder.
    """
    definitions = read_definitions(folder)
    workspace = open_workspace(settings)
    for change in workspace.types(environment).apply(definitions, remove, force):
        click.secho(_told(change), fg=COLORS[change.sign], color=color())
    fill_all(workspace.parts.database)


@types.command("list")
@setting_options("DATABASE", "ORGANIZATION")
@environment_option
@json_option
def list_(settings: Settings, environment: str, as_json: bool) -> None:
    """List the entity types of an environment."""
    found = [
        entity_type.definition
        for entity_type in open_workspace(settings, create=False, to_read=True).types(environment).all()
    ]
    if as_json:
        click.echo(json.dumps([shown(definition) for definition in found]))
        return
    header = ("SLUG", "NAME", "SEARCH FIELDS")
    echo_table(header, [(each.slug, each.name, ", ".join(each.search_fields) or "-") for each in found])


@types.command()
@setting_options("DATABASE", "ORGANIZATION")
@environment_option
@click.argument("slug")
@json_option
def show(settings: Settings, environment: str, slug: str, as_json: bool) -> None:
    """Show the entity type with a SLUG: its fields, how many entities it has, and its indexes."""
    workspace = open_workspace(settings, create=False, to_read=True)
    found = workspace.types(environment).get(slug)
    count, indexes = workspace.types(environment).count(slug), rows_of(workspace, found)
    if as_json:
        click.echo(json.dumps({**shown(found.definition), "entities": count, "indexes": indexes}))
        return
    click.echo(f"Slug           {slug}")
    click.echo(f"Name           {found.definition.name}")
    click.echo(f"Fields         {', '.join(_fields(found.definition.schema)) or '-'}")
    click.echo(f"Search fields  {', '.join(found.definition.search_fields) or '-'}")
    click.echo(f"Entities       {count}")
    click.echo(f"Indexes        {len(indexes) or '-'}")
    if indexes:
        click.echo()
        echo_table(HEADER, [cells(row) for row in indexes])


@types.command()
@setting_options("DATABASE", "ORGANIZATION")
@environment_option
@click.argument("slug")
@click.option("--force", is_flag=True, help="Its entities as well.")
def remove(settings: Settings, environment: str, slug: str, force: bool) -> None:
    """Remove the entity type with a SLUG; one that has entities only with --force."""
    count = open_workspace(settings, create=False).types(environment).remove(slug, force)
    click.echo(f"Removed {slug}; entities removed with it: {count}")


def _fields(schema: dict[str, Any]) -> list[str]:
    """Return the fields of JSON Schema, or of the flat {field: type}."""
    properties = schema.get("properties")
    return list(properties if isinstance(properties, dict) else schema)


def _told(change: Change) -> str:
    if change.sign != "-":
        return f"{change.sign} {change.slug}"
    return f"- {change.slug} ({'removed' if change.removed else 'kept; --remove removes it'})"
