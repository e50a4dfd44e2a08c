"""Wheels brought to this disk: from wherever they are to be had, and only those that were locked."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from pathlib import Path

import pytest
from support.server import IndexServer
from support.wheels import build_wheel, sha256_of

from envctl.errors import IndexFailed
from envctl.index.cache import ContentCache
from envctl.index.contents import WheelRef
from envctl.index.download import Downloader, Store, Wanted, download
from envctl.index.wheel import read_file
from envctl.system.http import Client

NOWHERE = "http://127.0.0.1:9/files/"


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A cache of its own, not shared with other tests."""
    monkeypatch.setenv("ENVCTL_CACHE_DIR", str(tmp_path / "cache"))
    return tmp_path / "cache"


@pytest.fixture
def client(tmp_path: Path) -> Iterator[Client]:
    with Client(environ={"HOME": str(tmp_path)}, backoff=0.01, patience=2, attempts=2) as client:
        yield client


@pytest.fixture
def wheel(tmp_path: Path) -> Path:
    return build_wheel(tmp_path / "source", "demo", files={"demo.bin": os.urandom(100_000)})


def want(wheel: Path, url: str, *, content: str | None = None, sha256: str | None = None) -> Wanted:
    ref = WheelRef(filename=wheel.name, url=url, sha256=sha256 or sha256_of(wheel))
    return Wanted(wheel=ref, content=content or read_file(wheel).manifest.digest())


def test_a_wheel_comes_from_its_url_under_its_name(
    client: Client, index: IndexServer, wheel: Path, tmp_path: Path
) -> None:
    wanted = want(wheel, index.add(wheel))
    place = download(wanted.wheel, tmp_path / "out", client=client, content_digest=wanted.content)
    assert place == tmp_path / "out" / wheel.name
    assert place.read_bytes() == wheel.read_bytes()
    assert [path.name for path in place.parent.iterdir()] == [wheel.name]
    assert stat.S_IMODE(place.stat().st_mode) & 0o444 == 0o444


def test_a_wheel_that_is_there_is_checked_and_left(
    client: Client, index: IndexServer, wheel: Path, tmp_path: Path
) -> None:
    downloader, wanted = Downloader(client), want(wheel, index.add(wheel))
    place = downloader.download(wanted, tmp_path / "out")
    downloader.download(wanted, tmp_path / "out")
    assert len(index.requests) == 1
    place.unlink()
    place.write_bytes(b"something else")
    downloader.download(wanted, tmp_path / "out")
    assert place.read_bytes() == wheel.read_bytes()


def test_the_second_time_it_comes_from_the_cache(
    client: Client, index: IndexServer, wheel: Path, tmp_path: Path
) -> None:
    wanted = want(wheel, index.add(wheel))
    Downloader(client).download(wanted, tmp_path / "one")
    with Client(offline=True) as offline:
        place = Downloader(offline).download(wanted, tmp_path / "two")
    assert place.read_bytes() == wheel.read_bytes()
    assert len(index.requests) == 1


def test_a_cached_wheel_that_was_edited_is_not_used(
    client: Client, index: IndexServer, wheel: Path, tmp_path: Path
) -> None:
    wanted = want(wheel, index.add(wheel))
    place = Downloader(client).download(wanted, tmp_path / "one")
    place.write_bytes(b"edited in place, and with it what the cache has")
    again = Downloader(client).download(wanted, tmp_path / "two")
    assert again.read_bytes() == wheel.read_bytes()
    assert Store().place(sha256_of(wheel)).read_bytes() == wheel.read_bytes()
    assert len(index.requests) == 2


def test_given_folders_come_before_everything_else(index: IndexServer, wheel: Path, tmp_path: Path) -> None:
    (tmp_path / "wrong").mkdir()
    (tmp_path / "wrong" / wheel.name).write_bytes(b"another wheel of that name")
    with Client(offline=True) as offline:
        local = [tmp_path / "none", tmp_path / "wrong", wheel.parent]
        place = Downloader(offline, local=local).download(want(wheel, NOWHERE), tmp_path / "out")
    assert place.read_bytes() == wheel.read_bytes()
    assert wheel.exists()


@pytest.mark.parametrize("hashed", [True, False])
def test_a_mirror_has_the_file_by_name_and_sha256(
    client: Client, index: IndexServer, wheel: Path, tmp_path: Path, hashed: bool
) -> None:
    index.add(wheel, hashed=hashed)
    wanted = want(wheel, NOWHERE + wheel.name)
    place = Downloader(client, mirrors=[index.url]).download(wanted, tmp_path / "out")
    assert place.read_bytes() == wheel.read_bytes()


def test_a_private_mirror_gets_its_credentials(client: Client, wheel: Path, tmp_path: Path) -> None:
    with IndexServer("user", "secret") as mirror:
        mirror.add(wheel)
        mirrors = [mirror.with_credentials()]
        place = Downloader(client, mirrors=mirrors).download(want(wheel, NOWHERE + wheel.name), tmp_path / "out")
    assert place.read_bytes() == wheel.read_bytes()


def test_a_mirror_that_has_it_not_or_another_is_passed_over(
    client: Client, index: IndexServer, wheel: Path, tmp_path: Path
) -> None:
    other = build_wheel(tmp_path / "other", "demo", files={"other.py": b""})
    with IndexServer() as empty, IndexServer() as wrong, IndexServer() as lying, IndexServer() as broken:
        wrong.add(other)
        lying.add(other, sha256=sha256_of(wheel))
        broken.fault("/", status=500)
        mirrors = [empty.url, wrong.url, lying.url, broken.url]
        wanted = want(wheel, index.add(wheel))
        assert Downloader(client, mirrors=mirrors).download(wanted, tmp_path / "out").exists()
        assert empty.asked("/simple/demo/")
        assert not wrong.asked("/files/")
        assert lying.asked("/files/")


