"""`envctl lock`: profile -> resolution -> wheels read -> lockfile and Dockerfile, for several targets at once."""

from __future__ import annotations

import time
from collections.abc import Sequence
from pathlib import Path
from typing import Protocol

import msgspec

from envctl.commands import locking, os_locking
from envctl.commands.bases import Bases
from envctl.commands.files import render_files
from envctl.commands.jobs import Job, LockOptions, prepare, read_previous, wanted
from envctl.commands.locking import Locked, make_lockfiles, rebase
from envctl.commands.os_locking import with_os_packages
from envctl.commands.signatures import left_behind
from envctl.errors import InvalidFile
from envctl.lockfile.changes import BaseChange, Change, base_changes, base_of, changes
from envctl.model.lockfile import Lockfile
from envctl.model.platform import Platform
from envctl.model.target import PROFILES, Target
from envctl.system.files import exclusive, sweep, write_atomically


class Ports(locking.Ports, os_locking.Ports, Protocol):
    """What locking reaches outside for."""


class PlatformResult(msgspec.Struct, frozen=True, kw_only=True):
    """One platform of a locked target: number of packages, bytes to download (None where an index says no sizes).

    `base` is the base image with its digest, None without an image.
    """

    platform: str
    base: str | None = None
    packages: int
    bytes: int | None
    package_set: str


class TargetResult(msgspec.Struct, frozen=True, kw_only=True):
    """What happened to one target. `status`: new, updated or unchanged."""

    target: str
    status: str
    lockfile: str
    dockerfile: str | None
    base: str | None
    platforms: tuple[PlatformResult, ...]
    changes: tuple[Change, ...]
    bases: tuple[BaseChange, ...] = ()
    warnings: tuple[str, ...]
    notes: tuple[str, ...]


class LockResult(msgspec.Struct, frozen=True, kw_only=True):
    """What `envctl lock` did; the JSON of `--format json`."""

    schema: str = "envctl.lock/1"
    targets: tuple[TargetResult, ...]
    written: tuple[str, ...]
    dry_run: bool = False
    seconds: float


def lock(project: Path, names: Sequence[str], options: LockOptions, ports: Ports) -> LockResult:
    """Lock targets (all when none is named) and write what changed.

    Raises:
        InvalidFile, NoResolution, ToolFailed, IndexFailed: nothing was written.
    """
    started = time.monotonic()
    targets = wanted(project, names)
    if options.dry_run:
        return _lock(project, targets, options, ports, started)
    with exclusive(project / PROFILES, lambda: ports.waiting("for another envctl that locks here")):
        for target in targets:
            for file in (target.lockfile, target.dockerfile, target.dockerignore):
                sweep(project / file)
        return _lock(project, targets, options, ports, started)


def _lock(project: Path, targets: Sequence[Target], options: LockOptions, ports: Ports, started: float) -> LockResult:
    now = ports.now()
    jobs = [prepare(project, t, options, now=now, python_release=ports.python_release) for t in targets]
    locked = {job.target: Locked(job, job.previous) for job in jobs if job.previous is not None}
    with Bases([job for job in jobs if job.stale or options.moves or options.renews_base], ports.base) as bases:
        open_jobs = []
        for job in jobs:
            rebased = None if job.stale or options.moves else rebase(job, bases, options)
            if rebased is None:
                open_jobs.append(job)
            else:
                locked[job.target] = rebased
        if open_jobs:
            siblings = [job for job in jobs if job not in open_jobs and job.previous is not None]
            siblings += _siblings_on_disk(project, open_jobs, jobs, ports)
            locked |= {done.job.target: done for done in make_lockfiles(open_jobs, siblings, options, ports, bases)}
    locked = {target: with_os_packages(done, options, ports) for target, done in locked.items()}
    files: dict[Path, bytes] = {}
    for target in targets:
        done = locked[target]
        files |= render_files(project, target, done.lockfile, resolved=done.lockfile is not done.job.previous)
    changed = {path: data for path, data in files.items() if not _same(path, data)}
    if changed and not options.dry_run:
        write_atomically(changed)
    written = tuple(str(path.relative_to(project)) for path in changed)
    results = tuple(_result(project, locked[t], locked, written) for t in targets)
    return LockResult(targets=results, written=written, dry_run=options.dry_run, seconds=time.monotonic() - started)


