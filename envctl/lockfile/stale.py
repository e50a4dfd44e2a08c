"""Is a lockfile still that of its profile? Pure: no network, no resolver. Each reason is a sentence with its place."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping

import msgspec

from envctl.lockfile.assemble import applies, parse
from envctl.lockfile.rules import problems
from envctl.lockfile.settle import Settled
from envctl.model.lockfile import Lockfile, Package, PlatformPin
from envctl.model.names import requirement_name
from envctl.model.profile import Inputs, Requirement
from envctl.model.target import Target


class Reason(msgspec.Struct, frozen=True):
    """Why a file is stale: where (file or file:line), and what."""

    place: str
    message: str

    def __str__(self) -> str:
        return f"{self.place}  {self.message}"


def reasons(
    target: Target, lockfile: Lockfile, inputs: Inputs, settled: Settled, *, intact: bool = True
) -> list[Reason]:
    """Every way in which the lockfile is not what the profile asks for; none when it is fresh.

    Args:
        intact: whether its seal holds (see `envctl.lockfile.seal`).
    """
    place = str(target.lockfile)
    if lockfile.target != str(target):
        return [Reason(place, f"is the lockfile of {lockfile.target}, not of {target}")]
    found = [Reason(place, sentence) for sentence in problems(lockfile)]
    found += _settled(place, lockfile, inputs, settled)
    if not found:
        found += _pins(place, lockfile, inputs)
    if not found and lockfile.envctl.inputs != settled.inputs:
        found.append(Reason(f"profiles/{target.profile}.toml", "has changed since the lockfile was written"))
    if not found and not intact:
        found.append(Reason(place, "is not as envctl wrote it: it was edited by hand, or badly merged"))
    return found


def _settled(place: str, lockfile: Lockfile, inputs: Inputs, settled: Settled) -> Iterator[Reason]:
    envctl = lockfile.envctl
    yield from _requirements(place, lockfile, inputs)
    python = settled.python
    if not settled.complete() and envctl.python.version.startswith(python.version + "."):
        python = msgspec.structs.replace(python, version=envctl.python.version)
    platforms = settled.platforms
    if settled.tagged is not None:
        platforms = with_pins(platforms, envctl.platforms)
    pairs: list[tuple[str, object, object]] = [
        ("python", python, envctl.python),
        ("platforms", platforms, envctl.platforms),
        ("constraints", settled.constraints, envctl.constraints),
        ("resolver.overrides", settled.overrides, envctl.overrides),
        ("resolver.exclude", settled.exclude, envctl.exclude),
        ("resolver.index", settled.indexes, envctl.indexes),
        ("cuda", settled.cuda, envctl.cuda),
        ("image", settled.image, envctl.image),
        ("image.files", settled.files, envctl.files),
        ("commands", settled.commands, envctl.commands),
        ("policy", settled.policy, envctl.policy),
        ("project", settled.project, envctl.project),
    ]
    for name in settled.based:
        if settled.tagged is not None and name in envctl.platforms and envctl.platforms[name].base_digest is None:
            yield Reason(_place(inputs, "image.base"), f"image.base: {settled.tagged} is not pinned for {name}")
    image = settled.image
    pinned = image is None or not settled.based or envctl.os_packages is not None
    if not pinned and image is not None and image.snapshot is not None and image.packages:
        yield Reason(_place(inputs, "image.snapshot"), "image.packages: the OS packages are not pinned")
    for key, asked, locked in pairs:
        if asked != locked:
            yield Reason(_place(inputs, key), f"{key}: the lockfile says otherwise{_first_difference(asked, locked)}")


def with_pins(
    platforms: Mapping[str, PlatformPin], locked: Mapping[str, PlatformPin], names: Collection[str] | None = None
) -> dict[str, PlatformPin]:
    """The platforms with the base image as it is locked there, for those of `names` (all: None) that have one."""
    return {
        name: msgspec.structs.replace(pin, base_digest=locked[name].base_digest, diff_ids=locked[name].diff_ids)
        if name in locked and (names is None or name in names)
        else pin
        for name, pin in platforms.items()
    }


def _requirements(place: str, lockfile: Lockfile, inputs: Inputs) -> Iterator[Reason]:
    locked = set(lockfile.envctl.requirements)
    asked: Mapping[str, Requirement] = {r.text: r for r in inputs.requirements}
    for text, requirement in asked.items():
        if text not in locked:
            yield Reason(requirement.place, f'{requirement.key or "dependencies"}: "{text}" is not in the lockfile')
    for text in sorted(locked - set(asked)):
        yield Reason(place, f'holds "{text}", which nothing asks for any more')


def _place(inputs: Inputs, key: str) -> str:
    for known in (key, key.partition(".")[0]):
        if known in inputs.line_of:
            file, line = inputs.line_of[known]
            return f"{file}:{line}"
    return f"profiles/{inputs.target.profile}.toml"


def _first_difference(asked: object, locked: object) -> str:
    a, b = msgspec.to_builtins(asked), msgspec.to_builtins(locked)
    while isinstance(a, dict) and isinstance(b, dict):
        key = next((k for k in [*a, *b] if a.get(k) != b.get(k)), None)
        if key is None:
            return ""
        a, b = a.get(key), b.get(key)
    return f" ({_short(b)} there, {_short(a)} here)"


def _short(value: object) -> str:
    text = "nothing" if value is None else value if isinstance(value, str) else msgspec.json.encode(value).decode()
    return text if len(text) <= 60 else text[:57] + "…"


def _pins(place: str, lockfile: Lockfile, inputs: Inputs) -> Iterator[Reason]:
    """Pins against requirements and constraints, and the closure of what needs what."""
    overridden = {requirement_name(text) for text in lockfile.envctl.overrides}
    excluded = {requirement_name(text) for text in lockfile.envctl.exclude}
    for platform in lockfile.platforms():
        environment = platform.environment(lockfile.envctl.python.version)
        pins: dict[str, Package] = {package.name: package for package, _ in lockfile.select(platform)}
        for name in sorted(excluded & pins.keys()):
            yield Reason(place, f"{name} is pinned, though resolver.exclude leaves it out")
        for requirement in (*inputs.requirements, *inputs.constraints):
            name = requirement_name(requirement.text)
            if name in excluded or name in overridden or not applies(requirement.text, environment, set()):
                continue
            if name not in pins:
                if requirement in inputs.requirements:
                    yield Reason(requirement.place, f"{name} is not pinned for {platform}")
            elif not parse(requirement.text).specifier.contains(pins[name].version, prereleases=True):
                yield Reason(
                    requirement.place,
                    f'"{requirement.text}" is not satisfied by the pin {name} {pins[name].version} of {place}',
                )
        for override in lockfile.envctl.overrides:
            name = requirement_name(override)
            if name in pins and not parse(override).specifier.contains(pins[name].version, prereleases=True):
                yield Reason(place, f"{name} {pins[name].version} breaks the override {override!r}")
    names = {package.name for package in lockfile.packages}
    for package in lockfile.packages:
        for edge in package.dependencies:
            if edge.name not in names:
                yield Reason(place, f"{edge.name}, which {package.name} {package.version} needs, is not pinned")
