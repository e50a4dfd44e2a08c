"""`envctl run` in an image: what a program finds inside, what is left behind, and who hears a signal."""

from __future__ import annotations

import json
import os
import pty
import select
import signal
import subprocess
import sys
import time
import uuid
from pathlib import Path

import pytest
from support.engine.client import Engine
from support.lockfiles import make_lockfile, make_package, put_lockfile

from envctl.commands.run import LABEL, find
from envctl.system.machine import host

LOOK = """
import json, os
def can_write(path):
    try:
        open(path, "w").close()
        return True
    except OSError as error:
        return error.strerror
status = dict(line.split(":", 1) for line in open("/proc/self/status").read().splitlines() if ":" in line)
def first(*places):
    return next((open(place).read().strip() for place in places if os.path.exists(place)), None)
print(json.dumps({
    "root": can_write("/x"), "venv": can_write("/opt/venv/x"), "tmp": can_write("/tmp/x"), "home": os.environ["HOME"],
    "cap": {name: int(status[name], 16) for name in ("CapEff", "CapPrm", "CapBnd", "CapInh", "CapAmb")},
    "no_new_privs": status["NoNewPrivs"].strip(), "uid": os.getuid(), "gid": os.getgid(), "cwd": os.getcwd(),
    "first": open("/proc/1/comm").read().strip(), "networks": sorted(os.listdir("/sys/class/net")),
    "pids": first("/sys/fs/cgroup/pids.max", "/sys/fs/cgroup/pids/pids.max"),
    "memory": first("/sys/fs/cgroup/memory.max", "/sys/fs/cgroup/memory/memory.limit_in_bytes"),
    "cpu": first("/sys/fs/cgroup/cpu.max", "/sys/fs/cgroup/cpu/cpu.cfs_quota_us"),
    "shm": os.statvfs("/dev/shm").f_blocks * os.statvfs("/dev/shm").f_frsize,
}))
"""


class Train:
    """A locked target with an image that is labelled as built from it."""

    def __init__(self, engine: Engine, folder: Path, **values: object) -> None:
        self.engine, self.folder = engine, folder
        hello = "import sys; print('hello', *sys.argv[1:])"
        commands = {"hello": ("python", "-c", hello), "look": ("python", "-c", LOOK)}
        salt = f"# {uuid.uuid4()}"  # the lockfile's digest names the image: no other test's has the same
        put_lockfile(
            folder,
            make_lockfile(
                [make_package("attrs")],
                variant=None,
                platforms=(str(host()),),
                commands=commands | {"salt": (salt,)},
                **values,
            ),
        )
        self.digest = find(folder, "train").digest
        self.tag = engine.name(f"train-{uuid.uuid4().hex[:8]}")
        self.id = self.build()

    def build(self, extra: str = "", tag: str | None = None, label: str | None = None) -> str:
        """The image: an environment, a working folder, a user, a command."""
        return self.engine.build(
            self.folder / "profiles",
            f"FROM {self.engine.bases['py311']}\n"
            "RUN --network=none python3 -m venv --without-pip /opt/venv\n"
            "ENV PATH=/opt/venv/bin:$PATH PYTHONDONTWRITEBYTECODE=1\n"
            'WORKDIR /app\nUSER 10001\nENTRYPOINT []\nCMD ["python", "-c", "print(\'the default\')"]\n'
            f"{extra}LABEL {LABEL}={label or self.digest}\n",
            tag or self.tag,
        )

    def run(self, *args: object, check: bool = True, stdin: str = "") -> subprocess.CompletedProcess[str]:
        """`envctl run train …` in a process of its own, as people have it."""
        done = subprocess.run(self.line(*args), capture_output=True, text=True, input=stdin, check=False, timeout=120)
        assert not check or done.returncode == 0, done.stderr
        return done

    def line(self, *args: object) -> list[str]:
        return [sys.executable, "-m", "envctl", "-C", str(self.folder), "run", "train", *map(str, args)]

    def look(self, *options: object) -> dict:
        """What a program finds inside."""
        return json.loads(self.run(*options, "look").stdout)

    def left(self) -> str:
        """Containers of this image that are still there."""
        return self.engine.run("ps", "--all", "--quiet", "--filter", f"ancestor={self.id}").stdout


@pytest.fixture(scope="module")
def train(engine: Engine, tmp_path_factory: pytest.TempPathFactory):
    made = Train(engine, tmp_path_factory.mktemp("train"))
    yield made
    engine.remove(made.tag)


def test_a_program_finds_a_hardened_container(train: Train):
    found = train.look()
    assert found["root"] == found["venv"] == "Read-only file system"
    assert (found["tmp"], found["home"]) == (True, "/tmp")
    assert set(found["cap"].values()) == {0}
    assert found["no_new_privs"] == "1"
    assert (found["uid"], found["cwd"]) == (10001, "/app")
    assert found["first"] in {"docker-init", "tini"}
    assert found["pids"] == "4096"
    total = int(train.engine.run("info", "--format", "{{.MemTotal}}").stdout)
    assert total * 0.89 < int(found["memory"]) <= total * 0.9
    assert found["shm"] > 2**30
    assert train.left() == ""


