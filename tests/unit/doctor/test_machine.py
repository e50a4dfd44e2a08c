"""What doctor says of engine, builder, platform, processor, disk, memory, C library and Python."""

from __future__ import annotations

import pytest
from support.lockfiles import make_image, make_lockfile, make_package
from support.machines import Machine, recording

from envctl.doctor import cpu, engine, resources
from envctl.doctor.check import Status
from envctl.doctor.needs import needs_of
from envctl.doctor.reach import Asked, reach
from envctl.model.lockfile import Python
from envctl.model.platform import Libc, Platform
from envctl.oci.engine import EngineInfo
from envctl.system.docker import BuilderInfo
from envctl.system.hardware import Disk, Memory, processor

AMD64 = Platform("linux", "amd64")
GB = 10**9


def needs(*pins, host=AMD64, size=1000, image=True, **values):
    packages = [make_package(name, version, size=size) for name, version in pins]
    return needs_of(make_lockfile(packages, image=make_image() if image else None, **values), host)


def info(version="26.1.5+dfsg1", **values):
    known = {
        "name": "m", "version": version, "api": "1.45", "os": "linux", "architecture": "amd64", "root": "/d",
        "driver": "overlayfs", "containerd_store": True, "memory": 32 * GB, "cpus": 8, "runtimes": ("runc",),
    }  # fmt: skip
    return EngineInfo(**{**known, **values})


STANDALONE = Python(version="3.11.9", source="standalone")


@pytest.mark.parametrize(
    ("version", "python", "status"),
    [
        ("26.1.5+dfsg1", None, Status.OK),
        ("23.0.0", None, Status.OK),
        ("20.10.24+dfsg1", None, Status.PROBLEM),
        ("24.0.7", STANDALONE, Status.PROBLEM),
        ("25.0.0", STANDALONE, Status.OK),
        ("dev", None, Status.UNKNOWN),
    ],
)
def test_the_engine_must_be_new_enough_for_the_dockerfile(version, python, status):
    wanted = needs(python=python) if python is not None else needs()
    assert engine.engine(info(version), None, wanted).status is status


def test_no_engine_is_a_problem_for_an_image_alone():
    said = "no container engine answers: unix:///var/run/docker.sock: No such file or directory"
    check = engine.engine(None, said, needs())
    assert (check.status, check.message) == (Status.PROBLEM, said)
    assert "DOCKER_HOST" in (check.hint or "")
    assert engine.engine(None, said, needs(image=False)).status is Status.SKIPPED


def test_an_engine_of_another_group_says_how_to_join_it():
    check = engine.engine(None, "no container engine answers: unix:///run/docker.sock: Permission denied", needs())
    assert "usermod -aG docker" in (check.hint or "")
    check = engine.engine(None, "the Docker SDK for Python is not installed", needs())
    assert check.hint == "pip install 'envctl-ml[containers]'"


def test_windows_containers_and_podman_are_told():
    assert engine.engine(info(os="windows"), None, needs()).status is Status.PROBLEM
    check = engine.engine(info("5.4.0", product="Podman"), None, needs())
    assert (check.status, check.message) == (Status.WARNING, "Podman 5.4.0, which builds without BuildKit")


@pytest.mark.parametrize(
    ("found", "status"),
    [
        (BuilderInfo(docker="28.2.2", buildx="0.24.0"), Status.OK),
        (BuilderInfo(docker="20.10.24+dfsg1"), Status.OK),
        (BuilderInfo(docker="28.2.2"), Status.PROBLEM),
        (BuilderInfo(docker="of an unknown version"), Status.PROBLEM),
        (BuilderInfo(), Status.PROBLEM),
    ],
)
def test_what_builds_must_know_buildkit(found, status):
    check = engine.builder(found, needs())
    assert check.status is status
    assert (check.hint is None) == (status is Status.OK)


BOTH = ("linux/amd64", "linux/arm64")


