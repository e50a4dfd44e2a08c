"""`envctl sync`."""

from __future__ import annotations

import os
import shlex
from pathlib import Path
from typing import TYPE_CHECKING

import click

from envctl.cli import complete
from envctl.cli.context import Settings, pass_settings, print_json
from envctl.cli.trusting import trusting

if TYPE_CHECKING:
    from envctl.commands.sync import SyncResult
    from envctl.commands.trust import Trust

_MOST = 20
_VENV = ".venv"


@click.command(
    epilog="""\b
Examples:
  envctl sync demo:cpu                      make or repair .venv
  envctl sync demo:cpu --dry-run            say what that would change
  envctl sync demo:cpu --from wheelhouse    offline, after `envctl fetch`"""
)
@click.argument("target", required=False, shell_complete=complete.targets)
@click.option(
    "--venv",
    metavar="DIR",
    default=_VENV,
    shell_complete=complete.folders,
    help="The environment's folder (default: .venv).",
)
@click.option(
    "--python",
    metavar="PATH",
    shell_complete=complete.files,
    help="The interpreter to build on (default: found by its version).",
)
@click.option(
    "--from",
    "source",
    metavar="DIR",
    shell_complete=complete.folders,
    help="Take wheels from a fetched folder; implies --offline.",
)
@click.option("--offline", is_flag=True, help="No network: only the fetched folder and the cache of wheels.")
@click.option("--no-project", is_flag=True, help="Leave the project's own package out.")
@click.option("--compile-bytecode", is_flag=True, help="Compile while installing, not at the first import.")
@trusting
@click.option("--dry-run", is_flag=True, help="Show what would change; change nothing.")
@click.option("--format", "form", type=click.Choice(["text", "json"]), default="text", help="For people or programs.")
@pass_settings
def command(
    settings: Settings,
    target: str | None,
    venv: str,
    python: str | None,
    source: str | None,
    offline: bool,
    no_project: bool,
    compile_bytecode: bool,
    trust: Trust,
    dry_run: bool,
    form: str,
) -> None:
    """Make a virtual environment that holds exactly the lockfile.

    Each wheel is checked against its locked digests. The environment is made beside its place, verified, and swapped
    in: interrupted at any moment, the old one stands there or the new one does, whole. What was installed or changed
    by hand goes. A folder that is no virtual environment is never touched.

    TARGET may be left out where one profile is locked.
    """
    from envctl.commands.sync import SyncOptions, find, sync
    from envctl.commands.sync_ports import SystemPorts

    options = SyncOptions(
        venv=Path(venv),
        python=None if python is None else settings.directory / python,
        offline=offline or source is not None,
        project=not no_project,
        compile_bytecode=compile_bytecode,
        dry_run=dry_run,
    )
    folder = None if source is None else settings.directory / source
    lockfile = find(settings.directory, target, folder, trust=trust, warn=settings.say)
    with (
        settings.working("syncing") as progress,
        SystemPorts(source=folder, offline=options.offline, progress=progress) as ports,
    ):
        result = sync(settings.directory, lockfile, options, ports)
    if form == "json":
        print_json(result)
    else:
        _show(settings, result)


def _show(settings: Settings, result: SyncResult) -> None:
    from envctl.cli.show import count, size

    click.echo(_answer(result))
    if result.action == "replaced":
        _show_changes(settings, result)
    parts = [count(result.packages, "package"), size(result.bytes), f"Python {result.python.version}"]
    if result.project is not None:
        parts.append(f"{result.project} from its sources")
    if result.downloaded:
        parts.append(f"{size(result.downloaded)} downloaded")
    click.echo(f"  {', '.join(parts)}, {result.seconds:.1f} s")
    for note in result.notes:
        settings.say(f"note: {note}")
    if result.dry_run and result.action != "none":
        place = "" if result.venv == _VENV else f" --venv {shlex.quote(result.venv)}"
        settings.say(f"hint: `envctl sync {result.target}{place}`")
    elif not result.dry_run:
        settings.say(f"hint: `source {shlex.quote(_activate(settings, result))}`, `envctl verify {result.target}`")


def _answer(result: SyncResult) -> str:
    if result.action == "none":
        return f"ok: {result.venv} is {result.target} already, and nothing else"
    if result.dry_run:
        return f"would be {result.action}: {result.venv}, to be {result.target} and nothing else"
    return f"{result.action}: {result.venv} is {result.target}, and nothing else"


def _show_changes(settings: Settings, result: SyncResult) -> None:
    lines = [(one.name, f"{one.old} -> {one.new}") for one in result.changed]
    lines += [(one.name, f"{one.version}  new") for one in result.added]
    lines += [(one.name, f"{one.version}  removed") for one in result.removed]
    lines += [(name, "files differed") for name in result.repaired]
    lines.sort()
    most = len(lines) if settings.verbose else _MOST
    width = max((len(name) for name, _ in lines), default=0)
    for name, what in lines[:most]:
        click.echo(f"  {name.ljust(width)}  {what}")
    if len(lines) > most:
        click.echo(f"  … and {len(lines) - most:,} more (envctl -v shows them)")
    if not lines or settings.verbose:
        for reason in result.drift[: None if settings.verbose else _MOST]:
            click.echo(f"  {reason}")


def _activate(settings: Settings, result: SyncResult) -> str:
    folder = Path(os.path.normpath(settings.directory / result.venv))
    return str(folder / "bin" / "activate")