def test_each_door_opens(train: Train):
    options = ["--writable", "--memory", "256m", "--pids", "50", "--cpus", "1", "--cap-add", "CHOWN", "--user", "0:0"]
    found = train.look(*options, "--network", "none", "--engine-arg=--shm-size=1m")
    assert found["root"] is True
    assert (int(found["memory"]), found["pids"], found["shm"]) == (256 * 2**20, "50", 2**20)
    assert found["cpu"].split()[0] == "100000"
    assert found["cap"]["CapEff"] == 1
    assert (found["uid"], found["networks"]) == (0, ["lo"])


def test_what_takes_too_much_memory_is_ended(train: Train):
    done = train.run("--memory", "64m", "--", "python", "-c", "x = bytearray(512 << 20)", check=False)
    assert done.returncode == 137
    assert train.left() == ""


def test_code_that_was_compiled_while_it_ran_can_be_loaded_from_tmp(train: Train):
    code = "import shutil, subprocess; shutil.copy('/bin/true', '/tmp/t'); subprocess.run(['/tmp/t'], check=True)"
    assert train.run("--", "python", "-c", code).returncode == 0


def test_a_command_of_the_profile_runs_with_what_is_added(train: Train):
    assert train.run("hello").stdout == "hello\n"
    assert train.run("hello", "--", "--epochs", "3").stdout == "hello --epochs 3\n"


def test_without_a_command_the_image_runs_what_it_is_for(train: Train):
    assert train.run().stdout == "the default\n"


def test_an_unknown_name_lists_the_commands(train: Train):
    done = train.run("hullo", check=False)
    assert (done.returncode, done.stdout) == (2, "")
    assert "train has no command 'hullo'" in done.stderr
    assert "one of hello, look, salt" in done.stderr


def test_standard_streams_are_the_programs(train: Train):
    code = "import sys; sys.stdout.write(sys.stdin.read().upper()); sys.stderr.write('aside')"
    done = train.run("--", "python", "-c", code, stdin="ebb and flow\n")
    assert done.stdout == "EBB AND FLOW\n"
    assert "aside" in done.stderr


@pytest.mark.parametrize("status", [1, 3, 125])
def test_the_exit_status_is_the_programs(train: Train, status):
    done = train.run("--", "python", "-c", f"raise SystemExit({status})", check=False)
    assert done.returncode == status
    assert "error:" not in done.stderr


def test_what_is_not_there_or_not_executable_ends_as_in_a_shell(train: Train):
    assert train.run("--", "no-such-program", check=False).returncode == 127


def test_a_container_that_the_engine_cannot_start_is_the_engines_failure(train: Train):
    done = train.run("--network", "no-such-network", "hello", check=False)
    assert done.returncode == 5
    assert "error: the engine could not run the image" in done.stderr
    assert train.left() == ""


def test_the_project_is_mounted_read_only_or_writable(train: Train):
    (train.folder / "data.txt").write_text("here")
    read = "print(open('data.txt').read()); open('new.txt', 'w').write('made')"
    done = train.run("--mount", "--", "python", "-c", read, check=False)
    assert (done.returncode, done.stdout) == (1, "here\n")
    assert "Read-only file system" in done.stderr
    assert train.run("--mount-rw", "--", "python", "-c", read).returncode == 0
    made = train.folder / "new.txt"
    assert made.read_text() == "made"
    assert made.stat().st_uid == os.getuid()


def test_with_a_mount_the_program_is_who_called(train: Train):
    found = train.look("--mount")
    assert (found["uid"], found["gid"], found["cwd"]) == (os.getuid(), os.getgid(), "/app")


def test_another_folder_is_mounted_as_docker_does(train: Train, tmp_path: Path):
    (tmp_path / "set").mkdir()
    (tmp_path / "set" / "a").write_text("1")
    done = train.run("-v", f"{tmp_path}/set:/data:ro", "--", "python", "-c", "print(open('/data/a').read())")
    assert done.stdout == "1\n"


def test_variables_are_set_or_passed_on_and_are_in_no_argument(train: Train, monkeypatch):
    monkeypatch.setenv("TOKEN", "s3cret")
    code = "import os; print(os.environ['TOKEN'], os.environ['LEVEL'])"
    assert train.run("-e", "TOKEN", "-e", "LEVEL=2", "--", "python", "-c", code).stdout == "s3cret 2\n"
    assert "s3cret" not in train.run("-e", "TOKEN", "--dry-run", "hello").stdout


def test_a_variable_that_is_not_set_is_wrong_usage(train: Train):
    done = train.run("-e", "NO_SUCH_VARIABLE", "hello", check=False)
    assert done.returncode == 2
    assert "the variable is not set here" in done.stderr


def test_a_dry_run_shows_the_command_and_runs_nothing(train: Train):
    said = train.run("--dry-run", "hello").stdout
    assert " run --rm --init " in said
    assert train.id in said
    assert train.left() == ""


