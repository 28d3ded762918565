"""struere-local indexes: list and drop field indexes; and what other commands tell of them."""

import json
from typing import Any

import click

from ..config import Settings
from ..storage.database import Database
from ..storage.entity_types import EntityType
from ..storage.field_indexes import FieldIndex, size, unfilled
from ..storage.index_builder import claimed, fill
from .options import (
    Workspace,
    echo_table,
    environment_option,
    json_option,
    open_workspace,
    setting_options,
    written_time,
)

REASONS = {"declared": "declared", "slow": "filters on it were slow"}
HEADER = ("FIELD", "REASON", "SINCE", "STATE", "SIZE")


@click.group()
def indexes() -> None:
    """List and drop field indexes."""


@indexes.command("list")
@setting_options("DATABASE", "ORGANIZATION")
@environment_option
@json_option
def list_(settings: Settings, environment: str, as_json: bool) -> None:
    """List the field indexes of an environment, dropped ones too."""
    workspace = open_workspace(settings, create=False, to_read=True)
    found = [
        {"type": each.definition.slug, **row}
        for each in workspace.types(environment).all()
        for row in rows_of(workspace, each)
    ]
    if as_json:
        click.echo(json.dumps(found))
        return
    echo_table(("TYPE", *HEADER), [(row["type"], *cells(row)) for row in found])


@indexes.command()
@setting_options("DATABASE", "ORGANIZATION")
@environment_option
@click.argument("slug")
@click.argument("field")
def drop(settings: Settings, environment: str, slug: str, field: str) -> None:
    """Drop the index of a FIELD of the entity type with a SLUG.

    It does not come back by itself, however slow filters on the field are; declaring it in the type's file makes it
    again.
    """
    dropped = open_workspace(settings, create=False).types(environment).drop_index(slug, field)
    click.echo(f"Dropped the index of {dropped.shown_field}")
    if dropped.reason == "declared":
        click.echo("The type's file declares it: the next types apply, or serve --project, makes it again.", err=True)


def fill_all(database: Database) -> None:
    """Fill the indexes that are not, and tell of each; where a server is at it, wait for that."""
    for index, slug in unfilled(database.connection):
        click.echo(f"Indexing {index.shown_field} of {slug} ...", err=True)
        with claimed(database, wait=True):
            fill(database, index.id)


def rows_of(workspace: Workspace, entity_type: EntityType) -> list[dict[str, Any]]:
    """Return what people and scripts get to know of a type's indexes."""
    connection = workspace.parts.database.connection
    return [
        {
            "field": index.shown_field,
            "reason": index.reason,
            "createdAt": index.created_at,
            "state": _state(index),
            "bytes": size(connection, index) if index.is_live else 0,
        }
        for index in entity_type.indexes
    ]


def cells(row: dict[str, Any]) -> tuple[str, ...]:
    """Return what stands under the header."""
    kib = f"{-(-row['bytes'] // 1024)} KiB"
    return row["field"], REASONS[row["reason"]], written_time(row["createdAt"]), row["state"], kib


def _state(index: FieldIndex) -> str:
    return ("ready" if index.is_ready else "not filled yet") if index.is_live else "dropped"
