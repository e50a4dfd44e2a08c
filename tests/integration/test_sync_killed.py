"""A sync that is killed, interrupted, or meets another: the old environment stands there or the new one, whole."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from support.locked import lock
from support.project import Project

from envctl.install import build as building
from envctl.install import place as places

pytestmark = pytest.mark.campaign

ROUNDS = 8


def start(project: Project, *args: object) -> subprocess.Popen[str]:
    """envctl in a process group of its own."""
    command = [sys.executable, "-m", "envctl", "-C", str(project.folder), *map(str, args)]
    return subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, start_new_session=True, env=dict(os.environ)
    )


def tree(folder: Path) -> dict[str, bytes | str]:
    return {
        str(path.relative_to(folder)): str(path.readlink()) if path.is_symlink() else path.read_bytes()
        for path in sorted(folder.rglob("*"))
        if path.is_symlink() or path.is_file()
    }


def leftovers(project: Project) -> list[str]:
    return [entry.name for entry in project.folder.iterdir() if entry.name not in (".venv", "profiles")]


@pytest.fixture
def two_states(project: Project) -> tuple[dict[str, bytes | str], dict[str, bytes | str]]:
    """The trees of an old and a new environment; the old one stands in `.venv`, the new one's lockfile is written."""
    files = {f"alpha/part{i}.py": f"part = {i}\n".encode() for i in range(200)}
    old, new = project.wheel("alpha", files=files), project.wheel("alpha", "2.0", files={**files, "alpha/more.py": b""})
    lock(project, new)
    assert project.run("sync", "train").status == 0
    new_tree = tree(project.folder / ".venv")
    lock(project, old)
    assert project.run("sync", "train").status == 0
    old_tree = tree(project.folder / ".venv")
    lock(project, new)
    return old_tree, new_tree


@pytest.mark.campaign
def test_kill_9_at_any_moment_leaves_the_old_environment_or_the_new_one(project: Project, two_states) -> None:
    old, new = two_states
    begin = time.monotonic()
    whole_run = start(project, "sync", "train")
    whole_run.communicate()
    assert whole_run.returncode == 0
    whole = time.monotonic() - begin
    assert tree(project.folder / ".venv") == new
    locks = [project.lockfile()]
    lock(project, project.wheels / "alpha-1.0-py3-none-any.whl")
    locks.append(project.lockfile())
    seen = set()
    for number in range(ROUNDS):
        before = tree(project.folder / ".venv")
        after = old if before == new else new
        running = start(project, "sync", "train")
        time.sleep(whole * (number + 1) / (ROUNDS + 1))
        running.kill()
        running.communicate()
        state = tree(project.folder / ".venv")
        assert state in (before, after), f"a mix, {number}"
        seen.add(state == after)
        done = project.run("sync", "train")
        assert done.status == 0, done.err
        assert tree(project.folder / ".venv") == after
        assert leftovers(project) == []
        wheel = "alpha-2.0" if after == old else "alpha-1.0"
        lock(project, project.wheels / f"{wheel}-py3-none-any.whl")
    assert False in seen


def test_kill_9_between_two_moves_is_completed_backwards(
    project: Project, two_states, monkeypatch: pytest.MonkeyPatch
) -> None:
    _, new = two_states

    class Killed(BaseException):
        pass

    def killed_midway(path: Path, fresh: Path) -> None:
        path.rename(fresh.parent / "old")
        raise Killed

    monkeypatch.setattr(places, "exchange", lambda *_: False)
    monkeypatch.setattr(places, "_swap_by_two_moves", killed_midway)
    monkeypatch.setattr(places, "remove", lambda _: None)
    with pytest.raises(Killed):
        project.run("sync", "train")
    assert not (project.folder / ".venv").exists()
    monkeypatch.undo()
    monkeypatch.setenv("ENVCTL_INDEX_URL", project.index.url)
    assert project.run("sync", "train").status == 0
    assert tree(project.folder / ".venv") == new
    assert leftovers(project) == []


def test_ctrl_c_ends_with_130_and_leaves_nothing(project: Project, two_states) -> None:
    old, new = two_states
    running = start(project, "sync", "train")
    while not [name for name in leftovers(project) if "envctl" in name] and running.poll() is None:
        time.sleep(0.001)
    os.killpg(running.pid, signal.SIGINT)
    _, err = running.communicate(timeout=60)
    assert tree(project.folder / ".venv") in (old, new)
    assert leftovers(project) == []
    if running.returncode != 0:  # it may have been done already
        assert running.returncode == 130, err
        assert "Traceback" not in err


def test_two_syncs_at_once_do_not_fight(project: Project, two_states) -> None:
    _, new = two_states
    both = [start(project, "sync", "train") for _ in range(2)]
    ended = [running.communicate(timeout=120) for running in both]
    assert [running.returncode for running in both] == [0, 0], ended
    assert sorted(out.partition(":")[0] for out, _ in ended) == ["ok", "replaced"]
    assert tree(project.folder / ".venv") == new
    assert leftovers(project) == []


def test_a_failing_installer_leaves_the_old_environment(
    project: Project, two_states, monkeypatch: pytest.MonkeyPatch
) -> None:
    old, _ = two_states
    monkeypatch.setattr(building, "_install", lambda work, *_, **__: (work / "new" / "bin" / "python").unlink())
    done = project.run("sync", "train")
    assert done.status == 5
    assert "what was installed is not what is locked; the environment was left as it was" in done.err
    assert tree(project.folder / ".venv") == old
    assert leftovers(project) == []


def test_a_full_disk_is_an_error_and_leaves_the_old_environment(
    project: Project, two_states, monkeypatch: pytest.MonkeyPatch
) -> None:
    old, _ = two_states

    real = Path.mkdir

    def full(path: Path, *args: object, **kind: object) -> None:
        if "envctl-" in path.name:
            raise OSError(28, "No space left on device", str(path))
        real(path, *args, **kind)

    monkeypatch.setattr(Path, "mkdir", full)
    done = project.run("sync", "train")
    assert done.status == 5
    assert "nothing can be written beside the environment" in done.err
    assert "No space left on device" in done.err
    assert tree(project.folder / ".venv") == old


def test_a_folder_that_may_not_be_written_is_an_error(project: Project) -> None:
    lock(project, project.wheel("alpha"))
    done = project.run("sync", "train", "--venv", "/proc/envctl/.venv")
    assert done.status == 5
    assert done.err.startswith("error: /proc/envctl/.venv: the place of the environment cannot be used")
    assert "Traceback" not in done.err


def test_a_run_that_waits_says_so_and_then_finds_it_done(project: Project) -> None:
    lock(project, project.wheel("alpha"))
    place = places.examine(project.folder / ".venv")
    with places.alone(place, waiting=lambda: None):
        waiting = start(project, "sync", "train")
        time.sleep(1.0)
        assert waiting.poll() is None
    out, err = waiting.communicate(timeout=60)
    assert waiting.returncode == 0, err
    assert out.startswith("created:")
