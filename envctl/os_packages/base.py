"""What a base image says of its OS: its kind and release, what is installed, where packages come from. Pure."""

from __future__ import annotations

import re
from collections.abc import Mapping

import msgspec

from envctl.os_packages.control import Record, fields, installed, paragraphs

STATUS = "var/lib/dpkg/status"
_WANTED = re.compile(
    r"(?:usr/lib|etc)/os-release|var/lib/dpkg/status|etc/apt/sources\.list(?:\.d/[^/]+\.(?:list|sources))?"
)
_LINE = re.compile(r"deb\s+(?:\[[^\]]*\]\s+)?(https?://\S+)\s+(\S+)\s+(.+)")


class Source(msgspec.Struct, frozen=True):
    """An entry of the base's sources: address, suite, components."""

    root: str
    suite: str
    components: tuple[str, ...]


class BaseSystem(msgspec.Struct, frozen=True, kw_only=True):
    """A base image's OS. `codename` is None where it says none; `packages` where there is no database of dpkg."""

    name: str
    codename: str | None
    packages: dict[str, Record] | None
    sources: tuple[Source, ...] = ()


def wanted(path: str, _size: int) -> bool:
    """Whether `base_system` reads the file at a path."""
    return _WANTED.fullmatch(path) is not None


def base_system(texts: Mapping[str, bytes], arch: str) -> BaseSystem:
    """The OS of an image, of the contents of the files that `wanted` names; ValueError where they are malformed."""
    said = _os_release(texts.get("etc/os-release") or texts.get("usr/lib/os-release") or b"")
    status = texts.get(STATUS)
    return BaseSystem(
        name=said.get("PRETTY_NAME") or said.get("ID") or "an unknown system",
        codename=said.get("VERSION_CODENAME") or said.get("UBUNTU_CODENAME"),
        packages=None if status is None else installed(_text(status), arch),
        sources=_sources(texts),
    )


def _text(data: bytes) -> str:
    return data.decode("utf-8", "replace")


def _os_release(data: bytes) -> dict[str, str]:
    rows = (line.partition("=")[::2] for line in _text(data).splitlines() if "=" in line)
    return {key.strip(): value.strip().strip("\"'") for key, value in rows}


def _sources(texts: Mapping[str, bytes]) -> tuple[Source, ...]:
    found: dict[Source, None] = {}
    for path in sorted(texts):
        if path.endswith(".sources"):
            for paragraph in paragraphs(_text(texts[path])):
                said = fields(paragraph)
                if "deb" in said.get("types", "").split() and said.get("enabled", "yes") != "no":
                    for root in said.get("uris", "").split():
                        for suite in said.get("suites", "").split():
                            found[Source(root.rstrip("/"), suite, tuple(said.get("components", "").split()))] = None
        elif path.startswith("etc/apt/"):
            for line in _text(texts[path]).splitlines():
                match = _LINE.match(line.strip())
                if match is not None:
                    found[Source(match[1].rstrip("/"), match[2], tuple(match[3].split()))] = None
    return tuple(source for source in found if source.root.startswith(("http://", "https://")))
