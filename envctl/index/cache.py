"""What wheels install, remembered by the sha256 of their files, so that a wheel is read once.

One file a wheel: a line with the sha256 of all that follows, a line of JSON, the manifest's text. A file that is not
whole is as good as none. Writing is atomic, so that any number of processes may share the folder.
"""

from __future__ import annotations

import contextlib
import hashlib
import re
from pathlib import Path

import msgspec

from envctl.errors import EnvctlError
from envctl.index.wheel import ReadWheel, WheelContent
from envctl.model.manifest import Manifest
from envctl.system.files import cache_dir, write_atomically

_HEX = re.compile(r"[0-9a-f]{64}")


class _Entry(msgspec.Struct, frozen=True, kw_only=True):
    """All of a ReadWheel but its manifest, and the manifest's digest."""

    filename: str
    sha256: str
    size: int
    content: str
    whole: bool
    requires: tuple[str, ...] = ()
    requires_python: str | None = None
    provides_extra: tuple[str, ...] = ()
    hooks: dict[str, str] = {}


class ContentCache:
    """Wheel contents under a folder; by default in the user's cache."""

    def __init__(self, folder: Path | None = None) -> None:
        self._folder = cache_dir("contents", "v1") if folder is None else folder

    def get(self, sha256: str, *, filename: str, whole: bool = False) -> ReadWheel | None:
        """The wheel with that sha256 and file name, None where it is not known (or, with `whole`, not read whole)."""
        place = self._place(sha256)
        try:
            data = place.read_bytes()
        except OSError:
            return None
        digest, _, rest = data.partition(b"\n")
        if hashlib.sha256(rest).hexdigest().encode() != digest:
            return None
        head, _, text = rest.partition(b"\n")
        try:
            entry = msgspec.json.decode(head, type=_Entry)
            if (entry.sha256, entry.filename) != (sha256, filename) or (whole and not entry.whole):
                return None
            if f"sha256:{hashlib.sha256(text).hexdigest()}" != entry.content:
                return None
            manifest = Manifest.parse(text)
        except (msgspec.MsgspecError, ValueError):
            return None
        content = WheelContent(
            filename=entry.filename,
            manifest=manifest,
            requires=entry.requires,
            requires_python=entry.requires_python,
            provides_extra=entry.provides_extra,
            hooks=entry.hooks,
            whole=entry.whole,
        )
        return ReadWheel(content=content, sha256=entry.sha256, size=entry.size)

    def put(self, read: ReadWheel) -> None:
        """Remember a wheel. A cache that cannot be written to is none, and no reason to fail."""
        content = read.content
        text = content.manifest.text()
        entry = _Entry(
            filename=content.filename,
            sha256=read.sha256,
            size=read.size,
            content=f"sha256:{hashlib.sha256(text).hexdigest()}",
            whole=content.whole,
            requires=content.requires,
            requires_python=content.requires_python,
            provides_extra=content.provides_extra,
            hooks=content.hooks,
        )
        rest = msgspec.json.encode(entry) + b"\n" + text
        with contextlib.suppress(EnvctlError, OSError):
            write_atomically(
                {self._place(read.sha256): hashlib.sha256(rest).hexdigest().encode() + b"\n" + rest}, durable=False
            )

    def note(self, url: str, sha256: str) -> None:
        """Remember under which sha256 the wheel of a URL is kept: a link whose text says it, made in one step."""
        place = self._note(url)
        with contextlib.suppress(OSError):
            place.parent.mkdir(parents=True, exist_ok=True)
            place.symlink_to(sha256)

    def noted(self, url: str) -> bool:
        """Whether a wheel was read from the URL before, so that reading it ahead of its sha256 would be for nothing."""
        try:
            return self._place(str(self._note(url).readlink())).exists()
        except (OSError, ValueError):
            return False

    def _note(self, url: str) -> Path:
        digest = hashlib.sha256(url.encode()).hexdigest()
        return self._folder / "urls" / digest[:2] / digest[2:]

    def _place(self, sha256: str) -> Path:
        if not _HEX.fullmatch(sha256):
            raise ValueError(f"{sha256!r} is no sha256")
        return self._folder / sha256[:2] / f"{sha256[2:]}.manifest"
