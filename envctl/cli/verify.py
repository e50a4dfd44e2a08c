"""`envctl verify`."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import click

from envctl.cli.context import Settings, pass_settings
from envctl.errors import UsageError


@click.command(
    epilog="""\b
Examples:
  envctl verify demo:cpu                       the active environment, else .venv
  envctl verify demo:cpu --venv /opt/venv --format json -o report.json
Exit codes: 0 ok, 1 changed or untrusted, 7 nothing wrong was found, but not all could be verified."""
)
@click.argument("target", required=False)
@click.option("--venv", metavar="DIR", help="A virtual environment (default: the active one, else .venv).")
@click.option("--image", metavar="REF", help="A container image; for a later version.")
@click.option("--container", metavar="ID", help="A container; for a later version.")
@click.option("--archive", metavar="FILE", help="An image in a file; for a later version.")
@click.option("--from", "fetched", metavar="DIR", help="A fetched folder, whose wheels say which file differs.")
@click.option("--offline", is_flag=True, help="Never ask an index which file differs.")
@click.option("--strict", is_flag=True, help="Warnings count as errors.")
@click.option("--accept-self", is_flag=True, help="Accept the word of an envctl that runs in what it verifies.")
@click.option("--format", "form", type=click.Choice(["text", "json"]), default="text", help="For people or programs.")
@click.option("-o", "--output", metavar="FILE", help="Write the report there and not to standard output.")
@pass_settings
def command(
    settings: Settings,
    target: str | None,
    venv: str | None,
    image: str | None,
    container: str | None,
    archive: str | None,
    fetched: str | None,
    offline: bool,
    strict: bool,
    accept_self: bool,
    form: str,
    output: str | None,
) -> int:
    """Hash what is installed and compare it with the lockfile.

    Every file of the environment is read, none of it is run. Each must belong to a locked wheel, to its installer or to
    the maker of the environment; bytecode must be what its source compiles to.

    TARGET may be left out where one profile is locked.
    """
    for option, value in (("--image", image), ("--container", container), ("--archive", archive)):
        if value is not None:
            raise UsageError(
                f"{option} cannot be verified yet",
                found=value,
                hint="this version verifies virtual environments: --venv",
            )
    from envctl.commands.verify import exit_code, verify

    with settings.working("reading the environment") as progress:
        report = verify(
            settings.directory,
            target,
            venv=None if venv is None else Path(venv),
            fetched=None if fetched is None else Path(fetched),
            strict=strict,
            accept_self=accept_self,
            offline=offline,
            step=lambda text: progress(text, 0, 0),
        )
    if form == "json":
        from envctl.report.json import render as render_json

        text = render_json(report)
    else:
        from envctl.report.text import Style, render

        text = render(report, Style(verbose=settings.verbose, color=output is None and _colored(settings)))
    if output is None:
        click.echo(text, color=True)
    else:
        from envctl.system.files import write_atomically

        write_atomically({Path(output): (text + "\n").encode("utf-8", "surrogateescape")})
    return exit_code(report)


def _colored(settings: Settings) -> bool:
    if settings.color != "auto":
        return settings.color == "always"
    return "NO_COLOR" not in os.environ and sys.stdout.isatty()
