"""Zip archives read with suspicion, from any source of bytes: a file, or ranges of one on a server.

Python's `zipfile` forgives what two readers may read in two ways (names given twice, data before the archive, a
directory that points elsewhere than the members lie). A wheel that installers may unpack differently has no content
digest, so everything of that kind is refused here. Source: APPNOTE.TXT 6.3.10, sections 4.3 and 4.4.
"""

from __future__ import annotations

import hashlib
import stat
import struct
import zlib
from collections.abc import Iterator
from operator import attrgetter
from typing import BinaryIO, Protocol

import msgspec

from envctl.model.record import safe_member

TOTAL_LIMIT = 64 * 2**30
DIRECTORY_LIMIT = 128 * 2**20
END_SIZE = 22 + 20 + 56
STORED, DEFLATED = 0, 8

_RATIO = 1032  # deflate cannot do better
_CHUNK = 2**20
_FULL = 0xFFFFFFFF
_END = struct.Struct("<4s4H2LH")
_LOCATOR = struct.Struct("<4sLQL")
_END64 = struct.Struct("<4sQ2H2L4Q")
_CENTRAL = struct.Struct("<4s4x2H4x3L4H2x2L")  # without versions, time and date, internal attributes
_LOCAL = struct.Struct("<4s5H3L2H")
_ENCRYPTED = 0x0001 | 0x0040 | 0x2000
_DESCRIPTOR, _UTF8, _PATCH = 0x0008, 0x0800, 0x0020


class Malformed(ValueError):
    """What is wrong with an archive or wheel; `member` names the place."""

    def __init__(
        self, what: str, *, member: str | None = None, found: str | None = None, expected: str | None = None
    ) -> None:
        super().__init__(what)
        self.what, self.member, self.found, self.expected = what, member, found, expected


class Source(Protocol):
    """Where the bytes of an archive come from."""

    @property
    def size(self) -> int:
        """Bytes in all."""
        ...

    def read(self, start: int, end: int) -> bytes:
        """The bytes from `start` up to, not including, `end`; all of them, or an error."""
        ...


class FileSource:
    """An archive in a file, which the caller opens and closes."""

    def __init__(self, file: BinaryIO) -> None:
        self._file = file
        self._size = file.seek(0, 2)

    @property
    def size(self) -> int:
        """Bytes in all."""
        return self._size

    def read(self, start: int, end: int) -> bytes:
        """The bytes from `start` up to `end`."""
        self._file.seek(start)
        data = self._file.read(end - start)
        if len(data) != end - start:
            raise Malformed("became shorter while it was read")
        return data


class Member(msgspec.Struct, gc=False):
    """A file or folder of the archive as its directory describes it; its record lies from `offset` to `end`.

    `end` is known only when all members are; nothing changes after `Archive` was made.
    """

    name: str
    raw: bytes
    offset: int
    end: int
    compressed: int
    size: int
    crc: int
    method: int
    flags: int
    mode: int


