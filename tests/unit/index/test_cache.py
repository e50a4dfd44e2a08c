from __future__ import annotations

from pathlib import Path

import msgspec
import pytest
from support.wheels import build_wheel, sha256_of

from envctl.index.cache import ContentCache
from envctl.index.wheel import ReadWheel, read_file


@pytest.fixture
def read(tmp_path: Path) -> ReadWheel:
    wheel = build_wheel(tmp_path, "demo", files={"a b\\c.py".replace("\\", ""): b"1", "x.pth": b""}, requires=["numpy"])
    return ReadWheel(content=read_file(wheel), sha256=sha256_of(wheel), size=wheel.stat().st_size)


@pytest.fixture
def cache(tmp_path: Path) -> ContentCache:
    return ContentCache(tmp_path / "cache")


def entry(tmp_path: Path) -> Path:
    (file,) = (path for path in (tmp_path / "cache").rglob("*") if path.is_file())
    return file


def test_what_was_put_is_got(cache: ContentCache, read: ReadWheel) -> None:
    assert cache.get(read.sha256, filename=read.content.filename) is None
    cache.put(read)
    assert cache.get(read.sha256, filename=read.content.filename, whole=True) == read


def test_a_wheel_read_by_ranges_is_not_one_that_was_read_whole(cache: ContentCache, read: ReadWheel) -> None:
    ranged = msgspec.structs.replace(read, content=msgspec.structs.replace(read.content, whole=False))
    cache.put(ranged)
    assert cache.get(read.sha256, filename=read.content.filename) == ranged
    assert cache.get(read.sha256, filename=read.content.filename, whole=True) is None
    cache.put(read)
    assert cache.get(read.sha256, filename=read.content.filename, whole=True) == read


def test_the_same_file_under_another_name_is_read_anew(cache: ContentCache, read: ReadWheel) -> None:
    cache.put(read)
    assert cache.get(read.sha256, filename="other-1.0-py3-none-any.whl") is None


def test_a_damaged_entry_is_none_and_is_written_anew(cache: ContentCache, read: ReadWheel, tmp_path: Path) -> None:
    cache.put(read)
    file = entry(tmp_path)
    good = file.read_bytes()
    for place in range(0, len(good), 7):
        file.write_bytes(good[:place] + bytes([good[place] ^ 1]) + good[place + 1 :])
        assert cache.get(read.sha256, filename=read.content.filename) is None
        file.write_bytes(good[:place])
        assert cache.get(read.sha256, filename=read.content.filename) is None
    cache.put(read)
    assert file.read_bytes() == good


def test_an_entry_in_the_place_of_another_wheel_is_none(cache: ContentCache, read: ReadWheel, tmp_path: Path) -> None:
    cache.put(read)
    other = "0" * 64
    place = tmp_path / "cache" / other[:2] / f"{other[2:]}.manifest"
    place.parent.mkdir()
    place.write_bytes(entry(tmp_path).read_bytes())
    assert cache.get(other, filename=read.content.filename) is None


def test_a_folder_that_cannot_be_written_is_no_failure(read: ReadWheel, tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"")
    cache = ContentCache(tmp_path / "file")
    cache.put(read)
    assert cache.get(read.sha256, filename=read.content.filename) is None


def test_only_a_sha256_names_an_entry(cache: ContentCache) -> None:
    with pytest.raises(ValueError, match="sha256"):
        cache.get("../../etc/passwd", filename="x")
