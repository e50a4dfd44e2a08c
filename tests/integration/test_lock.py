"""`envctl lock` from profile to files: real uv, a real index on loopback."""

from __future__ import annotations

import pytest
import tomli
from packaging.pylock import Pylock
from support.project import BASE, Project

PLAIN = 'python = "3.11.9"\ndependencies = ["alpha"]\n'
IMAGE = f'{PLAIN}[image]\nbase = "{BASE}"\n'


@pytest.fixture
def stocked(project: Project) -> Project:
    project.wheel("alpha", "1.0", requires=["beta>=1"])
    project.wheel("beta", "1.0")
    project.wheel("beta", "2.0")
    project.wheel("uv", "0.13.8", tag="py3-none-manylinux_2_17_x86_64.manylinux2014_x86_64")
    project.wheel("uv", "0.13.8", tag="py3-none-manylinux_2_17_aarch64.manylinux2014_aarch64")
    return project


def test_a_profile_becomes_a_lockfile(stocked):
    stocked.profile(PLAIN)
    ran = stocked.run("lock")
    assert (ran.status, ran.err) == (0, "")
    assert "2 packages" in ran.out
    assert "1 file written in profiles/locked" in ran.out
    assert stocked.pins() == {"alpha": "1.0", "beta": "2.0"}
    lockfile = stocked.lockfile()
    assert lockfile.requires_python == "==3.11.*"
    assert [d.name for d in lockfile.packages[0].dependencies] == ["beta"]
    Pylock.from_dict(tomli.loads(stocked.lock_path().read_text("utf-8")))


def test_an_image_section_adds_a_dockerfile_and_pins_the_installer(stocked):
    stocked.profile(IMAGE)
    assert stocked.run("lock").status == 0
    assert sorted(stocked.snapshot()) == ["Dockerfile.train", "Dockerfile.train.dockerignore", "pylock.train.toml"]
    installer = stocked.lockfile().envctl.installer
    assert installer is not None
    assert (installer.name, installer.version) == ("uv", "0.13.8")
    assert set(installer.sha256) == {"linux/amd64"}


def test_locking_again_changes_no_byte_and_asks_nobody(stocked):
    stocked.profile(IMAGE)
    assert stocked.run("lock").status == 0
    before, asked = stocked.snapshot(), len(stocked.index.requests)
    again = stocked.run("lock")
    assert again.status == 0
    assert "nothing changed" in again.out
    assert stocked.snapshot() == before
    assert len(stocked.index.requests) == asked


def test_pins_stay_until_an_upgrade_is_asked_for(stocked):
    stocked.profile(PLAIN)
    assert stocked.run("lock").status == 0
    stocked.wheel("beta", "3.0")
    stocked.wheel("gamma", "1.0")
    stocked.profile(PLAIN.replace('"alpha"', '"alpha", "gamma"'))
    ran = stocked.run("lock")
    assert stocked.pins() == {"alpha": "1.0", "beta": "2.0", "gamma": "1.0"}
    assert "gamma  1.0  new  asked for by gamma (profiles/train.toml:2)" in ran.out
    assert stocked.run("lock", "-P", "beta").status == 0
    assert stocked.pins()["beta"] == "3.0"
    stocked.wheel("beta", "4.0")
    stocked.wheel("alpha", "1.1", requires=["beta"])
    assert stocked.run("lock", "-U").status == 0
    assert stocked.pins() == {"alpha": "1.1", "beta": "4.0", "gamma": "1.0"}


def test_an_upgrade_of_a_package_that_is_not_locked_is_refused(stocked):
    stocked.profile(PLAIN)
    assert stocked.run("lock").status == 0
    ran = stocked.run("lock", "-P", "betta")
    assert ran.status == 2
    assert "did you mean 'beta'?" in ran.err


def test_a_profile_that_forces_a_change_moves_that_pin(stocked):
    stocked.profile(PLAIN)
    assert stocked.run("lock").status == 0
    stocked.profile('python = "3.11.9"\ndependencies = ["alpha", "beta<2"]\n')
    assert stocked.run("lock").status == 0
    assert stocked.pins()["beta"] == "1.0"


def test_dry_run_shows_and_writes_nothing(stocked):
    stocked.profile(PLAIN)
    ran = stocked.run("lock", "--dry-run")
    assert ran.status == 0
    assert "1 file would be written" in ran.out
    assert not stocked.lock_path().exists()


