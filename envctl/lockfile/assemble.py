"""Resolved and read wheels of every platform -> a lockfile: pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from functools import lru_cache
from typing import TYPE_CHECKING

from envctl.lockfile.read import SCHEMA
from envctl.lockfile.settle import Settled
from envctl.model.lockfile import (
    Dependency,
    Envctl,
    Hook,
    Installer,
    Lockfile,
    Package,
    PackageTool,
    PackageTools,
    Resolver,
    Tools,
    Wheel,
)
from envctl.model.manifest import environment_digest
from envctl.model.names import normalise, requirement_name
from envctl.model.platform import Platform
from envctl.model.resolution import Resolved
from envctl.model.target import Target

if TYPE_CHECKING:
    from packaging.requirements import Requirement

Sets = Mapping[Platform, Sequence[Resolved]]
_ZIP_EPOCH = 315532800  # 1980-01-01, the oldest moment that archives can hold


def assemble(
    target: Target,
    settled: Settled,
    sets: Sets,
    *,
    resolver: str,
    cutoff: tuple[datetime | None, str],
    installer: Installer | None,
) -> Lockfile:
    """The lockfile of a target.

    Args:
        sets: for each platform, every distribution with the wheel to install there.
        cutoff: the moment of `exclude-newer`, and what decided it: profile, command-line or pins.
    """
    uploads = [r.wheel.upload_time for resolved in sets.values() for r in resolved if r.wheel.upload_time is not None]
    newest = max(uploads, default=None)
    moment, source = cutoff
    epoch = newest or moment
    major, minor = settled.python.minor
    platforms = sorted(sets)
    return Lockfile(
        lock_version="1.0",
        environments=tuple(platform.marker for platform in platforms),
        requires_python=f"=={major}.{minor}.*",
        created_by="envctl",
        packages=_packages(settled, sets),
        tool=Tools(
            envctl=Envctl(
                schema=SCHEMA,
                profile=target.profile,
                variant=target.variant,
                inputs=settled.inputs,
                resolver=Resolver(name=resolver, exclude_newer=moment or newest, cutoff=source),
                source_date_epoch=int(epoch.timestamp()) if epoch else _ZIP_EPOCH,
                python=settled.python,
                package_set={
                    str(p): environment_digest((r.name, r.version, r.content) for r in sets[p]) for p in platforms
                },
                platforms=settled.platforms,
                requirements=settled.requirements,
                constraints=settled.constraints,
                overrides=settled.overrides,
                exclude=settled.exclude,
                cuda=settled.cuda,
                indexes=settled.indexes,
                installer=installer,
                image=settled.image,
                commands=settled.commands,
                policy=settled.policy,
                hooks=hooks_of(sets),
                project=settled.project,
                files=settled.files,
            )
        ),
    )


def hooks_of(sets: Sets) -> tuple[Hook, ...]:
    """Every startup hook that a wheel of any platform brings."""
    found = {
        Hook(path=path, digest=f"sha256:{digest}", package=r.name)
        for resolved in sets.values()
        for r in resolved
        for path, digest in r.hooks.items()
    }
    return tuple(sorted(found))


def _packages(settled: Settled, sets: Sets) -> tuple[Package, ...]:
    edges = _edges(settled, sets)
    by_name: dict[str, dict[Platform, Resolved]] = {}
    for platform in sorted(sets):
        for resolved in sets[platform]:
            by_name.setdefault(resolved.name, {})[platform] = resolved
    packages = []
    for name in sorted(by_name):
        for platforms in _entries(by_name[name]):
            packages.append(_package([by_name[name][p] for p in platforms], platforms, list(sets), edges.get(name, ())))
    return tuple(packages)


def _entries(on: Mapping[Platform, Resolved]) -> list[list[Platform]]:
    """Group platforms that can share one entry: the same version, and no wheel of one that fits another as well."""
    versions: dict[str, list[Platform]] = {}
    for platform, resolved in on.items():
        versions.setdefault(resolved.version, []).append(platform)
    entries = []
    for platforms in versions.values():
        files = {on[p].wheel.name for p in platforms}
        if len(files) == 1 or not any(name.endswith("-any.whl") for name in files):
            entries.append(platforms)
            continue
        groups: dict[str, list[Platform]] = {}
        for platform in platforms:
            groups.setdefault(on[platform].wheel.name, []).append(platform)
        entries += groups.values()
    return entries


def _package(
    same: Sequence[Resolved], platforms: Sequence[Platform], every: Sequence[Platform], edges: Sequence[str]
) -> Package:
    wheels: dict[str, Wheel] = {r.wheel.name: r.wheel for r in same}
    first = same[0]
    return Package(
        name=first.name,
        version=first.version,
        marker=None if len(platforms) == len(every) else _marker(platforms, every),
        dependencies=tuple(Dependency(name=name) for name in edges),
        index=first.index,
        wheels=tuple(wheels[name] for name in sorted(wheels)),
        tool=PackageTools(envctl=PackageTool(content={r.wheel.name: r.content for r in sorted(same, key=_file)})),
    )


def _file(resolved: Resolved) -> str:
    return resolved.wheel.name


def _marker(platforms: Sequence[Platform], every: Sequence[Platform]) -> str:
    several = len({p.os for p in every}) > 1
    parts = []
    for platform in sorted(platforms):
        machine = f"platform_machine == '{platform.machine}'"
        parts.append(f"sys_platform == '{platform.os}' and {machine}" if several else machine)
    return " or ".join(parts)


def _edges(settled: Settled, sets: Sets) -> dict[str, list[str]]:
    """Which distribution needs which, on any platform: Requires-Dist followed from the roots with their extras."""
    edges: dict[str, set[str]] = {}
    for platform, resolved in sets.items():
        environment = platform.environment(settled.python.version)
        here = {r.name: r for r in resolved}
        overridden = {requirement_name(text): parse(text) for text in settled.overrides}
        extras: dict[str, set[str]] = {}
        queue: list[tuple[str, frozenset[str]]] = []

        def need(requirement: Requirement, queue: list[tuple[str, frozenset[str]]] = queue) -> str:
            name = normalise(requirement.name)
            queue.append((name, frozenset(requirement.extras)))
            return name

        for text in settled.requirements:
            root = parse(text)
            if root.marker is None or root.marker.evaluate(environment):
                need(root)
        while queue:
            name, wanted = queue.pop()
            new = wanted - extras.get(name, set())
            if name not in here or (name in extras and not new):
                continue
            extras.setdefault(name, set()).update(wanted)
            for text in here[name].requires:
                if not applies(text, environment, extras[name]):
                    continue
                requirement = overridden.get(requirement_name(text)) or parse(text)
                needed = need(requirement)
                if needed in here and needed != name:
                    edges.setdefault(name, set()).add(needed)
    return {name: sorted(needed) for name, needed in edges.items()}


def applies(text: str, environment: Mapping[str, str], extras: set[str]) -> bool:
    """Whether a Requires-Dist holds in the environment with these extras asked for."""
    _, semicolon, marker = text.partition(";")
    if not semicolon:
        return True
    if "extra" in marker and not extras:
        # most Requires-Dist lines stand behind an extra that nobody asks for: not worth parsing
        plain = {**environment, "extra": ""}
        return " or " in marker and _holds(text, plain)
    return any(_holds(text, {**environment, "extra": extra}) for extra in (extras or {""}))


def _holds(text: str, environment: Mapping[str, str]) -> bool:
    marker = parse(text).marker
    return marker is None or marker.evaluate(dict(environment))


@lru_cache(maxsize=8192)
def parse(text: str) -> Requirement:
    """A PEP 508 requirement, parsed once a process."""
    from packaging.requirements import Requirement

    return Requirement(text)
