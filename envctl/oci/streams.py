"""Blobs as streams, whose size and digest are checked at their end."""

from __future__ import annotations

import hashlib
import io
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, BinaryIO, cast

from envctl.errors import EnvctlError
from envctl.oci.media import Descriptor

if TYPE_CHECKING:
    from _typeshed import WriteableBuffer

Failure = Callable[[str, str, str], EnvctlError]
"""Makes the error of whoever reads, from: what is wrong, what was found, what was expected."""


def checked_chunks(
    chunks: Iterator[bytes], descriptor: Descriptor, failure: Failure, *, digest: bool = True
) -> Iterator[bytes]:
    """The chunks as they come; after the last one it is certain that they are what the descriptor says.

    Args:
        digest: False checks the size alone.
    """
    algorithm, _, expected = descriptor.digest.partition(":")
    hasher = hashlib.new(algorithm) if digest else None
    size = 0
    for chunk in chunks:
        size += len(chunk)
        if size > descriptor.size:
            raise failure("is larger than its manifest says", "more", f"{descriptor.size:,} bytes")
        if hasher is not None:
            hasher.update(chunk)
        yield chunk
    if size != descriptor.size:
        raise failure("is smaller than its manifest says", f"{size:,} bytes", f"{descriptor.size:,} bytes")
    if hasher is not None and hasher.hexdigest() != expected:
        raise failure(
            "has another digest than its manifest says", f"{algorithm}:{hasher.hexdigest()}", descriptor.digest
        )


class _Stream(io.RawIOBase):
    def __init__(self, chunks: Iterator[bytes]) -> None:
        super().__init__()
        self._chunks, self._left = chunks, memoryview(b"")

    def readable(self) -> bool:
        return True

    def read(self, size: int = -1, /) -> bytes | None:
        if size < 0 or self._left:
            return super().read(size)
        piece = self._next()
        if len(piece) <= size:
            return piece  # as it came: no copy
        self._left = memoryview(piece)
        return super().read(size)

    def _next(self) -> bytes:
        while (piece := next(self._chunks, None)) is not None:
            if piece:
                return piece
        return b""

    def readinto(self, buffer: WriteableBuffer) -> int:
        if not self._left:
            self._left = memoryview(self._next())
        target = memoryview(buffer).cast("B")
        size = min(len(target), len(self._left))
        target[:size] = self._left[:size]
        self._left = self._left[size:]
        return size

    def close(self) -> None:
        if not self.closed:
            close = getattr(self._chunks, "close", None)
            if close is not None:
                close()  # a generator: gives its connection or file back now, not when it is collected
        super().close()


def stream_of(chunks: Iterator[bytes]) -> BinaryIO:
    """The chunks as an unbuffered stream; closing it ends whatever they come from."""
    return cast("BinaryIO", _Stream(chunks))
