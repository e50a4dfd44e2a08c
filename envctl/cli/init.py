"""`envctl init`."""

from __future__ import annotations

import click

from envctl.cli import complete
from envctl.cli.context import Settings, pass_settings, print_json


@click.command(
    epilog="""\b
Examples:
  envctl init                                  profiles/base.toml, commented
  envctl init train --from requirements.txt    reads what you have"""
)
@click.argument("name", required=False, metavar="[NAME]")
@click.option(
    "--from",
    "source",
    metavar="FILE",
    shell_complete=complete.files,
    help="A requirements file or pyproject.toml to take over.",
)
@click.option("--format", "form", type=click.Choice(["text", "json"]), default="text", help="For people or programs.")
@pass_settings
def command(settings: Settings, name: str | None, source: str | None, form: str) -> None:
    """Write a profile, from nothing or from what a team has today.

    The name is `base` where none is given. A file that exists is never overwritten.
    """
    from envctl.commands.init import DEFAULT_NAME, init

    result = init(settings.directory, DEFAULT_NAME if name is None else name, source)
    if form == "json":
        print_json(result)
        return
    for file in result.files:
        click.echo(f"wrote {file}")
    for note in result.notes:
        settings.say(f"note: {note}")
    settings.say(f"hint: `{result.next}`")
