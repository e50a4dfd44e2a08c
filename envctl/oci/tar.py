"""A tar file as it comes: each member with its content, in one pass, without a temporary file.

The standard library's `tarfile` takes some 70 µs for a member, more than hashing it; an image has 20,000 of them.
Formats: POSIX ustar and pax (IEEE Std 1003.1), GNU long names: what writers of image layers use. Anything that engines
would refuse, or read differently from each other, is refused here.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import msgspec

from envctl.errors import InvalidFile

BLOCK = 512
_NUL = b"\0"
_LONGEST_NAME = 4096  # PATH_MAX: a longer one cannot be unpacked
_LONGEST_NUMBER = 19  # digits
_LONGEST_EXTENSION = 2**20
_ZERO = bytes(BLOCK)
_CHECKSUM = slice(148, 156)
_EXTENSIONS = (b"x", b"L", b"K", b"g")
_KINDS = {
    b"0": "file",
    b"\0": "file",
    b"7": "file",
    b"1": "hardlink",
    b"2": "link",
    b"3": "device",
    b"4": "device",
    b"5": "folder",
    b"6": "fifo",
}


class Malformed(InvalidFile):
    """The bytes are no tar file that every reader reads the same way."""


class Member(msgspec.Struct, gc=False):
    """A member of a tar file.

    Attributes:
        path: as it stands there, without `./` and slashes at either end; undecodable bytes as surrogate escapes.
        kind: file, hardlink, link, device, folder or fifo.
        mode: permission bits with setuid, setgid and sticky. `size`: bytes of content.
        target: where a link or hard link leads, as it stands there.
    """

    path: str
    kind: str
    mode: int
    size: int
    target: str


class TarStream:
    """Reads the pieces of a tar file. After each member its content is read with `content` or `pieces`, or skipped.

    `ended` says afterwards whether the file had the mark that ends one: without it, its writer may have stopped early.
    """

    def __init__(self, pieces: Iterable[bytes]) -> None:
        self._pieces = iter(pieces)
        self._piece = memoryview(b"")
        self._at = 0
        self._left = 0  # of the member's content and padding
        self.ended = False

    def __iter__(self) -> Iterator[Member]:
        """Every member, to the end of the file.

        Raises:
            Malformed: the file ends too early, or is none.
        """
        extended: dict[str, bytes] = {}
        while True:
            self._skip(self._left)
            self._left = 0
            block = self._take(BLOCK, end=True)
            if block is None or block == _ZERO:
                self.ended = block is not None
                self._drain()
                return
            size, kind = self._header(block)
            if kind in _EXTENSIONS:
                if size > _LONGEST_EXTENSION:
                    raise Malformed("a header of the tar file is too long", found=f"{size:,} bytes")
                data = self._take(size)
                self._skip(-size % BLOCK)
                _extend(extended, kind, data)
                continue
            member = _member(block, kind, size, extended)
            extended = {}
            if member.size and member.kind != "file":
                raise Malformed(f"a {member.kind} in the tar file has content", found=ascii(member.path)[:120])
            self._left = member.size + -member.size % BLOCK
            yield member

    def content(self, member: Member) -> bytes:
        """The member's whole content."""
        self._left -= member.size
        return self._take(member.size)

    def pieces(self, member: Member) -> Iterator[memoryview]:
        """The member's content as it comes, without copying."""
        left = member.size
        while left:
            piece = self._some(left)
            left -= len(piece)
            self._left -= len(piece)
            yield piece

    def _header(self, block: bytes) -> tuple[int, bytes]:
        said = _number(block[_CHECKSUM])
        if sum(block) - sum(block[_CHECKSUM]) + 8 * 32 != said:
            raise Malformed("is no tar file, or a damaged one", found="a header with a wrong checksum")
        if block[257:263] == b"ustar\0" and block[508:] == b"tar\0":
            raise Malformed("the tar file is in a form that is not read", found="a header of star")
        if block[257:265] == b"ustar  \0":  # where GNU writes times, some readers take other text for a folder
            _number(block[345:357]), _number(block[357:369])
        return _number(block[124:136]), block[156:157]

    def _some(self, most: int) -> memoryview:
        """Between one byte and `most`; Malformed at the end of the file."""
        while self._at >= len(self._piece):
            piece = next(self._pieces, None)
            if piece is None:
                raise Malformed("the tar file ends in the middle")
            self._piece, self._at = memoryview(piece), 0
        found = self._piece[self._at : self._at + most]
        self._at += len(found)
        return found

    def _take(self, size: int, *, end: bool = False) -> bytes:
        found = self._piece[self._at : self._at + size]
        if len(found) == size:
            self._at += size
            return bytes(found)
        parts, left = [], size
        while left:
            try:
                part = self._some(left)
            except Malformed:
                if end and left == size:
                    return None  # type: ignore[return-value]  # only where the caller asked for it
                raise
            parts.append(part)
            left -= len(part)
        return b"".join(parts)

    def _skip(self, size: int) -> None:
        while size:
            size -= len(self._some(size))

    def _drain(self) -> None:
        """Read what follows the end, which must be zeros: what else stands there, some readers would take for more."""
        while True:
            try:
                rest = self._some(2**20)
            except Malformed:
                return
            if rest != bytes(len(rest)):
                raise Malformed("something follows the end of the tar file")


