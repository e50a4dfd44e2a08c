"""METADATA of wheels on an index, read with as little as possible."""

from __future__ import annotations

import os
import zipfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from support.server import IndexServer
from support.wheels import build_wheel, write_archive

from envctl.errors import IndexFailed
from envctl.resolve.metadata import read_metadata
from envctl.system.http import Client


@pytest.fixture
def client() -> Iterator[Client]:
    with Client(environ={}, attempts=1) as made:
        yield made


def large(tmp_path: Path, **more: object) -> Path:
    """A wheel of 400 KB whose METADATA is not near its end."""
    wheel = build_wheel(
        tmp_path,
        "Lib.Name",
        files={},
        extra_members={"lib/data.bin": os.urandom(400_000)},
        **more,  # type: ignore[arg-type]
    )
    assert wheel.stat().st_size > 400_000
    return wheel


def test_metadata_far_from_the_end_takes_one_more_small_request(
    client: Client, index: IndexServer, tmp_path: Path
) -> None:
    wheel = large(tmp_path)
    url = index.add(wheel)
    assert b"Name: Lib.Name" in read_metadata(client, url, wheel.name)
    assert len(index.asked("/files/")) == 2
    assert all("range" in headers for _, _, headers in index.asked("/files/"))


def test_without_ranges_the_whole_wheel_is_read(client: Client, index: IndexServer, tmp_path: Path) -> None:
    wheel = large(tmp_path)
    url = index.add(wheel)
    index.fault("/files/", no_ranges=True)
    assert b"Name: Lib.Name" in read_metadata(client, url, wheel.name)


def test_a_directory_longer_than_the_first_range_is_read_too(
    client: Client, index: IndexServer, tmp_path: Path
) -> None:
    wheel = build_wheel(tmp_path, "lib", files={f"lib/{'x' * 200}{number}.py": b"" for number in range(1000)})
    assert b"Name: lib" in read_metadata(client, index.add(wheel), wheel.name)
    assert all("range" in headers for _, _, headers in index.asked("/files/"))


def test_a_server_that_gives_other_ranges_is_not_believed(client: Client, index: IndexServer, tmp_path: Path) -> None:
    wheel = large(tmp_path)
    url = index.add(wheel)
    index.fault("/files/", wrong_range=7)
    assert b"Name: Lib.Name" in read_metadata(client, url, wheel.name)
    assert "range" not in index.requests[-1][2], "the wheel was read whole"


@pytest.mark.parametrize(
    "members",
    [
        [("lib/__init__.py", b"")],
        [("lib-1.0.dist-info/METADATA", b"a"), ("LIB-1.0.dist-info/METADATA", b"b")],
        [("other-2.0.dist-info/METADATA", b"a")],
        [("lib/vendored/lib-1.0.dist-info/METADATA", b"a")],
    ],
)
def test_a_wheel_without_one_metadata_of_its_own_is_none(
    members: list[tuple[str, bytes]], client: Client, index: IndexServer, tmp_path: Path
) -> None:
    wheel = tmp_path / "lib-1.0-py3-none-any.whl"
    write_archive(wheel, members)
    with pytest.raises(IndexFailed, match="no METADATA, or several"):
        read_metadata(client, index.add(wheel), wheel.name)


def test_metadata_that_unpacks_to_more_than_anybody_writes_is_refused(
    client: Client, index: IndexServer, tmp_path: Path
) -> None:
    wheel = tmp_path / "lib-1.0-py3-none-any.whl"
    write_archive(wheel, [("lib-1.0.dist-info/METADATA", bytes(40 * 2**20))], compression=zipfile.ZIP_DEFLATED)
    with pytest.raises(IndexFailed, match="too large"):
        read_metadata(client, index.add(wheel), wheel.name)


@pytest.mark.parametrize("damage", ["tail", "middle", "offset"])
def test_a_damaged_archive_fails_the_index(damage: str, client: Client, index: IndexServer, tmp_path: Path) -> None:
    wheel = large(tmp_path)
    data = bytearray(wheel.read_bytes())
    directory = data.rfind(b"PK\x05\x06")
    if damage == "tail":
        data = data[: directory - 5]
    elif damage == "middle":
        data[30:200] = bytes(170)
    else:
        data[directory + 16 : directory + 20] = b"\xff\xff\xff\x7f"
    wheel.write_bytes(data)
    with pytest.raises(IndexFailed) as caught:
        read_metadata(client, index.add(wheel), wheel.name)
    assert caught.value.file == index.file_url(wheel.name)
