"""`envctl lock --check --resolve`: does the index still give what the lockfile holds? Reads everything anew."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from pathlib import Path

import msgspec

from envctl.commands.bases import Base, Bases
from envctl.commands.check import Checked, CheckResult
from envctl.commands.jobs import Job, LockOptions, prepare, wanted
from envctl.commands.locking import Ports, make_lockfiles
from envctl.commands.resolving import resolve_jobs
from envctl.errors import UsageError
from envctl.lockfile.stale import Reason
from envctl.model.lockfile import Lockfile, Package, Wheel
from envctl.model.target import Target

Pair = tuple[Package, Wheel]


def check_resolve(project: Path, names: Sequence[str], ports: Ports, *, offline: bool = False) -> CheckResult:
    """Resolve at the recorded cutoff with the pins as preferences, and compare pins, hashes and content digests.

    Newer versions that the profile would admit are notes, and so are base images whose tags moved. The lockfiles must
    be fresh (see `check`).

    Args:
        offline: ask no registry.
    """
    jobs: dict[Target, tuple[Job, Lockfile]] = {}
    for target in wanted(project, names):
        job = prepare(project, target, LockOptions(), now=ports.now(), python_release=ports.python_release)
        if job.previous is None:
            raise UsageError(f"{target} has no lockfile to resolve again", hint=f"`envctl lock {target}`")
        jobs[target] = msgspec.structs.replace(job, cutoff=_recorded(job.previous)), job.previous
    asked = {} if offline else {target: _by_tag(job) for target, (job, _) in jobs.items()}
    checked = []
    with Bases(tuple(asked.values()), ports.base) as now, Bases((), ports.base) as none:
        made = make_lockfiles([job for job, _ in jobs.values()], (), LockOptions(), ports, none)
        again = {done.job.target: done.lockfile for done in made}
        for target, (job, locked) in jobs.items():
            found = now.found(asked[target]) if target in asked else {}
            reasons = [*_differences(str(target.lockfile), locked, again[target])]
            reasons += _layers(str(target.lockfile), locked, found)
            notes = (*_newer(job, ports), *_moved(locked, found))
            checked.append(Checked(target=str(target), fresh=not reasons, reasons=tuple(reasons), notes=notes))
    return CheckResult(fresh=all(one.fresh for one in checked), targets=tuple(checked))


def _by_tag(job: Job) -> Job:
    """The job with its base asked for anew, where that is given by a tag."""
    tag = job.settled.tagged
    return msgspec.structs.replace(job, bases=dict.fromkeys(job.settled.based, tag) if tag is not None else {})


def _layers(place: str, locked: Lockfile, found: Mapping[str, Base]) -> Iterator[Reason]:
    for name, base in found.items():
        pin = locked.envctl.platforms[name]
        if pin.base_digest == base.digest and pin.diff_ids != base.diff_ids:
            yield Reason(place, f"the base image {base.digest} for {name} has other layers than are pinned")


def _moved(locked: Lockfile, found: Mapping[str, Base]) -> Iterator[str]:
    for name, base in found.items():
        pin = locked.envctl.platforms[name]
        if locked.envctl.image is not None and pin.base_digest != base.digest:
            yield f"{locked.envctl.image.base} is {base.digest} for {name} now; {pin.base_digest} is locked"


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
