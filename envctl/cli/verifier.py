"""`envctl verifier`."""

from __future__ import annotations

import click

from envctl.cli import complete
from envctl.cli.context import Settings, pass_settings, print_json
from envctl.cli.show import size
from envctl.errors import UsageError


@click.command(
    epilog="""\b
Examples:
  envctl verifier                      write it, and say its sha256
  envctl verifier -o - > verify.pyz    to standard output"""
)
@click.option(
    "-o",
    "--output",
    metavar="FILE|-",
    default="envctl-verify.pyz",
    shell_complete=complete.files,
    help="Where to write it (default: envctl-verify.pyz); - for standard output.",
)
@click.option("--format", "form", type=click.Choice(["text", "json"]), default="text", help="For people or programs.")
@pass_settings
def command(settings: Settings, output: str, form: str) -> int:
    """Write the verifier in one file, for places where nothing can be installed.

    It runs with any CPython from 3.10 on and its standard library, opens no connection, and gives the report of
    `envctl verify`: of an environment, of an archive, or of the container that it was copied into.

    The same version of envctl, with the same versions of what it carries, writes the same bytes.
    """
    from envctl.commands.verifier import verifier

    if output == "":
        raise UsageError("--output is empty")
    if output == "-" and form == "json":
        raise UsageError("-o - and --format json exclude each other", hint="both would go to standard output")
    written, data = verifier(settings.directory, output)
    carried = ", ".join(f"{name} {version}" for name, version in written.carried.items())
    if output == "-":
        click.echo(data, nl=False)
        settings.say(f"sha256:{written.sha256}")
    elif form == "json":
        print_json(written)
    else:
        click.echo(f"written: {written.file}, {size(written.bytes)}")
        click.echo(f"  sha256:{written.sha256}")
        click.echo(f"  envctl {written.version} with {carried}")
        settings.say(f"hint: `python3 -I -S {output} --help`")
    return 0
