"""The files in a `.deb`: path -> sha256, or what a link leads to. Nothing is unpacked to disk, nothing is run.

Source: deb(5), ar(5).
"""

from __future__ import annotations

import io
import lzma
from collections.abc import Iterator
from typing import BinaryIO

from envctl.errors import InvalidFile
from envctl.model.inventory import Kind
from envctl.oci.layers import read_layer
from envctl.oci.tar import Malformed

_MAGIC = b"!<arch>\n"
_HEADER = 60


def files_of(stream: BinaryIO, shown: str) -> dict[str, str]:
    """Path (no slash at its start) -> 64 hex digits of a file, or `-> TARGET` of a link; folders are left out.

    Args:
        stream: the `.deb`, which can be sought in.
        shown: its name in messages.

    Raises:
        InvalidFile: it is none, or damaged.
        ToolFailed: it is compressed with zstd, and the library for that is not installed.
    """
    for name, size in _members(stream, shown):
        if name.startswith("data.tar"):
            data: BinaryIO = io.BytesIO(stream.read(size))
            if name.endswith(".xz"):
                data = lzma.LZMAFile(data)  # type: ignore[assignment]  # noqa: SIM115  # a stream in memory
            try:
                layer = read_layer(data, keep=lambda _path, _size: False)
            except (Malformed, lzma.LZMAError, EOFError) as error:
                raise InvalidFile("the OS package is damaged", file=shown, found=str(error)) from error
            return {
                path: entry.sha256 or f"-> {entry.link or ''}"
                for path, entry in layer.entries.items()
                if entry.kind in (Kind.FILE, Kind.LINK)
            }
    raise InvalidFile("is no OS package", file=shown, expected="a .deb with a data.tar in it")


def _members(stream: BinaryIO, shown: str) -> Iterator[tuple[str, int]]:
    """Name and size of each member; the stream stands at its content meanwhile."""
    stream.seek(0)
    if stream.read(len(_MAGIC)) != _MAGIC:
        raise InvalidFile("is no OS package", file=shown, expected="a .deb, which is an archive of ar")
    while header := stream.read(_HEADER):
        name, size = header[:16].decode("ascii", "replace").strip().rstrip("/"), header[48:58].strip()
        if len(header) < _HEADER or header[58:] != b"`\n" or not size.isdigit():
            raise InvalidFile("the OS package is damaged", file=shown, found="a malformed header")
        start = stream.tell()
        yield name, int(size)
        stream.seek(start + int(size) + int(size) % 2)