def test_a_mirrors_page_is_asked_for_once(client: Client, index: IndexServer, tmp_path: Path) -> None:
    wheels = [build_wheel(tmp_path / "source", "demo", f"1.{n}") for n in range(4)]
    for wheel in wheels:
        index.add(wheel)
    downloader = Downloader(client, mirrors=[index.url])
    downloader.download_all([want(wheel, NOWHERE + wheel.name) for wheel in wheels], tmp_path / "out")
    assert len(index.asked("/simple/")) == 1


def test_a_wheel_locked_against_the_mirror_needs_no_page(
    client: Client, index: IndexServer, wheel: Path, tmp_path: Path
) -> None:
    Downloader(client, mirrors=[index.url]).download(want(wheel, index.add(wheel)), tmp_path / "out")
    assert not index.asked("/simple/")


def test_another_file_than_the_locked_one_is_refused(
    client: Client, index: IndexServer, wheel: Path, tmp_path: Path
) -> None:
    wanted = want(wheel, index.add(wheel), sha256="0" * 64)
    with pytest.raises(IndexFailed) as caught:
        Downloader(client).download(wanted, tmp_path / "out")
    assert caught.value.found == f"sha256 {sha256_of(wheel)}"
    assert caught.value.expected == "sha256 " + "0" * 64
    assert list((tmp_path / "out").iterdir()) == []


def test_every_place_that_was_tried_is_told(client: Client, index: IndexServer, wheel: Path, tmp_path: Path) -> None:
    wanted = want(wheel, index.file_url(wheel.name))
    (tmp_path / "local").mkdir()
    (tmp_path / "local" / wheel.name).write_bytes(b"x")
    with pytest.raises(IndexFailed) as caught:
        Downloader(client, mirrors=[NOWHERE], local=[tmp_path / "local"]).download(wanted, tmp_path / "out")
    text = str(caught.value)
    assert "nowhere to be had" in text
    assert str(tmp_path / "local") in text
    assert "HTTP status 404" in text
    assert "Connection refused" in text
    assert sha256_of(wheel) in text


def test_another_content_than_the_locked_one_is_refused(
    client: Client, index: IndexServer, wheel: Path, tmp_path: Path
) -> None:
    wanted = want(wheel, index.add(wheel), content="sha256:" + "0" * 64)
    with pytest.raises(IndexFailed) as caught:
        Downloader(client).download(wanted, tmp_path / "out")
    assert caught.value.found == f"content {read_file(wheel).manifest.digest()}"
    assert list((tmp_path / "out").iterdir()) == []


def test_a_wheel_whose_files_disagree_with_its_record_is_refused(
    client: Client, index: IndexServer, tmp_path: Path
) -> None:
    bad = build_wheel(tmp_path, "demo", extra_members={"evil.pth": b"import os"})
    wanted = Wanted(wheel=WheelRef(filename=bad.name, url=index.add(bad), sha256=sha256_of(bad)))
    with pytest.raises(IndexFailed, match=r"evil\.pth"):
        Downloader(client).download(wanted, tmp_path / "out")
    assert list((tmp_path / "out").iterdir()) == []


def test_what_was_read_by_range_is_read_whole_before_it_is_used(
    client: Client, index: IndexServer, wheel: Path, tmp_path: Path
) -> None:
    Downloader(client).download(want(wheel, index.add(wheel)), tmp_path / "out")
    known = ContentCache().get(sha256_of(wheel), filename=wheel.name)
    assert known is not None
    assert known.content.whole


def test_a_wheel_without_a_sha256_is_refused(client: Client, wheel: Path, tmp_path: Path) -> None:
    with pytest.raises(IndexFailed, match="no sha256"):
        download(WheelRef(filename=wheel.name, url=NOWHERE), tmp_path, client=client, content_digest=None)


def test_a_download_that_breaks_off_leaves_nothing(
    client: Client, index: IndexServer, wheel: Path, tmp_path: Path
) -> None:
    url = index.add(wheel)
    index.fault("/files/", cut=50_000)
    with pytest.raises(IndexFailed, match="broke"):
        Downloader(client).download(want(wheel, url), tmp_path / "out")
    assert list((tmp_path / "out").iterdir()) == []
    assert not Store().place(sha256_of(wheel)).exists()


def test_many_come_at_once_and_one_failure_ends_all(client: Client, index: IndexServer, tmp_path: Path) -> None:
    wheels = [build_wheel(tmp_path / "source", f"demo{n}") for n in range(10)]
    wanted, told = [want(wheel, index.add(wheel)) for wheel in wheels], []
    downloader = Downloader(client)
    places = downloader.download_all(wanted, tmp_path / "out", progress=lambda done, total: told.append((done, total)))
    assert {name: place.read_bytes() for name, place in places.items()} == {w.name: w.read_bytes() for w in wheels}
    assert told == [(n, 10) for n in range(1, 11)]
    index.fault(f"/files/{wheels[3].name}", status=404)
    Store().place(sha256_of(wheels[3])).unlink()
    with pytest.raises(IndexFailed):
        downloader.download_all(wanted, tmp_path / "again")
    assert not [path for path in (tmp_path / "again").iterdir() if path.suffix != ".whl"]
