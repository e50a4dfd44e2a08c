"""`envctl doctor`."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from envctl.cli import complete
from envctl.cli.context import Settings, pass_settings, print_json

if TYPE_CHECKING:
    from envctl.commands.doctor import Diagnosis
    from envctl.doctor.check import Check


@click.command(
    epilog="""\b
Examples:
  envctl doctor demo:cuda --offline    is its driver new enough?
  envctl doctor                        this machine alone"""
)
@click.argument("target", required=False, shell_complete=complete.targets)
@click.option("--offline", is_flag=True, help="Do not ask whether index and registry answer.")
@click.option("--format", "form", type=click.Choice(["text", "json"]), default="text", help="For people or programs.")
@pass_settings
def command(settings: Settings, target: str | None, offline: bool, form: str) -> int:
    """Check this machine against a target: engine, platform, disk, processor, NVIDIA driver and CUDA.

    Without TARGET it says what the machine has. Nothing is changed.

    Exit codes: 0 no problem, though there may be warnings; 1 a problem.
    """
    from envctl.commands.doctor import doctor

    with settings.working("looking at this machine"):
        found = doctor(settings.directory, target, offline=offline)
    if form == "json":
        print_json(found)
    else:
        _show(settings, found)
    return 0 if found.healthy else 1


def _show(settings: Settings, found: Diagnosis) -> None:
    from envctl.cli.show import folded, plain
    from envctl.doctor.check import Status

    shown = [check for check in found.checks if settings.verbose or check.status is not Status.SKIPPED]
    names = max(len(check.name) for check in found.checks)
    statuses = max(len(check.status.value) for check in shown)
    indent = " " * (2 + names + 2 + statuses + 2)
    for check in shown:
        first, *rest = _lines(check)
        head = f"  {check.name:{names}}  {check.status.value:{statuses}}  "
        text = folded(plain(first), indent)
        click.echo(head + text[len(indent) :])
        for line in rest:
            click.echo(folded(plain(line), indent))


def _lines(check: Check) -> list[str]:
    lines = [check.message, *check.details]
    return lines if check.hint is None else [*lines, f"hint: {check.hint}"]
