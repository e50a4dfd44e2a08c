"""`envctl dockerfile`."""

from __future__ import annotations

from pathlib import Path

import click

from envctl.cli import complete
from envctl.cli.context import Settings, pass_settings, print_json
from envctl.cli.show import plain

SCHEMA = "envctl.dockerfile/1"
_MOST_LINES = 20


@click.command(
    epilog="""\b
Examples:
  envctl dockerfile demo:cpu    print it
  envctl dockerfile --check     exit 1 when one that is written was edited"""
)
@click.argument("target", required=False, shell_complete=complete.targets)
@click.option(
    "-o",
    "--output",
    metavar="FILE",
    default="-",
    shell_complete=complete.files,
    help="Write it there, its ignore file beside it; - prints.",
)
@click.option("--check", is_flag=True, help="Exit 1 when the Dockerfile in profiles/locked is not this one.")
@click.option("--format", "form", type=click.Choice(["text", "json"]), default="text", help="For people or programs.")
@pass_settings
def command(settings: Settings, target: str | None, output: str, check: bool, form: str) -> int:
    """Render a target's Dockerfile from its lockfile alone: no network, no clock, no profile.

    `envctl lock` has written the same text to profiles/locked already; this shows or checks it.
    """
    from envctl.commands.dockerfile import imaged, render, write

    if check and output != "-":
        raise click.UsageError("--check writes nothing, so it takes no --output")
    if target is None and not check:
        raise click.UsageError("Missing argument 'TARGET'.")
    if target is None:
        if form == "json":
            raise click.UsageError("--check --format json takes a TARGET")
        return max([_check(settings, name, form) for name in imaged(settings.directory)], default=0)
    if check:
        return _check(settings, target, form)
    rendered = render(settings.directory, target)
    if output != "-":
        write(settings.directory / output, rendered)
        settings.say(f"wrote {output} and {Path(output).name}.dockerignore")
    if form == "json":
        texts = {"dockerfile": rendered.dockerfile, "dockerignore": rendered.dockerignore}
        print_json({"schema": SCHEMA, "target": rendered.target, **texts})
    elif output == "-":
        click.echo(rendered.dockerfile, nl=False)
    return 0


def _check(settings: Settings, target: str, form: str) -> int:
    from envctl.commands.dockerfile import differences, render

    rendered = render(settings.directory, target)
    found = differences(settings.directory, rendered)
    if form == "json":
        print_json({"schema": SCHEMA, "target": rendered.target, "fresh": not found, "differences": found})
    else:
        _show_check(settings, rendered.target, found)
    return 1 if found else 0


def _show_check(settings: Settings, target: str, found: dict[str, list[str]]) -> None:
    if not found:
        click.echo(f"fresh: the Dockerfile of {target} is what its lockfile renders to")
        return
    click.echo(f"stale: {', '.join(found)}")
    for place, lines in found.items():
        if len(found) > 1:
            click.echo(f"  {place}")
        for line in lines[:_MOST_LINES]:
            click.echo(f"  {plain(line)}")
        if len(lines) > _MOST_LINES:
            click.echo(f"  … and {len(lines) - _MOST_LINES} more lines")
    settings.say(f"hint: `envctl lock {target}` writes them anew")
