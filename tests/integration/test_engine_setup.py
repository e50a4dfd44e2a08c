"""The engine of the tests is set up once, shared, found again after a crash, and leaves nothing behind."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import tempfile
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from support.engine import daemons, machine, packages
from support.engine.client import Engine
from support.engine.place import Place, Unavailable

TESTS = Path(__file__).resolve().parents[1]
NOBODY_THERE = "unix:///nonexistent/docker.sock"
DOCUMENTED = {"DOCKER_HOST", "DOCKER_CONFIG", "DOCKER", "REGISTRY", "STANDALONE", "BASE_PY311", "BASE_OFFICIAL"}


class Spare:
    """A second engine's folder that begins with the first one's packages and layers."""

    def __init__(self, work: Path, first: Engine) -> None:
        self.place = Place(work)
        given = Path(first.state.config).parent
        work.mkdir(parents=True)
        subprocess.run(["cp", "-al", given / "root", given / "images", work], check=True)
        for done in given.glob("*.done"):
            shutil.copy(done, work)

    def start(self, *args: str, **environ: str) -> subprocess.Popen[str]:
        env = {**os.environ, "PYTHONPATH": str(TESTS), "DOCKER_HOST": NOBODY_THERE, **environ}
        argv = [sys.executable, "-B", "-m", "support.engine", *args, str(self.place.work)]
        return subprocess.Popen(argv, env=env, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)

    def run(self, *args: str, **environ: str) -> dict[str, str]:
        process = self.start(*args, **environ)
        out, err = process.communicate(timeout=300)  # ends although what it started goes on
        assert process.returncode == 0, err
        return dict(line.split("=", 1) for line in out.splitlines())

    def docker(self, *args: str) -> str:
        argv = [self.place.program("docker"), "--host", self.place.host, *args]
        return subprocess.run(argv, check=True, capture_output=True, text=True).stdout

    def running(self) -> list[str]:
        return [Path(f"/proc/{pid}/exe").readlink().name for pid in daemons.running(self.place)]

    def pid(self, name: str) -> int:
        return int((self.place.run / name).read_text())


@pytest.fixture
def spare(engine: Engine) -> Iterator[Spare]:
    given = Path(engine.state.config).parent
    spare = Spare(given.parent / f"engine-spare-{uuid.uuid4().hex[:6]}", engine)
    yield spare
    spare.run("down")
    shutil.rmtree(spare.place.work)


def sleeping(seconds: str) -> list[str]:
    found = []
    for entry in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            found.append(entry.read_bytes())
        except OSError:
            continue
    return [line.decode() for line in found if line == f"sleep\0{seconds}\0".encode()]


def nothing_is_left_of(spare: Spare) -> None:
    assert spare.running() == []
    assert not spare.place.run.exists()
    mounts = Path("/proc/mounts").read_text("utf-8")
    assert str(spare.place.work) not in mounts
    assert str(spare.place.run) not in mounts


def test_two_at_once_share_one_engine_and_find_it_again(spare: Spare) -> None:
    both = [spare.start("up") for _ in range(2)]
    printed = [process.communicate(timeout=300)[0] for process in both]
    daemon = spare.pid("docker.pid")

    assert printed[0] == printed[1] != ""
    first = dict(line.split("=", 1) for line in printed[0].splitlines())
    assert first.keys() >= DOCUMENTED
    assert sorted(name for name in spare.running() if "shim" not in name) == [
        "containerd",
        "docker-registry",
        "dockerd",
    ]
    assert spare.run("up") == spare.run("env") == first
    assert spare.pid("docker.pid") == daemon


def test_killed_daemons_come_back_with_the_same_addresses_and_end_with_their_containers(spare: Spare) -> None:
    first = spare.run("up")
    daemon = spare.pid("docker.pid")
    os.kill(daemon, signal.SIGKILL)
    os.kill(spare.pid("registry.pid"), signal.SIGKILL)

    assert spare.run("up") == first
    assert spare.pid("docker.pid") != daemon
    spare.docker("run", "--detach", "--network=none", first["BASE_BARE"], "sleep", "86401")
    assert len(sleeping("86401")) == 1

    spare.run("down")

    nothing_is_left_of(spare)
    assert sleeping("86401") == []


def test_down_ends_what_killed_daemons_left_behind(spare: Spare) -> None:
    base = spare.run("up")["BASE_BARE"]
    spare.docker("run", "--detach", "--network=none", base, "sleep", "86402")
    os.kill(spare.pid("docker.pid"), signal.SIGKILL)
    os.kill(spare.pid("exec/containerd/containerd.pid"), signal.SIGKILL)

    spare.run("down")

    nothing_is_left_of(spare)
    assert sleeping("86402") == []


def test_an_engine_that_is_offered_is_taken_and_left_running(spare: Spare, engine: Engine) -> None:
    lines = spare.run("up", DOCKER_HOST=engine.state.host)
    started = spare.running()
    spare.run("down")

    assert lines["DOCKER_HOST"] == engine.state.host
    assert lines["REGISTRY"] != engine.registry
    assert started == ["docker-registry"]
    assert daemons.ask(engine.state.host) is not None
    engine.remove(*(value for key, value in lines.items() if key.startswith("BASE_")))


def pytest_with(spare: Spare, **environ: str) -> str:
    env = {**os.environ, "DOCKER_HOST": NOBODY_THERE, "ENVCTL_ENGINE_WORK": str(spare.place.work), **environ}
    env.pop("PYTEST_XDIST_WORKER", None)
    argv = [
        sys.executable,
        "-m",
        "pytest",
        "-q",
        "-p",
        "no:cacheprovider",
        "-n",
        "2",
        "tests/integration/test_engine_bases.py",
    ]
    done = subprocess.run(
        [*argv, "-k", "by_tag_and_digest or no_shell"],
        cwd=TESTS.parent,
        env=env,
        check=False,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stdout
    return done.stdout


def test_a_session_ends_the_engine_that_it_started(spare: Spare) -> None:
    assert "2 passed" in pytest_with(spare, CI="")

    nothing_is_left_of(spare)


@pytest.mark.parametrize(("ci", "stays"), [("", True), ("true", False)])
def test_an_engine_started_by_hand_stays_except_in_ci(spare: Spare, ci: str, stays: bool) -> None:
    spare.run("up")

    pytest_with(spare, CI=ci)

    assert ("dockerd" in spare.running()) is stays


def test_packages_are_fetched_without_touching_the_hosts_lists(engine: Engine, tmp_path: Path) -> None:
    def lists() -> dict[str, tuple[int, int]]:
        found = [*Path("/var/lib/apt").rglob("*"), *Path("/var/cache/apt").rglob("*"), *Path("/etc/apt").rglob("*")]
        return {str(path): (path.stat().st_mtime_ns, path.stat().st_size) for path in found}

    before = lists()
    place = Place(tmp_path / "work")
    place.make()
    shutil.rmtree(place.run)

    packages.get(place, "bookworm", ["tini"])

    assert lists() == before
    assert subprocess.run(
        [place.program("tini"), "--version"], check=False, capture_output=True, text=True
    ).stdout.startswith("tini")


def as_nobody(work: Path) -> tuple[int, str]:
    code = (
        "import os, sys; from support.engine.__main__ import main;"
        f"os.setgid(65534); os.setuid(65534); sys.exit(main(['up', {str(work)!r}]))"
    )
    env = {**os.environ, "PYTHONPATH": str(TESTS), "DOCKER_HOST": NOBODY_THERE}
    done = subprocess.run([sys.executable, "-B", "-c", code], env=env, check=False, capture_output=True, text=True)
    return done.returncode, done.stderr


@pytest.mark.usefixtures("engine")
def test_without_root_the_reason_is_said(tmp_path: Path) -> None:
    # Not under tmp_path, whose folders are their owner's alone.
    work = Path(tempfile.gettempdir()) / f"engine-{uuid.uuid4().hex}"

    status, said = as_nobody(work)

    assert status == 3
    assert said.startswith("engine: this machine cannot run it: it needs root")
    shutil.rmtree(work)


def test_on_another_distribution_the_reason_is_said(tmp_path: Path) -> None:
    release = tmp_path / "os-release"
    release.write_text('ID=ubuntu\nVERSION_CODENAME="noble"\n')

    with pytest.raises(Unavailable, match="not Debian"):
        machine.check_makes_images(release)


def test_a_work_folder_that_cannot_be_written_is_a_reason_too(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")

    with pytest.raises(Unavailable, match="cannot write in"), Place(tmp_path / "file" / "work").locked():
        pass


@pytest.mark.parametrize(("args", "status"), [(("env",), 1), (("upp",), 2), (("down",), 0)])
def test_the_command_says_by_its_status_how_it_ended(
    tmp_path: Path, args: tuple[str, ...], status: int, run_command: Callable[..., int]
) -> None:
    assert run_command(*args, str(tmp_path / "none")) == status


@pytest.fixture
def run_command() -> Callable[..., int]:
    def run(*args: str) -> int:
        env = {**os.environ, "PYTHONPATH": str(TESTS)}
        return subprocess.run(
            [sys.executable, "-B", "-m", "support.engine", *args], env=env, check=False, capture_output=True
        ).returncode

    return run
