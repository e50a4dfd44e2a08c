"""What is read of NVIDIA's driver, GPUs and toolkit, from recordings."""

from __future__ import annotations

import pytest
from support.machines import Machine, recording

from envctl.system import gpu
from envctl.system.gpu import Gpu, Nvidia, look


@pytest.fixture
def machine(tmp_path):
    return Machine(tmp_path)


def test_a_machine_without_anything_of_nvidia_has_nothing(machine):
    assert look(machine.root, environ={"PATH": "/nonexistent"}) == Nvidia()


def test_the_module_and_nvidia_smi_tell_driver_cuda_and_each_gpu(machine):
    machine.driver("driver-550.txt").tool(recording("smi-a100.xml"), "8.0\n8.0\n").card().card("0000:0f:00.0")
    found = look(machine.root, smi=machine.smi)
    assert (found.driver, found.cuda, found.cards, found.wsl, found.smi) == ("550.54.15", (12, 4), 2, False, None)
    assert found.gpus == (Gpu(name="NVIDIA A100-SXM4-40GB", capability=(8, 0), memory=40960 * 2**20),) * 2


def test_the_open_module_says_its_version_in_other_words(machine):
    assert look(machine.driver("driver-open-580.txt").root, environ={"PATH": ""}).driver == "580.82.07"


def test_an_nvidia_smi_that_knows_no_compute_capabilities_still_tells_the_rest(machine):
    machine.tool(recording("smi-a100.xml"), recording("smi-old-field.txt"), query_status=2)
    found = look(machine.root, smi=machine.smi)
    assert [one.capability for one in found.gpus] == [None, None]
    assert found.driver == "550.54.15"


@pytest.mark.parametrize("name", ["smi-mismatch.txt", "smi-no-driver.txt"])
def test_what_nvidia_smi_complains_of_is_kept(machine, name):
    machine.driver("driver-550.txt").tool(recording(name), status=18)
    found = look(machine.root, smi=machine.smi)
    assert found.smi == recording(name).splitlines()[0]
    assert (found.driver, found.gpus) == ("550.54.15", ())


@pytest.mark.parametrize("said", ["", "no XML", "<nvidia_smi_log><gpu></nvidia_smi_log>", "\0\1\2", "<a>" * 50_000])
def test_garbage_of_nvidia_smi_is_a_failure_of_it(machine, said):
    machine.smi.parent.mkdir()
    (machine.root / "said").write_text(said)
    machine.smi.write_text(f"#!/bin/sh\ncat {machine.root}/said\n")
    machine.smi.chmod(0o755)
    assert look(machine.root, smi=machine.smi).smi == "what it wrote is no XML"


def test_xml_without_anything_in_it_tells_nothing(machine):
    found = look(machine.tool("<nvidia_smi_log><gpu/></nvidia_smi_log>").root, smi=machine.smi)
    assert found == Nvidia(gpus=(Gpu(name=""),))


def test_an_nvidia_smi_that_cannot_be_started_is_a_failure_of_it(machine):
    machine.smi.parent.mkdir()
    machine.smi.write_text("no program")
    machine.smi.chmod(0o755)
    assert "nvidia-smi could not be started" in (look(machine.root, smi=machine.smi).smi or "")


def test_an_nvidia_smi_that_hangs_is_given_up(machine, monkeypatch):
    monkeypatch.setattr(gpu, "_SECONDS", 0.2)
    machine.smi.parent.mkdir()
    machine.smi.write_text("#!/bin/sh\nexec sleep 60\n")
    machine.smi.chmod(0o755)
    assert "did not end within 0.2 s" in (look(machine.root, smi=machine.smi).smi or "")


def test_wsl_is_noticed_and_its_own_nvidia_smi_is_found(machine):
    machine.put("proc/version", recording("version-wsl2.txt")).tool(recording("smi-wsl2.xml"), "8.9\n")
    place = machine.root / "usr/lib/wsl/lib/nvidia-smi"
    place.parent.mkdir(parents=True)
    machine.smi.rename(place)
    found = look(machine.root, environ={"PATH": "/nonexistent"})
    assert (found.wsl, found.driver, found.cuda) == (True, "551.23", (12, 4))


def test_only_display_controllers_of_nvidia_count_as_cards(machine):
    machine.card().card("0000:01:00.1", kind="0x040300").card("0000:00:02.0", vendor="0x8086")
    assert look(machine.card("0000:02:00.0", kind="0x030200").root, environ={"PATH": ""}).cards == 2


def test_cdi_files_of_gpus_are_found_and_those_of_others_are_not(machine):
    machine.put("etc/cdi/nvidia.yaml", recording("cdi-nvidia.yaml"))
    machine.put("var/run/cdi/k8s.json", '{"cdiVersion": "0.5.0", "kind": "nvidia.com/gpu", "devices": []}')
    machine.put("etc/cdi/nic.yaml", "kind: vendor.example/net\n").put("etc/cdi/notes.txt", "kind: nvidia.com/gpu\n")
    found = look(machine.root, environ={"PATH": ""})
    assert found.cdi == ("/etc/cdi/nvidia.yaml", "/var/run/cdi/k8s.json")
