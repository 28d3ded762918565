"""struere-local serve: prepare the data, then run the server and tell where it is."""

import functools
import json
import os
import shlex
import shutil
import signal
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager

import click
from flask import Flask
from flask.cli import ScriptInfo

from .. import serve as server
from ..config import SettingError, Settings, load_again, unknown_variables
from ..parts import data_limits
from ..project import read_definitions, read_entities
from ..storage.entity_types import Definition
from ..storage.errors import Refused
from ..storage.transfer import Record
from .ephemeral import temporary_folder
from .options import Workspace, open_workspace, setting_options


@click.command()
@setting_options(
    "HOST",
    "PORT",
    "WORKERS",
    "THREADS",
    "DATABASE",
    "ORGANIZATION",
    "PROJECT",
    "KEY",
    "EPHEMERAL",
    "DURABILITY",
    "LIMITS",
    "LOG_REQUESTS",
)
def serve(settings: Settings) -> None:
    """Serve the Data API until Ctrl-C or SIGTERM; SIGHUP reads instance/config.py again.

    Once it accepts requests, one line of JSON on standard output tells url, pid, database and the keys made or given
    at this start; everything for people goes to standard error.
    """
    if settings["EPHEMERAL"] and settings.sources["DATABASE"] == "option":
        raise click.UsageError("--ephemeral stores in a folder of its own; leave out --database.")
    # Until gunicorn handles signals itself, they end the start cleanly.
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: sys.exit(0))
    with _storage(settings):
        definitions = read_definitions(settings["PROJECT"]) if settings["PROJECT"] else []
        records = list(read_entities(settings["PROJECT"], definitions, data_limits(settings))) if definitions else []
        listener = server.listen(settings["HOST"], settings["PORT"])
        url = server.url(listener)
        workspace = open_workspace(settings)
        workspace.parts.database.retokenize()
        if definitions:
            _apply_project(workspace, definitions, records)
        keys = _development_key(workspace, settings["KEY"])
        slug = next((each.definition.slug for each in workspace.types("development").all()), None)
        workspace.parts.database.close()
        server.run(
            listener,
            settings,
            _create_app(),
            functools.partial(_announce, settings, url, keys, slug),
            _load_again,
        )


@contextmanager
def _storage(settings: Settings) -> Iterator[None]:
    """Give an ephemeral server its temporary folder."""
    if not settings["EPHEMERAL"]:
        yield
        return
    with temporary_folder() as folder:
        # As if given by options: no reload finds them changed.
        settings["DATABASE"], settings.sources["DATABASE"] = folder / "struere.db", "option"
        if settings.sources["DURABILITY"] == "default":
            settings["DURABILITY"], settings.sources["DURABILITY"] = "fast", "option"
        yield


def _apply_project(workspace: Workspace, definitions: Sequence[Definition], records: Sequence[Record]) -> None:
    """Apply a project's types to development and eval, and its entities to those of the two that are new."""
    for name in ("development", "eval"):
        types = workspace.types(name)
        with workspace.parts.database.transaction():
            is_new = not types.all()
            types.apply(definitions)
            if is_new:
                workspace.transfer(name).import_(records)


def _development_key(workspace: Workspace, plain: str | None) -> dict[str, str]:
    """Return the development key made or given at this start, by environment."""
    keys, environment = workspace.parts.keys, workspace.environment("development")
    if plain:
        keys.ensure(environment, plain)
        return {"development": plain}
    now = workspace.parts.outside.now()
    if any(key.environment == environment and key.works_at(now) for key in keys.all(workspace.organization_id)):
        return {}
    return {"development": keys.create(environment, "made at a start")[1]}


def _create_app() -> Callable[[Settings], Flask]:
    """Return the application's factory, which both commands hand down: circular imports are none of ours."""
    context = click.get_current_context()
    info = context.find_object(ScriptInfo)
    factory: Callable[[Settings], Flask] = info.load_app().extensions["create_app"] if info else context.obj
    return factory


def _announce(settings: Settings, url: str, keys: dict[str, str], slug: str | None) -> None:
    started = {"url": url, "pid": os.getpid(), "database": str(settings["DATABASE"]), "keys": keys}
    print(json.dumps(started), flush=True)
    tell = functools.partial(click.echo, err=True)
    tell(f"struere-local serves {url} from {settings['DATABASE']}; stop it with Ctrl-C.")
    for sentence in unknown_variables():
        tell(sentence)
    if settings["LIMITS"]:
        rates = f"{settings['LIMIT_PER_KEY']} a key, {settings['LIMIT_PER_ORGANIZATION']} an organization"
        tell(f"Requests are limited to {rates}; --limits off admits all.")
    if settings["WORKERS"] > 1 and settings["LIMITS"] and settings["LIMIT_STORAGE"] == "memory://":
        tell("Each worker counts requests for itself; without STRUERE_LIMIT_STORAGE they count together.")
    if not keys:
        options = "".join(
            f" --{name.lower()} {shlex.quote(str(settings[name]))}"
            for name in ("DATABASE", "ORGANIZATION")
            if settings.sources[name] == "option"
        )
        tell(f"The keys made before still work; make another with: {_command()} keys create --name NAME{options}")
        return
    path = f"/v1/data/{slug}" if slug else "/v1/entity-types"
    tell(f"Development key: {keys['development']}")
    tell(f'Try: curl -H "Authorization: Bearer {keys["development"]}" {url}{path}')


def _load_again(settings: Settings) -> Settings:
    """Return the settings that hold now, and tell which of those that changed wait for a restart; raise Refused."""
    try:
        again, fixed = load_again(settings)
    except SettingError as error:
        raise Refused(error) from None
    if fixed:
        click.echo(f"To change {', '.join(fixed)} takes a restart; until then what held at the start does.", err=True)
    return again


def _command() -> str:
    """Return how to call this program from here."""
    return "struere-local" if shutil.which("struere-local") else os.path.relpath(sys.argv[0])