def _same(path: Path, data: bytes) -> bool:
    return path.is_file() and path.read_bytes() == data


def _siblings_on_disk(project: Path, open_jobs: Sequence[Job], jobs: Sequence[Job], ports: Ports) -> list[Job]:
    """Other variants of the same profiles that were not asked for, but are locked: their pins are preferred too."""
    asked = {job.target for job in jobs}
    profiles = {job.target.profile for job in open_jobs}
    siblings = []
    for target in wanted(project, ()):
        if target.profile in profiles and target not in asked:
            try:
                if read_previous(project, target) is None:
                    continue
                siblings.append(prepare(project, target, LockOptions(), now=ports.now(), python_release=str))
            except InvalidFile:
                continue  # not asked for: what is wrong with it is said when it is
    return siblings


def _result(project: Path, done: Locked, every: dict[Target, Locked], written: Sequence[str]) -> TargetResult:
    target, lockfile, image = done.job.target, done.lockfile, done.lockfile.envctl.image
    platforms = []
    for platform in lockfile.platforms():
        wheels = [wheel for _, wheel in lockfile.select(platform)]
        sizes = [wheel.size for wheel in wheels if wheel.size is not None]
        platforms.append(
            PlatformResult(
                platform=str(platform),
                base=base_of(lockfile, str(platform)),
                packages=len(wheels),
                bytes=sum(sizes) if len(sizes) == len(wheels) else None,
                package_set=lockfile.envctl.package_set[str(platform)],
            )
        )
    previous = done.job.previous
    moved = str(target.lockfile) in written
    signatures = left_behind(project / target.lockfile, str(target)) if moved else ()
    status = "new" if previous is None else "updated" if moved else "unchanged"
    return TargetResult(
        target=str(target),
        status=status,
        lockfile=str(target.lockfile),
        dockerfile=str(target.dockerfile) if image else None,
        base=image.base if image else None,
        platforms=tuple(platforms),
        changes=tuple(changes(previous, lockfile, done.job.inputs)) if previous is not None else (),
        bases=tuple(base_changes(previous, lockfile)) if previous is not None else (),
        warnings=(*done.warnings, *signatures),
        notes=tuple(_notes(done, every)),
    )


def _notes(done: Locked, every: dict[Target, Locked]) -> list[str]:
    """How a target's pins differ between its platforms, and from those of the first variant of its profile."""
    notes = []
    platforms = done.lockfile.platforms()
    first = {package.name: package.version for package, _ in done.lockfile.select(platforms[0])}
    for platform in platforms[1:]:
        notes += _difference(first, done.lockfile, platform, f"{platforms[0]}", f"on {platform}")
    lead = next(other for target, other in every.items() if target.profile == done.job.target.profile)
    if lead.job.target != done.job.target:
        pins = {package.name: package.version for package, _ in lead.lockfile.select(lead.lockfile.platforms()[0])}
        notes += _difference(pins, done.lockfile, platforms[0], str(lead.job.target), "")
    return notes


def _difference(base: dict[str, str], lockfile: Lockfile, platform: Platform, other: str, where: str) -> list[str]:
    here = {package.name: package.version for package, _ in lockfile.select(platform)}
    same = [name for name in here if base.get(name) == here[name]]
    more = sorted(here.keys() - base.keys())
    less = sorted(base.keys() - here.keys())
    moved = [f"{n} {here[n]} (not {base[n]})" for n in sorted(here.keys() & base.keys()) if here[n] != base[n]]
    if not (more or less or moved):
        return [f"{where} the same pins as {other}".strip()]
    parts = [f"the same {len(same)} pins as {other}"]
    if more:
        parts.append(f"{len(more)} more ({_few(more)})")
    if less:
        parts.append(f"{len(less)} less ({_few(less)})")
    if moved:
        parts.append(f"other versions: {_few(moved)}")
    return [(f"{where} " if where else "") + ", ".join(parts)]


def _few(names: Sequence[str], most: int = 6) -> str:
    return ", ".join(names[:most]) + (f" and {len(names) - most} more" if len(names) > most else "")
