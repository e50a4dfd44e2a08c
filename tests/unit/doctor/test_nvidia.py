"""What doctor says of NVIDIA's driver, GPUs and container toolkit, on machines made of recordings."""

from __future__ import annotations

import pytest
from support.lockfiles import make_image, make_lockfile, make_package
from support.machines import Machine, recording

from envctl.doctor import nvidia
from envctl.doctor.check import Status
from envctl.doctor.needs import needs_of
from envctl.model.platform import Platform
from envctl.oci.engine import EngineInfo
from envctl.system.gpu import Gpu, Nvidia, look

AMD64 = Platform("linux", "amd64")


def needs(*pins, image=True, **values):
    packages = [make_package(name, version) for name, version in pins]
    values.setdefault("image", make_image() if image else None)
    return needs_of(make_lockfile(packages, variant="cuda", **values), AMD64)


def cuda(release):
    return needs((f"nvidia-cuda-runtime-cu{release[:2]}", f"{release}.90"))


@pytest.fixture
def machine(tmp_path):
    return Machine(tmp_path)


@pytest.fixture
def a100(machine):
    """Two A100 with driver 550.54.15."""
    machine.driver("driver-550.txt").tool(recording("smi-a100.xml"), "8.0\n8.0\n").card().card("0000:0f:00.0")
    return look(machine.root, smi=machine.smi)


def engine(**values):
    known = {
        "name": "m", "version": "28.2.2", "api": "1.50", "os": "linux", "architecture": "amd64", "root": "/d",
        "driver": "overlay2", "containerd_store": False, "memory": 2**35, "cpus": 8, "runtimes": ("runc",),
    }  # fmt: skip
    return EngineInfo(**{**known, **values})


def test_a_driver_that_has_all_of_the_release_is_ok(a100):
    check = nvidia.driver(a100, cuda("12.4"))
    assert check.status is Status.OK
    assert check.message == "550.54.15 runs CUDA 12.4 in full"
    assert check.details == ("CUDA 12.4 by nvidia-cuda-runtime-cu12 12.4.90",)


def test_a_later_release_of_the_major_version_runs_without_its_new_features(a100):
    check = nvidia.driver(a100, cuda("12.8"))
    assert check.status is Status.WARNING
    assert check.message == "550.54.15 runs CUDA 12.4 in full; train:cuda carries CUDA 12.8"
    assert check.details[0] == "works without new features (same major version); full from 570.26"
    assert check.hint == "upgrade the driver to 570.26, where a program asks for more than that"


def test_a_later_major_version_does_not_run_and_data_center_gpus_have_a_bridge(a100):
    check = nvidia.driver(a100, cuda("13.0"))
    assert check.status is Status.PROBLEM
    assert check.message == "550.54.15 runs CUDA 12.4 in full; train:cuda carries CUDA 13.0"
    assert check.details[0] == "CUDA 13 runs from 580.65.06"
    assert "cuda-compat-13-0 in the image" in check.details[1]
    assert check.hint == "upgrade the driver to 580.65.06"


@pytest.mark.parametrize("name", ["NVIDIA GeForce RTX 4090", "NVIDIA RTX A6000", "Quadro P4000", "NVIDIA T1000"])
def test_other_gpus_have_no_such_bridge(name):
    check = nvidia.driver(Nvidia(driver="550.54.15", gpus=(Gpu(name=name),)), cuda("13.0"))
    assert check.status is Status.PROBLEM
    assert not any("cuda-compat" in line for line in check.details)


@pytest.mark.parametrize(
    "name",
    ["NVIDIA H100 80GB HBM3", "Tesla T4", "NVIDIA GH200 480GB", "NVIDIA B200", "NVIDIA L40S", "Tesla V100-SXM2-16GB"],
)
def test_data_center_gpus_are_known_by_their_names(name):
    check = nvidia.driver(Nvidia(driver="550.54.15", gpus=(Gpu(name=name),)), cuda("13.0"))
    assert any("cuda-compat" in line for line in check.details)


def test_where_only_the_major_version_is_known_every_driver_of_it_will_do(a100):
    check = nvidia.driver(a100, needs(("nvidia-nccl-cu12", "2.32.3")))
    assert check.status is Status.OK
    assert check.message == "550.54.15 runs CUDA 12.x, as every driver of that major version"


def test_cudnn_is_told_beside_cuda(a100):
    check = nvidia.driver(a100, needs(("nvidia-cuda-runtime-cu12", "12.4.127"), ("nvidia-cudnn-cu12", "9.1.0.70")))
    assert check.details == ("CUDA 12.4 by nvidia-cuda-runtime-cu12 12.4.127; cuDNN 9.1.0.70",)


def test_a_target_without_cuda_has_no_line(a100):
    for check in (nvidia.driver, nvidia.gpus):
        assert check(a100, needs(("numpy", "2.4.0"))).status is Status.SKIPPED
    assert nvidia.toolkit(a100, engine(), needs(("numpy", "2.4.0"))).status is Status.SKIPPED


def test_a_machine_without_a_gpu_is_a_warning_since_it_builds(machine):
    check = nvidia.driver(look(machine.root, environ={"PATH": ""}), cuda("12.8"))
    assert check.status is Status.WARNING
    assert check.message == "there is no NVIDIA GPU; train:cuda carries CUDA 12.8"
    assert check.hint is not None


def test_a_gpu_without_a_driver_is_a_problem(machine):
    check = nvidia.driver(look(machine.card().root, environ={"PATH": ""}), cuda("12.8"))
    assert (check.status, check.message) == (Status.PROBLEM, "none is loaded for a GPU of NVIDIA")
    assert check.hint == "install NVIDIA's driver, 570.26 or newer"


