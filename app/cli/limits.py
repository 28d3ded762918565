"""struere-local limits: how many requests each API key has left, and how to give them back."""

import json
from collections.abc import Iterator
from typing import Any

import click
from limits.storage import storage_from_string

from ..api.limits import Limit, limits_of, milliseconds, storage_of
from ..config import Settings
from ..storage.api_keys import ApiKey
from ..storage.errors import ApiKeyNotFound, Refused
from .options import Workspace, echo_table, json_option, open_workspace, setting_options, written_time

UNITS = (("day", 86_400), ("hour", 3_600), ("minute", 60), ("second", 1))


@click.group()
def limits() -> None:
    """Show and reset what the rate limits have counted."""


@limits.command()
@setting_options("DATABASE", "ORGANIZATION")
@click.argument("key_id", metavar="[KEY]", required=False)
@json_option
def show(settings: Settings, key_id: str | None, as_json: bool) -> None:
    """Show how many requests each key has left.

    Every API key that works is shown, and the organization; with the id of a KEY, as keys list tells it, only that key
    and the organization. The limits are those of this command's settings, which may be others than a server's.
    """
    workspace = open_workspace(settings, create=False)
    storage = _storage(settings, workspace)
    rows = list(_rows(settings, storage, _keys(workspace, key_id)))
    if as_json:
        click.echo(json.dumps(rows))
        return
    header = ("SCOPE", "ID", "NAME", "LIMIT", "USED", "LEFT", "FREE AGAIN")
    echo_table(header, [_cells(**row) for row in rows])


@limits.command()
@setting_options("DATABASE", "ORGANIZATION")
@click.argument("key_id", metavar="[KEY]", required=False)
@click.option("--all", "everything", is_flag=True, help="Every key and every organization.")
def reset(settings: Settings, key_id: str | None, everything: bool) -> None:
    """Forget the requests of a key, or of all.

    KEY is the id of an API key, as keys list tells it.
    """
    if bool(key_id) == everything:
        raise click.UsageError("Name a key, or give --all")
    workspace = open_workspace(settings, create=False)
    storage = _storage(settings, workspace)
    if everything:
        storage.reset()
        click.echo("Reset all rate limits.")
        return
    for key in _keys(workspace, key_id):
        for limit in limits_of(settings, key):
            if limit.scope == "key":
                storage.clear(limit.key)
        click.echo(f"Reset the rate limit of {key.id} ({key.name}).")


def _storage(settings: Settings, workspace: Workspace) -> Any:
    """Return what counts for the server, whether or not one runs."""
    if settings["LIMIT_STORAGE"] == "memory://":
        raise Refused("Requests are counted in the memory of the server, out of reach; restart it to reset them")
    address, options = storage_of(settings, workspace.parts.outside)
    storage = storage_from_string(address, **options)
    if not storage.check():
        raise Refused("Cannot reach where requests are counted; look at STRUERE_LIMIT_STORAGE and at the disk")
    return storage


def _keys(workspace: Workspace, key_id: str | None) -> list[ApiKey]:
    now = workspace.parts.outside.now()
    keys = workspace.parts.keys.all(workspace.organization_id)
    found = [key for key in keys if key.id == key_id or (key_id is None and key.works_at(now))]
    if key_id is not None and not found:
        raise ApiKeyNotFound(key_id)
    return found


def _rows(settings: Settings, storage: Any, keys: list[ApiKey]) -> Iterator[dict[str, Any]]:
    organization: Limit | None = None
    for key in keys:
        by_scope = {limit.scope: limit for limit in limits_of(settings, key)}
        organization = by_scope.get("organization")
        yield {"scope": "key", "id": key.id, "name": key.name, **_state(storage, by_scope.get("key"))}
    if keys:
        name = settings["ORGANIZATION"]
        yield {"scope": "organization", "id": name, "name": None, **_state(storage, organization)}


def _state(storage: Any, limit: Limit | None) -> dict[str, Any]:
    """Return a limit and what is used and left of it; freeAt is in Unix milliseconds."""
    if limit is None:
        return {"limit": "off", "used": None, "left": None, "freeAt": None}
    start, used = storage.get_moving_window(*limit)
    left = max(0, limit.amount - used)
    free_at = None if left else milliseconds(start + limit.seconds)
    return {"limit": _written(limit), "used": used, "left": left, "freeAt": free_at}


def _written(limit: Limit) -> str:
    """Return a rate as a setting has it, in the largest unit that goes."""
    name, seconds = next((name, each) for name, each in UNITS if not limit.seconds % each)
    times = limit.seconds // seconds
    return f"{limit.amount}/{times if times > 1 else ''}{name}"


def _cells(freeAt: int | None, **row: Any) -> tuple[str, ...]:  # noqa: N803, a name of the JSON
    return (*("-" if cell is None else str(cell) for cell in row.values()), written_time(freeAt))
