"""Digests of whole files, and files of a cache that carry their own: a damaged one counts as none."""

from __future__ import annotations

import contextlib
import hashlib
from pathlib import Path
from typing import BinaryIO

from envctl.errors import InvalidFile, ToolFailed
from envctl.system.files import read_bytes, write_atomically

_PIECE = 2**20


def sha256_of(file: BinaryIO) -> str:
    """64 hex digits, of what follows in an open file."""
    digest = hashlib.sha256()
    while piece := file.read(_PIECE):
        digest.update(piece)
    return digest.hexdigest()


def sha256_file(path: Path) -> str:
    """64 hex digits; OSError where it cannot be read."""
    with path.open("rb") as file:
        return sha256_of(file)


def keep(place: Path, data: bytes) -> None:
    """Write data with its digest. A place that cannot be written keeps nothing."""
    with contextlib.suppress(ToolFailed):
        write_atomically({place: _proof(data) + b"\n" + data}, durable=False)


def kept(place: Path) -> bytes | None:
    """What `keep` wrote there; None where there is nothing, or it is no longer that."""
    with contextlib.suppress(FileNotFoundError, InvalidFile):
        proof, _, data = read_bytes(place).partition(b"\n")
        if proof == _proof(data):
            return data
    return None


def _proof(data: bytes) -> bytes:
    return hashlib.sha256(data).hexdigest().encode()
