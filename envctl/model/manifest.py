"""Content digests: what installing a wheel must create, as one digest that every installer agrees on.

A manifest is one line `<sha256>  <path>` for each file, sorted by path. Paths are places after installation: `site/…`
(purelib and platlib), `bin/…`, `include/…`, `prefix/…`, escaped as `sha256sum` does, so that `sha256sum --check`
reads it. The content digest of a wheel is the sha256 of its manifest; the environment digest is the sha256 of the
sorted lines `<name>==<version> <content digest>`. See docs/reference/digests.md.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable, Mapping

import msgspec

SITE, BIN, INCLUDE, PREFIX = "site/", "bin/", "include/", "prefix/"


def sha256(data: bytes) -> str:
    """`sha256:<hex>` of the data."""
    return "sha256:" + hashlib.sha256(data).hexdigest()


_SPECIAL = re.compile(r"[\\\n\r]")
_ESCAPES = {"\\": "\\\\", "\n": "\\n", "\r": "\\r"}
_ESCAPED = re.compile(r"\\(.)")
_LINE = re.compile(r"^(\\?)([0-9a-f]{64})  ((?:site|bin|include|prefix)/.+)$", re.MULTILINE)


def _escape(path: str) -> str:
    return _SPECIAL.sub(lambda match: _ESCAPES[match[0]], path)


def _unescape(path: str) -> str:
    return _ESCAPED.sub(lambda match: {"n": "\n", "r": "\r"}.get(match[1], match[1]), path)


def _order(path: str) -> bytes:
    return path.encode("utf-8", "surrogateescape")


class Manifest(msgspec.Struct, frozen=True):
    """The files of one wheel after installation: path -> sha256 (64 hex digits), in order of the paths' bytes."""

    files: dict[str, str]

    @classmethod
    def of(cls, files: Mapping[str, str]) -> Manifest:
        """Make a manifest of paths and hex digests in any order."""
        # Code points are in the order of their UTF-8 bytes; only bytes that are no UTF-8 must be looked at as such.
        key = None if "".join(files).isascii() else _order
        return cls({path: files[path] for path in sorted(files, key=key)})

    @classmethod
    def parse(cls, data: bytes) -> Manifest:
        """Read what `text` wrote; ValueError when it is anything else."""
        text = data.decode("utf-8", "surrogateescape")
        rows = _LINE.findall(text)
        plain = "\\" not in text and "\r" not in text
        files = {path if plain else _unescape(path) if mark else path: digest for mark, digest, path in rows}
        manifest = cls.of(files)
        # Whole lines, each path once, in order: then, without escapes, there is only one way to write it.
        whole = len(files) == text.count("\n") and (not text or text.endswith("\n"))
        canonical = list(files) == list(manifest.files) if plain else manifest.text() == data
        if not (whole and canonical):
            raise ValueError("the text is no manifest in its canonical form")
        return manifest

    def text(self) -> bytes:
        """The manifest's canonical bytes."""
        if _SPECIAL.search("".join(self.files)) is None:
            lines = [f"{digest}  {path}\n" for path, digest in self.files.items()]
        else:
            lines = [
                f"\\{digest}  {_escape(path)}\n" if _SPECIAL.search(path) else f"{digest}  {path}\n"
                for path, digest in self.files.items()
            ]
        return "".join(lines).encode("utf-8", "surrogateescape")

    def digest(self) -> str:
        """The content digest, `sha256:<hex>`."""
        return sha256(self.text())


def environment_digest(contents: Iterable[tuple[str, str, str]]) -> str:
    """The environment digest of (normalised name, version, content digest) triples."""
    lines = sorted(f"{name}=={version} {content}\n" for name, version, content in contents)
    return sha256("".join(lines).encode())