class Archive:
    """The directory of an archive, checked; members are then read one by one.

    Attributes:
        members: the files by name, in the directory's order.
        folders: entries that are folders; they create nothing of their own.
        start: where the directory lies, after the last member.

    Raises:
        Malformed: here and in every method, when it is no archive that all installers read alike.
    """

    def __init__(self, source: Source) -> None:
        self._source = source
        self.start, directory, count = _directory(source)
        self.members: dict[str, Member] = {}
        self.folders: list[Member] = []
        entries = _entries(directory, count)
        _place(entries, self.start)
        for member in entries:
            if member.name in self.members:
                raise Malformed("is in the archive twice", member=member.name)
            self.members[member.name] = member
        for name in [name for name in self.members if name.endswith("/")]:
            self.folders.append(self.members.pop(name))
        total = sum(member.size for member in entries)
        if total > TOTAL_LIMIT:
            raise Malformed("would unpack to too much", found=f"{total:,} bytes", expected=f"at most {TOTAL_LIMIT:,}")

    def read(self, member: Member, limit: int) -> bytes:
        """All of a member's bytes, checked against its size and CRC."""
        if member.size > limit:
            raise Malformed(
                "is too large", member=member.name, found=f"{member.size:,} bytes", expected=f"at most {limit:,}"
            )
        data = b"".join(self._chunks(member))
        if zlib.crc32(data) != member.crc:
            raise _damaged(member)
        return data

    def digest(self, member: Member) -> str:
        """The sha256 of a member's bytes (64 hex digits), its size and CRC checked on the way."""
        digest, crc = hashlib.sha256(), 0
        for chunk in self._chunks(member):
            digest.update(chunk)
            crc = zlib.crc32(chunk, crc)
        if crc != member.crc:
            raise _damaged(member)
        return digest.hexdigest()

    def head(self, member: Member, count: int) -> bytes:
        """The first `count` bytes of a member, from `head_end` bytes of its record; only looked at, not checked."""
        record = self._source.read(member.offset, head_end(member, count))
        data = record[_local(record, member) :][: member.compressed]
        if member.method == STORED:
            return data[:count]
        try:
            return zlib.decompressobj(-15).decompress(data, count)
        except zlib.error as error:
            raise _damaged(member) from error

    def check_layout(self) -> None:
        """Check that the records of all members fill the archive, from its first byte to the directory.

        Some installers unpack while they download, from local headers alone; both ways must see the same files.
        """
        first = min((m.offset for m in (*self.members.values(), *self.folders)), default=self.start)
        if first != 0:
            raise Malformed("has data before its first member", found=f"{first:,} bytes", expected="none")
        for folder in self.folders:
            self._begin(folder)

    def _chunks(self, member: Member) -> Iterator[bytes]:
        """A member's bytes, exactly as many as the directory says."""
        begin = self._begin(member)
        end = begin + member.compressed
        if member.method == STORED:
            for place in range(begin, end, _CHUNK):
                yield self._source.read(place, min(place + _CHUNK, end))
            return
        inflater, left = zlib.decompressobj(-15), member.size
        try:
            for place in range(begin, end, _CHUNK):
                rest = self._source.read(place, min(place + _CHUNK, end))
                while rest and not inflater.eof:
                    piece = inflater.decompress(rest, _CHUNK)
                    rest = inflater.unconsumed_tail
                    left -= len(piece)
                    if left < 0:
                        raise _wrong_size(member, "more")
                    yield piece
                if inflater.eof and (inflater.unused_data or place + _CHUNK < end):
                    raise _damaged(member)
        except zlib.error as error:
            raise _damaged(member) from error
        if left or not inflater.eof:
            raise _wrong_size(member, "less")

    def _begin(self, member: Member) -> int:
        """Where the member's data begin; its record must agree with the directory and end where the next begins."""
        header = self._source.read(member.offset, min(member.end, member.offset + _LOCAL.size + len(member.raw) + 2048))
        size = _local(header, member)
        begin = member.offset + size
        rest = member.end - begin - member.compressed
        if rest < 0:
            raise Malformed("overlaps what follows it in the archive", member=member.name)
        if not member.flags & _DESCRIPTOR:
            if rest:
                raise Malformed("has data after it that belong to no member", member=member.name, found=f"{rest} bytes")
            return begin
        descriptor = self._source.read(member.end - rest, member.end) if rest in (12, 16, 20, 24) else b""
        fields = (member.crc, member.compressed, member.size)
        known = {mark + struct.pack(form, *fields) for mark in (b"", b"PK\x07\x08") for form in _forms(member)}
        if descriptor not in known:
            raise Malformed("has a data descriptor that disagrees with the archive's directory", member=member.name)
        return begin


def head_end(member: Member, count: int) -> int:
    """Up to where `Archive.head` reads: the header, and more than enough for `count` bytes."""
    return min(member.end, member.offset + _LOCAL.size + len(member.raw) + 2048 + 2 * count)


