"""What has become of each package: the locked and the installed version, the verdict on it, how much of it there is."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence

from envctl.model.codes import verdict_of
from envctl.model.finding import Finding, PackageState
from envctl.model.inventory import Kind
from envctl.model.lockfile import Package
from envctl.verify.packages import Installed, Split
from envctl.verify.world import World


def states(
    world: World, locked: Iterable[Package], split: Split, findings: Sequence[Finding], *, strict: bool
) -> tuple[PackageState, ...]:
    """Every locked package, and what else is installed, by name.

    What the base image brought is left out: its layers vouch for it, and nobody locked it. So is the team's project.
    """
    wanted = {package.name: package.version for package in locked}
    there = {item.name: item.version for item in reversed(split.extra) if not _of_base(world, item)}
    there |= {pairing.package.name: pairing.installed.version for pairing in (*split.locked, *split.other)}
    about: dict[str, list[Finding]] = defaultdict(list)
    for finding in findings:
        if finding.package is not None:
            about[finding.package].append(finding)
    sizes = _sizes(world)
    return tuple(
        PackageState(
            name=name,
            expected=wanted.get(name),
            found=there.get(name),
            verdict=verdict_of(about.get(name, ()), strict=strict),
            files=sizes.get(name, (0, 0))[0],
            bytes=sizes.get(name, (0, 0))[1],
        )
        for name in sorted(wanted.keys() | there.keys())
    )


def _of_base(world: World, item: Installed) -> bool:
    return f"{item.folder}/RECORD" in world.inventory.anchored


def _sizes(world: World) -> dict[str, tuple[int, int]]:
    """Owner -> how many regular files it has, and their bytes."""
    files: dict[str, int] = defaultdict(int)
    total: dict[str, int] = defaultdict(int)
    entries = world.inventory.entries
    for path, owner in world.owners.items():
        entry = entries.get(path)
        if entry is not None and entry.kind is Kind.FILE:
            files[owner] += 1
            total[owner] += entry.size
    return {owner: (count, total[owner]) for owner, count in files.items()}
