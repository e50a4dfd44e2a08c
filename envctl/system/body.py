"""The body of an answer as it comes in: bounded in size, in time, and in what it decompresses to."""

from __future__ import annotations

import time
import zlib
from collections.abc import Iterator

_LEAST_RATE = 1024  # bytes a second


class BodyFailed(Exception):
    """A body that is not to be used. `again`: another attempt may bring a better one; `slow`: it took long to fail."""

    def __init__(
        self,
        what: str,
        *,
        found: str | None = None,
        expected: str | None = None,
        hint: str | None = None,
        again: bool = False,
        slow: bool = False,
    ) -> None:
        super().__init__(what)
        self.what, self.found, self.expected, self.hint = what, found, expected, hint
        self.again, self.slow = again, slow


class Answer:
    """The head of an answer, and its body as a stream that may be read once.

    Args:
        headers: by lower-case name.
        url: where the answer came from, without credentials.
        patience: seconds during which less than 1 KiB/s may come.
    """

    def __init__(
        self, *, status: int, headers: dict[str, str], url: str, stream: Iterator[bytes], patience: float
    ) -> None:
        self.status, self.headers, self.url = status, headers, url
        self._stream, self._patience = stream, patience

    @property
    def length(self) -> int | None:
        """Content-Length, where one is said."""
        said = self.headers.get("content-length", "")
        return int(said) if said.isdecimal() and len(said) < 20 else None

    def chunks(self, limit: int) -> Iterator[bytes]:
        """The body, decompressed, in pieces of together at most `limit` bytes.

        Raises:
            BodyFailed: too large, too slow, cut off, or not decompressible.
        """
        if self.length is not None and self.length > limit:
            raise _too_large(limit, f"{self.length:,} bytes announced")
        encoding = self.headers.get("content-encoding", "identity").strip().lower()
        if encoding in ("gzip", "x-gzip"):
            pieces = _gunzip(self._paced(), limit)
        elif encoding in ("identity", ""):
            pieces = self._paced()
        else:
            raise BodyFailed("is encoded in an unknown way", found=encoding[:80], expected="gzip, or none")
        size = 0
        for piece in pieces:
            size += len(piece)
            if size > limit:
                raise _too_large(limit, "more")
            yield piece

    def _paced(self) -> Iterator[bytes]:
        since, received = time.monotonic(), 0
        for chunk in self._stream:
            received += len(chunk)
            now = time.monotonic()
            if now - since >= self._patience:
                if received < _LEAST_RATE * (now - since):
                    raise BodyFailed(
                        "answers too slowly",
                        found=f"{received:,} bytes in {now - since:.0f} s",
                        expected=f"at least {_LEAST_RATE:,} bytes a second",
                        hint="the server or the way to it is slow; UV_HTTP_TIMEOUT says how many seconds to wait",
                        again=True,
                        slow=True,
                    )
                since, received = now, 0
            yield chunk


def _too_large(limit: int, found: str) -> BodyFailed:
    return BodyFailed("the answer is too large", found=found, expected=f"at most {limit:,} bytes")


def _gunzip(chunks: Iterator[bytes], limit: int) -> Iterator[bytes]:
    inflater = zlib.decompressobj(wbits=31)
    size = 0
    try:
        for chunk in chunks:
            rest = chunk
            while rest and not inflater.eof:
                piece = inflater.decompress(rest, 2**20)
                rest = inflater.unconsumed_tail
                size += len(piece)
                if size > limit:
                    raise _too_large(limit, "more, once decompressed")
                yield piece
    except zlib.error as error:
        raise BodyFailed("cannot be decompressed", found=str(error), again=True) from error
    if not inflater.eof:
        raise BodyFailed("ends before its compressed content does", again=True)
