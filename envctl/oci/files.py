"""The files of an image archive, in a folder or in a tar file that is read where it lies: nothing is unpacked."""

from __future__ import annotations

import os
import posixpath
import stat
import tarfile
from collections.abc import Iterator
from pathlib import Path
from typing import Protocol

import msgspec

from envctl.errors import InvalidFile

_BLOCK = 512
_CHUNK = 2**20
_MOST_MEMBERS = 100_000
_LONGEST_HEADER = 2**20
_PACKED = {b"\x1f\x8b": "gzip", b"\x28\xb5\x2f\xfd": "zstd", b"\xfd7zXZ": "xz", b"BZh": "bzip2"}


class Files(Protocol):
    """Files by their relative names. Reading may be done from any number of threads."""

    def size(self, name: str) -> int | None:
        """Bytes; None where there is no such file."""
        ...

    def chunks(self, name: str) -> Iterator[bytes]:
        """A file's content as it comes; InvalidFile where it cannot be read."""
        ...

    def close(self) -> None:
        """Let go of it."""
        ...


class Folder:
    """The files of a folder. Links are not followed."""

    def __init__(self, folder: Path, shown: str) -> None:
        self._folder, self._shown = folder, shown

    def size(self, name: str) -> int | None:
        """Bytes; None where there is no such file."""
        try:
            found = os.lstat(self._folder / name)
        except (FileNotFoundError, NotADirectoryError):
            return None
        except OSError as error:
            raise InvalidFile("cannot be read", file=self._shown, key=name, found=error.strerror) from error
        if not stat.S_ISREG(found.st_mode):
            raise InvalidFile("is not a regular file", file=self._shown, key=name)
        return found.st_size

    def chunks(self, name: str) -> Iterator[bytes]:
        """A file's content as it comes."""
        try:
            flags = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
            with os.fdopen(os.open(self._folder / name, flags), "rb", buffering=0) as file:
                while chunk := file.read(_CHUNK):
                    yield chunk
        except OSError as error:
            raise InvalidFile("cannot be read", file=self._shown, key=name, found=error.strerror) from error

    def close(self) -> None:
        """A folder needs no closing."""


class _Place(msgspec.Struct, frozen=True):
    start: int
    size: int


