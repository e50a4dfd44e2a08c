"""What uv wrote, as a resolution: checked for form and against the question, because an answer nobody understands is
no answer. Source: PEP 751 (pylock.toml).
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from datetime import datetime, timezone
from pathlib import PurePosixPath
from typing import Any
from urllib.parse import unquote, urlsplit

import msgspec

from envctl.errors import IndexFailed, ToolFailed
from envctl.model.names import normalise
from envctl.model.resolution import Candidate, Pin, Resolution
from envctl.resolve.interface import Question
from envctl.system.credentials import redact, split_credentials

_SHA256 = re.compile("[0-9a-f]{64}")


class _Wheel(msgspec.Struct, frozen=True, rename="kebab"):
    url: str
    hashes: dict[str, str] = {}
    name: str | None = None
    size: int | None = None
    upload_time: datetime | None = None


class _Archive(msgspec.Struct, frozen=True, rename="kebab"):
    hashes: dict[str, str] = {}
    url: str | None = None
    size: int | None = None


class _Package(msgspec.Struct, frozen=True):
    name: str
    version: str | None = None
    marker: str | None = None
    wheels: tuple[_Wheel, ...] = ()
    archive: _Archive | None = None
    vcs: dict[str, Any] | None = None
    directory: dict[str, Any] | None = None


class _Answer(msgspec.Struct, frozen=True, rename="kebab"):
    lock_version: str
    packages: tuple[_Package, ...]


def parse(text: str, question: Question) -> Resolution:
    """The pins in a pylock.toml of uv's making, sorted by name.

    Raises:
        ToolFailed: it is no such file, or holds what was not asked for.
        IndexFailed: a wheel is at an address that is none of the web.
    """
    import tomli

    try:
        answer = msgspec.convert(tomli.loads(text), _Answer)
    except (ValueError, RecursionError) as error:
        raise ToolFailed("uv's answer cannot be read", found=str(error), hint=_UPDATE) from error
    if answer.lock_version.partition(".")[0] != "1":
        raise ToolFailed("uv's answer has an unknown form", found=f"lock-version {answer.lock_version}", hint=_UPDATE)
    pins: dict[str, Pin] = {}
    for package in _applicable(answer.packages, question):
        pin = _pin(package)
        if pin.name in pins:
            raise ToolFailed(f"uv pinned {pin.name} twice for one platform", hint=_UPDATE)
        pins[pin.name] = pin
    excluded = {normalise(name) for name in question.exclude} & pins.keys()
    if excluded:
        raise ToolFailed(f"uv pinned what is excluded: {', '.join(sorted(excluded))}", hint=_UPDATE)
    return Resolution(pins=tuple(pins[name] for name in sorted(pins)))


_UPDATE = "`uv --version` in envctl's own environment tells which uv this is; envctl is tested with 0.13"


def _applicable(packages: tuple[_Package, ...], question: Question) -> Iterator[_Package]:
    environment: Mapping[str, str] | None = None
    for package in packages:
        if package.marker is not None:
            from packaging.markers import InvalidMarker, Marker

            environment = environment or question.platform.environment(question.python)
            try:
                holds = Marker(package.marker).evaluate(dict(environment))
            except InvalidMarker as error:
                raise ToolFailed("uv's answer has a marker that is none", found=package.marker) from error
            if not holds:
                continue
        yield package


def _pin(package: _Package) -> Pin:
    name = normalise(package.name)
    if package.archive is not None:
        wheels: tuple[Candidate, ...] = (_direct(name, package.archive),)
    elif package.vcs is not None or package.directory is not None:
        raise _not_a_wheel(name)
    else:
        wheels = tuple(sorted(map(_candidate, package.wheels), key=lambda wheel: wheel.filename))
    if package.version is None or not wheels:
        raise ToolFailed(f"uv pinned {name} without a version or wheels", hint=_UPDATE)
    return Pin(name=name, version=package.version, wheels=wheels)


def _candidate(wheel: _Wheel) -> Candidate:
    try:
        url = split_credentials(wheel.url)[0]
        filename = filename_of(url) if wheel.name is None else wheel.name
        fits = urlsplit(url).scheme in ("http", "https")
    except ValueError:
        url, filename, fits = "", wheel.name or "a file", False
    if not fits:
        raise IndexFailed(
            f"the index has {filename} at an address that cannot stand in a lockfile",
            found=redact(wheel.url),
            expected="an address of the web",
        )
    if not filename.endswith(".whl") or "/" in filename:
        raise ToolFailed("uv listed a file that is no wheel", found=filename, hint=_UPDATE)
    return Candidate(
        filename=filename,
        url=url,
        sha256=_sha256(wheel.hashes, filename),
        size=wheel.size,
        upload_time=None if wheel.upload_time is None else _utc(wheel.upload_time),
    )


def _utc(time: datetime) -> datetime:
    return time.replace(tzinfo=timezone.utc) if time.tzinfo is None else time.astimezone(timezone.utc)


def _sha256(hashes: Mapping[str, str], filename: str) -> str | None:
    digest = hashes.get("sha256")
    if digest is None:
        return None
    if not _SHA256.fullmatch(digest.lower()):
        raise ToolFailed(f"uv says a sha256 of {filename} that is none", found=digest)
    return digest.lower()


def _direct(name: str, archive: _Archive) -> Candidate:
    """A requirement that names its file (PEP 508 direct reference)."""
    if archive.url is None or not filename_of(archive.url).endswith(".whl"):
        raise _not_a_wheel(name)
    return _candidate(_Wheel(url=archive.url.partition("#")[0], hashes=archive.hashes, size=archive.size))


def filename_of(url: str) -> str:
    """The last part of an address, percent-decoded."""
    return unquote(PurePosixPath(urlsplit(url).path).name)


def _not_a_wheel(name: str) -> ToolFailed:
    return ToolFailed(f"uv pinned {name} to something other than a wheel at an http(s) address", hint=_UPDATE)