def test_the_summary_for_programs(stocked):
    stocked.profile(IMAGE)
    ran = stocked.run("lock", "--format", "json")
    assert ran.json["schema"] == "envctl.lock/1"
    (target,) = ran.json["targets"]
    assert target["target"] == "train"
    assert target["platforms"][0]["packages"] == 2
    assert len(ran.json["written"]) == 3


TWO = PLAIN + 'platforms = ["linux/amd64", "linux/arm64"]\n'


def test_two_platforms_stand_in_one_file_with_one_wheel_each(stocked):
    for machine in ("x86_64", "aarch64"):
        for glibc in ("2_17", "2_28", "2_39"):
            stocked.wheel("native", "1.0", tag=f"cp311-cp311-manylinux_{glibc}_{machine}")
    stocked.profile(TWO.replace('"alpha"', '"alpha", "native"'))
    assert stocked.run("lock").status == 0
    lockfile = stocked.lockfile()
    native = next(p for p in lockfile.packages if p.name == "native")
    assert [w.name for w in native.wheels] == [
        "native-1.0-cp311-cp311-manylinux_2_28_aarch64.whl",
        "native-1.0-cp311-cp311-manylinux_2_28_x86_64.whl",
    ]
    assert len(lockfile.environments) == 2


def test_a_platform_without_a_wheel_fails_and_names_it(stocked):
    stocked.wheel("native", "1.0", tag="cp311-cp311-manylinux_2_28_x86_64")
    stocked.profile(TWO.replace('"alpha"', '"native"'))
    ran = stocked.run("lock")
    assert ran.status == 4
    assert "linux/arm64" in ran.err
    assert "native" in ran.err
    assert not stocked.lock_path().exists()


VARIANTS = """
python = "3.11.9"
dependencies = ["shared"]
default-variant = "cpu"
[variants.cpu]
dependencies = ["for-cpu"]
[variants.cuda]
dependencies = ["for-cuda"]
"""


def test_variants_agree_on_a_version_that_both_admit(project):
    project.wheel("shared", "1.0")
    project.wheel("shared", "2.0")
    project.wheel("for-cpu", "1.0", requires=["shared"])
    project.wheel("for-cuda", "1.0", requires=["shared<2"])
    project.profile(VARIANTS)
    ran = project.run("lock")
    assert ran.status == 0, ran.err
    assert project.pins("train-cpu")["shared"] == project.pins("train-cuda")["shared"] == "1.0"


def test_variants_that_cannot_agree_are_told_apart_in_the_summary(project):
    project.wheel("shared", "1.0")
    project.wheel("shared", "2.0")
    project.wheel("for-cpu", "1.0", requires=["shared>=2"])
    project.wheel("for-cuda", "1.0", requires=["shared<2"])
    project.profile(VARIANTS)
    ran = project.run("lock")
    assert ran.status == 0
    assert "other versions: shared 1.0 (not 2.0)" in ran.out


def test_a_variant_locked_later_takes_the_pins_of_the_first(project):
    project.wheel("shared", "1.0")
    project.wheel("for-cpu", "1.0", requires=["shared"])
    project.wheel("for-cuda", "1.0", requires=["shared"])
    project.profile(VARIANTS)
    assert project.run("lock", "train:cpu").status == 0
    project.wheel("shared", "2.0")
    assert project.run("lock", "train:cuda").status == 0
    assert project.pins("train-cuda")["shared"] == "1.0"


def test_the_cutoff_of_the_command_line_is_kept_and_checks_as_fresh(project):
    project.wheel("alpha", "1.0", upload_time="2026-01-01T00:00:00Z")
    project.wheel("alpha", "2.0", upload_time="2026-06-01T00:00:00Z")
    project.profile(PLAIN)
    assert project.run("lock", "--exclude-newer", "2026-03-01T00:00:00Z").status == 0
    assert project.pins() == {"alpha": "1.0"}
    assert project.run("lock", "--check").status == 0
    project.wheel("beta", "1.0", upload_time="2026-02-01T00:00:00Z")
    project.profile(PLAIN.replace('"alpha"', '"alpha", "beta"'))
    assert project.run("lock").status == 0
    assert project.lockfile().envctl.resolver.cutoff == "command-line"
    assert project.pins() == {"alpha": "1.0", "beta": "1.0"}


