"""The same profile, previous lockfile and index give the same bytes; pins move only when they must or are asked to."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
from support.project import BASE, Project
from support.server import IndexServer

WHEELS = {
    "alpha": ["beta", "gamma[extra]"],
    "beta": ["delta; sys_platform == 'linux'"],
    "gamma": ["epsilon; extra == 'extra'"],
    "delta": [],
    "epsilon": [],
    "zeta": ["alpha", "delta<2"],
}
ONE = f"""
python = "3.11.9"
platforms = ["linux/amd64", "linux/arm64"]
dependencies = ["alpha", "zeta"]
constraints = ["epsilon<9", "delta<9"]
requirements = ["a.in", "b.in"]
[resolver]
exclude = ["unwanted", "other"]
overrides = ["beta>=1", "delta>=1"]
[image]
base = "{BASE}"
packages = ["libgomp1", "curl"]
provides = ["numpy", "torch"]
env = {{ A = "1", B = "2" }}
ports = [8000, 9000]
[commands]
train = ["python", "-m", "train"]
serve = ["python", "-m", "serve"]
[policy]
startup-hooks = ["b.pth", "a.pth"]
writable = ["share/b", "share/a"]
"""
ANOTHER = f"""
[policy]
writable = ["share/a", "share/b"]
startup-hooks = ["a.pth", "b.pth"]
[commands]
serve = ["python", "-m", "serve"]
train = ["python", "-m", "train"]
[image]
ports = [9000, 8000]
provides = ["torch", "numpy"]
packages = ["curl", "libgomp1"]
base = "{BASE}"
[image.env]
B = "2"
A = "1"
[resolver]
overrides = ["delta>=1", "beta>=1"]
exclude = ["other", "unwanted"]
"""
HEAD = """
requirements = ["b.in", "a.in"]
constraints = ["delta<9", "epsilon<9"]
dependencies = ["zeta", "alpha"]
platforms = ["linux/arm64", "linux/amd64"]
python = "3.11.9"
"""


def stock(index: IndexServer, folder: Path) -> None:
    project = Project(folder, index)
    for machine in ("x86_64", "aarch64"):
        project.wheel("uv", "0.13.8", tag=f"py3-none-manylinux_2_17_{machine}")
        project.wheel("native", "1.0", tag=f"cp311-cp311-manylinux_2_17_{machine}")
    for name, requires in WHEELS.items():
        for version in ("1.0", "2.0"):
            project.wheel(name, version, requires=requires, provides_extra=["extra"])


def lock(folder: Path, profile: str, index: IndexServer, **changed: str) -> dict[str, bytes]:
    """Lock in a process of its own, with its own caches and environment, and return the files."""
    (folder / "profiles").mkdir(parents=True)
    (folder / "profiles" / "train.toml").write_text(profile, "utf-8")
    (folder / "a.in").write_text("native\n" if "seed" not in changed else "native  # why\n")
    (folder / "b.in").write_text("gamma\n")
    (folder / "home").mkdir()
    environment = {
        "PATH": os.environ["PATH"],
        "HOME": str(folder / "home"),
        "ENVCTL_INDEX_URL": index.url,
        "PYTHONPATH": os.pathsep.join(sys.path),
        **{name: value for name, value in changed.items() if name.isupper()},
    }
    done = subprocess.run(
        [sys.executable, "-m", "envctl", "-C", str(folder), "lock"],
        env=environment,
        umask=int(changed.get("umask", "022"), 8),
        cwd=changed.get("cwd", str(folder)),
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return {path.name: path.read_bytes() for path in (folder / "profiles" / "locked").iterdir()}


def test_order_and_machine_change_no_byte(index: IndexServer, tmp_path: Path) -> None:
    stock(index, tmp_path / "stock")
    first = lock(tmp_path / "one", ONE, index, PYTHONHASHSEED="1")
    assert len(first) == 3
    second = lock(
        tmp_path / "another place",
        HEAD + ANOTHER,
        index,
        PYTHONHASHSEED="2",
        TZ="Pacific/Auckland",
        LC_ALL="tr_TR.UTF-8",
        LANG="de_DE",
        USER="somebody",
        COLUMNS="40",
        umask="077",
        cwd="/",
        seed="2",
    )
    assert second == first


def test_a_profile_that_was_only_sorted_is_fresh(project: Project) -> None:
    for name in ("one", "two", "three"):
        project.wheel(name, "1.0")
    project.profile('python = "3.11.9"\ndependencies = ["two", "one", "three"]\n')
    assert project.run("lock").status == 0
    project.profile('dependencies = ["one", "three", "two"]\npython = "3.11.9"\n')
    ran = project.run("lock", "--check")
    assert (ran.status, ran.out) == (0, "fresh: 1 target\n")


def test_modes_follow_the_umask_and_nothing_else_does(project: Project) -> None:
    project.wheel("alpha", "1.0")
    project.profile('python = "3.11.9"\ndependencies = ["alpha"]\n')
    before = os.umask(0o027)
    try:
        assert project.run("lock").status == 0
    finally:
        os.umask(before)
    assert project.lock_path().stat().st_mode & 0o777 == 0o640


PLAIN = 'python = "3.11.9"\ndependencies = ["alpha", "beta", "gamma"]\n'


@pytest.fixture
def stocked(project: Project) -> Project:
    for name in ("alpha", "beta", "gamma", "delta"):
        project.wheel(name, "1.0", requires=["delta"] if name == "alpha" else [])
    project.profile(PLAIN)
    assert project.run("lock").status == 0
    for name in ("alpha", "beta", "gamma", "delta"):
        for version in ("2.0", "3.0"):
            project.wheel(name, version, requires=["delta"] if name == "alpha" else [])
    return project


def test_one_or_several_packages_are_upgraded_also_by_another_spelling_and_transitively(stocked: Project) -> None:
    assert stocked.run("lock", "-P", "delta").status == 0
    assert stocked.pins() == {"alpha": "1.0", "beta": "1.0", "gamma": "1.0", "delta": "3.0"}
    assert stocked.run("lock", "-P", "BETA", "--upgrade-package", "gamma").status == 0
    assert stocked.pins() == {"alpha": "1.0", "beta": "3.0", "gamma": "3.0", "delta": "3.0"}


def test_a_profile_that_narrows_moves_what_it_must_and_no_more(stocked: Project) -> None:
    assert stocked.run("lock", "-U").status == 0
    stocked.profile(PLAIN.replace('"beta"', '"beta<3"'))
    ran = stocked.run("lock", "--check")
    assert (ran.status, "is not satisfied by the pin beta 3.0" in ran.out) == (1, False)
    assert '"beta<3" is not in the lockfile' in ran.out
    assert stocked.run("lock").status == 0
    assert stocked.pins() == {"alpha": "3.0", "beta": "2.0", "gamma": "3.0", "delta": "3.0"}


def test_excluded_and_overridden_packages_stay_so(stocked: Project) -> None:
    stocked.profile(PLAIN + '[resolver]\nexclude = ["Delta"]\n')
    ran = stocked.run("lock")
    assert "delta  1.0  gone  left out by resolver.exclude" in ran.out
    assert "delta" not in stocked.pins()
    for command in (["lock", "--check"], ["lock", "--check", "--resolve"]):
        assert stocked.run(*command).status == 0
    stocked.profile(PLAIN + '[resolver]\noverrides = ["delta==2.0"]\n')
    assert stocked.run("lock").status == 0
    assert stocked.pins()["delta"] == "2.0"
    for command in (["lock", "--check"], ["lock", "--check", "--resolve"]):
        assert stocked.run(*command).status == 0
    stocked.profile(PLAIN + "[resolver]\noverrides = [\"delta; sys_platform == 'win32'\"]\n")
    assert stocked.run("lock").status == 0
    assert "delta" not in stocked.pins()
    assert stocked.run("lock", "--check").status == 0


def test_a_pin_that_was_yanked_since_stays_until_an_upgrade(project: Project) -> None:
    project.wheel("alpha", "1.0")
    newest = project.wheel("alpha", "2.0")
    project.wheel("beta", "1.0")
    project.profile('python = "3.11.9"\ndependencies = ["alpha"]\n')
    assert project.run("lock").status == 0
    project.index.add(newest, yanked="broken")
    project.profile('python = "3.11.9"\ndependencies = ["alpha", "beta"]\n')
    assert project.run("lock").status == 0
    assert project.pins() == {"alpha": "2.0", "beta": "1.0"}
    assert project.run("lock", "-U").status == 0
    assert project.pins() == {"alpha": "1.0", "beta": "1.0"}


CUTOFFS = [
    ("2026-03-01", "2026-03-01T00:00:00+00:00"),
    ("2026-03-01T00:00:00Z", "2026-03-01T00:00:00+00:00"),
    ("2026-03-01T01:00:00+02:00", "2026-02-28T23:00:00+00:00"),
    ("2026-01-01T00:00:00Z", "2026-01-01T00:00:00+00:00"),
    ("2026-01-01", "2026-01-01T00:00:00+00:00"),
]


@pytest.fixture
def dated(project: Project) -> Project:
    project.wheel("alpha", "1.0", upload_time="2026-01-01T00:00:00Z")
    project.wheel("alpha", "2.0", upload_time="2026-06-01T00:00:00Z")
    project.profile('python = "3.11.9"\ndependencies = ["alpha"]\n')
    return project


@pytest.mark.parametrize(("text", "moment"), CUTOFFS)
@pytest.mark.parametrize("where", ["command line", "profile"])
def test_a_cutoff_is_recorded_as_its_moment_and_checks_as_fresh(
    dated: Project, where: str, text: str, moment: str
) -> None:
    if where == "profile":
        dated.profile(f'python = "3.11.9"\ndependencies = ["alpha"]\nresolver.exclude-newer = "{text}"\n')
    ran = dated.run("lock", *(["--exclude-newer", text] if where == "command line" else []))
    assert ran.status == 0, ran.err
    assert dated.pins() == {"alpha": "1.0"}
    recorded = dated.lockfile().envctl.resolver
    assert recorded.exclude_newer is not None
    assert (recorded.exclude_newer.isoformat(), recorded.cutoff) == (moment, where.replace(" ", "-"))
    assert dated.run("lock", "--check").status == 0
    assert dated.run("lock", "--check", "--resolve").status == 0
    assert "nothing changed" in dated.run("lock").out


def test_an_upgrade_drops_the_cutoff_of_the_command_line_and_keeps_the_profile_s(dated: Project) -> None:
    assert dated.run("lock", "--exclude-newer", "2026-03-01").status == 0
    assert dated.run("lock", "-U").status == 0
    assert dated.pins() == {"alpha": "2.0"}
    assert dated.lockfile().envctl.resolver.cutoff == "pins"
    dated.profile('python = "3.11.9"\ndependencies = ["alpha"]\nresolver.exclude-newer = "2026-03-01"\n')
    assert dated.run("lock", "-U", "--exclude-newer", "2026-07-01").status == 0
    assert dated.pins() == {"alpha": "2.0"}
    assert dated.run("lock", "--check").status == 0
    assert dated.run("lock", "-U").status == 0
    assert dated.pins() == {"alpha": "1.0"}
    assert dated.lockfile().envctl.resolver.cutoff == "profile"


def test_a_cutoff_that_hides_everything_is_named_in_the_hint(dated: Project) -> None:
    ran = dated.run("lock", "--exclude-newer", "2025-01-01")
    assert ran.status == 4
    assert "hint: the cutoff 2025-01-01T00:00:00Z hides alpha 2.0, which was uploaded 2026-06-01T00:00:00Z" in ran.err
    assert dated.snapshot() == {}


def test_offline_needs_warm_caches_and_asks_nobody(
    dated: Project, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("UV_CACHE_DIR", str(tmp_path / "uv"))
    monkeypatch.setenv("ENVCTL_CACHE_DIR", str(tmp_path / "envctl"))
    ran = dated.run("lock", "--offline")
    assert ran.status == 6
    assert "hint: lock once with a network" in ran.err
    assert dated.index.requests == []
    assert dated.run("lock").status == 0
    good = dated.snapshot()
    dated.index.requests.clear()
    dated.lock_path().unlink()
    assert dated.run("lock", "--offline").status == 0
    assert (dated.snapshot(), dated.index.requests) == (good, [])
    monkeypatch.setenv("ENVCTL_CACHE_DIR", str(tmp_path / "cold"))
    dated.lock_path().unlink()
    ran = dated.run("lock", "--offline")
    assert (ran.status, "--offline" in ran.err, dated.snapshot()) == (6, True, {})


def test_a_python_without_its_patch_release_is_pinned_and_kept(dated: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    dated.profile('python = "3.11"\ndependencies = ["alpha"]\n')
    assert dated.run("lock").status == 0
    version = dated.lockfile().envctl.python.version
    assert version.startswith("3.11.")
    text = dated.lock_path().read_text("utf-8")
    from envctl.lockfile.seal import sealed

    older = text.replace(f'version = "{version}"', 'version = "3.11.2"').partition("seal = ")[0]
    dated.lock_path().write_bytes(sealed(older.encode()))
    assert dated.run("lock", "--check").status == 0
    dated.wheel("beta", "1.0")
    dated.profile('python = "3.11"\ndependencies = ["alpha", "beta"]\n')
    assert dated.run("lock").status == 0
    assert dated.lockfile().envctl.python.version == "3.11.2"
    dated.profile('python = "3.13"\ndependencies = ["alpha", "beta"]\n')
    assert dated.run("lock", "--check").status == 1
    assert dated.run("lock").status == 0
    assert dated.lockfile().requires_python == "==3.13.*"
    dated.profile('python = "3.99"\ndependencies = ["alpha"]\n')
    ran = dated.run("lock")
    assert (ran.status, "profiles/train.toml:1: the patch release" in ran.err) == (3, True)


PLATFORMS = ["linux/amd64", "linux/arm64", "darwin/arm64"]


def test_each_platform_has_one_wheel_also_where_another_would_fit_as_well(project: Project) -> None:
    for tag in ("manylinux_2_17_x86_64", "manylinux_2_17_aarch64", "macosx_11_0_arm64", "musllinux_1_2_x86_64"):
        project.wheel("native", "1.0", tag=f"cp311-cp311-{tag}", files={"native/x.py": tag.encode()})
    project.wheel("mixed", "1.0", tag="cp311-cp311-manylinux_2_17_x86_64", files={"mixed/x.py": b"binary"})
    project.wheel("mixed", "1.0", files={"mixed/x.py": b"any"})
    names = str(PLATFORMS).replace("'", '"')
    project.profile(f'python = "3.11.9"\nplatforms = {names}\ndependencies = ["native", "mixed"]\n')
    ran = project.run("lock")
    assert ran.status == 0, ran.err
    lockfile = project.lockfile()
    chosen = {
        str(platform): [wheel.name.split("-")[-1].removesuffix(".whl") for _, wheel in lockfile.select(platform)]
        for platform in lockfile.platforms()
    }
    assert chosen == {
        "darwin/arm64": ["any", "macosx_11_0_arm64"],
        "linux/amd64": ["manylinux_2_17_x86_64", "manylinux_2_17_x86_64"],
        "linux/arm64": ["any", "manylinux_2_17_aarch64"],
    }
    for command in (["lock", "--check"], ["lock", "--check", "--resolve"]):
        assert project.run(*command).status == 0
    project.profile('python = "3.11.9"\nlibc = "musl 1.2"\ndependencies = ["native", "mixed"]\n')
    assert project.run("lock").status == 0
    assert [p.wheels[0].name.split("-")[-1] for p in project.lockfile().packages] == [
        "any.whl",
        "musllinux_1_2_x86_64.whl",
    ]
    project.profile('python = "3.11.9"\nlibc = "musl 1.1"\ndependencies = ["native"]\n')
    ran = project.run("lock")
    assert (ran.status, ran.err.startswith("error: profiles/train.toml:2: ")) == (3, True), ran.err


def test_markers_on_a_patch_release_are_resolved_away(project: Project) -> None:
    for name in ("alpha", "beta", "gamma"):
        project.wheel(name, "1.0", requires=["gamma; python_full_version >= '3.11.4'"] if name == "alpha" else [])
    project.profile(
        'python = "3.11.9"\ndependencies = ["alpha; python_full_version == \'3.11.9\'", '
        "\"beta; python_full_version < '3.11.9'\"]\n"
    )
    assert project.run("lock").status == 0
    assert project.pins() == {"alpha": "1.0", "gamma": "1.0"}
    packages = project.lock_path().read_text("utf-8").partition("[tool.envctl]")[0]
    assert "python_full_version" not in packages
    assert project.run("lock", "--check").status == 0
