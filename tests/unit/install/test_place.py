"""Where an environment is to stand: what is refused, one at a time, the swap, and what killed runs leave."""

from __future__ import annotations

import os
import threading
import time
from pathlib import Path

import pytest

from envctl.errors import ToolFailed, UsageError
from envctl.install import place as places
from envctl.install.place import alone, examine, exchange, recover, remove, swap, work_folder


def environment(path: Path, mark: str = "old") -> Path:
    path.mkdir(parents=True)
    (path / "pyvenv.cfg").write_text("home = /usr/bin\n")
    (path / "mark").write_text(mark)
    return path


def held(path: Path) -> None:
    """Take and leave the place."""
    with alone(examine(path), waiting=lambda: None):
        pass


class TestExamine:
    def test_nothing_there_is_a_place(self, tmp_path: Path) -> None:
        place = examine(tmp_path / "deep" / ".venv")
        assert place.path == tmp_path.resolve() / "deep" / ".venv"
        assert not place.exists()

    def test_an_empty_folder_is_a_place(self, tmp_path: Path) -> None:
        (tmp_path / ".venv").mkdir()
        assert not examine(tmp_path / ".venv").exists()

    def test_an_environment_is_a_place(self, tmp_path: Path) -> None:
        assert examine(environment(tmp_path / ".venv")).exists()

    def test_a_folder_with_anything_else_is_refused(self, tmp_path: Path) -> None:
        (tmp_path / "data").mkdir()
        (tmp_path / "data" / "thesis.txt").write_text("years of work")
        with pytest.raises(UsageError, match="no virtual environment, so it is left alone") as caught:
            examine(tmp_path / "data", shown="data")
        assert caught.value.file == "data"

    def test_a_folder_named_like_the_configuration_is_refused(self, tmp_path: Path) -> None:
        (tmp_path / "data" / "pyvenv.cfg").mkdir(parents=True)
        with pytest.raises(UsageError, match="no virtual environment"):
            examine(tmp_path / "data")

    def test_a_file_is_refused(self, tmp_path: Path) -> None:
        (tmp_path / ".venv").write_text("")
        with pytest.raises(UsageError, match="is no folder"):
            examine(tmp_path / ".venv")

    def test_a_link_to_an_environment_means_that_environment(self, tmp_path: Path) -> None:
        environment(tmp_path / "disk" / "env")
        (tmp_path / ".venv").symlink_to(tmp_path / "disk" / "env")
        assert examine(tmp_path / ".venv").path == (tmp_path / "disk" / "env").resolve()

    def test_a_link_to_other_files_is_refused(self, tmp_path: Path) -> None:
        (tmp_path / "home").mkdir()
        (tmp_path / "home" / "file").write_text("")
        (tmp_path / ".venv").symlink_to(tmp_path / "home")
        with pytest.raises(UsageError, match="no virtual environment"):
            examine(tmp_path / ".venv")

    def test_a_link_that_leads_nowhere_is_refused(self, tmp_path: Path) -> None:
        (tmp_path / ".venv").symlink_to(tmp_path / "gone")
        with pytest.raises(UsageError, match="leads nowhere"):
            examine(tmp_path / ".venv")

    def test_a_loop_of_links_is_refused(self, tmp_path: Path) -> None:
        (tmp_path / ".venv").symlink_to(tmp_path / ".venv")
        with pytest.raises(UsageError):
            examine(tmp_path / ".venv")

    @pytest.mark.parametrize("name", ["", "a/..", "..", "a\0b"])
    def test_a_name_that_is_none_is_refused(self, tmp_path: Path, name: str) -> None:
        with pytest.raises(UsageError):
            examine(Path(name) if name in ("", "..") else tmp_path / name)

    def test_a_place_below_a_file_is_an_error(self, tmp_path: Path) -> None:
        (tmp_path / "file").write_text("")
        with pytest.raises(UsageError, match="cannot be looked at"):
            examine(tmp_path / "file" / ".venv")


