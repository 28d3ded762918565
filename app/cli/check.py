"""struere-local check: whether a database is sound."""

import click

from ..config import Settings
from ..storage.check import problems
from .options import open_workspace, setting_options


@click.command()
@setting_options("DATABASE")
def check(settings: Settings) -> None:
    """Check that the database is sound.

    Beyond SQLite's own checks, every index must equal the entities that it is of. Writes go on meanwhile.
    """
    found = list(problems(open_workspace(settings, create=False, to_read=True).parts.database))
    for problem in found:
        click.echo(problem)
    if found:
        raise click.ClickException(
            f"{settings['DATABASE']} is not sound; restore a backup of it with: struere-local restore --force FILE"
        )
    click.echo(f"{settings['DATABASE']} is sound.", err=True)