@pytest.mark.parametrize(
    ("platforms", "architecture", "built", "emulated", "status", "message"),
    [
        (("linux/amd64",), "amd64", (), (), Status.OK, "linux/amd64, native"),
        (BOTH, "amd64", BOTH, (), Status.OK, "linux/amd64, native"),
        (BOTH, "amd64", (), ("linux/arm64",), Status.OK, "linux/amd64, native"),
        (BOTH, "amd64", (), (), Status.WARNING, "linux/amd64, native"),
        (("linux/amd64",), "arm64", (), ("linux/amd64",), Status.WARNING, "linux/arm64 is not what"),
        (("linux/amd64",), "arm64", (), (), Status.PROBLEM, "linux/arm64 cannot run linux/amd64"),
    ],
)
def test_platforms_run_natively_or_emulated_or_not(platforms, architecture, built, emulated, status, message):
    check = engine.platform(
        needs(platforms=platforms), "linux/amd64", info(architecture=architecture), built, frozenset(emulated)
    )
    assert check.status is status
    assert check.message.startswith(message)


def test_a_target_without_an_image_must_be_locked_for_this_machine():
    wanted = needs(image=False, platforms=("linux/arm64",))
    check = engine.platform(wanted, "linux/amd64", None, (), frozenset({"linux/arm64"}))
    assert check.status is Status.PROBLEM
    assert "envctl lock train:cpu" in (check.hint or "")


@pytest.fixture
def machine(tmp_path):
    return Machine(tmp_path)


@pytest.mark.parametrize(("model", "level"), [("core2", "x86-64"), ("westmere", "x86-64-v2"), ("haswell", "x86-64-v3")])
def test_a_processor_has_a_level(machine, model, level):
    found = processor(machine.put("proc/cpuinfo", recording(f"cpuinfo-{model}.txt")).root)
    assert cpu.cpu(found, None).message.endswith(f", {level}")


@pytest.mark.parametrize(
    ("model", "pins", "lacking"),
    [
        ("core2", [("numpy", "2.4.0")], "numpy 2.4.0 needs x86-64-v2: no popcnt, sse4.1, sse4.2"),
        ("core2", [("pyarrow", "22.0.0")], "pyarrow 22.0.0 needs sse4.2: no sse4.2, popcnt"),
        ("westmere", [("tensorflow", "2.21.0")], "tensorflow 2.21.0 needs avx: no avx"),
        ("westmere", [("jaxlib", "0.10.2")], "jaxlib 0.10.2 needs avx: no avx"),
        ("westmere", [("polars", "1.20.0")], "polars 1.20.0 needs avx2: no avx, avx2, fma, bmi1, bmi2, lzcnt, movbe"),
        (
            "westmere",
            [("polars", "2.1.0"), ("polars-runtime-32", "2.1.0")],
            "polars-runtime-32 2.1.0 needs avx2: no avx, avx2, fma, bmi1, bmi2, lzcnt, movbe",
        ),
    ],
)
def test_wheels_that_need_more_than_the_processor_has_are_named(machine, model, pins, lacking):
    found = processor(machine.put("proc/cpuinfo", recording(f"cpuinfo-{model}.txt")).root)
    check = cpu.cpu(found, needs(*pins))
    assert (check.status, check.details) == (Status.PROBLEM, (lacking,))
    assert "CPU type host" in (check.hint or "")


@pytest.mark.parametrize(
    ("model", "pins"),
    [
        ("core2", [("numpy", "2.3.5"), ("pandas", "3.0.0")]),
        ("core2", [("numpy", "not a version")]),
        ("westmere", [("numpy", "2.4.6"), ("polars", "2.1.0"), ("polars-runtime-compat", "2.1.0")]),
        ("westmere", [("polars-lts-cpu", "1.30.0")]),
        ("haswell", [("numpy", "2.4.6"), ("tensorflow", "2.21.0"), ("polars-runtime-32", "2.1.0")]),
    ],
)
def test_wheels_that_run_here_are_ok(machine, model, pins):
    found = processor(machine.put("proc/cpuinfo", recording(f"cpuinfo-{model}.txt")).root)
    assert cpu.cpu(found, needs(*pins)).status is Status.OK


def test_the_most_that_is_needed_is_named_with_who_needs_it(machine):
    found = processor(machine.put("proc/cpuinfo", recording("cpuinfo-haswell.txt")).root)
    assert cpu.cpu(found, needs(("tensorflow", "2.21.0"))).message == "avx, which tensorflow's wheels need"


