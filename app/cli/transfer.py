"""struere-local export and import: entities as JSON Lines."""

import os
import shutil
import sys
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryFile
from typing import BinaryIO

import click

from ..api.records import read_records, write_record
from ..config import Settings
from ..storage.errors import Refused
from ..storage.files import refuse_own, replacing
from .options import environment_option, open_workspace, setting_options


@click.command()
@setting_options("DATABASE", "ORGANIZATION")
@environment_option
@click.option("--type", "slug", help="Only entities of this type.")
@click.option("--force", is_flag=True, help="Replace FILE where it exists.")
@click.argument("file", type=click.Path(dir_okay=False, allow_dash=True), default="-")
def export(settings: Settings, environment: str, slug: str | None, force: bool, file: str) -> None:
    """Write entities to a FILE or standard output.

    Each line is one live entity of the environment as the API shows it in JSON, in creation order.
    """
    workspace = open_workspace(settings, create=False, to_read=True)
    transfer = workspace.transfer(environment)
    with workspace.parts.database.snapshot():
        count = transfer.count(slug)
        with click.progressbar(
            transfer.export(slug), length=count, label="Exporting", file=sys.stderr, hidden=_quiet()
        ) as entities:
            _write(file, map(write_record, entities), settings["DATABASE"], force)
    if file != "-":
        click.echo(f"Entities exported: {count}", err=True)


@click.command("import")
@setting_options("DATABASE", "ORGANIZATION")
@environment_option
@click.argument("file", type=click.File("rb"), default="-")
def import_(settings: Settings, environment: str, file: BinaryIO) -> None:
    """Store entities from a FILE or standard input.

    All of them are stored, or after an error none. Each line is JSON as export writes it: type and data are needed;
    id, status, createdAt and updatedAt are kept where they are given.
    """
    workspace = open_workspace(settings)
    with _whole(file, settings["DATABASE"].parent) as lines:
        records = read_records(_with_progress(lines), workspace.parts.limits, file.name)
        count = workspace.transfer(environment).import_(records)
    click.echo(f"Entities imported: {count}", err=True)


def _write(file: str, lines: Iterable[bytes], database: Path, force: bool) -> None:
    if file == "-":
        sys.stdout.buffer.writelines(lines)
        return
    target = Path(file).resolve()
    refuse_own(target, database)
    if target.exists() and not target.is_file():  # a device or a pipe
        with target.open("wb") as output:
            output.writelines(lines)
        return
    if not target.parent.is_dir():
        raise Refused(f"There is no folder {target.parent}; name another file")
    if target.exists() and not force:
        raise Refused(f"{target} exists; name another file, or replace it with --force")
    with replacing(target) as draft, draft.open("wb") as output:
        output.writelines(lines)


@contextmanager
def _whole(file: BinaryIO, folder: Path) -> Iterator[BinaryIO]:
    """Give a file that need not be waited for: whoever else writes waits for no slow input."""
    if file.seekable():
        yield file
        return
    with TemporaryFile(dir=folder) as copy:
        shutil.copyfileobj(file, copy)
        copy.seek(0)
        yield copy


def _with_progress(file: BinaryIO) -> Iterator[bytes]:
    size = os.fstat(file.fileno()).st_size if file.seekable() else 0
    with click.progressbar(length=size, label="Importing", file=sys.stderr, hidden=_quiet() or not size) as progress:
        for line in file:
            progress.update(len(line))
            yield line


def _quiet() -> bool:
    return not sys.stderr.isatty()
