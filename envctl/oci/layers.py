"""A layer of an image: unpacked in memory as it comes, each file hashed, nothing written to disk but Python modules.

Source: OCI image specification 1.1, layer.md (changesets, whiteouts).
"""

from __future__ import annotations

import hashlib
import os
import tempfile
import threading
import zlib
from collections.abc import Callable, Generator, Iterator
from typing import IO, Any, BinaryIO, cast

import msgspec

from envctl.errors import ToolFailed
from envctl.model.inventory import Entry, Kind
from envctl.oci.streams import Beside, ahead
from envctl.oci.tar import Malformed, Member, TarStream

WHITEOUT, OPAQUE = ".wh.", ".wh..wh..opq"
COMPRESSED = _GZIP, _ZSTD = b"\x1f\x8b", b"\x28\xb5\x2f\xfd"
_PIECE = 2**20
_MOST_ENTRIES = 4_000_000
_WHOLE = 2**20
_START = 4
_KINDS = {"folder": Kind.FOLDER, "device": Kind.DEVICE, "fifo": Kind.FIFO}

Keep = Callable[[str, int], bool]
"""Whether the content of the file at a path (without a slash at its start), of a size in bytes, is asked for."""


class Layer(msgspec.Struct, kw_only=True):
    """What one layer says.

    Attributes:
        diff_id: sha256 of its tar file, `sha256:<hex>`; None where it was not computed.
        entries: path -> entry, in the order of the tar file. A hard link is the entry of the file that it names.
        whiteouts: paths that it takes away from the layers below. `opaque`: folders of which it takes away all.
        texts: contents that were asked for.
        packed: path -> offset and size in the pack.
    """

    diff_id: str | None
    entries: dict[str, Entry]
    whiteouts: tuple[str, ...]
    opaque: tuple[str, ...]
    texts: dict[str, bytes]
    packed: dict[str, tuple[int, int]]


class Pack:
    """An unnamed temporary file, in which the contents lie that another process will read."""

    def __init__(self) -> None:
        self._file: IO[bytes] = tempfile.TemporaryFile(prefix="envctl-")  # noqa: SIM115  # closed by close()
        self._lock = threading.Lock()
        self._end = 0

    def add(self, data: bytes) -> tuple[int, int]:
        """Keep the data; offset and size."""
        with self._lock:
            at, self._end = self._end, self._end + len(data)
            self._file.write(data)
        return at, len(data)

    def read(self, at: int, size: int) -> bytes:
        """What `add` kept there."""
        return os.pread(self.fileno(), size, at)

    def fileno(self) -> int:
        """The descriptor of the file, with all in it that was added."""
        with self._lock:
            self._file.flush()
        return self._file.fileno()

    def close(self) -> None:
        """Remove it."""
        self._file.close()


def decompressed(stream: BinaryIO) -> Generator[bytes]:
    """The bytes of a compressed or plain stream, by what it begins with: gzip, zstd, or neither.

    Raises:
        Malformed: it is damaged.
        ToolFailed: it is zstd, and the library for that is not installed.
    """
    start = stream.read(_PIECE)
    while len(start) < 4 and (more := stream.read(_PIECE)):
        start += more
    if start.startswith(_GZIP):
        return ahead(_inflated(stream, start, _gzip))
    if start.startswith(_ZSTD):
        return ahead(_inflated(stream, start, _zstd))
    return _plain(stream, start)


def _plain(stream: BinaryIO, piece: bytes) -> Generator[bytes]:
    while piece:
        yield piece
        piece = stream.read(_PIECE)


def _inflated(stream: BinaryIO, piece: bytes, make: Callable[[], Any]) -> Iterator[bytes]:
    """Each member or frame of the stream; what is left in the decompressor comes in pieces of bounded size."""
    inflating = make()
    damaged = (zlib.error, ValueError, EOFError, OSError, RuntimeError, _gzip_error(), _zstd_error())
    while True:
        try:
            found = inflating.decompress(piece, _PIECE)
        except damaged as error:
            raise Malformed("the compressed data is damaged", found=str(error)) from error
        if found:
            yield found
        if inflating.eof:
            piece = inflating.unused_data or stream.read(_PIECE)
            if not piece.strip(b"\0"):
                while piece := stream.read(_PIECE):
                    if piece.strip(b"\0"):
                        raise Malformed("something follows the end of the compressed data")
                return
            inflating = make()
            continue
        piece = getattr(inflating, "unconsumed_tail", b"")
        if not piece and getattr(inflating, "needs_input", True) and (not found or len(found) < _PIECE):
            piece = stream.read(_PIECE)
            if not piece:
                raise Malformed("the compressed data ends in the middle")


def _gzip() -> Any:
    try:
        from isal import isal_zlib
    except ImportError:
        return zlib.decompressobj(31)
    return isal_zlib.decompressobj(31)


def _gzip_error() -> type[BaseException]:
    try:
        from isal import isal_zlib
    except ImportError:
        return zlib.error
    return cast(type[BaseException], isal_zlib.error)  # whose stub calls the class an instance


def _zstd() -> Any:
    library = _zstd_library()
    if library is None:
        raise ToolFailed("a layer is compressed with zstd", hint="pip install 'envctl-ml[containers]'")
    return library.ZstdDecompressor()


