"""Blobs as streams, whose size and digest are checked at their end."""

from __future__ import annotations

import hashlib
import io
import queue
import threading
from collections.abc import Callable, Generator, Iterable, Iterator
from typing import TYPE_CHECKING, BinaryIO, TypeVar, cast

from envctl.errors import EnvctlError
from envctl.oci.media import Descriptor

if TYPE_CHECKING:
    from _typeshed import WriteableBuffer

Failure = Callable[[str, str, str], EnvctlError]
"""Makes the error of whoever reads, from: what is wrong, what was found, what was expected."""


Bytes = TypeVar("Bytes", bytes, memoryview)


class Beside:
    """A digest of pieces, computed by a thread of its own while others unpack and parse. `finish` must be called."""

    def __init__(self, algorithm: str = "sha256") -> None:
        self._sum = hashlib.new(algorithm)
        self._pieces: queue.Queue[bytes | memoryview | None] = queue.Queue(8)
        self._thread = threading.Thread(target=self._work, name="envctl-digest", daemon=True)
        self._thread.start()

    def through(self, pieces: Iterable[Bytes]) -> Iterator[Bytes]:
        """The pieces, which must not change any more."""
        for piece in pieces:
            self._pieces.put(piece)
            yield piece

    def finish(self) -> str:
        """The digest, as hex digits."""
        self._pieces.put(None)
        self._thread.join()
        return self._sum.hexdigest()

    def _work(self) -> None:
        while (piece := self._pieces.get()) is not None:
            self._sum.update(piece)


def ahead(pieces: Iterator[bytes], stop: Callable[[], object] = lambda: None) -> Generator[bytes]:
    """The pieces, which a thread of its own reads before they are taken: whoever makes them does not wait meanwhile.

    Args:
        stop: ends what the thread may wait for, when no more pieces are taken. The thread is gone afterwards.
    """
    came: queue.Queue[bytes | BaseException | None] = queue.Queue(8)
    stopped = threading.Event()

    def read() -> None:
        try:
            for piece in pieces:
                came.put(piece)
                if stopped.is_set():
                    return
            came.put(None)
        except BaseException as error:  # noqa: BLE001  # raised by whoever takes the pieces
            came.put(error)

    thread = threading.Thread(target=read, name="envctl-ahead", daemon=True)
    thread.start()
    try:
        while isinstance(found := came.get(), bytes):
            yield found
        if found is not None:
            raise found
    finally:
        stopped.set()
        while not came.empty():  # it may wait for room
            came.get_nowait()
        stop()
        thread.join()


def checked_chunks(
    chunks: Iterator[bytes], descriptor: Descriptor, failure: Failure, *, digest: bool = True
) -> Iterator[bytes]:
    """The chunks as they come; after the last one it is certain that they are what the descriptor says.

    Args:
        digest: False checks the size alone.
    """
    algorithm, _, expected = descriptor.digest.partition(":")
    beside = Beside(algorithm) if digest else None
    size, found = 0, expected
    try:
        for chunk in chunks if beside is None else beside.through(chunks):
            size += len(chunk)
            if size > descriptor.size:
                raise failure("is larger than its manifest says", "more", f"{descriptor.size:,} bytes")
            yield chunk
    finally:
        if beside is not None:
            found = beside.finish()
    if size != descriptor.size:
        raise failure("is smaller than its manifest says", f"{size:,} bytes", f"{descriptor.size:,} bytes")
    if found != expected:
        raise failure("has another digest than its manifest says", f"{algorithm}:{found}", descriptor.digest)


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
