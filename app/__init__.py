"""struere-local: the Struere Data API on one's own machine."""

from . import garbage, lazy  # noqa: F401  # isort: skip
import sys
from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import Any

from flask import Flask
from flask.logging import default_handler

from . import config as settings
from .api import auth, entities, entity_types, errors, health, limits
from .api.application import Application
from .cli import commands
from .logs import FORMAT, Formatter
from .parts import assemble
from .storage.migrations import prepare, was_prepared
from .storage.outside import Outside
from .storage.refusals import explained

garbage.look_again()


def create_app(config: Mapping[str, Any] | None = None, outside: Outside | None = None) -> Flask:
    """Return the WSGI application; no connection is left open.

    Its database is created or migrated, unless the process that this one was forked from has done that.
    """
    app = Application(__name__, instance_path=str(Path.cwd() / "instance"), static_folder=None)
    app.config.update(config or {})
    app.extensions["settings"] = settings.load(config)
    app.config.update(app.extensions["settings"])
    app.url_map.strict_slashes = False
    app.url_map.merge_slashes = False
    app.url_map.converters["entity_id"] = entities.EntityId
    parts = app.extensions["struere"] = assemble(app.config, outside or Outside())
    if not was_prepared(parts.database):
        prepare(parts.database, partial(print, file=sys.stderr, flush=True))
        with explained(parts.database.path):
            parts.database.retokenize()
        parts.database.close()

    default_handler.setFormatter(Formatter(FORMAT))
    errors.register(app)
    auth.register(app, parts.keys, limits.counting(app, parts.outside))
    for module in (entities, entity_types, health):
        app.register_blueprint(module.blueprint)
    app.cli.add_command(commands, "struere")
    app.extensions["create_app"] = create_app
    return app


def main() -> None:
    """Run the command struere-local."""
    commands(obj=create_app, prog_name="struere-local")
