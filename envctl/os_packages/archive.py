"""An archive's index: `Release` -> the sha256 of `Packages` -> the sha256 of each package. Texts in, values out; pure.

Source: Debian's repository format (wiki.debian.org/DebianRepository/Format).
"""

from __future__ import annotations

import re

import msgspec

from envctl.os_packages.control import fields

COMPONENTS = ("main", "universe")
"""Free software that is supported (Debian), and that the community keeps (Ubuntu)."""
SUITES = ("{codename}", "{codename}-updates", "{codename}-security")
_SIGNED = re.compile(
    r"-----BEGIN PGP SIGNED MESSAGE-----\r?\n(?:[^\n]+\n)*\r?\n(.*?)\n-----BEGIN PGP SIGNATURE", re.DOTALL
)
_ROW = re.compile(r"([0-9a-f]{64})\s+(\d+)\s+(\S+)")
_KINDS = ("xz", "gz", "")


class IndexFile(msgspec.Struct, frozen=True):
    """A `Packages` file: its path below the suite's folder, sha256 and size in bytes."""

    path: str
    sha256: str
    size: int


def unsigned(text: str) -> str:
    """The text that an inline signature is about (RFC 4880, 7); the text itself where there is none."""
    match = _SIGNED.search(text)
    return text if match is None else match[1]


def index_files(release: str, arch: str, components: tuple[str, ...] = COMPONENTS) -> tuple[IndexFile, ...]:
    """The `Packages` files of a Release for an architecture: one for each component that it has.

    Raises:
        ValueError: it is no Release file, or lists no sha256.
    """
    said = fields(unsigned(release))
    listed: dict[str, IndexFile] = {}
    for line in said.get("sha256", "").splitlines():
        match = _ROW.fullmatch(line.strip())
        if match is not None:
            listed[match[3]] = IndexFile(match[3], match[1], int(match[2]))
    if not listed:
        raise ValueError("lists no file with its sha256")
    found = []
    for component in components:
        for kind in _KINDS:
            path = f"{component}/binary-{arch}/Packages" + (f".{kind}" if kind else "")
            if path in listed:
                found.append(listed[path])
                break
    return tuple(found)
