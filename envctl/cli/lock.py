"""`envctl lock`."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from envctl.cli import complete
from envctl.cli.context import Settings, pass_settings, print_json

if TYPE_CHECKING:
    from envctl.commands.check import CheckResult
    from envctl.commands.lock import LockResult
    from envctl.lockfile.changes import BaseChange, Change
    from envctl.lockfile.stale import Reason


@click.command(
    epilog="""\b
Examples:
  envctl lock                      all targets; pins that still fit stay
  envctl lock demo:cpu -P numpy    move numpy, and what has to move with it
  envctl lock --check              in CI: exit 1 when one is stale or edited"""
)
@click.argument("targets", nargs=-1, metavar="[TARGET]...", shell_complete=complete.targets)
@click.option("--check", is_flag=True, help="Exit 1 when one is missing or stale; no network, nothing written.")
@click.option("--resolve", is_flag=True, help="With --check: also resolve again, and read the index anew.")
@click.option("-U", "--upgrade", is_flag=True, help="Let every pin move.")
@click.option(
    "-P",
    "--upgrade-package",
    "packages",
    multiple=True,
    metavar="NAME",
    shell_complete=complete.packages,
    help="Let one pin move; may be given again.",
)
@click.option("--upgrade-base", is_flag=True, help="Ask what the base image's tag is now; packages stay.")
@click.option(
    "--exclude-newer", metavar="TIME", help="Ignore what was uploaded later: a moment, or a span like 7 days."
)
@click.option("--offline", is_flag=True, help="No network: caches only.")
@click.option("--dry-run", is_flag=True, help="Show what would change; write nothing.")
@click.option("--format", "form", type=click.Choice(["text", "json"]), default="text", help="For people or programs.")
@pass_settings
def command(
    settings: Settings,
    targets: tuple[str, ...],
    check: bool,
    resolve: bool,
    upgrade: bool,
    packages: tuple[str, ...],
    upgrade_base: bool,
    exclude_newer: str | None,
    offline: bool,
    dry_run: bool,
    form: str,
) -> int:
    """Resolve profiles and write each target's lockfile and Dockerfile.

    All targets are locked when none is named; a profile's name means all of its variants. Existing pins stay unless
    the profile forces a change or an upgrade is asked for.
    """
    if resolve and not check:
        raise click.UsageError("--resolve goes with --check")
    if check:
        if upgrade or packages or upgrade_base or exclude_newer or dry_run:
            raise click.UsageError("--check changes nothing, so it takes no upgrade options")
        return _check(settings, targets, form, resolve=resolve, offline=offline)
    if upgrade_base and offline:
        raise click.UsageError("--upgrade-base asks a registry, which --offline forbids")
    from envctl.commands.jobs import LockOptions
    from envctl.commands.lock import lock
    from envctl.commands.ports import SystemPorts

    options = LockOptions(
        upgrade=upgrade,
        upgrade_packages=packages,
        upgrade_base=upgrade_base,
        exclude_newer=exclude_newer,
        offline=offline,
        dry_run=dry_run,
    )
    with settings.working("locking") as progress, SystemPorts(offline=offline, progress=progress) as ports:
        result = lock(settings.directory, targets, options, ports)
    if form == "json":
        print_json(result)
    else:
        _show(settings, result)
    return 0


def _check(settings: Settings, targets: tuple[str, ...], form: str, *, resolve: bool, offline: bool) -> int:
    from envctl.commands.check import check

    result = check(settings.directory, targets)
    if resolve and result.fresh:
        from envctl.commands.check_resolve import check_resolve
        from envctl.commands.ports import SystemPorts

        with (
            settings.working("resolving") as progress,
            SystemPorts(offline=offline, progress=progress, fresh=True) as ports,
        ):
            result = check_resolve(settings.directory, targets, ports, offline=offline)
    if form == "json":
        print_json(result)
    else:
        _show_check(settings, result)
    return 0 if result.fresh else 1


def _show_check(settings: Settings, result: CheckResult) -> None:
    from envctl.cli.show import count

    stale = [target for target in result.targets if not target.fresh]
    if not stale:
        click.echo(f"fresh: {count(len(result.targets), 'target')}")
    else:
        click.echo(f"stale: {', '.join(target.target for target in stale)}")
    # one line of a profile makes every target of it stale: it is said once
    for reason in dict.fromkeys(str(reason) for target in result.targets for reason in target.reasons):
        click.echo(f"  {reason}")
    for note in dict.fromkeys(note for target in result.targets for note in target.notes):
        click.echo(f"  note: {note}")
    old = [one.target for one in stale if not all(_is_signature(reason) for reason in one.reasons)]
    if old:
        settings.say(f"hint: `envctl lock {' '.join(old)}`")


def _is_signature(reason: Reason) -> bool:
    """Whether it is a signature alone that is stale: its own line says what to do."""
    return reason.place.endswith((".sig", ".sigstore.json"))


def _show(settings: Settings, result: LockResult) -> None:
    from envctl.cli.show import count

    for target in result.targets:
        for warning in target.warnings:
            settings.say(f"warning: {target.target}: {warning}")
    _show_targets(result)
    _show_changes(result)
    done = f"{count(len(result.written), 'file')} {'would be ' if result.dry_run else ''}written"
    where = " in profiles/locked" if result.written else ": nothing changed"
    click.echo(f"  {done}{where}, {result.seconds:.1f} s")


def _show_targets(result: LockResult) -> None:
    """A line for each target and platform. The base has one of its own where it is the terminal that is narrow."""
    from envctl.cli.show import count, folded, room, size

    rows = [
        (
            (
                target.target if number == 0 else "",
                platform.platform,
                count(platform.packages, "package"),
                "size unknown" if platform.bytes is None else size(platform.bytes),
            ),
            _base(platform.base or target.base),
            target.notes if number == len(target.platforms) - 1 else (),
        )
        for target in result.targets
        for number, platform in enumerate(target.platforms)
    ]
    name, system, packages, bytes_ = (max(map(len, column)) for column in zip(*(row[0] for row in rows), strict=True))
    width = room()
    for cells, base, notes in rows:
        line = f"  {cells[0]:<{name}}  {cells[1]:<{system}}  {cells[2]:>{packages}}  {cells[3]:>{bytes_}}"
        own = width is not None and len(line) + 2 + len(base) > width
        indent = " " * (name + 4)
        click.echo(line if own else f"{line}  {base}")
        if own:
            click.echo(f"{indent}{base}")
        for note in notes:
            click.echo(folded(note, indent))


def _show_changes(result: LockResult) -> None:
    """A line for each pin that moved, with the targets where it is not all of them."""
    owners: dict[Change, list[str]] = {}
    bases: dict[BaseChange, list[str]] = {}
    for target in result.targets:
        for change in target.changes:
            owners.setdefault(change, []).append(target.target)
        for base in target.bases:
            bases.setdefault(base, []).append(target.target)
    if not owners and not bases:
        return
    click.echo("  since the last lock")
    for base, named in bases.items():
        where = base.platform if len(named) == len(result.targets) else f"{base.platform}, {', '.join(named)}"
        click.echo(f"    the base image  {_base(base.old)} -> {_short(base)}  ({where})")
    if not owners:
        return
    rows = []
    for change, named in sorted(owners.items(), key=lambda item: item[0].name):
        version = f"{change.new or change.old}"
        word = "new" if change.new else "gone"
        move = f"{change.old} -> {change.new}" if change.old and change.new else f"{version}  {word}"
        where = "" if len(named) == len(result.targets) else f"  ({', '.join(named)})"
        rows.append((change.name, move, f"{change.reason}{where}"))
    names, moves = (max(len(row[column]) for row in rows) for column in (0, 1))
    for name, move, why in rows:
        click.echo(f"    {name:<{names}}  {move:<{moves}}  {why}")


def _short(change: BaseChange) -> str:
    """The new base; only its digest where the name is that of the old one."""
    old, new = (_base(base) for base in (change.old, change.new))
    name, at, digest = new.rpartition("@")
    return digest if at and old.startswith(f"{name}@") else new


def _base(base: str | None) -> str:
    if base is None:
        return "no image"
    name, _, digest = base.partition("@sha256:")
    return f"{name}@{digest[:8]}" if digest else name
