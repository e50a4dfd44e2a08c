"""METADATA of a wheel on an index: beside the wheel where it is (PEP 658), else out of the archive by ranges."""

from __future__ import annotations

import io
import tempfile
import zipfile
from typing import BinaryIO, cast
from urllib.parse import urlsplit

from envctl.errors import IndexFailed
from envctl.system.credentials import redact
from envctl.system.http import Client

_TAIL = 64 * 1024
_BLOCK = 32 * 1024
_LIMIT = 32 * 2**20
_WHEEL_LIMIT = 16 * 2**30


def read_metadata(client: Client, url: str, filename: str, *, beside: bool = False) -> bytes:
    """METADATA of the wheel at `url`.

    Args:
        beside: whether the index says that it has the metadata in a file of its own.

    Raises:
        IndexFailed: it cannot be read, or the wheel is none.
    """
    if beside:
        page = client.get(_beside(url), limit=_LIMIT, expect=(200, 404))
        if page.status == 200:
            return page.body
    tail = client.get_range(url, suffix=_TAIL)
    if tail is not None:
        return _member(cast(BinaryIO, _Ranged(client, url, *tail)), url, filename)
    with tempfile.TemporaryFile(prefix="envctl-") as file:
        client.stream_to(url, file, limit=_WHEEL_LIMIT)
        return _member(file, url, filename)


def _beside(url: str) -> str:
    parts = urlsplit(url)
    return parts._replace(path=f"{parts.path}.metadata").geturl()


def _member(file: BinaryIO, url: str, filename: str) -> bytes:
    project, version = [*filename.split("-"), ""][:2]
    try:
        with zipfile.ZipFile(file) as archive:
            found = [info for info in archive.infolist() if _is_metadata(info.filename, project, version)]
            if len(found) != 1:
                raise IndexFailed(
                    "the wheel has no METADATA, or several",
                    file=redact(url),
                    expected="one NAME-VERSION.dist-info/METADATA",
                )
            if found[0].file_size > _LIMIT:
                raise IndexFailed(
                    "the wheel's METADATA is too large", file=redact(url), found=f"{found[0].file_size:,} bytes"
                )
            return archive.read(found[0])
    except (zipfile.BadZipFile, EOFError, ValueError, NotImplementedError, RuntimeError, OSError) as error:
        raise IndexFailed("the wheel cannot be read", file=redact(url), found=str(error)) from error


def _is_metadata(member: str, project: str, version: str) -> bool:
    folder, slash, name = member.partition("/")
    if not slash or name != "METADATA" or not folder.endswith(".dist-info"):
        return False
    own = folder.removesuffix(".dist-info")
    # Names are written in several ways; the version separates them from those of vendored distributions.
    return own.lower().replace("-", "_").replace(".", "_") == f"{project}-{version}".lower().replace("-", "_").replace(
        ".", "_"
    )


class _Ranged(io.BufferedIOBase):
    """A remote file: its end is known, what else is read comes by ranges."""

    def __init__(self, client: Client, url: str, tail: bytes, size: int) -> None:
        self._client, self._url, self._size, self._at, self._fetched = client, url, size, 0, 0
        self._tail = (size - len(tail), tail)
        self._block = (0, b"")

    def readable(self) -> bool:
        """As every file that is read."""
        return True

    def seekable(self) -> bool:
        """zipfile reads from the end."""
        return True

    def tell(self) -> int:
        """The place of the next read."""
        return self._at

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        """Move the place of the next read."""
        self._at = offset + {io.SEEK_SET: 0, io.SEEK_CUR: self._at, io.SEEK_END: self._size}[whence]
        if self._at < 0:
            raise OSError("the archive points before its own start")
        return self._at

    def read(self, size: int | None = -1) -> bytes:
        """At most `size` bytes from here."""
        begin = self._at
        end = self._size if size is None or size < 0 else min(self._size, begin + size)
        if begin >= end:
            return b""
        start, known = next((held for held in (self._tail, self._block) if _holds(held, begin, end)), (0, b""))
        if not known:
            start, known = self._block = begin, self._fetch(begin, min(self._size, max(end, begin + _BLOCK)))
        self._at = end
        return known[begin - start : end - start]

    def _fetch(self, begin: int, end: int) -> bytes:
        self._fetched += end - begin
        if self._fetched > _LIMIT:
            raise ValueError("its directory is too large")
        found = self._client.get_range(self._url, begin, end)
        if found is None or found[1] != self._size:
            raise ValueError("the server gave another range than it was asked for")
        return found[0]


def _holds(held: tuple[int, bytes], begin: int, end: int) -> bool:
    return held[0] <= begin and end <= held[0] + len(held[1])