class TarFile:
    """The files of an uncompressed tar file (POSIX pax, GNU).

    Raises:
        InvalidFile: it is compressed, cut off, no tar file, or has members that no honest archive has: names that lead
            out of it, the same name twice, links out of it, files with holes.
    """

    def __init__(self, path: Path, shown: str) -> None:
        self._shown = shown
        try:
            self._descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
        except OSError as error:
            raise InvalidFile("cannot be read", file=shown, found=error.strerror) from error
        try:
            found = os.fstat(self._descriptor)
            if not stat.S_ISREG(found.st_mode):
                raise self._wrong("is neither a folder nor a regular file")
            self._end = found.st_size
            self._places = self._index()
        except BaseException:
            self.close()
            raise

    def size(self, name: str) -> int | None:
        """Bytes; None where there is no such file."""
        place = self._places.get(name)
        return None if place is None else place.size

    def chunks(self, name: str) -> Iterator[bytes]:
        """A file's content as it comes."""
        place = self._places[name]
        at, end = place.start, place.start + place.size
        while at < end:
            chunk = self._read(at, min(_CHUNK, end - at))
            at += len(chunk)
            yield chunk

    def close(self) -> None:
        """Close the file; what is read from it ends."""
        if self._descriptor >= 0:
            os.close(self._descriptor)
            self._descriptor = -1

    def _read(self, at: int, size: int) -> bytes:
        try:
            data = os.pread(self._descriptor, size, at)
        except OSError as error:
            raise self._wrong("cannot be read", found=error.strerror) from error
        if not data:
            raise self._wrong("is cut off", found=f"{at:,} bytes")
        return data

    def _exactly(self, at: int, size: int) -> bytes:
        if at + size > self._end:
            raise self._wrong("is cut off", found=f"{self._end:,} bytes")
        data = self._read(at, size)
        while len(data) < size:
            data += self._read(at + len(data), size - len(data))
        return data

    def _index(self) -> dict[str, _Place]:
        places: dict[str, _Place] = {}
        links: dict[str, str] = {}
        said: dict[str, str] = {}
        at, members = 0, 0
        while at < self._end:
            block = self._exactly(at, _BLOCK)
            at += _BLOCK
            if block.count(0) == _BLOCK:
                break
            header = self._header(block, first=at == _BLOCK)
            members += 1
            if members > _MOST_MEMBERS:
                raise self._wrong("has too many members", found="more", expected=f"at most {_MOST_MEMBERS:,}")
            if header.type in (b"x", b"L", b"K"):
                said |= self._extension(header, at)
                at += header.size + -header.size % _BLOCK
                continue
            size = self._number(said.pop("size", str(header.size)))
            name = self._name(said.pop("path", header.name))
            target = said.pop("linkpath", header.linkname)
            if any(key.startswith("GNU.sparse") for key in said) or header.type == tarfile.GNUTYPE_SPARSE:
                raise self._wrong("has a file with holes", key=name)
            said = {}
            has_content = header.type not in (tarfile.LNKTYPE, tarfile.SYMTYPE, tarfile.DIRTYPE)
            if header.isreg():
                if name in places or name in links:
                    raise self._wrong("has two members of one name", key=name)
                places[name] = _Place(at, size)
            elif header.type in (tarfile.LNKTYPE, tarfile.SYMTYPE):
                base = posixpath.dirname(name) if header.type == tarfile.SYMTYPE else ""
                links[name] = self._name(posixpath.normpath(posixpath.join(base, target)))
            if has_content:
                at += size + -size % _BLOCK
                if at - (-size % _BLOCK) > self._end:
                    raise self._wrong("is cut off", key=name, found=f"{self._end:,} bytes")
        # old engines write a layer that two images share once, and link to it
        return places | {name: places[target] for name, target in links.items() if target in places}

    def _header(self, block: bytes, *, first: bool) -> tarfile.TarInfo:
        if first:
            for magic, kind in _PACKED.items():
                if block.startswith(magic):
                    raise self._wrong(f"is compressed by {kind}", hint=f"decompress it first, such as with `{kind} -d`")
        try:
            return tarfile.TarInfo.frombuf(block, "utf-8", "surrogateescape")
        except tarfile.HeaderError as error:
            raise self._wrong("is no tar file" if first else "is a damaged tar file", found=str(error)) from error

    def _extension(self, header: tarfile.TarInfo, at: int) -> dict[str, str]:
        if header.size > _LONGEST_HEADER:
            raise self._wrong("has a header that is too long", found=f"{header.size:,} bytes")
        data = self._exactly(at, header.size)
        if header.type != b"x":
            text = data.partition(b"\0")[0].decode("utf-8", "surrogateescape")
            return {"path" if header.type == b"L" else "linkpath": text}
        found = {}
        while data:
            length, _, _ = data.partition(b" ")
            record = data[: int(length)] if length.isdigit() and len(length) < 8 else b""
            key, equals, value = record[len(length) + 1 :].partition(b"=")
            if not equals or not value.endswith(b"\n") or len(record) != int(length):
                raise self._wrong("is a damaged tar file", found="an extended header of the wrong form")
            found[key.decode("utf-8", "replace")] = value[:-1].decode("utf-8", "surrogateescape")
            data = data[len(record) :]
        return found

    def _number(self, text: str) -> int:
        number = int(text) if text.isdecimal() and len(text) < 20 else -1
        if number < 0:
            raise self._wrong("has a member of a size that cannot be", found=ascii(text)[:40])
        return number

    def _name(self, name: str) -> str:
        """The name as it is asked for; InvalidFile where it leads out of the archive."""
        plain = name.removeprefix("./").rstrip("/")
        if plain.startswith("/") or "\0" in plain or ".." in plain.split("/"):
            raise self._wrong("has a member that leads out of it", found=ascii(name)[1:-1][:120])
        return plain

    def _wrong(
        self,
        what: str,
        *,
        key: str | None = None,
        found: str | None = None,
        expected: str | None = None,
        hint: str | None = None,
    ) -> InvalidFile:
        shown = None if key is None else ascii(key)[1:-1][:120]
        return InvalidFile(what, file=self._shown, key=shown, found=found, expected=expected, hint=hint)
