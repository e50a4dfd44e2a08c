"""`envctl doctor`: this very machine, a real engine, and machines made of recordings."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from support.engine.client import Engine
from support.lockfiles import make_image, make_lockfile, make_package, put_lockfile
from support.machines import Machine, recording
from support.project import envctl

from envctl.commands.doctor import doctor
from envctl.doctor.check import Status
from envctl.system.machine import host

NAMES = [
    "engine", "builder", "platform", "python", "libc", "cpu", "memory", "disk", "driver", "gpu", "toolkit", "index",
    "registry",
]  # fmt: skip


def locked(folder: Path, **values) -> Path:
    """A target train:cuda for this machine."""
    pins = [make_package("nvidia-cuda-runtime-cu12", "12.8.90"), make_package("numpy", "2.4.0")]
    known = {"platforms": (str(host()),), "variant": "cuda", "image": make_image(), "libc": "glibc 2.17"}
    put_lockfile(folder, make_lockfile(pins, **{**known, **values}))
    return folder


@pytest.fixture
def no_engine(monkeypatch):
    monkeypatch.setenv("DOCKER_HOST", "unix:///nonexistent/docker.sock")


def statuses(found) -> dict[str, Status]:
    return {check.name: check.status for check in found.checks}


def test_a_real_engine_and_this_machine_are_well(engine: Engine, tmp_path: Path):
    locked(tmp_path)
    done = envctl("-C", tmp_path, "doctor", "train:cuda", "--offline", "--format", "json")
    said = done.json
    assert (said["schema"], said["target"]) == ("envctl.doctor/1", "train:cuda")
    assert [check["name"] for check in said["checks"]] == NAMES
    checks = {check["name"]: check for check in said["checks"]}
    assert checks["engine"]["status"] == checks["builder"]["status"] == checks["platform"]["status"] == "ok"
    version = engine.run("version", "--format", "{{.Server.Version}}").stdout.partition("+")[0]
    assert checks["engine"]["message"].startswith(f"Docker {version.strip()}")
    assert checks["registry"] == {"name": "registry", "status": "skipped", "message": "--offline"}
    problems = [check for check in said["checks"] if check["status"] == "problem"]
    assert done.status == (1 if problems else 0)


def test_every_line_that_is_not_ok_says_what_to_do(no_engine, tmp_path: Path):
    found = doctor(locked(tmp_path), "train:cuda", offline=True)
    lines = [check for check in found.checks if check.status not in {Status.OK, Status.SKIPPED}]
    assert {check.name for check in lines} >= {"engine"}
    assert [check.name for check in lines if not check.hint] == []


def test_a_problem_is_exit_code_1_and_stands_in_a_table(no_engine, tmp_path: Path):
    done = envctl("-C", locked(tmp_path), "doctor", "train:cuda", "--offline")
    assert done.status == 1
    line = next(line for line in done.out.splitlines() if line.startswith("  engine "))
    assert line.startswith("  engine    problem  no container engine answers: unix:///nonexistent/docker.sock")
    assert "hint: start Docker, or set DOCKER_HOST" in done.out
    assert "skipped" not in done.out
    assert "skipped" in envctl("-v", "-C", tmp_path, "doctor", "train:cuda", "--offline").out


@pytest.mark.parametrize("columns", ["40", "80"])
def test_the_table_fits_the_terminal(no_engine, tmp_path: Path, columns, monkeypatch):
    monkeypatch.setenv("COLUMNS", columns)
    monkeypatch.setattr("envctl.cli.show.room", lambda: int(columns))
    lines = envctl("-C", locked(tmp_path), "doctor", "train:cuda", "--offline").out.splitlines()
    words = [word for line in lines for word in line.split()]
    assert max(map(len, lines)) <= max(int(columns), 21 + 20, 21 + max(map(len, words)))


def test_without_a_target_it_says_what_the_machine_has(no_engine, tmp_path: Path):
    done = envctl("-C", tmp_path, "doctor", "--format", "json")
    assert done.json["target"] is None
    checks = {check["name"]: check for check in done.json["checks"]}
    assert checks["platform"] == {"name": "platform", "status": "ok", "message": str(host())}
    assert checks["memory"]["status"] == "ok"


def test_a_machine_of_which_nothing_can_be_read_is_unknown_and_no_traceback(no_engine, tmp_path: Path, monkeypatch):
    monkeypatch.setenv("PATH", "/nonexistent")
    (tmp_path / "empty").mkdir()
    found = doctor(locked(tmp_path), "train:cuda", offline=True, root=tmp_path / "empty")
    said = statuses(found)
    assert (said["engine"], said["builder"]) == (Status.PROBLEM, Status.PROBLEM)
    assert said["memory"] is Status.UNKNOWN
    assert said["cpu"] is (Status.UNKNOWN if host().arch == "amd64" else Status.SKIPPED)


def test_a_gpu_machine_is_judged_from_what_it_says(no_engine, tmp_path: Path):
    machine = Machine(tmp_path).driver("driver-550.txt").card()
    machine.tool(recording("smi-a100.xml"), "8.0\n8.0\n")
    found = doctor(locked(tmp_path), "train:cuda", offline=True, root=machine.root, smi=machine.smi)
    check = next(check for check in found.checks if check.name == "driver")
    assert check.status is Status.WARNING
    assert check.message == "550.54.15 runs CUDA 12.4 in full; train:cuda carries CUDA 12.8"
    assert statuses(found)["gpu"] is Status.OK
    assert statuses(found)["toolkit"] is Status.UNKNOWN


def test_index_and_registry_are_asked_for_what_is_locked(engine: Engine, tmp_path: Path, index, monkeypatch):
    from support.wheels import build_wheel

    wheel = build_wheel(tmp_path, "attrs", "1.0")
    index.add(wheel)
    package = make_package("attrs")
    import msgspec

    served = msgspec.structs.replace(package.wheels[0], url=index.file_url(wheel.name))
    package = msgspec.structs.replace(package, wheels=(served,))
    image = make_image(base=engine.bases["py311"])
    put_lockfile(tmp_path, make_lockfile([package], variant=None, image=image, platforms=(str(host()),)))
    found = doctor(tmp_path, "train")
    said = {check.name: check for check in found.checks}
    assert said["index"].status is Status.OK, said["index"]
    assert said["registry"].status is Status.OK, said["registry"]
    assert said["registry"].message == f"{engine.registry} answers"

    gone = make_image(base=engine.bases["py311"].partition("@")[0] + "@sha256:" + "0" * 64)
    missing = msgspec.structs.replace(package, wheels=(msgspec.structs.replace(served, url=served.url + ".gone"),))
    put_lockfile(tmp_path, make_lockfile([missing], variant=None, image=gone, platforms=(str(host()),)))
    said = {check.name: check for check in doctor(tmp_path, "train").checks}
    assert (said["index"].status, said["registry"].status) == (Status.WARNING, Status.WARNING)
    assert "404" in said["index"].message


@pytest.mark.parametrize(("target", "status"), [("nothing", 3), ("Bad Name", 2)])
def test_a_target_that_is_none_is_said_before_anything_is_looked_at(tmp_path: Path, target, status):
    done = envctl("-C", tmp_path, "doctor", target)
    assert (done.status, done.out) == (status, "")


def test_a_lockfile_that_contradicts_itself_is_invalid(tmp_path: Path):
    locked(tmp_path)
    path = tmp_path / "profiles/locked/pylock.train-cuda.toml"
    path.write_text(path.read_text().replace("numpy-2.4.0-py3-none-any.whl", "numpy-2.4.0-cp27-none-any.whl"))
    done = envctl("-C", tmp_path, "doctor", "train:cuda", "--offline")
    assert done.status == 3
    assert "Traceback" not in done.err


def test_json_says_the_same_as_the_values(no_engine, tmp_path: Path):
    done = envctl("-C", locked(tmp_path), "doctor", "train:cuda", "--offline", "--format", "json")
    for check in json.loads(done.out)["checks"]:
        assert set(check) <= {"name", "status", "message", "details", "hint"}
        assert check["status"] in {status.value for status in Status}