def _forms(member: Member) -> tuple[str, ...]:
    small = max(member.compressed, member.size) <= _FULL
    return ("<3L", "<L2Q") if small else ("<L2Q",)


def _local(record: bytes, member: Member) -> int:
    """The size of a local header, which must say what the directory says (APPNOTE 4.3.7)."""
    if len(record) < _LOCAL.size:
        raise Malformed("has no header where the archive's directory says", member=member.name)
    mark, _, flags, method, _, _, crc, compressed, size, name, extra = _LOCAL.unpack_from(record)
    if mark != b"PK\x03\x04" or record[_LOCAL.size : _LOCAL.size + name] != member.raw:
        raise Malformed("has no header where the archive's directory says", member=member.name)
    said = ((crc, member.crc), (compressed, member.compressed), (size, member.size))
    allowed = (0, _FULL) if flags & _DESCRIPTOR else (_FULL,)
    agrees = all(here == there or here in allowed for here, there in said)
    if (flags & ~0x6) != (member.flags & ~0x6) or method != member.method or not agrees:
        raise Malformed("has a header that disagrees with the archive's directory", member=member.name)
    return _LOCAL.size + int(name) + int(extra)


def _directory(source: Source) -> tuple[int, bytes, int]:
    """Offset, bytes and number of entries of the central directory (APPNOTE 4.3.14 to 4.3.16)."""
    tail_start = max(0, source.size - _END.size - 0xFFFF)
    # The comment is nearly always empty: the record is looked for at the very end first.
    for start in (max(0, source.size - END_SIZE), tail_start):
        tail = source.read(start, source.size)
        place = tail.rfind(b"PK\x05\x06")
        if 0 <= place <= len(tail) - _END.size:
            break
    else:
        raise Malformed("is no zip archive, or is cut off", found=_looks_like(source))
    _, disk, first_disk, here, count, size, offset, comment = _END.unpack_from(tail, place)
    end = start + place
    if end + _END.size + comment != source.size:
        raise Malformed("has data after its end, or is cut off")
    if end >= _LOCATOR.size + _END64.size:
        mark, _, place64, _ = _LOCATOR.unpack(source.read(end - _LOCATOR.size, end))
        if mark == b"PK\x06\x07":
            end -= _LOCATOR.size + _END64.size
            mark64, length, _, _, disk, first_disk, here, count, size, offset = _END64.unpack(
                source.read(end, end + _END64.size)
            )
            if mark64 != b"PK\x06\x06" or length != _END64.size - 12 or place64 != end:
                raise Malformed("has a directory of a kind that wheels do not have")
    if disk or first_disk or here != count or offset + size != end:
        raise Malformed("has a directory that is not where it says", found=f"at {offset:,}, {size:,} bytes")
    if size > DIRECTORY_LIMIT or count > size // _CENTRAL.size:
        raise Malformed("has a directory that is too large", found=f"{size:,} bytes, {count:,} entries")
    return offset, source.read(offset, offset + size), count


def _looks_like(source: Source) -> str:
    head = source.read(0, min(source.size, 512)).lstrip()
    if head[:1] == b"<":
        return "an HTML page"
    return f"{source.size:,} bytes that {'begin' if head[:2] == b'PK' else 'do not begin'} like a zip archive"


def _entries(directory: bytes, count: int) -> list[Member]:
    """The entries of the directory, each checked; `end` is not yet known (APPNOTE 4.3.12)."""
    place, last, unpack = 0, len(directory), _CENTRAL.unpack_from
    members = []
    for _ in range(count):
        if place + _CENTRAL.size > last:
            raise Malformed("has a directory that is cut off")
        mark, flags, method, crc, compressed, size, n, x, c, disk, mode, offset = unpack(directory, place)
        begin = place + _CENTRAL.size
        place = begin + n + x + c
        if mark != b"PK\x01\x02" or place > last or disk:
            raise Malformed("has a directory that is damaged")
        raw = directory[begin : begin + n]
        try:
            name = raw.decode("utf-8" if flags & _UTF8 or raw.isascii() else "cp437")
        except UnicodeDecodeError:
            raise Malformed("has a name that is not UTF-8", member=repr(raw)) from None
        if x:
            size, compressed, offset = _extra(directory[begin + n : begin + n + x], name, size, compressed, offset)
        member = Member(name, raw, offset, 0, compressed, size, crc, method, flags, mode >> 16)
        if not _is_plain(member):
            _check(member)
        members.append(member)
    if place != last:
        raise Malformed("has a directory with more in it than it says")
    return members