def _zstd_library() -> Any:
    try:
        from compression import zstd  # type: ignore[import-not-found, unused-ignore]  # Python 3.14
    except ImportError:
        try:
            from backports import zstd
        except ImportError:
            return None
    return zstd


def _zstd_error() -> type[BaseException]:
    library = _zstd_library()
    return ValueError if library is None else library.ZstdError


def read_layer(
    stream: BinaryIO,
    *,
    keep: Keep,
    pack: Pack | None = None,
    packs: Keep | None = None,
    diff_id: bool = True,
    whole: bool = False,
) -> Layer:
    """Read one layer to its end.

    Args:
        keep: which contents are asked for. `packs`: which go to the pack.
        diff_id: compute it; False where whoever opened the stream vouches for its bytes in another way.
        whole: it must have the mark that ends a tar file; for what no digest vouches for.

    Raises:
        Malformed: it is damaged, or written in a way that readers understand differently.
    """
    digest = Beside() if diff_id else None
    reading = _Reading(keep, pack, packs)
    unpacked = decompressed(stream)
    try:
        pieces = unpacked if digest is None else digest.through(unpacked)
        tar = TarStream(pieces)
        for member in tar:
            reading.take(tar, member)
        for _ in pieces:
            """What follows the end counts for the digest."""
        if whole and not tar.ended:
            raise Malformed("the tar file is cut off", found="no mark of its end")
    finally:
        unpacked.close()  # now, not when it is collected: its thread reads the stream, which is closed next
        computed = None if digest is None else f"sha256:{digest.finish()}"
    return Layer(
        diff_id=computed,
        entries=reading.entries,
        whiteouts=tuple(reading.whiteouts),
        opaque=tuple(reading.opaque),
        texts=reading.texts,
        packed=reading.packed,
    )


class _Reading:
    def __init__(self, keep: Keep, pack: Pack | None, packs: Keep | None) -> None:
        self._keep, self._pack, self._packs = keep, pack, packs
        self.entries: dict[str, Entry] = {}
        self.whiteouts: list[str] = []
        self.opaque: list[str] = []
        self.texts: dict[str, bytes] = {}
        self.packed: dict[str, tuple[int, int]] = {}

    def take(self, tar: TarStream, member: Member) -> None:
        path = member.path
        folder, _, name = path.rpartition("/")
        if name.startswith(WHITEOUT):
            self._whiteout(folder, name)
            return
        if not path:  # the root itself
            return
        if member.kind == "file":
            entry = self._file(tar, member)
        elif member.kind == "hardlink":
            self._hardlink(path, member)
            return
        elif member.kind == "link":
            entry = Entry(Kind.LINK, 0o777, link=member.target)
        else:
            entry = Entry(_KINDS[member.kind], member.mode)
        self._set(path, entry)

    def _set(self, path: str, entry: Entry) -> None:
        known = self.entries.get(path)
        if known is not None and (known.kind is not Kind.FOLDER or entry.kind is not Kind.FOLDER):
            raise Malformed("the layer has two files of one name", found=ascii(path)[:200])
        if len(self.entries) >= _MOST_ENTRIES:
            raise Malformed("the layer has too many files", found=f"more than {_MOST_ENTRIES:,}")
        self.entries[path] = entry

    def _whiteout(self, folder: str, name: str) -> None:
        if name == OPAQUE:
            self.opaque.append(folder)
        elif not name.startswith(".wh..wh."):  # aufs's own notes hide nothing
            hidden = name.removeprefix(WHITEOUT)
            if hidden in ("", ".", ".."):
                raise Malformed("the layer has a malformed whiteout", found=ascii(name))
            path = f"{folder}/{hidden}" if folder else hidden
            if path in self.entries:
                raise Malformed("the layer removes what it brought", found=ascii(path)[:200])
            self.whiteouts.append(path)

    def _file(self, tar: TarStream, member: Member) -> Entry:
        path, size = member.path, member.size
        packs = self._packs is not None and self._packs(path, size)
        if packs or size <= _WHOLE or self._keep(path, size):
            data = tar.content(member)
            digest, start = hashlib.sha256(data).hexdigest(), bytes(data[:_START])
            if self._keep(path, size):
                self.texts[path] = data
            if packs and self._pack is not None:
                self.packed[path] = self._pack.add(data)
        else:
            hashing, start = Beside(), b""
            try:
                for piece in hashing.through(tar.pieces(member)):
                    if len(start) < _START:
                        start += bytes(piece[: _START - len(start)])
            finally:
                digest = hashing.finish()
        return Entry(Kind.FILE, member.mode, size, digest, start=start)

    def _hardlink(self, path: str, member: Member) -> None:
        target = "/".join(part for part in member.target.split("/") if part not in ("", "."))
        entry = self.entries.get(target)
        if entry is None:  # some engines take the file of a lower layer, and none the one that comes later
            raise Malformed("the layer has a hard link to a file that is not in it", found=ascii(path)[:200])
        if entry.kind is Kind.FOLDER:
            raise Malformed("the layer has a hard link to a folder", found=ascii(path)[:200])
        self._set(path, entry)
        if target in self.texts and self._keep(path, entry.size):
            self.texts[path] = self.texts[target]
        if target in self.packed:
            self.packed[path] = self.packed[target]
