"""The command struere-local."""

from typing import Any

import click

from ..config import SettingError
from ..storage.errors import StorageError
from . import keys, serve, settings, transfer, types


class Commands(click.Group):
    """Commands whose known failures are one line on standard error and exit code 1."""

    def invoke(self, ctx: click.Context) -> Any:
        """Run a command."""
        try:
            return super().invoke(ctx)
        except (StorageError, SettingError) as error:
            raise click.ClickException(str(error)) from None


@click.group(cls=Commands, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100})
@click.version_option(package_name="struere-local")
def commands() -> None:
    """The Struere Data API on this machine.

    Every option that names a setting falls back to its STRUERE_* variable, then to instance/config.py, then to the
    default; `struere-local config` shows what holds.
    """


for command in (serve.serve, keys.keys, types.types, transfer.export, transfer.import_, settings.config):
    commands.add_command(command)