def _is_plain(member: Member) -> bool:
    """Whether it is a file like nearly all: then `_check`, which says what is wrong, need not look at it."""
    return (
        member.method in (STORED, DEFLATED)
        and not member.flags & ~(_DESCRIPTOR | _UTF8 | 0x6)
        and member.mode >> 12 in (0, 8)
        and member.size <= (member.compressed if member.method == STORED else member.compressed * _RATIO)
        and (member.method == DEFLATED or member.size == member.compressed)
        and safe_member(member.name)
    )


def _extra(extra: bytes, name: str, size: int, compressed: int, offset: int) -> tuple[int, int, int]:
    """Sizes and offset with those of the zip64 field in place (APPNOTE 4.5.3)."""
    place = 0
    while place + 4 <= len(extra):
        kind, length = struct.unpack_from("<2H", extra, place)
        field = extra[place + 4 : place + 4 + length]
        place += 4 + length
        if kind == 0x7075 and field[5:] != name.encode():
            raise Malformed("has two names", member=name, found=repr(field[5:205]))
        if kind == 0x0001:
            if len(field) < length:
                raise Malformed("has sizes that are cut off", member=name)
            values = iter(struct.unpack(f"<{length // 8}Q", field[: length // 8 * 8]))
            size = next(values, size) if size == _FULL else size
            compressed = next(values, compressed) if compressed == _FULL else compressed
            offset = next(values, offset) if offset == _FULL else offset
    return size, compressed, offset


def _place(members: list[Member], start: int) -> None:
    """Set `end` of each to where the next record begins; records may not overlap."""
    following = start
    for member in sorted(members, key=attrgetter("offset"), reverse=True):
        if member.offset + _LOCAL.size + len(member.raw) + member.compressed > following:
            raise Malformed("overlaps what follows it in the archive", member=member.name)
        member.end = following
        following = member.offset


def _check(member: Member) -> None:
    folder = member.name.endswith("/")
    if not safe_member(member.name.removesuffix("/")):
        raise Malformed("would leave the place it is unpacked to", member=member.name)
    if member.flags & _ENCRYPTED or member.flags & _PATCH:
        raise Malformed("is encrypted", member=member.name)
    kind = stat.S_IFMT(member.mode)
    if kind not in (0, stat.S_IFDIR if folder else stat.S_IFREG):
        raise Malformed("is a link or another special file", member=member.name, found=stat.filemode(member.mode))
    if folder:
        if member.size:
            raise Malformed("is a folder with content", member=member.name)
        return
    if member.method not in (STORED, DEFLATED):
        raise Malformed("is compressed in a way that installers need not know", member=member.name)
    if member.method == STORED and member.size != member.compressed:
        raise Malformed("has two sizes", member=member.name, found=f"{member.size} and {member.compressed}")
    if member.size > member.compressed * _RATIO:
        raise Malformed(
            "cannot unpack to what it says", member=member.name, found=f"{member.compressed:,} -> {member.size:,} bytes"
        )


def _damaged(member: Member) -> Malformed:
    return Malformed("is damaged: its bytes are not those that the archive has a checksum of", member=member.name)


def _wrong_size(member: Member, found: str) -> Malformed:
    return Malformed(
        "unpacks to another size than it says", member=member.name, found=found, expected=f"{member.size:,}"
    )
