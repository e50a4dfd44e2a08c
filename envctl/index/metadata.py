"""METADATA and WHEEL: the headers that locking needs (core metadata specification; RFC 822 as Python reads it)."""

from __future__ import annotations

import re

import msgspec

from envctl.index.archive import Malformed

_HEADER = re.compile(r"([\x21-\x39\x3b-\x7e]*):(.*)", re.DOTALL)


class Metadata(msgspec.Struct, frozen=True, kw_only=True):
    """`requires`: Requires-Dist verbatim, in order."""

    name: str
    version: str
    requires: tuple[str, ...] = ()
    requires_python: str | None = None
    provides_extra: tuple[str, ...] = ()


def parse_metadata(data: bytes) -> Metadata:
    """Read METADATA; Malformed when it has not one name and one version, or is not UTF-8."""
    try:
        headers = _headers(data)
    except UnicodeDecodeError as error:
        raise Malformed("METADATA is not UTF-8", found=f"byte {error.start}") from None
    name, version = headers.get("name", []), headers.get("version", [])
    if len(name) != 1 or len(version) != 1:
        raise Malformed("METADATA has not one name and one version", found=", ".join([*name, *version]) or "none")
    python = headers.get("requires-python", [])
    return Metadata(
        name=name[0],
        version=version[0],
        requires=tuple(headers.get("requires-dist", ())),
        requires_python=python[0] if python and python[0] else None,
        provides_extra=tuple(headers.get("provides-extra", ())),
    )


def check_wheel_version(data: bytes) -> None:
    """Check the file WHEEL: a major version of the format that this program knows (binary-distribution-format)."""
    said = _headers(data.decode("utf-8", "replace").encode()).get("wheel-version", [])
    if len(said) != 1 or said[0].partition(".")[0] != "1":
        raise Malformed("is a wheel of a version that is not known", found=", ".join(said) or "none", expected="1.0")


def _headers(data: bytes) -> dict[str, list[str]]:
    """The headers by lower-case name, up to the empty line, or as email.parser does to the first that is none."""
    found: dict[str, list[str]] = {}
    last: list[str] | None = None
    head = re.split(rb"\r?\n\r?\n|\r\r", data, maxsplit=1)[0]
    for line in re.split(r"\r\n|\r|\n", head.decode("utf-8-sig")):
        if line[:1] in (" ", "\t"):
            if last is not None:
                last[-1] = f"{last[-1]} {line.strip()}".strip()
            continue
        match = _HEADER.fullmatch(line)
        if match is None:
            break
        last = found.setdefault(match[1].lower(), []) if match[1] else None
        if last is not None:
            last.append(match[2].strip())
    return found
