"""What must hold inside a lockfile, whoever wrote it. A lockfile that breaks a rule installs and verifies nothing."""

from __future__ import annotations

import re
from collections.abc import Iterator
from urllib.parse import urlsplit

from envctl.model.lockfile import Lockfile, Package, Wheel
from envctl.model.manifest import environment_digest

_DIGEST = re.compile(r"sha256:[0-9a-f]{64}")
_HEX = re.compile(r"[0-9a-f]{64}")
_NAME = re.compile(r"[a-z0-9](?:[a-z0-9-]*[a-z0-9])?")
_VERSION = re.compile(r"[A-Za-z0-9][A-Za-z0-9.!+_-]*")
_WHEEL = re.compile(r"(?P<name>[^-/\\]+)-(?P<version>[^-/\\]+)(?:-\d[^-/\\]*)?-[^-/\\]+-[^-/\\]+-[^-/\\]+\.whl")
_PYTHON = re.compile(r"3\.\d{1,3}\.\d{1,3}(?:(?:a|b|rc)\d+)?")


def problems(lockfile: Lockfile) -> list[str]:
    """Each contradiction in the lockfile as one sentence; none for a lockfile that can be relied on."""
    return [*_head(lockfile), *_packages(lockfile), *_selection(lockfile)]


def _head(lockfile: Lockfile) -> Iterator[str]:
    envctl = lockfile.envctl
    if lockfile.lock_version != "1.0":
        yield f"lock-version is {lockfile.lock_version!r}, not '1.0'"
    if not _PYTHON.fullmatch(envctl.python.version):
        yield f"tool.envctl.python.version is {envctl.python.version!r}, not X.Y.Z"
        return
    major, minor = envctl.python.minor
    if lockfile.requires_python != f"=={major}.{minor}.*":
        yield f"requires-python is {lockfile.requires_python!r}, not '=={major}.{minor}.*'"
    try:
        markers = tuple(platform.marker for platform in lockfile.platforms())
    except ValueError as error:
        yield f"tool.envctl.platforms: {error}"
        return
    if not markers or sorted(lockfile.environments) != sorted(markers):
        yield "environments are not those of tool.envctl.platforms"
    if set(envctl.package_set) != set(envctl.platforms):
        yield "tool.envctl.package-set does not name the platforms of tool.envctl.platforms"
    for what, digest in [("inputs", envctl.inputs), *(("package-set", d) for d in envctl.package_set.values())]:
        if not _DIGEST.fullmatch(digest):
            yield f"tool.envctl.{what} holds {digest!r}, not sha256:<64 hex digits>"


def _packages(lockfile: Lockfile) -> Iterator[str]:
    for package in lockfile.packages:
        if not _NAME.fullmatch(package.name) or not _VERSION.fullmatch(package.version):
            yield f"{package.name!r} {package.version!r} is no normalised name and version"
            continue
        if not package.wheels:
            yield f"{package.name} {package.version} has no wheel"
        for wheel in package.wheels:
            yield from _wheel(package, wheel)


def _wheel(package: Package, wheel: Wheel) -> Iterator[str]:
    match = _WHEEL.fullmatch(wheel.name)
    same = match is not None and re.sub(r"[-_.]+", "-", match["name"]).lower() == package.name
    if match is None or not same or not _same_version(match["version"], package.version):
        yield f"{package.name} {package.version} lists the file {wheel.name!r}, which is another distribution's"
        return
    if not _HEX.fullmatch(wheel.hashes.get("sha256", "")):
        yield f"{wheel.name} has no sha256 of 64 hex digits"
    content = package.content.get(wheel.name)
    if content is None or not _DIGEST.fullmatch(content):
        yield f"{wheel.name} has no content digest"
    if wheel.path is not None or wheel.url is None:
        yield f"{wheel.name} has no url"
        return
    try:
        parts = urlsplit(wheel.url)
    except ValueError:
        yield f"{wheel.name} has a malformed url"
        return
    if parts.scheme not in ("http", "https") or parts.username or parts.password or not parts.hostname:
        yield f"{wheel.name} has a url that is not plain http(s), or that holds credentials"


def _same_version(in_name: str, version: str) -> bool:
    if in_name == version:
        return True
    from packaging.version import InvalidVersion, Version

    try:
        return Version(in_name.replace("_", "+", 1) if "+" not in in_name else in_name) == Version(version) or Version(
            in_name
        ) == Version(version)
    except InvalidVersion:
        return False


def _selection(lockfile: Lockfile) -> Iterator[str]:
    if any(not package.wheels for package in lockfile.packages):
        return
    from packaging.markers import InvalidMarker

    for name, expected in lockfile.envctl.package_set.items():
        try:
            chosen = lockfile.select(next(p for p in lockfile.platforms() if str(p) == name))
        except (ValueError, InvalidMarker, StopIteration) as error:
            yield f"packages for {name}: {error}"
            continue
        names = [package.name for package, _ in chosen]
        if len(set(names)) != len(names):
            twice = next(n for n in names if names.count(n) > 1)
            yield f"{twice} is listed twice for {name}"
            continue
        contents = [(package.name, package.version, package.content.get(wheel.name, "")) for package, wheel in chosen]
        if environment_digest(contents) != expected:
            yield f"the packages for {name} do not give the environment digest that the lockfile states"
