"""`envctl lock --check --resolve`: does the index still give what the lockfile holds? Reads everything anew."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import datetime
from pathlib import Path

import msgspec

from envctl.commands.check import Checked, CheckResult
from envctl.commands.jobs import Job, LockOptions, prepare, wanted
from envctl.commands.locking import Ports, make_lockfiles
from envctl.commands.resolving import resolve_jobs
from envctl.errors import UsageError
from envctl.lockfile.stale import Reason
from envctl.model.lockfile import Lockfile, Package, Wheel
from envctl.model.target import Target

Pair = tuple[Package, Wheel]


def check_resolve(project: Path, names: Sequence[str], ports: Ports) -> CheckResult:
    """Resolve at the recorded cutoff with the pins as preferences, and compare pins, hashes and content digests.

    Newer versions that the profile would admit are notes. The lockfiles must be fresh (see `check`).
    """
    jobs: dict[Target, tuple[Job, Lockfile]] = {}
    for target in wanted(project, names):
        job = prepare(project, target, LockOptions(), now=ports.now(), python_release=ports.python_release)
        if job.previous is None:
            raise UsageError(f"{target} has no lockfile to resolve again", hint=f"`envctl lock {target}`")
        jobs[target] = msgspec.structs.replace(job, cutoff=_recorded(job.previous)), job.previous
    made = make_lockfiles([job for job, _ in jobs.values()], (), LockOptions(), ports)
    again = {done.job.target: done.lockfile for done in made}
    checked = []
    for target, (job, locked) in jobs.items():
        reasons = tuple(_differences(str(target.lockfile), locked, again[target]))
        checked.append(Checked(target=str(target), fresh=not reasons, reasons=reasons, notes=tuple(_newer(job, ports))))
    return CheckResult(fresh=all(one.fresh for one in checked), targets=tuple(checked))


def _recorded(locked: Lockfile) -> tuple[datetime | None, str]:
    recorded = locked.envctl.resolver
    timeless = any(wheel.upload_time is None for package in locked.packages for wheel in package.wheels)
    if recorded.cutoff == "pins" and timeless:
        return None, "pins"  # an index without upload times cannot be asked for a past moment
    return recorded.exclude_newer, recorded.cutoff


def _differences(place: str, locked: Lockfile, again: Lockfile) -> Iterator[Reason]:
    for platform in locked.platforms():
        mine = {package.name: (package, wheel) for package, wheel in locked.select(platform)}
        index = {package.name: (package, wheel) for package, wheel in again.select(platform)}
        for name in sorted(mine.keys() | index.keys()):
            if name not in index:
                yield Reason(place, f"{name} is pinned for {platform}, but nothing needs it")
            elif name not in mine:
                yield Reason(place, f"{name} {index[name][0].version} is needed for {platform}, but not pinned")
            else:
                yield from _package(place, str(platform), mine[name], index[name])


def _package(place: str, platform: str, mine: Pair, index: Pair) -> Iterator[Reason]:
    (package, wheel), (other, found) = mine, index
    what = f"{package.name} {package.version} for {platform}"
    if package.version != other.version:
        yield Reason(place, f"{what}: the index resolves to {other.version}")
    elif wheel.name != found.name:
        yield Reason(place, f"{what}: {wheel.name} is pinned, {found.name} fits better")
    elif wheel.sha256 != found.sha256:
        yield Reason(place, f"{wheel.name}: sha256 {wheel.sha256} is pinned, the index has {found.sha256}")
    elif package.content[wheel.name] != other.content[found.name]:
        yield Reason(
            place,
            f"{wheel.name}: content digest {package.content[wheel.name]} is pinned, "
            f"the wheel gives {other.content[found.name]}",
        )


def _newer(job: Job, ports: Ports) -> Iterator[str]:
    free = msgspec.structs.replace(job, cutoff=(job.cutoff[0] if job.cutoff[1] != "pins" else None, job.cutoff[1]))
    answers = resolve_jobs([free], (), LockOptions(upgrade=True), ports.resolver)
    for (_, platform), resolution in answers.items():
        pins = job.pins(platform)
        for pin in resolution.pins:
            if pins.get(pin.name) not in (None, pin.version):
                yield f"{pin.name} {pin.version} is there for {platform}; {pins[pin.name]} is locked"