def test_a_span_is_recorded_as_the_moment_it_meant(project):
    project.wheel("alpha", "1.0", upload_time="2026-01-01T00:00:00Z")
    project.profile(PLAIN + '[resolver]\nexclude-newer = "7 days"\n')
    assert project.run("lock").status == 0
    first = project.snapshot()
    assert project.run("lock", "--check").status == 0
    assert project.run("lock").status == 0
    assert project.snapshot() == first
    assert project.lockfile().envctl.resolver.exclude_newer is not None


def test_without_a_cutoff_the_newest_upload_is_recorded(stocked):
    stocked.profile(PLAIN)
    assert stocked.run("lock").status == 0
    moment = stocked.lockfile().envctl.resolver.exclude_newer
    assert moment is not None
    assert moment.isoformat() == "2026-01-01T00:00:00+00:00"


def test_two_owners_of_one_file_fail_the_lock_and_leave_the_old_one(stocked):
    stocked.profile(PLAIN)
    assert stocked.run("lock").status == 0
    before = stocked.snapshot()
    stocked.wheel("rival", "1.0", files={"beta/__init__.py": b"mine\n"})
    stocked.profile(PLAIN.replace('"alpha"', '"alpha", "rival"'))
    ran = stocked.run("lock")
    assert ran.status == 4
    assert "beta/__init__.py" in ran.err
    assert 'exclude = ["beta"]' in ran.err
    assert stocked.snapshot() == before


def test_a_startup_hook_is_recorded_once_and_refused_when_it_changes(project):
    project.wheel("tool", "1.0", files={"tool.pth": b"import tool\n", "tool/__init__.py": b""})
    project.profile('python = "3.11.9"\ndependencies = ["tool"]\n')
    first = project.run("lock")
    assert first.status == 0
    assert "warning: train: tool runs tool.pth at every start of Python" in first.err
    project.wheel("tool", "2.0", files={"tool.pth": b"import evil\n", "tool/__init__.py": b""})
    ran = project.run("lock", "-U")
    assert ran.status == 4
    assert 'startup-hooks = ["tool.pth"]' in ran.err
    assert project.pins() == {"tool": "1.0"}


def test_a_weights_file_named_pth_inside_a_package_is_no_hook(project):
    project.wheel("nets", "1.0", files={"nets/weights.pth": b"\x80\x02", "nets/__init__.py": b""})
    project.profile('python = "3.11.9"\ndependencies = ["nets"]\n[policy]\nstartup-hooks = []\n')
    assert project.run("lock").status == 0
    assert project.lockfile().envctl.hooks == ()


def test_an_index_without_hashes_gives_a_lockfile_with_hashes(project):
    path = project.wheel("alpha", "1.0", hashed=False)
    project.profile(PLAIN)
    assert project.run("lock").status == 0
    import hashlib

    assert project.lockfile().packages[0].wheels[0].sha256 == hashlib.sha256(path.read_bytes()).hexdigest()


def test_nothing_to_lock_is_said(project):
    ran = project.run("lock")
    assert ran.status == 2
    assert "envctl init" in ran.err


def test_a_lockfile_with_conflict_markers_is_recognised(stocked):
    stocked.profile(PLAIN)
    assert stocked.run("lock").status == 0
    text = stocked.lock_path().read_text("utf-8")
    stocked.lock_path().write_text("<<<<<<< HEAD\n" + text + "=======\nx\n>>>>>>> other\n", "utf-8")
    for command in (["lock"], ["lock", "--check"]):
        ran = stocked.run(*command)
        assert ran.status == 3
        assert "conflict markers" in ran.err
        assert ran.err.startswith("error: profiles/locked/pylock.train.toml:1: ")


def test_a_wheel_that_refuses_the_interpreter_is_not_locked(project):
    project.wheel("picky", "1.0", requires_python="<3.11")
    project.profile('python = "3.11.9"\ndependencies = ["picky"]\n')
    ran = project.run("lock")
    assert ran.status == 4
    assert "picky" in ran.err
    assert "3.11" in ran.err


def test_an_empty_profile_gives_an_empty_lockfile(project):
    project.profile('python = "3.11.9"\n')
    assert project.run("lock").status == 0
    assert project.lockfile().packages == ()
    assert project.run("lock", "--check").status == 0
