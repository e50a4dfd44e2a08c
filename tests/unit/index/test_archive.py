"""Archives that readers could read in two ways are refused; ordinary ones of every kind are read."""

from __future__ import annotations

import io
import struct
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest

from envctl.index.archive import Archive, FileSource, Malformed


def zipped(
    *members: tuple[str | zipfile.ZipInfo, bytes], method: int = zipfile.ZIP_DEFLATED, comment: bytes = b""
) -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", method) as archive:
        for name, data in members:
            archive.writestr(name, data)
        archive.comment = comment
    return out.getvalue()


def read(data: bytes) -> dict[str, bytes]:
    archive = Archive(FileSource(io.BytesIO(data)))
    archive.check_layout()
    return {name: archive.read(member, 2**30) for name, member in archive.members.items()}


def refused(data: bytes) -> str:
    with pytest.raises(Malformed) as caught:
        read(data)
    return caught.value.what


TWO = (("a.txt", b"a" * 100), ("b/c.txt", b"c" * 5000))
GOOD = zipped(*TWO)
DIRECTORY = GOOD.index(b"PK\x01\x02")


def central(data: bytes, offset: int, form: str, value: int, entry: int = 0) -> bytes:
    """The archive with one field of a directory entry changed."""
    place = -1
    for _ in range(entry + 1):
        place = data.index(b"PK\x01\x02", place + 1)
    return patched(data, place + offset, struct.pack(form, value))


def patched(data: bytes, place: int, new: bytes) -> bytes:
    return data[:place] + new + data[place + len(new) :]


@pytest.mark.parametrize("method", [zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED])
@pytest.mark.parametrize("comment", [b"", b"made by hand"])
def test_ordinary_archives_are_read(method: int, comment: bytes) -> None:
    assert read(zipped(*TWO, method=method, comment=comment)) == dict(TWO)


def test_an_empty_archive_has_no_members() -> None:
    assert read(zipped()) == {}


def test_folders_are_no_members() -> None:
    assert read(zipped(("a/", b""), ("a/b", b"x"))) == {"a/b": b"x"}


