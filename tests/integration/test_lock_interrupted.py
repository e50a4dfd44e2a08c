"""`envctl lock` that is interrupted, killed, or run twice at once leaves valid files, old ones or new ones."""

from __future__ import annotations

import contextlib
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from support.project import BASE, Project
from support.server import IndexServer
from support.wheels import build_wheel

from envctl.lockfile.read import read_lockfile

pytestmark = pytest.mark.campaign

IMAGE = f"""
python = "3.11.9"
dependencies = ["alpha"]
[image]
base = "{BASE}"
[variants.cpu]
dependencies = ["gamma"]
[variants.cuda]
dependencies = ["delta"]
"""
NAMES = ("alpha", "beta", "gamma", "delta")


@pytest.fixture
def stocked(project: Project) -> Project:
    project.wheel("uv", "0.13.8", tag="py3-none-manylinux_2_17_x86_64.manylinux2014_x86_64")
    for name in NAMES:
        project.wheel(name, "1.0", requires=["beta"] if name == "alpha" else [])
    project.profile(IMAGE)
    return project


def start(project: Project, *args: str) -> subprocess.Popen[str]:
    """envctl in a process group of its own."""
    return subprocess.Popen(
        [sys.executable, "-m", "envctl", "-C", str(project.folder), *args],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )


def wait_for_request(index: IndexServer, prefix: str) -> None:
    end = time.monotonic() + 20
    while not index.asked(prefix):
        assert time.monotonic() < end, f"nobody asked for {prefix}"
        time.sleep(0.01)


def group_is_gone(pid: int) -> bool:
    end = time.monotonic() + 3
    while time.monotonic() < end:
        try:
            os.killpg(pid, 0)
        except ProcessLookupError:
            return True
        time.sleep(0.02)
    return False


def temporaries(project: Project) -> list[str]:
    return sorted(path.name for path in (project.folder / "profiles").rglob("*.tmp"))


@pytest.fixture
def bound() -> Iterator[IndexServer]:
    with IndexServer() as server:
        yield server


@pytest.mark.parametrize(
    ("number", "status", "word"), [(signal.SIGINT, 130, "interrupted"), (signal.SIGTERM, 143, "terminated")]
)
@pytest.mark.parametrize("where", ["/simple/beta", "/files/", "bound"])
def test_a_signal_to_envctl_alone_ends_it_at_once_with_one_line_and_all_that_it_started(
    stocked: Project, bound: IndexServer, tmp_path: Path, where: str, number: int, status: int, word: str
) -> None:
    assert stocked.run("lock").status == 0
    before = stocked.snapshot()
    if where == "bound":
        bound.add(build_wheel(tmp_path, "epsilon"))
        bound.fault("/simple/", delay=30)
        table = f'[[resolver.index]]\nname = "mine"\nurl = "{bound.url}"\npackages = ["epsilon"]\n'
        stocked.profile(IMAGE.replace('"alpha"', '"alpha", "epsilon"').replace("[image]", f"{table}[image]"))
        slow, prefix = bound, "/simple/epsilon"
    else:
        stocked.wheel("beta", "2.0")
        stocked.index.fault(where, delay=30)
        slow, prefix = stocked.index, where
        slow.requests.clear()
    process = start(stocked, "lock", "-U")
    wait_for_request(slow, prefix)
    began = time.monotonic()
    os.kill(process.pid, number)
    out, err = process.communicate(timeout=20)
    assert time.monotonic() - began < 3
    assert (process.returncode, out) == (status, "")
    assert err == f"{word}: nothing was left half-written\n"
    assert group_is_gone(process.pid), "uv was left running"
    assert stocked.snapshot() == before
    assert temporaries(stocked) == []


