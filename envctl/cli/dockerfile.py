"""`envctl dockerfile`."""

from __future__ import annotations

from pathlib import Path

import click

from envctl.cli.context import Settings, pass_settings
from envctl.cli.show import plain

_MOST_LINES = 20


@click.command(
    epilog="""\b
Examples:
  envctl dockerfile demo:cpu                       print it
  envctl dockerfile demo:cpu --check               in CI: exit 1 when the written one was edited"""
)
@click.argument("target")
@click.option(
    "-o", "--output", metavar="FILE", default="-", help="Write it there, its ignore file beside it; - prints."
)
@click.option("--check", is_flag=True, help="Exit 1 when the Dockerfile in profiles/locked is not this one.")
@pass_settings
def command(settings: Settings, target: str, output: str, check: bool) -> int:
    """Render a target's Dockerfile from its lockfile alone: no network, no clock, no profile.

    `envctl lock` has written the same text to profiles/locked already; this shows or checks it.
    """
    from envctl.commands.dockerfile import differences, render, write

    if check and output != "-":
        raise click.UsageError("--check writes nothing, so it takes no --output")
    rendered = render(settings.directory, target)
    if check:
        found = differences(settings.directory, rendered)
        return _show_check(rendered.target, found)
    if output == "-":
        click.echo(rendered.dockerfile, nl=False)
    else:
        path = settings.directory / output
        write(path, rendered)
        settings.say(f"wrote {output} and {Path(output).name}.dockerignore")
    return 0


def _show_check(target: str, found: dict[str, list[str]]) -> int:
    if not found:
        click.echo(f"fresh: the Dockerfile of {target} is what its lockfile renders to")
        return 0
    click.echo(f"stale: {', '.join(found)}")
    for place, lines in found.items():
        if len(found) > 1:
            click.echo(f"  {place}")
        for line in lines[:_MOST_LINES]:
            click.echo(f"  {plain(line)}")
        if len(lines) > _MOST_LINES:
            click.echo(f"  … and {len(lines) - _MOST_LINES} more lines")
    click.echo(f"hint: `envctl lock {target}` writes them anew", err=True)
    return 1
