"""`envctl lock` pins base images that are given by tags: a registry on loopback, real uv."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator

import pytest
from support.faulty import Fault
from support.oci_images import Content, image, index
from support.project import Project
from support.registry import RegistryServer

PLATFORMS = 'platforms = ["linux/amd64", "linux/arm64"]\n'


def both(**kind: str) -> Content:
    return index(image(**kind), image(architecture="arm64", variant="v8", **kind), attested=True)


@pytest.fixture
def registry(tmp_path, monkeypatch) -> Iterator[RegistryServer]:
    monkeypatch.setenv("DOCKER_CONFIG", str(tmp_path / "docker"))
    monkeypatch.setenv("ENVCTL_CACHE_DIR", str(tmp_path / "cache"))
    with RegistryServer() as server:
        yield server


@pytest.fixture
def stocked(project: Project) -> Project:
    project.wheel("alpha", "1.0")
    for machine in ("x86_64", "aarch64"):
        project.wheel("uv", "0.13.8", tag=f"py3-none-manylinux_2_17_{machine}.manylinux2014_{machine}")
    return project


def profile(base: str, python: str = "3.11", more: str = "") -> str:
    return f'python = "{python}"\ndependencies = ["alpha"]\n{more}[image]\nbase = "{base}"\n'


def pins(project: Project) -> dict[str, str | None]:
    return {name: pin.base_digest for name, pin in project.lockfile().envctl.platforms.items()}


def test_a_tag_is_pinned_by_the_manifest_of_each_platform(stocked, registry):
    content = both()
    base = registry.push("team/python:3.11-slim", content)
    stocked.profile(profile(base, more=PLATFORMS))
    ran = stocked.run("lock")
    assert (ran.status, ran.err) == (0, "")
    entries = content.parsed["manifests"]
    assert pins(stocked) == {"linux/amd64": entries[0]["digest"], "linux/arm64": entries[1]["digest"]}
    locked = stocked.lockfile().envctl
    assert locked.python.version == "3.11.9"
    assert locked.platforms["linux/amd64"].diff_ids == tuple(image().config["rootfs"]["diff_ids"])
    assert f"{base}@{entries[0]['digest'][7:15]}" in ran.out
    dockerfile = stocked.snapshot()["Dockerfile.train"].decode()
    assert f"FROM {base}@{entries[1]['digest']} AS base-arm64" in dockerfile


def test_locking_again_asks_no_registry(stocked, registry):
    base = registry.push("python:3.11", both())
    stocked.profile(profile(base))
    assert stocked.run("lock").status == 0
    before, asked = stocked.snapshot(), len(registry.requests)
    registry.push("python:3.11", both(python="3.11.10"))
    for command in (["lock"], ["lock", "--check"], ["lock", "-P", "alpha"], ["lock", "--offline"]):
        assert stocked.run(*command).status == 0, command
    assert stocked.snapshot() == before
    assert len(registry.requests) == asked


@pytest.mark.parametrize("upgrade", ["-U", "--upgrade-base"])
def test_a_moved_tag_changes_the_digest_and_nothing_else(stocked, registry, upgrade):
    old, new = both(), index(image([{"etc/os-release": b"ID=newer\n"}]), image(architecture="arm64"))
    base = registry.push("python:3.11", old)
    stocked.profile(profile(base))
    assert stocked.run("lock").status == 0
    before = stocked.lock_path().read_text("utf-8")
    registry.push("python:3.11", new)
    ran = stocked.run("lock", upgrade)
    assert (ran.status, ran.err) == (0, "")
    was, now = (content.parsed["manifests"][0]["digest"] for content in (old, new))
    assert f"the base image  {base}@{was[7:15]} -> {now[7:15]}  (linux/amd64)" in ran.out
    after = stocked.lock_path().read_text("utf-8")
    assert before.count(was) == 1
    (old_id,), (new_id,) = (
        made.config["rootfs"]["diff_ids"] for made in (image(), image([{"etc/os-release": b"ID=newer\n"}]))
    )
    assert unsealed(before).replace(was, now).replace(old_id, new_id) == unsealed(after)
    assert now in stocked.snapshot()["Dockerfile.train"].decode()
    assert stocked.run("lock", "--check").status == 0


def unsealed(text: str) -> str:
    return "\n".join(line for line in text.splitlines() if not line.startswith("seal ="))


@pytest.mark.parametrize("upgrade", ["-U", "--upgrade-base"])
def test_an_upgrade_changes_nothing_while_the_tag_stays(stocked, registry, upgrade):
    stocked.profile(profile(registry.push("python:3.11", both())))
    assert stocked.run("lock").status == 0
    before, asked = stocked.snapshot(), len(registry.requests)
    ran = stocked.run("lock", upgrade)
    assert ran.status == 0
    assert "nothing changed" in ran.out
    assert stocked.snapshot() == before
    assert [f"{one.method}" for one in registry.requests[asked:]] == ["HEAD"]


def test_renewing_the_base_leaves_the_packages(stocked, registry):
    stocked.profile(profile(registry.push("python:3.11", both())))
    assert stocked.run("lock").status == 0
    stocked.wheel("alpha", "2.0")
    registry.push("python:3.11", both(python="3.11.10"))
    asked = len(stocked.index.requests)
    assert stocked.run("lock", "--upgrade-base").status == 0
    assert stocked.pins() == {"alpha": "1.0"}
    assert stocked.lockfile().envctl.python.version == "3.11.10"
    registry.push("python:3.11", both(python="3.11.10", settings={"User": "root"}))
    asked = len(stocked.index.requests)
    assert stocked.run("lock", "--upgrade-base").status == 0
    assert len(stocked.index.requests) == asked  # the same Python: nothing has to be resolved
    assert stocked.run("lock", "-U").status == 0
    assert stocked.pins() == {"alpha": "2.0"}


def test_without_a_network_the_pins_stay(stocked, registry):
    stocked.profile(profile(registry.push("python:3.11", both())))
    assert stocked.run("lock").status == 0
    before = stocked.snapshot()
    registry.push("python:3.11", both(python="3.11.10"))
    assert stocked.run("lock", "-U", "--offline").status == 0
    assert stocked.snapshot() == before
    ran = stocked.run("lock", "--upgrade-base", "--offline")
    assert ran.status == 2
    assert "--upgrade-base asks a registry" in ran.err


def test_without_a_network_and_without_a_pin_there_is_nothing_to_keep(stocked, registry):
    base = registry.push("python:3.11", both())
    stocked.profile(profile(base, python="3.11.9").partition("[image]")[0])
    assert stocked.run("lock").status == 0
    before = stocked.snapshot()
    stocked.profile(profile(base, python="3.11.9"))
    ran = stocked.run("lock", "--offline")
    assert ran.status == 6
    assert f"error: {base}: is needed, but envctl works offline" in ran.err
    assert "the base of train (profiles/train.toml:4)" in ran.err
    assert "hint: run again without --offline" in ran.err
    assert stocked.snapshot() == before


def test_a_base_by_digest_is_not_asked_for(stocked, registry):
    base = registry.push("python:3.11", both())
    stocked.profile(profile(f"{base}@{both().digest}", python="3.11.9"))
    assert stocked.run("lock").status == 0
    assert registry.requests == []
    ran = stocked.run("lock", "--upgrade-base")
    assert ran.status == 0
    assert "image.base is given by its digest, which stays as it is" in ran.err
    assert registry.requests == []


def test_another_base_in_the_profile_is_resolved_anew(stocked, registry):
    stocked.profile(profile(registry.push("python:3.11", both())))
    assert stocked.run("lock").status == 0
    other = both(python="3.12.4")
    stocked.profile(profile(registry.push("python:3.12", other), python="3.12"))
    assert stocked.run("lock", "--check").status == 1
    assert stocked.run("lock").status == 0
    assert pins(stocked) == {"linux/amd64": other.parsed["manifests"][0]["digest"]}
    assert stocked.lockfile().envctl.python.version == "3.12.4"


def test_a_platform_that_is_added_leaves_the_pins_of_the_others(stocked, registry):
    base = registry.push("python:3.11", both())
    stocked.profile(profile(base))
    assert stocked.run("lock").status == 0
    before = pins(stocked)
    registry.push("python:3.11", both(settings={"User": "root"}))
    stocked.profile(profile(base, more=PLATFORMS))
    assert stocked.run("lock").status == 0
    assert pins(stocked)["linux/amd64"] == before["linux/amd64"]
    assert pins(stocked).keys() == {"linux/amd64", "linux/arm64"}


@pytest.mark.parametrize("python", ["3.12", "3.11.8"])
def test_a_python_that_the_base_does_not_bring_is_refused(stocked, registry, python):
    base = registry.push("python:3.11", both())
    stocked.profile(profile(base, python=python))
    ran = stocked.run("lock")
    assert ran.status == 3
    assert "profiles/train.toml:1: the base image brings another Python" in ran.err
    assert f"found:    3.11.9 in {base} for linux/amd64" in ran.err
    assert f"expected: {python}" in ran.err
    assert stocked.snapshot() == {}


def test_the_pinned_base_is_asked_when_the_profile_s_python_changes(stocked, registry):
    base = registry.push("python:3.11", both())
    stocked.profile(profile(base))
    assert stocked.run("lock").status == 0
    before = stocked.snapshot()
    registry.push("python:3.11", both(python="3.11.10"))
    stocked.profile(profile(base, python="3.11.10"))
    ran = stocked.run("lock")
    assert ran.status == 3
    assert f"3.11.9 in {base} for linux/amd64" in ran.err
    assert stocked.snapshot() == before
    assert stocked.run("lock", "-U").status == 0
    assert stocked.lockfile().envctl.python.version == "3.11.10"


def test_a_base_that_says_no_python_needs_the_patch_release(stocked, registry):
    base = registry.push("cuda:12", both(python=None))
    stocked.profile(profile(base))
    ran = stocked.run("lock")
    assert ran.status == 3
    assert "the patch release of Python is not said" in ran.err
    stocked.profile(profile(base, python="3.11.9"))
    assert stocked.run("lock").status == 0


def test_platforms_whose_bases_bring_different_pythons_have_no_lockfile(stocked, registry):
    mixed = index(image(python="3.11.9"), image(architecture="arm64", python="3.11.10"))
    stocked.profile(profile(registry.push("python:3.11", mixed), more=PLATFORMS))
    ran = stocked.run("lock")
    assert ran.status == 4
    assert "linux/amd64: Python 3.11.9" in ran.err
    assert "linux/arm64: Python 3.11.10" in ran.err


def test_a_platform_that_the_tag_does_not_have_is_named_with_those_it_has(stocked, registry):
    base = registry.push("python:3.11", index(image(), attested=True))
    stocked.profile(profile(base, python="3.11.9", more=PLATFORMS))
    ran = stocked.run("lock")
    assert ran.status == 6
    assert f"error: {base}: has no image for linux/arm64" in ran.err
    assert "found:    linux/amd64" in ran.err


def test_a_single_image_of_another_architecture_is_refused(stocked, registry):
    base = registry.push("python:3.11", image(architecture="arm64"))
    stocked.profile(profile(base, python="3.11.9"))
    ran = stocked.run("lock")
    assert ran.status == 6
    assert f"error: {base}: is an image for another platform" in ran.err
    assert "found:    linux/arm64" in ran.err


def test_a_lockfile_edited_by_hand_gets_its_base_anew(stocked, registry):
    stocked.profile(profile(registry.push("python:3.11", both())))
    assert stocked.run("lock").status == 0
    before = stocked.snapshot()
    text = stocked.lock_path().read_text("utf-8")
    stocked.lock_path().write_text(text.replace(pins(stocked)["linux/amd64"], "sha256:" + "0" * 64), "utf-8")
    assert stocked.run("lock", "--check").status == 1
    assert stocked.run("lock").status == 0
    assert stocked.snapshot() == before


def test_resolving_again_tells_where_the_tag_is_now(stocked, registry):
    old, new = both(), both(settings={"User": "root"})
    base = registry.push("python:3.11", old)
    stocked.profile(profile(base))
    assert stocked.run("lock").status == 0
    assert "now;" not in stocked.run("lock", "--check", "--resolve").out
    registry.push("python:3.11", new)
    ran = stocked.run("lock", "--check", "--resolve")
    assert ran.status == 0
    was, now = (content.parsed["manifests"][0]["digest"] for content in (old, new))
    assert f"note: {base} is {now} for linux/amd64 now; {was} is locked" in ran.out


def test_variants_with_one_base_ask_for_it_once(stocked, registry):
    base = registry.push("python:3.11", both())
    stocked.profile(profile(base) + '[variants.a]\ncuda = "12.8"\n[variants.b]\nlibc = "glibc 2.31"\n')
    assert stocked.run("lock").status == 0
    assert len(registry.asked("HEAD")) == 1


def test_the_summary_for_programs_tells_the_bases(stocked, registry):
    old, new = both(), both(settings={"User": "root"})
    base = registry.push("python:3.11", old)
    stocked.profile(profile(base))
    assert stocked.run("lock").status == 0
    registry.push("python:3.11", new)
    target = json.loads(stocked.run("lock", "-U", "--format", "json").out)["targets"][0]
    was, now = (f"{base}@{content.parsed['manifests'][0]['digest']}" for content in (old, new))
    assert target["base"] == base
    assert target["platforms"][0]["base"] == now
    assert target["bases"] == [{"platform": "linux/amd64", "old": was, "new": now}]


def test_a_tag_that_moves_in_a_real_registry_moves_the_digest_alone(stocked, engine, registry):
    tag = engine.name("moving", pushed=True)

    def push(name: str) -> str:
        engine.run("pull", "-q", engine.bases[name])
        engine.run("tag", engine.bases[name], tag)
        engine.run("push", "-q", tag)
        return engine.bases[name].partition("@")[2]

    first = push("py311")
    stocked.profile(profile(tag, python="3.11.2"))
    assert stocked.run("lock").status == 0
    before = stocked.lock_path().read_text("utf-8")
    assert pins(stocked) == {"linux/amd64": first}
    layers = stocked.lockfile().envctl.platforms["linux/amd64"].diff_ids
    second = push("cuda")
    assert stocked.run("lock").status == 0
    assert stocked.lock_path().read_text("utf-8") == before
    ran = stocked.run("lock", "-U")
    assert ran.status == 0
    assert f"{first[7:15]} -> {second[7:15]}" in ran.out
    after = stocked.lockfile().envctl.platforms["linux/amd64"]
    assert after.base_digest == second
    assert after.diff_ids[: len(layers)] == layers  # the one was made on top of the other
    old_ids, new_ids = (", ".join(f'"{one}"' for one in ids) for ids in (layers, after.diff_ids))
    text = unsealed(stocked.lock_path().read_text("utf-8"))
    assert unsealed(before).replace(first, second).replace(old_ids, new_ids) == text


def test_the_registry_is_asked_while_the_packages_are_resolved(stocked, registry, monkeypatch):
    stocked.profile(profile(registry.push("python:3.11", both()), python="3.11.9"))
    seen: list[bool] = []

    def wait(method: str, path: str) -> Fault:
        end = time.monotonic() + 20
        while not stocked.index.requests and time.monotonic() < end:
            time.sleep(0.01)
        seen.append(bool(stocked.index.requests))
        return Fault("")

    monkeypatch.setattr(registry, "take_fault", wait)
    assert stocked.run("lock").status == 0
    assert seen != []
    assert all(seen)


def test_a_registry_that_hangs_does_not_keep_another_failure_back(stocked, registry):
    base = registry.push("python:3.11", both())
    stocked.profile(profile(base, python="3.11.9").replace('"alpha"', '"alpha>5"'))
    registry.fault("/v2/", delay=25)
    started = time.monotonic()
    assert stocked.run("lock").status == 4
    assert time.monotonic() - started < 15