def test_an_interruption_that_is_ignored_by_whoever_started_it_stays_ignored(stocked: Project) -> None:
    stocked.index.fault("/simple/beta", delay=1, times=1)
    process = subprocess.Popen(
        ["sh", "-c", 'trap "" INT; exec "$@"', "sh", sys.executable, "-m", "envctl", "-C", stocked.folder, "lock"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    wait_for_request(stocked.index, "/simple/beta")
    os.kill(process.pid, signal.SIGINT)
    _, err = process.communicate(timeout=30)
    assert (process.returncode, err) == (0, "")


def files_of(state: dict[str, bytes], slug: str) -> dict[str, bytes]:
    return {name: data for name, data in state.items() if re.fullmatch(rf".*\.{slug}(\.toml|\.dockerignore)?", name)}


@pytest.mark.campaign
def test_killed_at_any_moment_the_files_are_old_or_new_and_the_next_lock_ends_well(
    stocked: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert stocked.run("lock").status == 0
    old = stocked.snapshot()
    for name in NAMES:
        stocked.wheel(name, "2.0", requires=["beta"] if name == "alpha" else [])
    assert stocked.run("lock", "-U").status == 0
    new = stocked.snapshot()
    assert old.keys() == new.keys()
    stocked.index.fault("/", delay=0.02)
    whole, mixed = 0.0, 0
    folder = stocked.folder / "profiles" / "locked"
    for run in range(16):
        for name, data in old.items():
            (folder / name).write_bytes(data)
        monkeypatch.setenv("ENVCTL_CACHE_DIR", str(stocked.folder.parent / f"cache-{run}"))
        process = start(stocked, "lock", "-U")
        began = time.monotonic()
        if run == 0:
            process.communicate(timeout=60)
            whole = time.monotonic() - began
            assert stocked.snapshot() == new
            continue
        # Later runs die late, where the writing is.
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.communicate(timeout=whole * (run / 8 if run < 6 else 0.7 + 0.04 * (run - 6)))
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.communicate()
        left = {name: data for name, data in stocked.snapshot().items() if not name.endswith(".tmp")}
        assert left.keys() == old.keys()
        for slug in ("train-cpu", "train-cuda"):
            here, states = files_of(left, slug), (files_of(old, slug), files_of(new, slug))
            assert len(here) == 3
            assert all(data in (states[0][name], states[1][name]) for name, data in here.items())
            assert read_lockfile(stocked.lock_path(slug))
            if here not in states:
                mixed += 1
                assert stocked.run("lock", "--check").status == 1
        ran = stocked.run("lock")
        assert ran.status == 0, ran.err
        assert stocked.run("lock", "--check").status == 0
        assert temporaries(stocked) == []
    assert mixed <= 2, "between the renames of one lock there is nothing to do"


def test_a_lock_that_died_between_its_files_is_stale_and_mended_without_a_network(stocked: Project) -> None:
    assert stocked.run("lock").status == 0
    old = stocked.snapshot()
    stocked.wheel("alpha", "2.0")
    assert stocked.run("lock", "-U").status == 0
    new = stocked.snapshot()
    stocked.index.requests.clear()
    for name in ("Dockerfile.train-cpu", "pylock.train-cpu.toml"):
        (stocked.folder / "profiles" / "locked" / name).write_bytes(old[name])
        assert old[name] != new[name]
        assert stocked.run("lock", "--check").status == 1
        assert stocked.run("lock", "--offline").status == 0
        assert stocked.run("lock", "--check").status == 0
    assert stocked.index.requests == []
    for name in ("Dockerfile.train-cpu", "Dockerfile.train-cpu.dockerignore"):
        (stocked.folder / "profiles" / "locked" / name).unlink()
    assert stocked.run("lock", "--check").status == 1
    assert stocked.run("lock", "--offline").status == 0
    assert stocked.run("lock", "--check").status == 0


def test_what_a_killed_run_left_is_removed_and_what_a_living_one_writes_is_not(stocked: Project) -> None:
    import fcntl

    assert stocked.run("lock").status == 0
    before = stocked.snapshot()
    folder = stocked.folder / "profiles" / "locked"
    (folder / ".pylock.train-cpu.toml.dead0000.tmp").write_bytes(b"half of a")
    (folder / ".Dockerfile.train-cuda.dockerignore.dead0000.tmp").write_bytes(b"")
    (folder / ".mine.tmp").write_bytes(b"somebody's")
    living = folder / ".Dockerfile.train-cpu.living00.tmp"
    with living.open("wb") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        assert stocked.run("lock").status == 0
        assert temporaries(stocked) == [living.name, ".mine.tmp"]
    assert stocked.run("lock").status == 0
    assert temporaries(stocked) == [".mine.tmp"]
    assert {**before, ".mine.tmp": b"somebody's"} == stocked.snapshot()


def test_two_at_once_wait_for_each_other_and_neither_loses_what_the_other_did(stocked: Project) -> None:
    assert stocked.run("lock").status == 0
    for name in NAMES:
        stocked.wheel(name, "2.0")
    stocked.index.fault("/simple/", delay=0.3)
    running = [start(stocked, "lock", "-P", name) for name in ("gamma", "delta", "beta")]
    for process in running:
        _, err = process.communicate(timeout=60)
        assert (process.returncode, err) == (0, "")
    pins = stocked.pins("train-cpu") | stocked.pins("train-cuda")
    assert pins == {"alpha": "1.0", "beta": "2.0", "gamma": "2.0", "delta": "2.0"}
    assert stocked.run("lock", "--check").status == 0
    assert temporaries(stocked) == []
