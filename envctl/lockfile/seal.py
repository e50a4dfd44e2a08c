"""The last line of a lockfile: the digest of all lines above it, so that an edit by hand or a bad merge is told. Pure.

Whoever edits a file can seal it again: this is for accidents. What a wheel holds is proven by its own digests.
"""

from __future__ import annotations

import hashlib
import re

_SEAL = re.compile(rb'^seal = "sha256:([0-9a-f]{64})"\n\Z', re.MULTILINE)


def sealed(text: bytes) -> bytes:
    """The text with its seal; `[tool.envctl]` must be its last table."""
    return text + f'seal = "sha256:{hashlib.sha256(text).hexdigest()}"\n'.encode()


def intact(data: bytes) -> bool:
    """Whether a lockfile is, byte for byte, what an envctl wrote."""
    match = _SEAL.search(data)
    return match is not None and hashlib.sha256(data[: match.start()]).hexdigest().encode() == match[1]
