"""Wheels read while the resolver works: a guess that is never believed further than reading again would be."""

from __future__ import annotations

import hashlib
import time

import msgspec
import pytest
from support.server import IndexServer
from support.wheels import build_wheel

from envctl.errors import IndexFailed
from envctl.index.ahead import Ahead
from envctl.index.cache import ContentCache
from envctl.index.contents import WheelRef, read_contents
from envctl.system.http import Client


@pytest.fixture
def offered(tmp_path, index: IndexServer):
    """A wheel too large for one request, and how an index names it."""
    files = {f"big/{i}.bin": hashlib.sha256(str(i).encode()).digest() * 200 for i in range(40)}
    path = build_wheel(tmp_path, "big", files=files, compression=0)
    index.add(path)
    sha256 = hashlib.sha256(path.read_bytes()).hexdigest()
    return WheelRef(filename=path.name, url=index.file_url(path.name), sha256=sha256, size=path.stat().st_size)


def guessed(wheel: WheelRef) -> None:
    """Read a wheel ahead without a cache, then ask for it."""
    with Client(attempts=1) as client, Ahead(client, None) as ahead:
        ahead.see(wheel.url)
        read(wheel, ahead, client, None)


def read(wheel: WheelRef, ahead: Ahead, client: Client, cache: ContentCache | None):
    return read_contents([wheel], client=client, cache=cache, ahead=ahead)[wheel.url]


def test_what_was_read_ahead_is_not_asked_for_again(offered, index, tmp_path):
    cache = ContentCache(tmp_path / "cache")
    with Client() as client, Ahead(client, cache) as ahead:
        ahead.see(offered.url)
        ahead.see(offered.url)
        found = read(offered, ahead, client, cache)
    assert found.sha256 == offered.sha256
    assert len(index.asked("/files/")) == 1
    known = cache.get(offered.sha256, filename=offered.filename)
    assert known is not None
    assert known.content.manifest == found.content.manifest


def test_a_wheel_that_the_cache_knows_is_not_read_ahead(offered, index, tmp_path):
    cache = ContentCache(tmp_path / "cache")
    with Client() as client, Ahead(client, cache) as ahead:
        read(offered, ahead, client, cache)
    asked = len(index.requests)
    with Client() as client, Ahead(client, cache) as ahead:
        ahead.see(offered.url)
        read(offered, ahead, client, cache)
    assert len(index.requests) == asked


def test_without_a_cache_everything_is_read(offered, index):
    with Client() as client, Ahead(client, None) as ahead:
        ahead.see(offered.url)
        assert read(offered, ahead, client, None).sha256 == offered.sha256
    assert len(index.asked("/files/")) == 1


def test_a_guess_that_failed_is_read_again_and_its_error_told(offered, index):
    index.fault("/files/", status=404)
    with pytest.raises(IndexFailed) as caught:
        guessed(offered)
    assert offered.filename in str(caught.value)


def test_a_small_wheel_of_another_sha256_is_refused_though_it_was_read_ahead(tmp_path, index):
    path = build_wheel(tmp_path, "small")
    index.add(path)
    wrong = WheelRef(filename=path.name, url=index.file_url(path.name), sha256="0" * 64)
    with pytest.raises(IndexFailed, match="another file"):
        guessed(wrong)


def test_another_size_than_the_index_says_is_refused_though_it_was_read_ahead(offered):
    wrong = msgspec.structs.replace(offered, size=offered.size - 1)
    with pytest.raises(IndexFailed):
        guessed(wrong)


def test_addresses_that_name_no_wheel_do_no_harm(offered, index):
    with Client(attempts=1) as client, Ahead(client, None) as ahead:
        for url in (f"{index.root}/files/none-1.0-py3-none-any.whl", f"{index.root}/", "http://127.0.0.1:9/x.whl"):
            ahead.see(url)
        assert read(offered, ahead, client, None).sha256 == offered.sha256


def interrupted(wheel: WheelRef) -> None:
    with Client() as client, Ahead(client, None) as ahead:
        ahead.see(wheel.url)
        raise KeyboardInterrupt


def test_an_interrupted_lock_waits_for_no_guess(offered, index):
    index.fault("/files/", delay=30)
    started = time.monotonic()
    with pytest.raises(KeyboardInterrupt):
        interrupted(offered)
    assert time.monotonic() - started < 20


def test_a_failed_lock_waits_for_no_guess_that_never_began(offered, index):
    index.fault("/files/", delay=30)
    started = time.monotonic()
    with pytest.raises(KeyboardInterrupt):
        interrupted_many(offered)
    assert time.monotonic() - started < 20


def interrupted_many(wheel: WheelRef) -> None:
    """More guesses than threads, so that some are cancelled before they begin."""
    with Client() as client, Ahead(client, None) as ahead:
        for number in range(50):
            ahead.see(f"{wheel.url}?{number}")
        raise KeyboardInterrupt
