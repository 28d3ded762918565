"""struere-local config: the settings that hold."""

import json

import click

from ..config import PREFIX, SETTINGS, SETTINGS_BY_NAME, Settings, shown, unknown_variables
from .options import echo_table, json_option, setting_options


@click.command()
@setting_options("DATABASE", "ORGANIZATION")
@json_option
def config(settings: Settings, as_json: bool) -> None:
    """Show the settings that hold, and from where."""
    values = {name: shown(SETTINGS_BY_NAME[name], value) for name, value in settings.items()}
    if as_json:
        click.echo(json.dumps({n: {"value": v, "source": settings.sources[n]} for n, v in values.items()}, indent=2))
    else:
        echo_table(
            ("SETTING", "VALUE", "FROM", "VARIABLE"),
            [(each.name, values[each.name], settings.sources[each.name], PREFIX + each.name) for each in SETTINGS],
        )
    for sentence in unknown_variables():
        click.echo(sentence, err=True)