def test_only_an_image_of_this_lockfile_is_run(engine: Engine, tmp_path: Path):
    train = Train(engine, tmp_path)
    engine.remove(train.tag)
    done = train.run("hello", check=False)
    assert done.returncode == 2
    assert "there is no image of train as it is locked now" in done.stderr
    assert "`envctl build train`" in done.stderr


def test_an_image_of_another_lockfile_is_run_only_when_named(train: Train):
    other = f"{train.tag}-other"
    train.build(tag=other, label="sha256:" + "0" * 64)
    done = train.run("--image", other, "hello")
    assert done.stdout == "hello\n"
    assert f"note: {other} says nothing of being built from this lockfile" in done.stderr
    train.engine.remove(other)


def test_an_image_that_the_engine_has_not_is_wrong_usage(train: Train):
    done = train.run("--image", "no-such-image:1", "hello", check=False)
    assert (done.returncode, "the engine has no such image" in done.stderr) == (2, True)


def test_an_image_that_is_not_what_is_locked_is_not_run_with_verify(train: Train):
    done = train.run("--verify", "hello", check=False)
    assert done.returncode in {1, 7}
    assert "hello" not in done.stdout
    assert "train" in done.stderr


def test_a_target_with_cuda_runs_without_a_gpu_and_says_so(engine: Engine, tmp_path: Path):
    train = Train(engine, tmp_path, cuda="12.8")
    done = train.run("hello")
    assert done.stdout == "hello\n"
    assert "note: no GPU: this engine hands none to containers, though train carries CUDA 12.8" in done.stderr
    assert "note" not in train.run("--gpus", "none", "hello").stderr
    assert train.run("--gpus", "all", "hello", check=False).returncode == 5
    engine.remove(train.tag)


SLEEPER = """
import signal, sys, time
def stop(number, frame):
    print("heard", number, flush=True)
    sys.exit(7)
signal.signal(signal.SIGTERM, stop)
signal.signal(signal.SIGUSR1, lambda number, frame: print("heard", number, flush=True))
print("ready", flush=True)
while True:
    time.sleep(0.05)
"""


def _begin(train: Train, *options: object) -> subprocess.Popen[str]:
    line = train.line(*options, "--", "python", "-c", SLEEPER)
    process = subprocess.Popen(
        line, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    assert process.stdout is not None
    assert process.stdout.readline() == "ready\n"
    return process


def test_an_interrupt_reaches_the_program_once_and_leaves_no_container(train: Train):
    process = _begin(train)
    process.send_signal(signal.SIGINT)
    _, err = process.communicate(timeout=60)
    assert process.returncode == 130
    assert err.count("KeyboardInterrupt") == 1
    assert train.left() == ""


def test_a_program_that_ends_well_when_asked_to_says_with_what_status(train: Train):
    process = _begin(train)
    process.send_signal(signal.SIGUSR1)
    assert process.stdout is not None
    assert process.stdout.readline() == f"heard {signal.SIGUSR1.value}\n"
    process.terminate()
    out, _ = process.communicate(timeout=60)
    assert (process.returncode, out) == (7, "heard 15\n")
    assert train.left() == ""


def test_when_the_docker_command_is_killed_the_container_ends_too(train: Train):
    process = _begin(train)
    children = Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text().split()
    os.kill(int(children[0]), signal.SIGKILL)
    process.communicate(timeout=60)
    assert process.returncode == 137
    assert train.left() == ""


def test_on_a_terminal_the_program_has_one_and_ctrl_c_is_its_own(train: Train):
    code = "import sys, time; print('tty', sys.stdin.isatty(), sys.stdout.isatty()); print('ready'); time.sleep(60)"
    pid, terminal = pty.fork()
    if pid == 0:
        os.execvp(sys.executable, train.line("--", "python", "-c", code))
    said = _read_until(terminal, b"ready")
    os.write(terminal, b"\x03")
    said += _read_until(terminal, None)
    _, status = os.waitpid(pid, 0)
    assert os.waitstatus_to_exitcode(status) == 130
    assert b"tty True True" in said
    assert said.count(b"KeyboardInterrupt") == 1
    assert train.left() == ""


def _read_until(terminal: int, text: bytes | None) -> bytes:
    said, end = b"", time.monotonic() + 60
    while time.monotonic() < end and (text is None or text not in said):
        if select.select([terminal], [], [], 0.1)[0]:
            try:
                piece = os.read(terminal, 4096)
            except OSError:  # the other side is closed
                break
            if not piece:
                break
            said += piece
    return said


def test_a_published_port_answers_on_loopback(train: Train):
    said = train.run("--dry-run", "-p", "8000", "hello").stdout
    assert "--publish 127.0.0.1:8000:8000" in said


def test_without_an_engine_it_is_said(train: Train, monkeypatch):
    monkeypatch.setenv("DOCKER_HOST", "unix:///nonexistent/docker.sock")
    done = train.run("hello", check=False)
    assert done.returncode == 5
    assert "no container engine answers" in done.stderr


def test_without_a_docker_command_it_is_said(train: Train, monkeypatch):
    monkeypatch.setenv("PATH", "/nonexistent")
    done = train.run("hello", check=False)
    assert done.returncode == 5
    assert "there is no docker command" in done.stderr
