"""Wheels read from an index: by ranges where that is enough, whole where it is not, refused where they lie."""

from __future__ import annotations

import os
import zipfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from support.server import IndexServer
from support.wheels import build_wheel, sha256_of

from envctl.errors import IndexFailed
from envctl.index.cache import ContentCache
from envctl.index.contents import WheelRef, read_contents
from envctl.index.pages import project_page
from envctl.index.wheel import ReadWheel, read_file, read_remote
from envctl.system.http import Client

LARGE = os.urandom(300_000)


@pytest.fixture
def client(tmp_path: Path) -> Iterator[Client]:
    with Client(environ={"HOME": str(tmp_path)}, backoff=0.01, patience=2, attempts=2) as client:
        yield client


@pytest.fixture
def wheel(tmp_path: Path) -> Path:
    return build_wheel(
        tmp_path,
        "demo",
        files={"demo/__init__.py": b"x = 1\n", "demo/data.bin": LARGE, "demo.pth": b"import demo\n"},
        scripts={"tool": b"#!python\nprint(1)\n", "program": b"\x7fELF" + LARGE[:200_000]},
        entry_points={"demo": "demo:main"},
        requires=["numpy>=2"],
    )


def ranges(index: IndexServer) -> list[str | None]:
    return [headers.get("range") for _, _, headers in index.asked("/files/")]


def remote(client: Client, index: IndexServer, wheel: Path, **said: object) -> ReadWheel:
    told: dict[str, object] = {"sha256": sha256_of(wheel), **said}
    return read_remote(client, index.add(wheel), filename=wheel.name, **told)  # type: ignore[arg-type]


@pytest.mark.parametrize("size", [True, False])
def test_ranges_tell_what_the_whole_file_tells(client: Client, index: IndexServer, wheel: Path, size: bool) -> None:
    read = remote(client, index, wheel, size=wheel.stat().st_size if size else None)
    whole = read_file(wheel)
    assert not read.content.whole
    assert read.content.manifest == whole.manifest
    assert (read.content.requires, read.content.hooks) == (whole.requires, whole.hooks)
    assert (read.sha256, read.size) == (sha256_of(wheel), wheel.stat().st_size)
    assert len(ranges(index)) <= 3
    assert None not in ranges(index)


def test_a_small_wheel_is_read_whole_by_one_request(client: Client, index: IndexServer, tmp_path: Path) -> None:
    small = build_wheel(tmp_path, "small")
    read = remote(client, index, small)
    assert read.content == read_file(small)
    assert len(ranges(index)) == 1


def test_texts_far_from_the_end_are_read_by_further_ranges(client: Client, index: IndexServer, tmp_path: Path) -> None:
    good = build_wheel(tmp_path / "good", "demo", files={"a.bin": LARGE, "z.bin": LARGE[::-1]})
    wheel = tmp_path / good.name
    with zipfile.ZipFile(good) as source, zipfile.ZipFile(wheel, "w", zipfile.ZIP_DEFLATED) as goal:
        for name in sorted(source.namelist(), key=lambda name: (not name.endswith("METADATA"), name)):
            goal.writestr(name, source.read(name))
    read = remote(client, index, wheel)
    assert read.content.manifest == read_file(good).manifest
    assert 1 < len(ranges(index)) <= 4
    assert None not in ranges(index)


@pytest.mark.parametrize(
    "fault", [{"no_ranges": True}, {"wrong_range": 3}, {"gzip": True}, {"headers": {"Content-Range": "x"}}]
)
def test_without_usable_ranges_the_wheel_is_read_whole(
    client: Client, index: IndexServer, wheel: Path, fault: dict[str, object]
) -> None:
    index.fault("/files/", **fault)
    read = remote(client, index, wheel)
    assert read.content == read_file(wheel)
    assert ranges(index)[-1] is None


@pytest.mark.parametrize("record", ["hex", "none"])
def test_a_record_without_sha256_makes_the_wheel_be_read_whole(
    client: Client, index: IndexServer, tmp_path: Path, record: str
) -> None:
    wheel = build_wheel(tmp_path, "demo", files={"demo.bin": LARGE}, record=record)
    read = remote(client, index, wheel)
    assert read.content == read_file(wheel)
    assert ranges(index)[-1] is None


def test_an_index_without_hashes_has_the_wheel_read_whole(client: Client, index: IndexServer, wheel: Path) -> None:
    read = remote(client, index, wheel, sha256=None)
    assert read.sha256 == sha256_of(wheel)
    assert read.content.whole
    assert ranges(index) == [None]


@pytest.mark.parametrize("ranged", [True, False])
def test_another_size_than_the_index_says_is_refused(
    client: Client, index: IndexServer, wheel: Path, ranged: bool
) -> None:
    if not ranged:
        index.fault("/files/", no_ranges=True)
    with pytest.raises(IndexFailed) as caught:
        remote(client, index, wheel, size=wheel.stat().st_size - 1)
    assert "another size than the index says" in caught.value.what
    assert caught.value.expected == f"{wheel.stat().st_size - 1:,} bytes"


@pytest.mark.parametrize("size", [100, 10**9])
def test_another_file_than_the_index_says_is_refused(
    client: Client, index: IndexServer, tmp_path: Path, size: int
) -> None:
    small = build_wheel(tmp_path, "small")
    with pytest.raises(IndexFailed) as caught:
        remote(client, index, small, sha256="0" * 64)
    assert "another file" in caught.value.what
    assert (caught.value.found, caught.value.expected) == (sha256_of(small), "0" * 64)
    with pytest.raises(IndexFailed):
        remote(client, index, small, size=size)


