"""struere-local keys: make, list and revoke API keys."""

import json
import re
from datetime import UTC, datetime
from typing import Any

import click

from ..api.json import InvalidJSON, parse
from ..config import Settings, rate
from ..storage.api_keys import PERMISSIONS, ApiKey
from .options import echo_table, environment_option, json_option, open_workspace, setting_options, written_time

LAST_YEAR = 9998  # in UTC, so that the time can be written in every time zone
DURATIONS = {"m": 60, "h": 3600, "d": 86400}  # seconds


class Expiry(click.ParamType[tuple[str, int]]):
    """When a key expires: 30d, 12h, 45m, or a date or time in ISO 8601; Unix milliseconds, or a duration in them."""

    name = "when"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> tuple[str, int]:
        """Return ("in", milliseconds) or ("at", Unix milliseconds)."""
        if match := re.fullmatch("([0-9]{1,6})([mhd])", value):
            return "in", int(match[1]) * DURATIONS[match[2]] * 1000
        try:
            time = datetime.fromisoformat(value).astimezone(UTC)
            if time.year > LAST_YEAR:
                raise OverflowError
            return "at", int(time.timestamp() * 1000)
        except (ValueError, OverflowError):
            self.fail(
                f"{value!r} is neither a duration such as 30d, 12h or 45m nor a date such as 2027-01-31, to {LAST_YEAR}"
            )


class Scope(click.ParamType[Any]):
    """A key's scope as JSON."""

    name = "json"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        """Return the parsed scope; its shape is checked by the storage."""
        try:
            scope = parse(value.encode())
        except InvalidJSON as error:
            self.fail(str(error))
        if not isinstance(scope, dict):
            self.fail('a scope is an object of entity type slugs and filters, such as {"customer": {}}')
        return scope


class Rate(click.ParamType[str]):
    """A rate of requests, or off."""

    name = "rate"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> str:
        """Return the rate in the notation of `limits`."""
        try:
            return rate(value)
        except ValueError as error:
            self.fail(f"{value!r}: {error}")


@click.group()
def keys() -> None:
    """Make, list and revoke API keys."""


@keys.command()
@setting_options("DATABASE", "ORGANIZATION")
@environment_option
@click.option("--name", required=True, help="What the key is for.")
@click.option(
    "--permission", "permissions", multiple=True, type=click.Choice(PERMISSIONS), default=["*"], show_default=True,
    help="What the key may do; repeat for several. The Data API needs data or *.",
)  # fmt: skip
@click.option("--type", "slugs", multiple=True, help="Entity type that the key may see; repeat for several.")
@click.option("--scope", type=Scope(), help='Types and filters that the key may see: {"customer": {"plan": "pro"}}.')
@click.option("--expires", type=Expiry(), help="When it stops working: 30d, 12h, 45m, or a date such as 2027-01-31.")
@click.option("--limit", type=Rate(), help="Its own rate limit, such as 600/minute, or off. [default: the server's]")
@json_option
def create(
    settings: Settings,
    environment: str,
    name: str,
    permissions: tuple[str, ...],
    slugs: tuple[str, ...],
    scope: Any,
    expires: tuple[str, int] | None,
    limit: str | None,
    as_json: bool,
) -> None:
    """Make an API key and show it, this once."""
    if slugs and scope is not None:
        raise click.UsageError("Give --type or --scope, not both; --type customer is --scope '{\"customer\": {}}'.")
    if slugs:
        scope = {slug: {} for slug in slugs}
    if not name.strip() or not name.isprintable():
        raise click.BadParameter("a name is of printable characters", param_hint="--name")
    workspace = open_workspace(settings)
    now = workspace.parts.outside.now()
    kind, time = expires or ("never", None)
    expires_at = now + (time or 0) if kind == "in" else time
    if expires_at is not None and expires_at <= now:
        raise click.BadParameter("that is in the past", param_hint="--expires")
    key, plain = workspace.parts.keys.create(
        workspace.environment(environment), name, tuple(dict.fromkeys(permissions)), scope, expires_at, limit
    )
    defined = {entity_type.definition.slug for entity_type in workspace.types(environment).all()}
    for slug in sorted(set(scope or ()) - defined):
        click.echo(f"Note: {environment} has no entity type {slug} yet.", err=True)
    if as_json:
        click.echo(json.dumps({"id": key.id, "key": plain, **_shown(key)}))
        return
    click.echo(f"Made {key.id} for {environment} in {settings['DATABASE']}; the key is shown only this once:", err=True)
    click.echo(plain)


@keys.command("list")
@setting_options("DATABASE", "ORGANIZATION")
@json_option
def list_(settings: Settings, as_json: bool) -> None:
    """List the organization's API keys, without their secrets."""
    workspace = open_workspace(settings, create=False, to_read=True)
    found = workspace.parts.keys.all(workspace.organization_id)
    if as_json:
        times = ("created_at", "last_used_at", "revoked_at")
        click.echo(
            json.dumps([{"id": key.id, "prefix": key.prefix, **_shown(key)} | _times(key, times) for key in found])
        )
        return
    header = ("ID", "KEY", "NAME", "ENVIRONMENT", "PERMISSIONS", "SCOPE", "LIMIT", "CREATED", "LAST USED", "STATE")
    now = workspace.parts.outside.now()
    echo_table(header, [_row(key, now) for key in found])


@keys.command()
@setting_options("DATABASE", "ORGANIZATION")
@click.argument("key_id", metavar="ID")
def revoke(settings: Settings, key_id: str) -> None:
    """Revoke the API key with an ID, from its next request on."""
    workspace = open_workspace(settings, create=False)
    key = workspace.parts.keys.revoke(workspace.organization_id, key_id)
    click.echo(f"Revoked {key.id} ({key.name}).")


def _shown(key: ApiKey) -> dict[str, Any]:
    return {
        "name": key.name,
        "environment": key.environment.name,
        "permissions": key.permissions,
        "scope": key.scope,
        "limit": key.limit,
        "expires": key.expires_at,
    }


def _times(key: ApiKey, names: tuple[str, ...]) -> dict[str, int | None]:
    return {re.sub("_(.)", lambda match: match[1].upper(), name): getattr(key, name) for name in names}


def _row(key: ApiKey, now: int) -> tuple[str, ...]:
    state = "active" if key.expires_at is None else f"expires {written_time(key.expires_at)}"
    if key.expires_at is not None and key.expires_at <= now:
        state = "expired"
    if key.revoked_at is not None:
        state = "revoked"
    scope = "-" if key.scope is None else json.dumps(key.scope)
    return (
        key.id, f"{key.prefix}…", key.name, key.environment.name, ",".join(key.permissions), scope, key.limit or "-",
        written_time(key.created_at), written_time(key.last_used_at), state,
    )  # fmt: skip
