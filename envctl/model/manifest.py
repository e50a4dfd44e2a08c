"""Content digests: what installing a wheel must create, as one digest that every installer agrees on.

A manifest is one line `<sha256>  <path>` for each file, sorted by path. Paths are places after installation: `site/…`
(purelib and platlib), `bin/…`, `include/…`, `prefix/…`, escaped as `sha256sum` does, so that `sha256sum --check`
reads it. The content digest of a wheel is the sha256 of its manifest; the environment digest is the sha256 of the
sorted lines `<name>==<version> <content digest>`. See docs/reference/digests.md.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping

import msgspec

SITE, BIN, INCLUDE, PREFIX = "site/", "bin/", "include/", "prefix/"
ROOTS = (SITE, BIN, INCLUDE, PREFIX)


def sha256(data: bytes) -> str:
    """`sha256:<hex>` of the data."""
    return "sha256:" + hashlib.sha256(data).hexdigest()


def _escape(path: str) -> tuple[str, str]:
    if not any(c in path for c in "\\\n\r"):
        return "", path
    return "\\", path.replace("\\", "\\\\").replace("\n", "\\n").replace("\r", "\\r")


def _unescape(path: str) -> str:
    out, rest = [], iter(path)
    for char in rest:
        out.append({"n": "\n", "r": "\r"}.get(code := next(rest, ""), code) if char == "\\" else char)
    return "".join(out)


def _order(path: str) -> bytes:
    return path.encode("utf-8", "surrogateescape")


class Manifest(msgspec.Struct, frozen=True):
    """The files of one wheel after installation: path -> sha256 (64 hex digits), in order of the paths' bytes."""

    files: dict[str, str]

    @classmethod
    def of(cls, files: Mapping[str, str]) -> Manifest:
        """Make a manifest of paths and hex digests in any order."""
        return cls(dict(sorted(files.items(), key=lambda item: _order(item[0]))))

    @classmethod
    def parse(cls, data: bytes) -> Manifest:
        """Read what `text` wrote; ValueError when it is anything else."""
        files = {}
        for number, line in enumerate(data.decode("utf-8", "surrogateescape").split("\n")[:-1], 1):
            digest, path = line[:66].lstrip("\\")[:64], line
            mark = line.startswith("\\")
            path = line[67:] if mark else line[66:]
            gap = line[65:67] if mark else line[64:66]
            if len(digest) != 64 or gap != "  " or not path.startswith(ROOTS):
                raise ValueError(f"line {number} of a manifest is malformed")
            files[_unescape(path) if mark else path] = digest
        return cls.of(files)

    def text(self) -> bytes:
        """The manifest's canonical bytes."""
        lines = []
        for path, digest in self.files.items():
            mark, escaped = _escape(path)
            lines.append(f"{mark}{digest}  {escaped}\n")
        return "".join(lines).encode("utf-8", "surrogateescape")

    def digest(self) -> str:
        """The content digest, `sha256:<hex>`."""
        return sha256(self.text())


def environment_digest(contents: Iterable[tuple[str, str, str]]) -> str:
    """The environment digest of (normalised name, version, content digest) triples."""
    lines = sorted(f"{name}=={version} {content}\n" for name, version, content in contents)
    return sha256("".join(lines).encode())
