"""What the commands share: settings as options, the database, and what people read."""

import functools
import os
from collections.abc import Callable, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any, NamedTuple

import click
from flask.cli import ScriptInfo

from ..config import PREFIX, SETTINGS_BY_NAME, Settings, load
from ..parts import Parts, assemble
from ..storage.entity_types import EntityTypes
from ..storage.errors import Refused
from ..storage.migrations import open_to_read, prepare
from ..storage.organizations import ENVIRONMENTS, Environment, ensure_organization, find_organization
from ..storage.outside import Outside
from ..storage.refusals import explained
from ..storage.transfer import Transfer

NOBODY = 0  # the id of no organization: SQLite counts from 1
DATABASE = "struere_local.database"  # under which the context of a command has the path of the database it works on

environment_option = click.option(
    "--environment", type=click.Choice(ENVIRONMENTS), default="development", show_default=True, help="Environment."
)
json_option = click.option("--json", "as_json", is_flag=True, help="Print JSON, for scripts.")


def setting_options(*names: str) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """Give a command the options of settings; it gets all settings as its first argument."""

    def decorate(command: Callable[..., Any]) -> Callable[..., Any]:
        @functools.wraps(command)
        def with_settings(**options: Any) -> Any:
            given = {name: value for name in names if (value := options.pop(name.lower())) is not None}
            return command(_flask_settings().with_options(given), **options)

        decorated: Callable[..., Any] = with_settings
        for name in reversed(names):
            decorated = _option(name)(decorated)
        return decorated

    return decorate


class Workspace(NamedTuple):
    """The parts that a command works with, and the organization it works on."""

    parts: Parts
    organization_id: int

    def types(self, environment: str) -> EntityTypes:
        """Return the entity types of an environment."""
        return EntityTypes(self.parts.database, self.parts.outside, self.environment(environment))

    def transfer(self, environment: str) -> Transfer:
        """Return the export and import of an environment."""
        return Transfer(self.parts.database, self.parts.outside, self.environment(environment))

    def environment(self, name: str) -> Environment:
        """Return an environment of the organization."""
        return Environment(self.organization_id, name)


def open_workspace(settings: Settings, create: bool = True, to_read: bool = False) -> Workspace:
    """Open the database, made if need be and wanted, until the command ends; one to be read need not be writable."""
    if not create:
        refuse_missing(settings["DATABASE"])
    parts = assemble(settings, Outside())
    click.get_current_context().meta[DATABASE] = settings["DATABASE"]
    click.get_current_context().call_on_close(parts.database.close)
    (open_to_read if to_read else prepare)(parts.database, functools.partial(click.echo, err=True))
    slug = settings["ORGANIZATION"]
    if not create:
        organization_id = find_organization(parts.database, slug)
        if organization_id is None and settings.sources["ORGANIZATION"] != "default":
            raise Refused(f"There is no organization {slug}; keys create and types apply make it")
        return Workspace(parts, organization_id or NOBODY)
    return Workspace(parts, ensure_organization(parts.database, parts.outside, slug))


def refuse_missing(path: Path) -> None:
    """Raise Refused where there is no database."""
    with explained(path):
        if not path.exists():
            raise Refused(
                f"There is no database {path}; serve, types apply and keys create make one, --database names another"
            )


def echo_table(header: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    """Print rows in columns under a header."""
    widths = [max(map(len, column)) for column in zip(header, *rows, strict=True)]
    for index, row in enumerate([header, *rows]):
        line = "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip()
        click.secho(line, bold=index == 0, color=color())


def color() -> bool | None:
    """Return what click is to do about colors: none where NO_COLOR is set (https://no-color.org)."""
    return False if os.environ.get("NO_COLOR") else None


def written_time(milliseconds: int | None) -> str:
    """Return a time as people write it, or a dash."""
    if milliseconds is None:
        return "-"
    return datetime.fromtimestamp(milliseconds / 1000).astimezone().isoformat(sep=" ", timespec="seconds")


def _option(name: str) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    setting = SETTINGS_BY_NAME[name]
    default = "./instance/struere.db" if name == "DATABASE" else setting.default
    note = f"[{PREFIX}{name}{f'; default: {default}' if default else ''}]"
    flag = f"--{name.lower().replace('_', '-')}"
    if name == "EPHEMERAL":
        return click.option(flag, name.lower(), is_flag=True, default=None, help=f"{setting.help} {note}")
    return click.option(flag, name.lower(), metavar=setting.metavar, help=f"{setting.help} {note}")


def _flask_settings() -> Settings:
    """Return the settings of the application that the flask command has loaded, or of no application."""
    info = click.get_current_context().find_object(ScriptInfo)
    settings: Settings = info.load_app().extensions["settings"] if info else load()
    return settings
