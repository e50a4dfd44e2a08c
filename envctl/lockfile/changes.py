"""What moved between two lockfiles of one target, and why: pure."""

from __future__ import annotations

import msgspec

from envctl.model.lockfile import Lockfile
from envctl.model.names import requirement_name
from envctl.model.profile import Inputs


class Change(msgspec.Struct, frozen=True, kw_only=True):
    """One distribution that came, went or moved. `old` or `new` is None where there is none."""

    name: str
    old: str | None
    new: str | None
    reason: str


class BaseChange(msgspec.Struct, frozen=True, kw_only=True):
    """A base image that is another one than before, with its digest; None where there was or is none."""

    platform: str
    old: str | None
    new: str | None


def base_changes(previous: Lockfile, lockfile: Lockfile) -> list[BaseChange]:
    """Changed base images by platform."""
    names = sorted(previous.envctl.platforms.keys() | lockfile.envctl.platforms.keys())
    pairs = [(name, base_of(previous, name), base_of(lockfile, name)) for name in names]
    return [BaseChange(platform=name, old=old, new=new) for name, old, new in pairs if old != new]


def base_of(lockfile: Lockfile, platform: str) -> str | None:
    """The base image of a platform, with its digest where it is pinned."""
    image, pin = lockfile.envctl.image, lockfile.envctl.platforms.get(platform)
    if image is None or pin is None or not platform.startswith("linux/"):
        return None
    return image.base if "@" in image.base or pin.base_digest is None else f"{image.base}@{pin.base_digest}"


def changes(previous: Lockfile, lockfile: Lockfile, inputs: Inputs) -> list[Change]:
    """Changed pins by name; a distribution pinned at several versions shows them joined."""
    old, new = _versions(previous), _versions(lockfile)
    return [
        Change(name=name, old=old.get(name), new=new.get(name), reason=_reason(name, previous, lockfile, inputs))
        for name in sorted(old.keys() | new.keys())
        if old.get(name) != new.get(name)
    ]


def _versions(lockfile: Lockfile) -> dict[str, str]:
    versions: dict[str, list[str]] = {}
    for package in lockfile.packages:
        versions.setdefault(package.name, []).append(package.version)
    return {name: ", ".join(dict.fromkeys(found)) for name, found in versions.items()}


def _reason(name: str, previous: Lockfile, lockfile: Lockfile, inputs: Inputs) -> str:
    gone = all(package.name != name for package in lockfile.packages)
    if gone and name in lockfile.envctl.exclude:
        return "left out by resolver.exclude"
    for requirement in () if gone else inputs.requirements:
        if requirement_name(requirement.text) == name:
            return f"asked for by {requirement.text} ({requirement.place})"
    for package in lockfile.packages:
        if any(edge.name == name for edge in package.dependencies):
            return f"needed by {package.name} {package.version}"
    for package in previous.packages:
        if any(edge.name == name for edge in package.dependencies):
            return f"{package.name} {package.version} needed it"
    return "nothing asks for it any more"
