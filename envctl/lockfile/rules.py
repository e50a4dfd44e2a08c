"""What must hold inside a lockfile, whoever wrote it. A lockfile that breaks a rule installs and verifies nothing."""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import datetime
from urllib.parse import urlsplit

from envctl.model.lockfile import Lockfile, Package, Wheel
from envctl.model.manifest import environment_digest
from envctl.model.names import normalise
from envctl.model.target import NAME

_DIGEST = re.compile(r"sha256:[0-9a-f]{64}")
_HEX = re.compile(r"[0-9a-f]{64}")
_NAME = re.compile(r"[a-z0-9](?:[a-z0-9-]*[a-z0-9])?")
_VERSION = re.compile(r"(?=.{1,100}\Z)[A-Za-z0-9][A-Za-z0-9.!+_-]*")
_WHEEL = re.compile(r"(?P<name>[^-/\\]+)-(?P<version>[^-/\\]+)(?:-\d[^-/\\]*)?-[^-/\\]+-[^-/\\]+-[^-/\\]+\.whl")
_PYTHON = re.compile(r"3\.[0-9]{1,3}\.[0-9]{1,3}(?:(?:a|b|rc)[0-9]{1,3})?")
_URL = re.compile(r"[A-Za-z0-9._~:/?#\[\]@!$&'()*+,;=%-]+")  # RFC 3986
# The only markers that envctl writes. Any other could hold on one machine and not on the next.
_PLACE = r"(?:sys_platform == '[a-z]+' and )?platform_machine == '[a-z0-9_]+'"
_MARKER = re.compile(rf"{_PLACE}(?: or {_PLACE})*")
_SOURCES = (None, "image", "standalone", "os")
_OS_NAME = re.compile(r"[a-z0-9][a-z0-9+.-]{0,200}")
_OS_VERSION = re.compile(r"[A-Za-z0-9][A-Za-z0-9.+~:-]{0,200}")
_LARGEST = 2**63 - 1


def problems(lockfile: Lockfile) -> list[str]:
    """Each contradiction in the lockfile as one sentence; none for a lockfile that can be relied on."""
    return [*_head(lockfile), *_packages(lockfile), *_os_packages(lockfile)] or list(_selection(lockfile))


def _head(lockfile: Lockfile) -> Iterator[str]:
    envctl = lockfile.envctl
    if lockfile.lock_version != "1.0":
        yield f"lock-version is {lockfile.lock_version!r}, not '1.0'"
    if not NAME.fullmatch(envctl.profile) or not NAME.fullmatch(envctl.variant or "none"):
        yield f"tool.envctl names the target {lockfile.target!r}, which is none"
    if not 0 <= envctl.source_date_epoch < 2**32:
        yield f"tool.envctl.source-date-epoch is {envctl.source_date_epoch}, not seconds since 1970"
    if envctl.python.implementation != "cpython" or envctl.python.source not in _SOURCES:
        yield f"tool.envctl.python is {envctl.python.implementation!r} from {envctl.python.source!r}"
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
    installer = envctl.installer
    if installer is not None and (
        installer.name != "uv"
        or not _VERSION.fullmatch(installer.version)
        or set(installer.sha256) != set(envctl.platforms)
        or not all(_HEX.fullmatch(digest) for digest in installer.sha256.values())
    ):
        yield "tool.envctl.installer is not a version of uv with the sha256 of each platform's wheel"
    pins = [digest for pin in envctl.platforms.values() for digest in (pin.base_digest, *pin.diff_ids) if digest]
    digests = [("inputs", envctl.inputs), *(("package-set", d) for d in envctl.package_set.values())]
    for what, digest in [*digests, *(("platforms", digest) for digest in pins)]:
        if not _DIGEST.fullmatch(digest):
            yield f"tool.envctl.{what} holds {digest!r}, not sha256:<64 hex digits>"


def _packages(lockfile: Lockfile) -> Iterator[str]:
    for package in lockfile.packages:
        if not _NAME.fullmatch(package.name) or not _VERSION.fullmatch(package.version):
            yield f"{package.name!r} {package.version!r} is no normalised name and version"
            continue
        if not package.wheels:
            yield f"{package.name} {package.version} has no wheel"
        if package.marker is not None and not _MARKER.fullmatch(package.marker):
            yield f"{package.name} {package.version} has a marker that is not about platforms: {package.marker[:60]!r}"
        surplus = package.content.keys() - {wheel.name for wheel in package.wheels}
        if surplus:
            yield f"{package.name} {package.version} has the content digest of {min(surplus)!r}, which it does not list"
        for wheel in package.wheels:
            yield from _wheel(package, wheel)


