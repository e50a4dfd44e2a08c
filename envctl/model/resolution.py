"""What a resolver answers, and what reading the chosen wheels adds to it."""

from __future__ import annotations

from datetime import datetime

import msgspec

from envctl.model.lockfile import Wheel
from envctl.model.manifest import Manifest


class Candidate(msgspec.Struct, frozen=True, kw_only=True):
    """One file of a pinned distribution that the index offers. `sha256`: 64 hex digits, None where it says none."""

    filename: str
    url: str
    sha256: str | None = None
    size: int | None = None
    upload_time: datetime | None = None


class Pin(msgspec.Struct, frozen=True, kw_only=True):
    """A resolved distribution. `index` names the bound index it came from, None for the default index."""

    name: str
    version: str
    wheels: tuple[Candidate, ...]
    index: str | None = None


class Resolution(msgspec.Struct, frozen=True, kw_only=True):
    """The pins for one platform, sorted by name."""

    pins: tuple[Pin, ...]


class Resolved(msgspec.Struct, frozen=True, kw_only=True):
    """A pin with the one wheel of a platform, read.

    Attributes:
        index: the URL of the bound index that it came from, None for the default index.
        requires: the wheel's Requires-Dist, verbatim.
        requires_python: the wheel's Requires-Python, verbatim.
        hooks: files that run at every start of Python: path under the site directory -> 64 hex digits.
    """

    name: str
    version: str
    wheel: Wheel
    manifest: Manifest
    content: str
    index: str | None = None
    requires: tuple[str, ...] = ()
    requires_python: str | None = None
    hooks: dict[str, str] = {}
