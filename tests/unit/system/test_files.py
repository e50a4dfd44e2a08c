"""Files are read with limits, and written so that what is killed leaves the old ones or the new ones."""

from __future__ import annotations

import fcntl
import os
import signal
import threading
from pathlib import Path

import pytest

from envctl.errors import InvalidFile, ToolFailed
from envctl.system import files


def test_several_files_are_written_with_the_modes_of_the_umask_and_nothing_else_is_left(tmp_path: Path) -> None:
    first, second = tmp_path / "deep" / "a", tmp_path / "b"
    second.write_bytes(b"old")
    files.write_atomically({first: b"1", second: b"2"})
    assert (first.read_bytes(), second.read_bytes()) == (b"1", b"2")
    assert sorted(path.name for path in tmp_path.rglob("*")) == ["a", "b", "deep"]
    mask = os.umask(0o077)
    os.umask(mask)
    assert first.stat().st_mode & 0o777 == 0o666 & ~mask


@pytest.mark.parametrize("wrong", ["folder", "file/inside"])
def test_where_one_cannot_be_written_none_is(tmp_path: Path, wrong: str) -> None:
    (tmp_path / "good").write_bytes(b"old")
    (tmp_path / "folder").mkdir()
    (tmp_path / "file").write_bytes(b"")
    before = sorted(tmp_path.rglob("*"))
    with pytest.raises(ToolFailed) as caught:
        files.write_atomically({tmp_path / "good": b"new", tmp_path / wrong: b"new"})
    assert wrong.partition("/")[0] in str(caught.value)
    assert (tmp_path / "good").read_bytes() == b"old"
    assert sorted(tmp_path.rglob("*")) == before


def test_a_link_is_replaced_and_what_it_points_to_is_not_written(tmp_path: Path) -> None:
    (tmp_path / "secret").write_bytes(b"old")
    (tmp_path / "link").symlink_to("secret")
    files.write_atomically({tmp_path / "link": b"new"})
    assert (tmp_path / "secret").read_bytes() == b"old"
    assert (tmp_path / "link").read_bytes() == b"new"


def test_what_nobody_writes_any_more_is_swept_and_nothing_else(tmp_path: Path) -> None:
    for name in (".a.dead.tmp", ".a.living.tmp", ".b.dead.tmp", "a.tmp", ".a.tmp"):
        (tmp_path / name).write_bytes(b"")
    with (tmp_path / ".a.living.tmp").open("rb") as living:
        fcntl.flock(living, fcntl.LOCK_EX)
        files.sweep(tmp_path / "a")
    assert sorted(path.name for path in tmp_path.iterdir()) == [".a.living.tmp", ".a.tmp", ".b.dead.tmp", "a.tmp"]
    files.sweep(tmp_path / "gone" / "a")


def test_one_at_a_time_and_whoever_comes_second_is_told(tmp_path: Path) -> None:
    said: list[str] = []
    entered, leave = threading.Event(), threading.Event()

    def first() -> None:
        with files.exclusive(tmp_path, lambda: said.append("first waits")):
            entered.set()
            leave.wait(10)
            said.append("first is done")

    thread = threading.Thread(target=first)
    thread.start()
    assert entered.wait(10)

    def told() -> None:
        said.append("second waits")
        leave.set()

    with files.exclusive(tmp_path, told):
        said.append("second is in")
    thread.join()
    assert said == ["second waits", "first is done", "second is in"]
    assert list(tmp_path.iterdir()) == []


def test_a_signal_waits_until_what_must_not_be_interrupted_is_done() -> None:
    order: list[str] = []
    before = signal.signal(signal.SIGINT, lambda *_: order.append("signal"))
    try:
        with files.uninterrupted():
            os.kill(os.getpid(), signal.SIGINT)
            order.append("written")
        assert order == ["written", "signal"]
        os.kill(os.getpid(), signal.SIGINT)
        assert order == ["written", "signal", "signal"]
    finally:
        signal.signal(signal.SIGINT, before)


def test_a_thread_has_no_signals_to_wait_with() -> None:
    def inside() -> None:
        with files.uninterrupted():
            done.append(True)

    done: list[bool] = []
    thread = threading.Thread(target=inside)
    thread.start()
    thread.join()
    assert done == [True]


def test_what_is_read_is_a_regular_file_of_bounded_size_and_utf8(tmp_path: Path) -> None:
    (tmp_path / "bom").write_bytes(b"\xef\xbb\xbfx")
    assert files.read_text(tmp_path / "bom") == "x"
    with pytest.raises(FileNotFoundError):
        files.read_bytes(tmp_path / "gone")
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "folder").mkdir()
    for name in ("pipe", "folder"):
        with pytest.raises(InvalidFile, match="is not a regular file"):
            files.read_bytes(tmp_path / name)
    with pytest.raises(InvalidFile, match="too large"):
        files.read_bytes(tmp_path / "bom", limit=3)
    (tmp_path / "latin").write_bytes(b"a\n\xe9")
    with pytest.raises(InvalidFile) as caught:
        files.read_text(tmp_path / "latin", shown="shown")
    assert caught.value.place() == "shown:2"
    with pytest.raises(InvalidFile, match="cannot be read"):
        files.read_bytes(tmp_path / ("x" * 5000))