def _os_packages(lockfile: Lockfile) -> Iterator[str]:
    pinned, seen = lockfile.envctl.os_packages, set()
    for package in () if pinned is None else pinned.packages:
        if not _OS_NAME.fullmatch(package.name) or not _OS_VERSION.fullmatch(package.version):
            yield f"tool.envctl.os-packages: {package.name!r} {package.version!r} is no name and version"
        elif not _HEX.fullmatch(package.sha256) or not 0 < package.size <= _LARGEST or not 0 <= package.step < 1000:
            yield f"tool.envctl.os-packages: {package.name} has no sha256 of 64 hex digits, or no size or step"
        elif not package.url.startswith(("http://", "https://")) or not _URL.fullmatch(package.url):
            yield f"tool.envctl.os-packages: {package.name} has a url that is not plain http(s)"
        elif f"linux/{package.arch}" not in lockfile.envctl.platforms:
            yield f"tool.envctl.os-packages: {package.name} is for {package.arch!r}, which no platform has"
        elif (package.name, package.arch) in seen:
            yield f"tool.envctl.os-packages: {package.name} is listed twice for {package.arch}"
        seen.add((package.name, package.arch))


def _wheel(package: Package, wheel: Wheel) -> Iterator[str]:
    match = _WHEEL.fullmatch(wheel.name)
    same = match is not None and normalise(match["name"]) == package.name
    if match is None or not same or not _same_version(match["version"], package.version):
        yield f"{package.name} {package.version} lists the file {wheel.name!r}, which is another distribution's"
        return
    if not _HEX.fullmatch(wheel.hashes.get("sha256", "")):
        yield f"{wheel.name} has no sha256 of 64 hex digits"
    if not 0 <= (wheel.size or 0) <= _LARGEST:
        yield f"{wheel.name} has the size {wheel.size}"
    if wheel.upload_time is not None and not _is_moment(wheel.upload_time):
        yield f"{wheel.name} has an upload-time that is no moment in UTC"
    content = package.content.get(wheel.name)
    if content is None or not _DIGEST.fullmatch(content):
        yield f"{wheel.name} has no content digest"
    if wheel.path is not None or wheel.url is None:
        yield f"{wheel.name} has no url"
        return
    try:
        parts = urlsplit(wheel.url)
        port_is_valid = parts.port is None or parts.port > 0
    except ValueError:
        yield f"{wheel.name} has a malformed url"
        return
    plain = parts.scheme in ("http", "https") and parts.hostname and port_is_valid and _URL.fullmatch(wheel.url)
    if not plain or "@" in parts.netloc:
        yield f"{wheel.name} has a url that is not plain http(s), or that holds credentials"


def _is_moment(time: datetime) -> bool:
    return time.tzinfo is not None and 1970 <= time.year < 2200


def _same_version(in_name: str, version: str) -> bool:
    if in_name == version:
        return True
    from packaging.version import Version

    try:
        return Version(in_name.replace("_", "+", 1) if "+" not in in_name else in_name) == Version(version) or Version(
            in_name
        ) == Version(version)
    except ValueError:  # InvalidVersion, and of int() for numbers of 5,000 digits
        return False


def _selection(lockfile: Lockfile) -> Iterator[str]:
    """Every platform has one wheel of each package, and every wheel a platform."""
    used: set[str] = set()
    for platform in lockfile.platforms():
        try:
            chosen = lockfile.select(platform)
        except ValueError as error:
            yield f"packages for {platform}: {error}"
            return
        used.update(wheel.name for _, wheel in chosen)
        names = [package.name for package, _ in chosen]
        if len(set(names)) != len(names):
            twice = next(n for n in names if names.count(n) > 1)
            yield f"{twice} is listed twice for {platform}"
            continue
        contents = [(package.name, package.version, package.content[wheel.name]) for package, wheel in chosen]
        if environment_digest(contents) != lockfile.envctl.package_set[str(platform)]:
            yield f"the packages for {platform} do not give the environment digest that the lockfile states"
    for package in lockfile.packages:
        for wheel in package.wheels:
            if wheel.name not in used:
                yield f"{package.name} {package.version} lists {wheel.name}, which no platform of the lockfile installs"
