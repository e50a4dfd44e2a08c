"""What is read of the machine: processor, memory and its limits, emulators, C library."""

from __future__ import annotations

import os

import pytest
from support.machines import Machine, recording

from envctl.model.platform import Libc
from envctl.system import hardware

_MEMINFO = "MemTotal:       24682416 kB\nMemFree:        15571612 kB\nMemAvailable:   23936580 kB\n"


@pytest.fixture
def machine(tmp_path):
    return Machine(tmp_path)


def test_the_first_processor_speaks_for_all(machine):
    found = hardware.processor(machine.put("proc/cpuinfo", recording("cpuinfo-westmere.txt")).root)
    assert found is not None
    assert found.name == "Intel(R) Xeon(R) CPU           X5690  @ 3.47GHz"
    assert {"sse4_2", "popcnt"} <= found.flags
    assert "avx" not in found.flags


def test_an_arm_processor_calls_its_flags_features(machine):
    found = hardware.processor(machine.put("proc/cpuinfo", "processor\t: 0\nFeatures\t: fp asimd crc32\n").root)
    assert found is not None
    assert found.flags == {"fp", "asimd", "crc32"}


@pytest.mark.parametrize("text", ["", "flags\n", ":::\n", "processor : 0\n"])
def test_a_processor_that_tells_no_flags_is_unknown(machine, text):
    assert hardware.processor(machine.put("proc/cpuinfo", text).root) is None


def test_nothing_readable_is_none_and_not_an_error(tmp_path):
    assert hardware.processor(tmp_path) is None
    assert hardware.memory(tmp_path) is None
    assert hardware.emulated(tmp_path) == frozenset()
    assert hardware.is_wsl(tmp_path) is False


def test_memory_without_a_limit(machine):
    found = hardware.memory(machine.put("proc/meminfo", _MEMINFO).root)
    assert found == hardware.Memory(total=24682416 * 1024, available=23936580 * 1024, limit=None)


def test_the_tightest_limit_of_the_cgroups_above_a_process_counts(machine):
    machine.put("proc/meminfo", _MEMINFO).put("proc/self/cgroup", "0::/user.slice/job\n")
    machine.put("sys/fs/cgroup/user.slice/memory.max", "2147483648\n")
    machine.put("sys/fs/cgroup/user.slice/job/memory.max", "max\n")
    found = hardware.memory(machine.root)
    assert found is not None
    assert found.limit == 2**31


def test_a_limit_of_the_first_version_of_cgroups_counts(machine):
    machine.put("proc/meminfo", _MEMINFO).put("proc/self/cgroup", "5:cpu:/\n4:memory:/docker/abc\n")
    machine.put("sys/fs/cgroup/memory/memory.limit_in_bytes", "9223372036854771712\n")
    machine.put("sys/fs/cgroup/memory/docker/abc/memory.limit_in_bytes", "1073741824\n")
    found = hardware.memory(machine.root)
    assert found is not None
    assert found.limit == 2**30


def test_a_folder_that_is_not_there_yet_lies_in_its_parents_file_system(tmp_path):
    found = hardware.disk(tmp_path / "not" / "yet")
    assert found is not None
    assert (found.path, found.device) == (str(tmp_path), tmp_path.stat().st_dev)
    assert found.free > 0


def test_the_libc_is_the_one_that_runs():
    found = hardware.libc()
    assert isinstance(found, Libc)
    if found.family == "glibc":
        assert os.confstr("CS_GNU_LIBC_VERSION") == str(found)


@pytest.mark.parametrize(
    ("entry", "text", "found"),
    [
        ("qemu-aarch64", "enabled\ninterpreter /usr/bin/qemu-aarch64-static\nflags: F\n", {"linux/arm64"}),
        ("qemu-aarch64", "disabled\ninterpreter /usr/bin/qemu-aarch64-static\n", set()),
        ("rosetta", "enabled\ninterpreter /mnt/rosetta\n", {"linux/amd64"}),
        ("python3.11", "enabled\ninterpreter /usr/bin/python3.11\n", set()),
    ],
)
def test_platforms_are_emulated_where_binfmt_says_so(machine, entry, text, found):
    assert hardware.emulated(machine.put(f"proc/sys/fs/binfmt_misc/{entry}", text).root) == found