def test_a_page_where_a_wheel_should_be_is_told(client: Client, index: IndexServer, wheel: Path) -> None:
    index.fault("/files/", body=b"<!DOCTYPE html><html>Sign in</html>")
    with pytest.raises(IndexFailed) as caught:
        remote(client, index, wheel)
    assert caught.value.file == index.file_url(wheel.name)
    assert "another file" in caught.value.what or caught.value.found == "an HTML page"


def test_a_member_that_record_lies_about_is_found_by_range_too(
    client: Client, index: IndexServer, tmp_path: Path
) -> None:
    good = build_wheel(tmp_path / "good", "demo", files={"demo.bin": LARGE})
    with zipfile.ZipFile(good) as archive:
        record = archive.read("demo-1.0.dist-info/RECORD")
    wheel = build_wheel(tmp_path, "demo", files={"demo.bin": LARGE}, record=record, requires=["evil"])
    with pytest.raises(IndexFailed) as caught:
        remote(client, index, wheel)
    assert "METADATA" in caught.value.what


@pytest.mark.parametrize(
    ("status", "found"), [(404, "HTTP status 404"), (500, "HTTP status 500"), (403, "HTTP status 403")]
)
def test_an_index_that_refuses_is_told(
    client: Client, index: IndexServer, wheel: Path, status: int, found: str
) -> None:
    index.fault("/files/", status=status)
    with pytest.raises(IndexFailed) as caught:
        remote(client, index, wheel)
    assert caught.value.found == found


@pytest.mark.parametrize("fault", [{"cut": 1000}, {"drop": True}])
def test_an_index_that_breaks_off_is_asked_again_and_then_told(
    client: Client, index: IndexServer, wheel: Path, fault: dict[str, object]
) -> None:
    index.fault("/files/", times=1, **fault)
    assert remote(client, index, wheel).content.manifest == read_file(wheel).manifest
    index.fault("/files/", **fault)
    with pytest.raises(IndexFailed, match="broke"):
        remote(client, index, wheel)


class TestMany:
    @pytest.fixture
    def wheels(self, tmp_path: Path) -> list[Path]:
        return [build_wheel(tmp_path, f"demo{n}", files={"x.bin": LARGE[: n * 20_000]}) for n in range(12)]

    def refs(self, index: IndexServer, wheels: list[Path]) -> list[WheelRef]:
        return [WheelRef(filename=w.name, url=index.add(w), sha256=sha256_of(w)) for w in wheels]

    def test_are_read_once_and_remembered(
        self, client: Client, index: IndexServer, wheels: list[Path], tmp_path: Path
    ) -> None:
        refs, told = self.refs(index, wheels), []
        cache = ContentCache(tmp_path / "cache")
        found = read_contents(refs, client=client, cache=cache, progress=lambda done, total: told.append((done, total)))
        assert [found[ref.url].content.manifest for ref in refs] == [read_file(wheel).manifest for wheel in wheels]
        assert told == [(n, 12) for n in range(1, 13)]
        asked = len(index.requests)
        assert read_contents(refs, client=client, cache=cache) == found
        assert len(index.requests) == asked
        assert index.connections <= 16

    def test_offline_the_cache_is_enough(
        self, client: Client, index: IndexServer, wheels: list[Path], tmp_path: Path
    ) -> None:
        refs, cache = self.refs(index, wheels), ContentCache(tmp_path / "cache")
        found = read_contents(refs, client=client, cache=cache)
        with Client(offline=True) as offline:
            assert read_contents(refs, client=offline, cache=cache) == found
            with pytest.raises(IndexFailed, match="offline"):
                read_contents(refs, client=offline, cache=None)

    def test_one_that_fails_fails_all_at_once(self, client: Client, index: IndexServer, wheels: list[Path]) -> None:
        refs = self.refs(index, wheels)
        index.fault("/files/", delay=1.5)
        index.fault(f"/files/{wheels[0].name}", status=404)
        with pytest.raises(IndexFailed) as caught:
            read_contents(refs, client=client)
        assert caught.value.found == "HTTP status 404"


class TestPages:
    @pytest.mark.parametrize("json_form", [True, False])
    def test_both_forms_tell_the_same(self, client: Client, wheel: Path, json_form: bool) -> None:
        with IndexServer(json_form=json_form, relative=True, sizes=False) as index:
            index.add(wheel, upload_time=None, requires_python=">=3.10", yanked="bad")
            (file,) = project_page(client, index.url, "Demo") or ()
        assert (file.filename, file.sha256, file.yanked) == (wheel.name, sha256_of(wheel), "bad")
        assert file.url == index.file_url(wheel.name)
        assert file.requires_python == ">=3.10"

    def test_an_unknown_project_is_none(self, client: Client, index: IndexServer) -> None:
        assert project_page(client, f"{index.url}/", "My_Demo.Thing") is None
        assert index.requests[0][1] == "/simple/my-demo-thing/"

    @pytest.mark.parametrize("body", [b"garbage", b"", b"{}", b"<html><a href='javascript:x'>"])
    def test_garbage_is_told(self, client: Client, index: IndexServer, body: bytes) -> None:
        index.page("/simple/demo/", body)
        with pytest.raises(IndexFailed) as caught:
            project_page(client, index.with_credentials("user", "secret"), "demo")
        assert "no project page" in caught.value.what
        assert "secret" not in str(caught.value)