def test_an_unreadable_processor_is_unknown_and_another_kind_has_no_such_differences():
    assert cpu.cpu(None, needs()).status is Status.UNKNOWN
    arm = needs(platforms=("linux/arm64",), host=Platform("linux", "arm64"))
    assert cpu.cpu(None, arm).status is Status.SKIPPED


def disk(free, device=1, path="/p"):
    return Disk(path=path, free=free, device=device)


def test_room_is_needed_for_wheels_unpacked_and_for_layers():
    wanted = needs(("torch", "2.9.0"), size=GB)
    assert resources.disk(disk(20 * GB), disk(20 * GB), None, wanted).status is Status.OK
    check = resources.disk(disk(10 * GB), disk(10 * GB), None, wanted)
    assert check.status is Status.PROBLEM
    assert check.message == "10 GB free in /p, 11 GB needed for an environment and an image"


def test_two_disks_are_counted_each_for_itself():
    wanted = needs(("torch", "2.9.0"), size=GB)
    check = resources.disk(disk(50 * GB), disk(3 * GB, device=2, path="/var/lib/docker"), None, wanted)
    assert check.status is Status.PROBLEM
    assert check.message == "3.0 GB free in /var/lib/docker, 7.0 GB needed for an image"


def test_little_room_left_over_is_a_warning():
    wanted = needs(("torch", "2.9.0"), size=GB, image=False)
    check = resources.disk(disk(5 * GB), None, None, wanted)
    assert (check.status, check.message) == (Status.WARNING, "5.0 GB free in /p, 4.0 GB needed for an environment")


def test_an_engine_elsewhere_is_told():
    check = resources.disk(disk(50 * GB), None, "the engine is on another machine", needs())
    assert check.details == ("the engine's own disk: the engine is on another machine",)


def test_nothing_readable_is_unknown():
    assert resources.disk(None, None, None, needs()).status is Status.UNKNOWN
    assert resources.memory(None, None).status is Status.UNKNOWN
    assert resources.libc(None, needs()).status is Status.UNKNOWN


@pytest.mark.parametrize(
    ("found", "engine_memory", "status"),
    [
        (Memory(total=16 * GB, available=8 * GB, limit=None), None, Status.OK),
        (Memory(total=16 * GB, available=8 * GB, limit=GB), None, Status.WARNING),
        (Memory(total=16 * GB, available=8 * GB, limit=None), GB, Status.WARNING),
        (Memory(total=GB, available=GB, limit=None), None, Status.WARNING),
        (None, 16 * GB, Status.OK),
    ],
)
def test_too_little_memory_for_any_framework_is_a_warning(found, engine_memory, status):
    assert resources.memory(found, engine_memory).status is status


@pytest.mark.parametrize(
    ("found", "status"),
    [
        (Libc("glibc", 2, 36), Status.OK),
        (Libc("glibc", 2, 28), Status.OK),
        (Libc("glibc", 2, 27), Status.PROBLEM),
        (Libc("musl", 1, 2), Status.PROBLEM),
    ],
)
def test_wheels_of_a_newer_libc_do_not_run_in_an_environment(found, status):
    check = resources.libc(found, needs(libc="glibc 2.28"))
    assert check.status is status
    assert (check.hint is None) == (status is Status.OK)


@pytest.mark.parametrize(
    ("found", "fetchable", "status"),
    [
        ("3.11.9", None, Status.OK),
        ("3.11.2", True, Status.OK),
        (None, True, Status.OK),
        ("3.11.2", False, Status.WARNING),
        ("3.11.2", None, Status.WARNING),
        (None, False, Status.PROBLEM),
    ],
)
def test_the_locked_python_is_here_or_fetched_or_nearly_here(found, fetchable, status):
    assert resources.python(found, fetchable, needs()).status is status


def test_servers_that_do_not_give_what_is_locked_are_warnings():
    assert reach("index", [Asked(server="index.example")], "").message == "index.example answers"
    assert reach("index", [], "--offline").message == "--offline"
    check = reach("index", [Asked(server="a"), Asked(server="b", failure="HTTP status 401", hint="log in")], "")
    assert (check.status, check.message, check.hint) == (Status.WARNING, "b: HTTP status 401", "log in")
