"""How a wheel is named before it was read."""

from __future__ import annotations

import msgspec


class WheelRef(msgspec.Struct, frozen=True, kw_only=True):
    """A wheel that an index or a lockfile names. `sha256`: 64 hex digits; None, as `size`, where nothing says it."""

    filename: str
    url: str
    sha256: str | None = None
    size: int | None = None
