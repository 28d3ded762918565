"""struere-local backup and restore: the whole database as one file."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from shlex import quote

import click

from ..config import Settings
from ..parts import assemble
from ..storage.backup import Progress, back_up
from ..storage.errors import Refused
from ..storage.files import refuse_own
from ..storage.inspection import in_use, inspect
from ..storage.migrations import MIGRATIONS
from ..storage.outside import Outside
from ..storage.read_only import is_writable
from ..storage.refusals import explained
from ..storage.restore import restore as put_back
from .options import refuse_missing, setting_options


@click.command()
@setting_options("DATABASE")
@click.option("--force", is_flag=True, help="Replace FILE where it exists.")
@click.argument("file", type=click.Path(path_type=Path))
def backup(settings: Settings, force: bool, file: Path) -> None:
    """Copy the database into a FILE, also while a server writes.

    The copy has everything that was stored when the command began, the hashes of API keys too, so that only its owner
    may read it. It is checked before it gets its name.
    """
    path, file = settings["DATABASE"], file.resolve()
    refuse_missing(path)
    database = assemble(settings, Outside()).database
    with explained(path):
        database.read_only = not is_writable(path)
        inspect(database, len(MIGRATIONS))
    with explained(file):
        _refuse_target(path, file, force)
        with _progress("Copying") as progress:
            back_up(database, file, progress)
    click.echo(f"{path} is backed up in {file}; bring it back with: struere-local restore {quote(str(file))}", err=True)


@click.command()
@setting_options("DATABASE")
@click.option("--force", is_flag=True, help="Replace a database that is there; it is kept under another name.")
@click.argument("file", type=click.Path(path_type=Path))
def restore(settings: Settings, force: bool, file: Path) -> None:
    """Make a FILE that backup wrote the database again.

    It is checked first, and refused while a server has the database open. Everything comes back, the API keys too.
    """
    path, file = settings["DATABASE"], file.resolve()
    with _progress("Restoring") as progress:
        kept = put_back(file, path, force, progress)
    click.echo(f"{path} is restored from {file}{f'; as it was it stays in {kept}' if kept else ''}.", err=True)


def _refuse_target(path: Path, file: Path, force: bool) -> None:
    refuse_own(file, path)
    if not file.parent.is_dir():
        raise Refused(f"There is no folder {file.parent}; name another file")
    if file.exists() and not file.is_file():
        raise Refused(f"{file} is no regular file; name another file")
    if file.exists() and not force:
        raise Refused(f"{file} exists; name another file, or replace it with --force")
    if file.exists() and in_use(file):
        raise Refused(f"{file} is a database that is open in a server or another program; name another file")


@contextmanager
def _progress(label: str) -> Iterator[Progress]:
    """Show pages that are done as a bar, on a terminal."""
    with click.progressbar(length=1, label=label, file=sys.stderr, hidden=not sys.stderr.isatty()) as bar:

        def progress(done: int, total: int) -> None:
            bar.length = total
            bar.update(done - bar.pos)

        yield progress
