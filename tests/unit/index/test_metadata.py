from __future__ import annotations

from email.parser import BytesHeaderParser

import pytest
from hypothesis import given
from hypothesis import strategies as st

from envctl.index.archive import Malformed
from envctl.index.metadata import check_wheel_version, parse_metadata

HEAD = b"Metadata-Version: 2.1\nName: demo\nVersion: 1.0\n"


def test_what_locking_needs_is_read() -> None:
    data = HEAD + (
        b"Requires-Python: >=3.10\nRequires-Dist: numpy>=2\nProvides-Extra: gpu\n"
        b"requires-dist: torch; extra == 'gpu'\n\nRequires-Dist: not-this\n"
    )
    found = parse_metadata(data)
    assert (found.name, found.version, found.requires_python) == ("demo", "1.0", ">=3.10")
    assert found.requires == ("numpy>=2", "torch; extra == 'gpu'")
    assert found.provides_extra == ("gpu",)


def test_a_header_may_go_on_in_the_next_line() -> None:
    data = HEAD + b"License: Some\n  text\n\tover lines\nRequires-Dist: a;\n  extra == 'x'\n"
    assert parse_metadata(data).requires == ("a; extra == 'x'",)


@pytest.mark.parametrize("end", [b"\n", b"\r\n"])
def test_line_ends_do_not_matter(end: bytes) -> None:
    data = (HEAD + b"Requires-Dist: a\n\nRequires-Dist: b\n").replace(b"\n", end)
    assert parse_metadata(data).requires == ("a",)


lines = st.lists(
    st.sampled_from(
        ["Requires-Dist: a", " more", "\tmore", "License: x", "no header", "", "X:y", "Requires-Dist:b ", ": z"]
    ),
    max_size=8,
)


@given(lines)
def test_headers_are_those_that_the_standard_library_reads(lines: list[str]) -> None:
    data = HEAD + "\n".join(lines).encode() + b"\n"
    said = BytesHeaderParser().parsebytes(data).get_all("requires-dist", [])
    assert [" ".join(str(value).split()) for value in said] == [
        " ".join(v.split()) for v in parse_metadata(data).requires
    ]


@pytest.mark.parametrize(
    "data", [b"", b"Name: a\n", b"Version: 1\n", HEAD + b"Name: other\n", HEAD + b"License: \xff\n"]
)
def test_metadata_without_one_name_and_version_are_refused(data: bytes) -> None:
    with pytest.raises(Malformed, match="METADATA"):
        parse_metadata(data)


@pytest.mark.parametrize("data", [b"", b"Wheel-Version: 2.0\n", b"\xff", b"Wheel-Version: 1.0\nWheel-Version: 1.1\n"])
def test_a_wheel_of_another_version_is_refused(data: bytes) -> None:
    with pytest.raises(Malformed, match="version"):
        check_wheel_version(data)


def test_a_newer_minor_version_is_read() -> None:
    check_wheel_version(b"Wheel-Version: 1.9\nGenerator: x\n")
    assert parse_metadata(HEAD).requires == ()