def test_an_nvidia_smi_that_finds_no_driver_is_a_problem(machine):
    machine.tool(recording("smi-no-driver.txt"), status=9)
    check = nvidia.driver(look(machine.root, smi=machine.smi), cuda("12.8"))
    assert check.status is Status.PROBLEM
    assert "couldn't communicate with the NVIDIA driver" in check.details[0]


def test_a_library_of_another_version_than_the_module_is_a_problem(machine):
    machine.driver("driver-550.txt").tool(recording("smi-mismatch.txt"), status=18)
    check = nvidia.driver(look(machine.root, smi=machine.smi), cuda("12.4"))
    assert (check.status, check.message) == (Status.PROBLEM, "550.54.15 is loaded, and does not answer")
    assert check.details == ("nvidia-smi: Failed to initialize NVML: Driver/library version mismatch",)
    assert "restart the machine" in (check.hint or "")


def test_in_wsl2_what_the_driver_says_counts_and_not_windows_number(machine):
    machine.put("proc/version", recording("version-wsl2.txt")).tool(recording("smi-wsl2.xml"), "8.9\n")
    found = look(machine.root, smi=machine.smi)
    assert nvidia.driver(found, cuda("12.4")).message == "551.23 of Windows (WSL2) runs CUDA 12.4 in full"
    newer = nvidia.driver(found, cuda("12.8"))
    assert (newer.status, newer.details[0]) == (Status.WARNING, "works without new features (same major version)")
    assert nvidia.driver(found, cuda("13.0")).status is Status.PROBLEM


def test_wsl2_without_a_driver_says_where_it_belongs(machine):
    machine.put("proc/version", recording("version-wsl2.txt"))
    check = nvidia.driver(look(machine.root, environ={"PATH": ""}), cuda("12.8"))
    assert (check.status, check.hint) == (Status.WARNING, "install NVIDIA's driver in Windows, none in Linux")


def test_a_release_that_nobody_here_has_heard_of_is_unknown():
    check = nvidia.driver(Nvidia(driver="570.26"), needs(("nvidia-cuda-runtime", "19.0.1")))
    assert check.status is Status.UNKNOWN
    assert check.hint is not None


def test_without_a_target_it_says_what_is_there(a100):
    assert nvidia.driver(a100, None).message == "550.54.15, CUDA 12.4"
    assert nvidia.gpus(a100, None).message == "2 x NVIDIA A100-SXM4-40GB (compute capability 8.0, 43 GB)"
    assert nvidia.driver(Nvidia(), None).status is Status.SKIPPED


def test_a_gpu_that_the_release_left_behind_is_a_problem(machine):
    machine.driver("driver-open-580.txt").tool(recording("smi-gtx1080.xml"), "6.1\n")
    found = look(machine.root, smi=machine.smi)
    assert nvidia.driver(found, cuda("13.0")).status is Status.OK
    check = nvidia.gpus(found, cuda("13.0"))
    assert check.status is Status.PROBLEM
    assert check.details == ("CUDA 13 has code for compute capability 7.5 and later",)
    assert check.hint == "lock packages for CUDA 12"
    assert nvidia.gpus(found, cuda("12.8")).status is Status.OK


def test_one_old_gpu_beside_a_newer_one_is_a_warning():
    found = Nvidia(driver="580.65.06", gpus=(Gpu(name="old", capability=(6, 1)), Gpu(name="new", capability=(8, 9))))
    assert nvidia.gpus(found, cuda("13.0")).status is Status.WARNING


def test_a_gpu_newer_than_the_release_is_a_warning():
    found = Nvidia(driver="575.57.08", gpus=(Gpu(name="NVIDIA GeForce RTX 5090", capability=(12, 0)),))
    check = nvidia.gpus(found, cuda("12.6"))
    assert check.status is Status.WARNING
    assert check.hint == "lock packages for CUDA 12.8 or newer"
    assert nvidia.gpus(found, cuda("12.8")).status is Status.OK


def test_gpus_of_unknown_capability_are_listed_without_a_judgement():
    check = nvidia.gpus(Nvidia(driver="575.57.08", gpus=(Gpu(name="NVIDIA X"),)), cuda("12.8"))
    assert (check.status, check.message) == (Status.OK, "NVIDIA X")


def test_the_engine_hands_gpus_on_by_its_runtime_or_by_cdi(a100):
    assert nvidia.toolkit(a100, engine(runtimes=("nvidia", "runc")), cuda("12.4")).status is Status.OK
    assert nvidia.toolkit(a100, engine(devices=("nvidia.com/gpu=all",)), cuda("12.4")).status is Status.OK


def test_an_engine_without_a_toolkit_is_a_problem(a100):
    check = nvidia.toolkit(a100, engine(), cuda("12.4"))
    assert check.status is Status.PROBLEM
    assert "nvidia-ctk runtime configure" in (check.hint or "")


def test_cdi_files_that_the_engine_does_not_read_are_a_warning(machine, a100):
    machine.put("etc/cdi/nvidia.yaml", recording("cdi-nvidia.yaml"))
    check = nvidia.toolkit(look(machine.root, smi=machine.smi), engine(), cuda("12.4"))
    assert check.status is Status.WARNING
    assert "/etc/cdi/nvidia.yaml" in check.message


def test_without_an_engine_nobody_knows_of_a_toolkit(a100):
    assert nvidia.toolkit(a100, None, cuda("12.4")).status is Status.UNKNOWN


def test_a_virtual_environment_needs_no_toolkit(a100):
    pins = ("nvidia-cuda-runtime-cu12", "12.4.127")
    assert nvidia.toolkit(a100, engine(), needs(pins, image=False)).status is Status.SKIPPED
