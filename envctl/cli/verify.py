"""`envctl verify`."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

import click

from envctl.cli import complete
from envctl.cli.context import Settings, pass_settings
from envctl.cli.reports import deliver, show_schema
from envctl.cli.trusting import trusting
from envctl.errors import UsageError
from envctl.report.formats import FORMATS

if TYPE_CHECKING:
    from envctl.commands.trust import Trust


@click.command(
    epilog="""\b
Examples:
  envctl verify demo:cpu                   the active environment, else .venv
  envctl verify demo:cpu -o report.html    a page; .sarif, .xml and .json too
  envctl verify --schema                   the JSON Schema of `--format json`"""
)
@click.argument("target", required=False, shell_complete=complete.targets)
@click.option(
    "--venv",
    metavar="DIR",
    shell_complete=complete.folders,
    help="A virtual environment (default: the active one, else .venv); with an image, its place in there.",
)
@click.option("--image", metavar="REF", help="An image, of the engine here or else of its registry.")
@click.option("--registry", is_flag=True, help="With --image: from its registry, whatever the engine here holds.")
@click.option("--container", metavar="ID", help="A container, by its name or id.")
@click.option(
    "--archive",
    metavar="FILE",
    shell_complete=complete.files,
    help="An image in a file or folder: `docker save`, OCI layout; FILE:TAG where it holds several.",
)
@click.option(
    "--from",
    "fetched",
    metavar="DIR",
    shell_complete=complete.folders,
    help="A fetched folder: its base image, Python, and wheels, which say which file differs.",
)
@click.option("--offline", is_flag=True, help="Never ask an index which file differs.")
@click.option("--strict", is_flag=True, help="Warnings count as errors.")
@click.option(
    "--reader",
    type=click.Choice(["outside", "inside", "both"]),
    default="outside",
    help="Who reads an image: envctl, an isolated interpreter inside of it, or both.",
)
@click.option("--accept-self", is_flag=True, help="Accept the word of an envctl that runs in what it verifies.")
@trusting
@click.option(
    "--attestation",
    metavar="FILE",
    shell_complete=complete.files,
    help="Write an in-toto statement on this verification there, to be signed.",
)
@click.option(
    "--format",
    "form",
    type=click.Choice(FORMATS),
    help="The report's format (default: as FILE's ending says, else text).",
)
@click.option(
    "-o",
    "--output",
    metavar="FILE",
    shell_complete=complete.files,
    help="Write the report there; .json, .xml (JUnit), .sarif and .html say its format.",
)
@click.option(
    "--schema",
    is_flag=True,
    is_eager=True,
    expose_value=False,
    callback=show_schema,
    help="Print the JSON Schema of the report.",
)
@pass_settings
def command(
    settings: Settings,
    target: str | None,
    venv: str | None,
    image: str | None,
    registry: bool,
    container: str | None,
    archive: str | None,
    fetched: str | None,
    offline: bool,
    strict: bool,
    reader: str,
    accept_self: bool,
    trust: Trust,
    attestation: str | None,
    form: str | None,
    output: str | None,
) -> int:
    """Hash what is installed and compare it with the lockfile.

    Every file of the environment is read, none of it is run. Each must belong to a locked wheel, to its installer or to
    the maker of the environment; bytecode must be what its source compiles to.

    TARGET may be left out where one profile is locked.

    Exit codes: 0 ok; 1 changed, or something that nothing vouches for; 7 nothing wrong was found, but not everything
    could be verified.
    """
    _check_attestation(attestation, output)
    _check(image=image, registry=registry, container=container, archive=archive, accept_self=accept_self, reader=reader)
    folder = None if fetched is None else settings.directory / fetched
    if image or container or archive:
        from envctl.commands.image_sources import Place
        from envctl.commands.verify import exit_code
        from envctl.commands.verify_image import verify_image

        place = Place(image=image, container=container, archive=archive, registry=registry, prefix=venv)
        with settings.working(f"finding {place.name}") as progress:
            report = verify_image(
                settings.directory,
                target,
                place,
                fetched=folder,
                strict=strict,
                offline=offline,
                reader=reader,
                accept_self=accept_self,
                trust=trust,
                step=lambda text: progress(text, 0, 0),
            )
    else:
        from envctl.commands.verify import exit_code, verify

        with settings.working("reading the environment") as progress:
            report = verify(
                settings.directory,
                target,
                venv=None if venv is None else Path(venv),
                fetched=folder,
                strict=strict,
                accept_self=accept_self,
                trust=trust,
                offline=offline,
                step=lambda text: progress(text, 0, 0),
            )
    deliver(settings, report, form=form, output=output)
    if attestation is not None:
        from envctl.commands.attest import attest

        attest(report, settings.directory / attestation, reader=reader)
    return exit_code(report)


def _check(
    *, image: str | None, registry: bool, container: str | None, archive: str | None, accept_self: bool, reader: str
) -> None:
    """UsageError for options that exclude each other."""
    places = {"--image": image, "--container": container, "--archive": archive}
    given = [name for name, value in places.items() if value]
    empty = [name for name, value in places.items() if value == ""]
    if empty:
        raise UsageError(f"{empty[0]} is empty")
    if len(given) > 1:
        raise UsageError(f"{given[0]} and {given[1]} exclude each other", hint="verify them one after the other")
    if registry and image is None:
        raise UsageError("--registry is for --image", hint="`envctl verify TARGET --image REF --registry`")
    if accept_self and given and reader != "inside":
        raise UsageError(
            f"--accept-self has no meaning with {given[0]}", hint="an image is read from outside; leave it out"
        )
    if reader != "outside" and (archive or not given):
        raise UsageError(
            f"--reader {reader} is for --image and --container", hint="only an engine starts an interpreter inside"
        )


def _check_attestation(attestation: str | None, output: str | None) -> None:
    """UsageError for what could not be written in the end."""
    if attestation is None:
        return
    if output is not None and Path(attestation) == Path(output):
        raise UsageError("--attestation and --output name one file", found=output)
    from envctl.commands.attest import moment

    moment(os.environ)
