"""Jobs -> lockfiles: resolve, choose the wheels, read them, apply the rules, assemble."""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime
from typing import Protocol

import msgspec

from envctl.commands.bases import Base, Bases
from envctl.commands.jobs import Job, LockOptions
from envctl.commands.resolving import Unit, resolve_jobs
from envctl.errors import IndexFailed
from envctl.lockfile.assemble import Sets, assemble
from envctl.lockfile.cuda import check_cuda
from envctl.lockfile.policy import check_hooks, check_overlaps, check_python
from envctl.lockfile.rules import problems
from envctl.model.lockfile import Installer, Lockfile, Wheel
from envctl.model.manifest import Manifest
from envctl.model.resolution import Candidate, Resolution, Resolved
from envctl.resolve.choose import choose
from envctl.resolve.interface import Resolver

_ASK_INDEX = "whoever runs the index can mend it; a version with other files may do meanwhile"


class Read(msgspec.Struct, frozen=True, kw_only=True):
    """What reading a wheel found. `sha256`: 64 hex digits; `hooks` as in `Resolved`."""

    manifest: Manifest
    sha256: str
    size: int | None
    requires: tuple[str, ...]
    requires_python: str | None
    hooks: dict[str, str]


class Ports(Protocol):
    """What locking reaches outside for."""

    @property
    def resolver(self) -> Resolver:
        """The resolver."""
        ...

    def waiting(self, what: str) -> None:
        """Say what is waited for."""
        ...

    def now(self) -> datetime:
        """The moment that spans count from."""
        ...

    def python_release(self, minor: str) -> str:
        """Newest X.Y.Z of X.Y."""
        ...

    def installer(self, job: Job) -> Installer:
        """The installer that the Dockerfile is to use."""
        ...

    def base(self, reference: str, platform: str) -> Base:
        """The base image of that name now, for an OCI platform."""
        ...

    def read(self, wheels: Sequence[Candidate], jobs: Sequence[Job]) -> dict[str, Read]:
        """Read wheels, by URL."""
        ...


class Locked(msgspec.Struct, frozen=True):
    """A job's lockfile, new or as it was, with what its user should know."""

    job: Job
    lockfile: Lockfile
    warnings: tuple[str, ...] = ()


def make_lockfiles(
    jobs: Sequence[Job], siblings: Sequence[Job], options: LockOptions, ports: Ports, bases: Bases
) -> list[Locked]:
    """Resolve and read everything for the jobs; nothing is written. Errors as `lock` raises them."""
    jobs = [bases.with_python(job) for job in jobs]
    with ThreadPoolExecutor(max_workers=1) as pool:
        installers = pool.submit(lambda: {job.target: _installer(job, options, ports) for job in jobs})
        answers = resolve_jobs(jobs, siblings, options, ports.resolver)
        bases.failed(jobs)
        chosen = {unit: _choose(unit, jobs, answers[unit]) for unit in answers}
        candidates = {c.url: c for of_unit in chosen.values() for c in of_unit.values()}
        read = ports.read(list(candidates.values()), jobs)
        found = installers.result()
    locked = []
    for job in jobs:
        sets: Sets = {
            platform: _resolved(job, answers[job.target, platform], chosen[job.target, platform], read)
            for platform in job.platforms
        }
        check_python(job.inputs, job.settled.python.version, sets)
        check_overlaps(job.inputs, sets)
        check_cuda(job.inputs, sets)
        lockfile = assemble(
            job.target,
            bases.settled(job),
            sets,
            resolver=ports.resolver.name,
            cutoff=job.cutoff,
            installer=found[job.target],
        )
        _check_sense(job, lockfile)
        warnings = check_hooks(job.inputs, lockfile.envctl.hooks, job.previous)
        locked.append(Locked(job, lockfile, tuple(warnings)))
    return locked


def rebase(job: Job, bases: Bases, options: LockOptions) -> Locked | None:
    """A fresh job's lockfile with its base renewed where that is wanted, and nothing else moved.

    None where the new base brings another Python: that has to be resolved.
    """
    previous = job.previous
    if previous is None:
        return None
    by_digest = options.upgrade_base and job.settled.image is not None and job.settled.tagged is None
    warnings = ("image.base is given by its digest, which stays as it is",) if by_digest else ()
    if not job.bases or not options.renews_base:
        return Locked(job, previous, warnings)
    settled = bases.settled(job)
    if settled.python != previous.envctl.python:
        return None
    if settled.platforms == previous.envctl.platforms:
        return Locked(job, previous)
    envctl = msgspec.structs.replace(previous.envctl, platforms=settled.platforms)
    lockfile = msgspec.structs.replace(previous, tool=msgspec.structs.replace(previous.tool, envctl=envctl))
    _check_sense(job, lockfile)
    return Locked(job, lockfile)


def _check_sense(job: Job, lockfile: Lockfile) -> None:
    """What is written must be what every reader accepts, whatever an index says of its files."""
    broken = problems(lockfile)
    if broken:
        what = f"{job.target}: the index says what cannot stand in a lockfile"
        raise IndexFailed(what, details=broken[:5], hint=_ASK_INDEX)


def _installer(job: Job, options: LockOptions, ports: Ports) -> Installer | None:
    if job.settled.image is None:
        return None
    kept = job.previous.envctl.installer if job.previous is not None and not options.upgrade else None
    if kept is not None and job.intact and set(kept.sha256) == set(job.settled.platforms):
        return kept
    return ports.installer(job)


def _choose(unit: Unit, jobs: Sequence[Job], resolution: Resolution) -> dict[str, Candidate]:
    job = next(job for job in jobs if job.target == unit[0])
    python, platform, libc = job.settled.python.minor, unit[1], job.libc
    label = f"{job.target} for {platform}"
    return {pin.name: choose(pin, python=python, platform=platform, libc=libc, label=label) for pin in resolution.pins}


def _resolved(
    job: Job, resolution: Resolution, chosen: dict[str, Candidate], read: dict[str, Read]
) -> tuple[Resolved, ...]:
    urls = {index.name: index.url for index in job.inputs.profile.resolver.index}
    out = []
    for pin in resolution.pins:
        candidate = chosen[pin.name]
        found = read[candidate.url]
        wheel = Wheel(
            name=candidate.filename,
            url=candidate.url.partition("?")[0],  # a query may hold a signature, and differ tomorrow
            upload_time=candidate.upload_time,
            size=found.size,
            hashes={"sha256": found.sha256},
        )
        out.append(
            Resolved(
                name=pin.name,
                version=pin.version,
                wheel=wheel,
                manifest=found.manifest,
                content=found.manifest.digest(),
                index=urls[pin.index] if pin.index else None,
                requires=found.requires,
                requires_python=found.requires_python,
                hooks=found.hooks,
            )
        )
    return tuple(out)
