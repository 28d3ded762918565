"""The command struere-local."""

import errno
import pkgutil
from collections import UserDict
from typing import Any

import apsw
import click

from ..config import SettingError
from ..storage.errors import StorageError, StorageFailed
from ..storage.refusals import sentence
from . import options

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


class ByName(UserDict[str, Any]):
    """Commands by name, made of their places; each is loaded when it is asked for: a server needs no other's module."""

    def __getitem__(self, name: str) -> click.Command:
        """Return a command; raise KeyError."""
        command: click.Command = pkgutil.resolve_name(f"{__name__}.{self.data[name]}")
        return command


class Commands(click.Group):
    """Commands whose known failures are one line on standard error."""

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


@click.group(
    cls=Commands,
    commands=ByName(PLACES),
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
)
@click.version_option(package_name="struere-local")
def commands() -> None:
    """The Struere Data API on this machine.

    Every option that names a setting falls back to its STRUERE_* variable, then to instance/config.py, then to the
    default; `struere-local config` shows what holds.
    """