def test_archives_written_to_a_stream_are_read() -> None:
    class Stream(io.RawIOBase):
        def __init__(self) -> None:
            self.data = bytearray()

        def writable(self) -> bool:
            return True

        def write(self, data: object) -> int:
            self.data += bytes(data)  # type: ignore[arg-type, call-overload]
            return len(bytes(data))  # type: ignore[arg-type, call-overload]

    stream = Stream()
    with zipfile.ZipFile(stream, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in TWO:
            archive.writestr(name, data)
    assert read(bytes(stream.data)) == dict(TWO)


def test_zip64_fields_are_read() -> None:
    out = io.BytesIO()
    with (
        zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive,
        archive.open("big", "w", force_zip64=True) as member,
    ):
        member.write(b"x" * 1000)
    assert read(out.getvalue()) == {"big": b"x" * 1000}


def test_a_zip64_directory_is_read() -> None:
    good = zipped(("a", b"x"), method=zipfile.ZIP_STORED)
    end = good.index(b"PK\x05\x06")
    start, size = good.index(b"PK\x01\x02"), end - good.index(b"PK\x01\x02")
    end64 = struct.pack("<4sQ2H2L4Q", b"PK\x06\x06", 44, 45, 45, 0, 0, 1, 1, size, start)
    locator = struct.pack("<4sLQL", b"PK\x06\x07", 0, end, 1)
    last = struct.pack("<4s4H2LH", b"PK\x05\x06", 0, 0, 0xFFFF, 0xFFFF, 0xFFFFFFFF, 0xFFFFFFFF, 0)
    assert read(good[:end] + end64 + locator + last) == {"a": b"x"}
    wrong = struct.pack("<4sLQL", b"PK\x06\x07", 0, end - 1, 1)
    assert "directory of a kind" in refused(good[:end] + end64 + wrong + last)


def test_names_may_hold_any_letters() -> None:
    assert read(zipped(("é/ü ,.txt", b"x"), ("new\nline", b"y"))) == {"é/ü ,.txt": b"x", "new\nline": b"y"}


@pytest.mark.parametrize("data", [b"", b"PK", b"garbage" * 100, b"PK\x05\x06", b"<html><body>404</body></html>"])
def test_what_is_no_archive_is_refused(data: bytes) -> None:
    assert "no zip archive" in refused(data)


def test_a_web_page_is_called_one() -> None:
    with pytest.raises(Malformed) as caught:
        read(b"\n<!DOCTYPE html><html>Sign in</html>")
    assert caught.value.found == "an HTML page"


def test_an_archive_cut_off_anywhere_is_refused() -> None:
    for size in range(len(GOOD)):
        assert refused(GOOD[:size])


@pytest.mark.parametrize("name", ["/a", "../a", "a/../../b", "a\\b", "C:/a", "a//b", "./a", "a/./b", "..", "a/../b/"])
def test_members_that_leave_their_place_are_refused(name: str) -> None:
    info = zipfile.ZipInfo("x")
    info.filename = name
    assert "leave the place" in refused(zipped((info, b"" if name.endswith("/") else b"x")))


def test_a_nul_in_a_name_is_refused() -> None:
    assert "leave the place" in refused(zipped(("a#b", b"x")).replace(b"a#b", b"a\0b"))


def test_a_member_twice_is_refused() -> None:
    with pytest.warns(UserWarning, match="Duplicate"):
        data = zipped(("a", b"x"), ("a", b"y"))
    assert "twice" in refused(data)


@pytest.mark.parametrize("mode", [0o120777, 0o010644, 0o020644, 0o060644, 0o140644, 0o040755])
def test_links_and_special_files_are_refused(mode: int) -> None:
    info = zipfile.ZipInfo("link")
    info.external_attr = mode << 16
    assert "special file" in refused(zipped((info, b"/etc/passwd")))


@pytest.mark.parametrize("flag", [0x1, 0x40, 0x2000])
def test_encrypted_members_are_refused(flag: int) -> None:
    assert "encrypted" in refused(central(GOOD, 8, "<H", flag))


@pytest.mark.parametrize("method", [zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA])
def test_other_compressions_are_refused(method: int) -> None:
    assert "compressed in a way" in refused(zipped(*TWO, method=method))


def test_data_before_the_first_member_are_refused() -> None:
    assert "not where it says" in refused(b"#!/bin/sh\n" + GOOD)
    moved = central(central(b"junk" + GOOD, 42, "<L", 4), 42, "<L", GOOD.index(b"PK\x03\x04", 1) + 4, entry=1)
    end = moved.index(b"PK\x05\x06")
    assert "before its first member" in refused(patched(moved, end + 16, struct.pack("<L", DIRECTORY + 4)))


def test_data_between_members_and_directory_are_refused() -> None:
    data = GOOD[:DIRECTORY] + b"PK\x03\x04hidden" + GOOD[DIRECTORY:]
    end = data.index(b"PK\x05\x06")
    assert "belong to no member" in refused(patched(data, end + 16, struct.pack("<L", DIRECTORY + 10)))


def test_data_after_the_end_are_refused() -> None:
    assert "after its end" in refused(GOOD + b"x")


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda data: central(data, 42, "<L", 0, entry=1), "overlaps"),
        (lambda data: central(data, 42, "<L", 7, entry=1), "overlaps"),
        (lambda data: central(data, 42, "<L", 2**31), "overlaps"),
        (lambda data: central(data, 20, "<L", 2**31), "overlaps"),
        (lambda data: central(data, 24, "<L", 2**31), "cannot unpack"),
        (lambda data: central(data, 24, "<L", 90), "disagrees"),
        (lambda data: central(data, 16, "<L", 1), "disagrees"),
        (lambda data: central(data, 10, "<H", 0), "two sizes"),
        (lambda data: central(data, 8, "<H", 8), "disagrees"),
        (lambda data: patched(data, 30, b"z"), "no header"),
        (lambda data: patched(data, 0, b"XX"), "no header"),
        (lambda data: patched(data, 8, b"\0"), "disagrees"),
        (lambda data: patched(data, 18, b"\1"), "disagrees"),
        (lambda data: patched(data, data.index(b"PK\x05\x06") + 10, b"\3"), "not where it says"),
        (lambda data: patched(data, data.index(b"PK\x05\x06") + 8, b"\3\0\3\0"), "too large|cut off|damaged"),
        (lambda data: patched(data, data.index(b"PK\x05\x06") + 8, b"\1\0\1\0"), "more in it"),
        (lambda data: patched(data, DIRECTORY, b"XX"), "damaged"),
    ],
)
def test_a_directory_that_lies_is_refused(change: Callable[[bytes], bytes], message: str) -> None:
    with pytest.raises(Malformed, match=message):
        read(change(GOOD))


def test_content_unlike_its_checksum_is_refused() -> None:
    stored = zipped(*TWO, method=zipfile.ZIP_STORED)
    assert "damaged" in refused(stored.replace(b"aaaa", b"aaab", 1))


def test_a_member_that_unpacks_to_more_than_it_says_is_refused() -> None:
    data = zipped(("bomb", b"\0" * 2**22))
    smaller = central(data, 24, "<L", 1000)
    assert "another size" in refused(patched(smaller, 22, struct.pack("<L", 1000)))


def test_a_member_is_not_read_past_a_limit() -> None:
    archive = Archive(FileSource(io.BytesIO(GOOD)))
    with pytest.raises(Malformed, match="too large"):
        archive.read(archive.members["b/c.txt"], 4999)


def test_the_declared_total_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("envctl.index.archive.TOTAL_LIMIT", 5000)
    assert "too much" in refused(GOOD)


def test_a_second_name_in_the_extra_field_is_refused() -> None:
    info = zipfile.ZipInfo("a")
    field = b"\1" + b"\0" * 4 + b"other"
    info.extra = struct.pack("<2H", 0x7075, len(field)) + field
    assert "two names" in refused(zipped((info, b"x")))


def test_a_file_that_shrinks_while_it_is_read_is_refused(tmp_path: Path) -> None:
    place = tmp_path / "a.zip"
    place.write_bytes(GOOD)
    with place.open("r+b") as file:
        archive = Archive(FileSource(file))
        file.truncate(10)
        with pytest.raises(Malformed, match="shorter"):
            archive.digest(archive.members["a.txt"])
