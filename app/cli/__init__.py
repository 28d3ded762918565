"""The command struere-local."""

import errno
import pkgutil
from typing import Any

import apsw
import click

from ..config import SettingError
from ..storage.errors import StorageError, StorageFailed
from ..storage.refusals import sentence
from . import options

# Where each command is. Its module is loaded with it: a server needs no other's.
PLACES = {
    "serve": "serve:serve",
    "keys": "keys:keys",
    "limits": "limits:limits",
    "types": "types:types",
    "indexes": "indexes:indexes",
    "explain": "explain:explain",
    "export": "transfer:export",
    "import": "transfer:import_",
    "backup": "backup:backup",
    "restore": "backup:restore",
    "check": "check:check",
    "config": "settings:config",
}


class Misused(click.ClickException):
    """A command given wrongly, told in one line."""

    exit_code = 2


class Commands(click.Group):
    """Commands whose known failures are one line on standard error."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Return the names of the commands."""
        return sorted(PLACES)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Return the command of a name, if there is one."""
        place = PLACES.get(cmd_name)
        return pkgutil.resolve_name(f"{__name__}.{place}") if place else None

    def invoke(self, ctx: click.Context) -> Any:
        """Run a command."""
        try:
            return super().invoke(ctx)
        except click.exceptions.NoArgsIsHelpError:
            raise
        except click.UsageError as error:
            path = error.ctx.command_path if error.ctx else ctx.command_path
            told = error.format_message().rstrip(".")
            raise Misused(f"{told}{'' if told.endswith(('?', ')')) else '.'} See {path} --help") from None
        except UnicodeEncodeError:
            raise click.ClickException("The arguments must be UTF-8") from None
        except (StorageFailed, apsw.Error) as error:
            raise click.ClickException(sentence(ctx.meta[options.DATABASE], error)) from None
        except (StorageError, SettingError) as error:
            raise click.ClickException(str(error)) from None
        except OSError as error:
            if error.errno == errno.EPIPE:
                raise  # click ends quietly where the reader of a pipe has gone
            raise click.ClickException(str(error)) from None


@click.group(cls=Commands, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100})
@click.version_option(package_name="struere-local")
def commands() -> None:
    """The Struere Data API on this machine.

    Every option that names a setting falls back to its STRUERE_* variable, then to instance/config.py, then to the
    default; `struere-local config` shows what holds.
    """