def _number(field: bytes) -> int:
    """A number as ustar (octal digits) or GNU (base 256) writes it."""
    if field[0] == 0x80:
        return int.from_bytes(field[1:], "big")
    digits = field.strip(b" \0") or b"0"
    if digits.strip(b"01234567"):
        raise Malformed("is no tar file, or a damaged one", found=f"{bytes(field)!r} as a number")
    return int(digits, 8)


def _extend(extended: dict[str, bytes], kind: bytes, data: bytes) -> None:
    """Note what a header says of the next member. What says it twice is understood differently by readers."""
    if kind in (b"L", b"K"):
        records = {"path" if kind == b"L" else "linkpath": data.rstrip(_NUL)}
    else:
        records = dict(_records(data))
        if any(name.startswith("GNU.sparse") for name in records):
            raise Malformed("a sparse file in the tar file is in a form that is not read")
        if any(name.startswith("SCHILY.xattr.trusted.") for name in records):
            raise Malformed("a member of the tar file has an attribute of a file system's own")
        if any(records.get(name) == b"" for name in ("path", "linkpath", "size")):
            raise Malformed("an extended header of the tar file is damaged", found="an empty value")
        if kind == b"g":
            if records.keys() & {"path", "linkpath", "size"}:
                raise Malformed("the tar file names all its members in one header")
            return
    name = kind.decode()
    if name in extended or records.keys() & extended.keys():
        raise Malformed("the tar file says something of a member twice")
    extended.update(records)
    extended[name] = b""  # a second header of its kind would count instead, or as well


def _records(data: bytes) -> Iterator[tuple[str, bytes]]:
    at = 0
    while at < len(data):
        digits, _, _ = data[at : at + 20].partition(b" ")
        length = int(digits) if digits.isdigit() else 0
        record = data[at + len(digits) + 1 : at + length]
        key, equals, value = record.partition(b"=")
        if length < 5 or at + length > len(data) or not equals or not value.endswith(b"\n"):
            raise Malformed("an extended header of the tar file is damaged")
        yield key.decode("utf-8", "replace"), value[:-1]
        at += length


def _member(block: bytes, kind: bytes, size: int, extended: dict[str, bytes]) -> Member:
    known = _KINDS.get(kind)
    if known is None:
        raise Malformed("the tar file has a member of an unknown kind", found=repr(kind))
    name = extended.get("path")
    if name is None:
        name = block[:100].partition(_NUL)[0]
        if block[257:263] == b"ustar\0" and block[345]:
            name = block[345:500].partition(_NUL)[0] + b"/" + name
    target = extended.get("linkpath")
    if target is None:
        target = block[157:257].partition(_NUL)[0]
    if "size" in extended:
        if not extended["size"].isdigit() or len(extended["size"]) > _LONGEST_NUMBER:
            raise Malformed("an extended header of the tar file is damaged")
        size = int(extended["size"])
    if known == "file" and name.endswith(b"/"):
        if kind != _NUL:
            raise Malformed("a file in the tar file has a folder's name", found=repr(name)[:120])
        known = "folder"  # as tar wrote them before there was a kind for it
    elif known not in ("file", "folder"):
        size = 0 if known in ("link", "hardlink") else size
    if len(target) >= _LONGEST_NAME or _NUL in target:
        raise Malformed("a link in the tar file is malformed", found=repr(target)[:120])
    path = _path(name)
    return Member(path, known, _number(block[100:108]) & 0o7777, size, target.decode("utf-8", "surrogateescape"))


def _path(name: bytes) -> str:
    text = name.decode("utf-8", "surrogateescape")
    if len(name) >= _LONGEST_NAME or "\0" in text:
        raise Malformed("a name in the tar file is malformed", found=ascii(text)[:120])
    if text.startswith(("/", "./")) or text.endswith("/") or "//" in text or "/./" in text or text == ".":
        text = "/".join(part for part in text.split("/") if part not in ("", "."))
    if text == ".." or text.startswith("../") or "/../" in text or text.endswith("/.."):
        raise Malformed("a name in the tar file leaves its folder", found=ascii(text)[:120])
    return text