class TestAlone:
    def test_a_second_run_waits_for_the_first(self, tmp_path: Path) -> None:
        place, order = examine(tmp_path / ".venv"), []

        def second() -> None:
            with alone(place, waiting=lambda: order.append("waits")):
                order.append("second")

        with alone(place, waiting=lambda: order.append("never")):
            thread = threading.Thread(target=second)
            thread.start()
            while not order:
                time.sleep(0.005)
            order.append("first")
        thread.join()
        assert order == ["waits", "first", "second"]

    def test_it_leaves_nothing_behind(self, tmp_path: Path) -> None:
        held(tmp_path / "project" / ".venv")
        assert list((tmp_path / "project").iterdir()) == []

    def test_a_descriptor_that_another_process_holds_keeps_the_place(self, tmp_path: Path) -> None:
        place, waited = examine(tmp_path / ".venv"), []
        with alone(place, waiting=lambda: None) as descriptor:
            copy = os.dup(descriptor)
        closing = threading.Timer(0.1, lambda: os.close(copy))
        closing.start()
        with alone(place, waiting=lambda: waited.append(True)):
            pass
        closing.join()
        assert waited == [True]

    def test_without_locks_on_folders_a_file_of_the_cache_is_locked(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv("ENVCTL_CACHE_DIR", str(tmp_path / "cache"))
        real = places.fcntl.flock

        def refuse_folders(descriptor: int, flags: int) -> None:
            if Path(f"/proc/self/fd/{descriptor}").is_dir():
                raise OSError(9, "Bad file descriptor")
            real(descriptor, flags)

        monkeypatch.setattr(places.fcntl, "flock", refuse_folders)
        held(tmp_path / ".venv")
        assert len(list((tmp_path / "cache" / "locks").iterdir())) == 1

    def test_a_place_that_cannot_be_made_is_an_error(self, tmp_path: Path) -> None:
        place = places.Place(Path("/proc/nowhere/.venv"), ".venv")
        with (
            pytest.raises(ToolFailed, match="place of the environment cannot be used"),
            alone(place, waiting=lambda: None),
        ):
            pass


class TestSwap:
    @pytest.mark.parametrize("one_step", [True, False])
    def test_the_new_one_stands_there_and_the_old_one_goes(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, one_step: bool
    ) -> None:
        if not one_step:
            monkeypatch.setattr(places, "exchange", lambda *_: False)
        place = examine(environment(tmp_path / ".venv"))
        with work_folder(place) as work:
            swap(place, environment(work / "new", "new"))
        assert (tmp_path / ".venv" / "mark").read_text() == "new"
        assert [entry.name for entry in tmp_path.iterdir()] == [".venv"]

    def test_an_empty_folder_is_replaced(self, tmp_path: Path) -> None:
        (tmp_path / ".venv").mkdir()
        place = examine(tmp_path / ".venv")
        with work_folder(place) as work:
            swap(place, environment(work / "new", "new"))
        assert (tmp_path / ".venv" / "mark").read_text() == "new"

    def test_a_folder_that_was_filled_meanwhile_is_not_touched(self, tmp_path: Path) -> None:
        place = examine(tmp_path / ".venv")
        with work_folder(place) as work:
            new = environment(work / "new", "new")
            (tmp_path / ".venv").mkdir()
            (tmp_path / ".venv" / "file").write_text("mine")
            with pytest.raises(ToolFailed, match="cannot be put in its place"):
                swap(place, new)
        assert (tmp_path / ".venv" / "file").read_text() == "mine"

    def test_two_moves_that_fail_midway_are_taken_back(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(places, "exchange", lambda *_: False)
        place = examine(environment(tmp_path / ".venv"))
        with work_folder(place) as work, pytest.raises(ToolFailed):
            swap(place, work / "new")
        assert (tmp_path / ".venv" / "mark").read_text() == "old"

    def test_exchanging_is_one_step_and_keeps_both(self, tmp_path: Path) -> None:
        one, other = environment(tmp_path / "one", "one"), environment(tmp_path / "other", "other")
        if exchange(one, other):
            assert (one / "mark").read_text() == "other"
            assert (other / "mark").read_text() == "one"
        else:
            assert (one / "mark").read_text() == "one"

    def test_exchanging_with_nothing_is_an_error(self, tmp_path: Path) -> None:
        with pytest.raises(OSError, match="No such file"):
            exchange(environment(tmp_path / "one"), tmp_path / "none")

    def test_a_c_library_without_the_call_says_so(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(places.ctypes, "CDLL", lambda *_, **__: object())
        assert not exchange(tmp_path / "one", tmp_path / "other")


class TestRecover:
    def test_work_folders_of_killed_runs_are_removed(self, tmp_path: Path) -> None:
        place = examine(environment(tmp_path / ".venv"))
        environment(tmp_path / ".venv.envctl-killed" / "new")
        recover(place)
        assert [entry.name for entry in tmp_path.iterdir()] == [".venv"]

    def test_an_environment_that_was_moved_away_is_moved_back(self, tmp_path: Path) -> None:
        place = examine(tmp_path / ".venv")
        environment(tmp_path / ".venv.envctl-killed" / "old", "old")
        environment(tmp_path / ".venv.envctl-killed" / "new", "new")
        recover(place)
        assert (tmp_path / ".venv" / "mark").read_text() == "old"
        assert [entry.name for entry in tmp_path.iterdir()] == [".venv"]

    def test_what_belongs_to_others_stays(self, tmp_path: Path) -> None:
        place = examine(environment(tmp_path / "env"))
        environment(tmp_path / ".venv.envctl-killed" / "new")
        (tmp_path / ".env.envctl-notes").write_text("a file")
        (tmp_path / ".env.envctl-link").symlink_to(tmp_path / ".venv.envctl-killed")
        recover(place)
        assert (tmp_path / ".venv.envctl-killed" / "new" / "mark").exists()
        assert (tmp_path / ".env.envctl-notes").exists()


class TestWorkFolder:
    def test_it_is_hidden_beside_the_place_ignored_by_git_and_gone_afterwards(self, tmp_path: Path) -> None:
        with work_folder(examine(tmp_path / "env")) as work:
            assert work.parent == tmp_path
            assert work.name.startswith(".env.envctl-")
            assert (work / ".gitignore").read_text() == "*\n"
        assert list(tmp_path.iterdir()) == []

    def test_it_goes_when_something_fails(self, tmp_path: Path) -> None:
        with pytest.raises(KeyboardInterrupt), work_folder(examine(tmp_path / "env")):
            raise KeyboardInterrupt
        assert list(tmp_path.iterdir()) == []

    def test_folders_that_were_made_read_only_go_too(self, tmp_path: Path) -> None:
        inner = tmp_path / "work" / "inner"
        inner.mkdir(parents=True)
        (inner / "file").write_text("")
        inner.chmod(0o500)
        remove(tmp_path / "work")
        assert not (tmp_path / "work").exists()
