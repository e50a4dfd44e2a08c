"""`envctl profile`."""

from __future__ import annotations

import click

from envctl.cli import complete
from envctl.cli.context import Settings, pass_settings, print_json


@click.command(
    epilog="""\b
Examples:
  envctl profile demo:cuda                    each value, and its file
  envctl profile datascience --format json    the same for programs"""
)
@click.argument("target", metavar="TARGET", shell_complete=complete.targets)
@click.option("--format", "form", type=click.Choice(["text", "json"]), default="text", help="For people or programs.")
@pass_settings
def command(settings: Settings, target: str, form: str) -> None:
    """Show a target's merged profile, with the file and line that each value comes from.

    The text is TOML. Nothing is resolved, and no network is used.
    """
    from envctl.commands.profile import show

    shown, text = show(settings.directory, target)
    if form == "json":
        print_json(shown)
    else:
        click.echo(text, nl=False)
