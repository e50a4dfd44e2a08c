"""A wheel on a server, read by ranges: its end first, which mostly holds all that is needed."""

from __future__ import annotations

import bisect
from collections.abc import Iterable

from envctl.index.archive import Malformed
from envctl.system.http import Client

TAIL = 64 * 2**10
_GAP = 32 * 2**10  # reading so much for nothing costs less than another request


class NoRanges(Exception):
    """The server does not serve ranges of this file; it must be read whole."""


def other_size(found: int, expected: int) -> Malformed:
    """A file is not as large as its index says."""
    return Malformed("has another size than the index says", found=f"{found:,}", expected=f"{expected:,} bytes")


class RemoteSource:
    """An archive behind a URL (`envctl.index.archive.Source`). What was read once is kept.

    Args:
        size: bytes of the file, where the index says it.

    Raises:
        NoRanges: here and in `read`.
        Malformed: the file has another size.
        IndexFailed: the server failed.
    """

    def __init__(self, client: Client, url: str, size: int | None = None) -> None:
        self._client, self._url = client, url
        # Some servers know no suffix ranges; where the size is known, none is needed.
        if size is not None:
            answer = client.get_range(url, max(0, size - TAIL), size)
        else:
            answer = client.get_range(url, suffix=TAIL)
        if answer is None:
            raise NoRanges
        data, self._size = answer
        if size is not None and self._size != size:
            raise other_size(self._size, size)
        self._starts = [self._size - len(data)]
        self._pieces = [data]

    @property
    def size(self) -> int:
        """Bytes of the whole file."""
        return self._size

    @property
    def whole(self) -> bytes | None:
        """The file, where its end was all of it."""
        return self._pieces[0] if len(self._pieces[0]) == self._size else None

    def read(self, start: int, end: int) -> bytes:
        """The bytes from `start` up to `end`, from what was read or by another request."""
        found = self._find(start, end)
        if found is None:
            self.fetch([(start, end)])
            found = self._find(start, end)
            if found is None:
                raise NoRanges
        return found

    def fetch(self, ranges: Iterable[tuple[int, int]]) -> None:
        """Read several ranges ahead, those that lie close together by one request."""
        wanted = sorted((start, end) for start, end in ranges if end > start and self._find(start, end) is None)
        merged: list[list[int]] = []
        for start, end in wanted:
            if merged and start <= merged[-1][1] + _GAP:
                merged[-1][1] = max(merged[-1][1], end)
            else:
                merged.append([start, end])
        for start, end in merged:
            answer = self._client.get_range(self._url, start, end)
            if answer is None or answer[1] != self._size or len(answer[0]) != end - start:
                raise NoRanges
            place = bisect.bisect_left(self._starts, start)
            self._starts.insert(place, start)
            self._pieces.insert(place, answer[0])

    def _find(self, start: int, end: int) -> bytes | None:
        place = bisect.bisect_right(self._starts, start) - 1
        while place >= 0:
            first, piece = self._starts[place], self._pieces[place]
            if start >= first and end <= first + len(piece):
                return piece[start - first : end - first]
            place -= 1
        return None
