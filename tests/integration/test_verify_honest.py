"""Environments that real tools made of locked wheels verify, whatever tools and options made them."""

from __future__ import annotations

import os
import py_compile
import stat
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from support import environments as env
from support.environments import SITE, errors, lock_for, sample_wheels, verify
from support.wheels import build_wheel

from envctl.model.finding import Verdict
from envctl.model.lockfile import Policy, Project

pytestmark = pytest.mark.campaign

MAKERS: dict[str, Callable[[Path], Path]] = {
    "venv": lambda place: (env.run(env.BASE, "-m", "venv", "--without-pip", place), place)[1],
    "venv-prompt": lambda place: (env.run(env.BASE, "-m", "venv", "--without-pip", "--prompt", "my env", place), place)[
        1
    ],
    "venv-copies": lambda place: (env.run(env.BASE, "-m", "venv", "--without-pip", "--copies", place), place)[1],
    "uv": env.uv_venv,
    "uv-prompt": lambda place: env.uv_venv(place, "--prompt", "a prompt"),
    "uv-relocatable": lambda place: env.uv_venv(place, "--relocatable"),
    "virtualenv": lambda place: (
        env.run(sys.executable, "-m", "virtualenv", "-q", "--no-seed", "-p", env.BASE, place),
        place,
    )[1],
}
INSTALLERS: dict[str, Callable[[Path, list[Path]], Path]] = {
    "pip": lambda venv, wheels: env.pip_install(venv, wheels, "--no-compile"),
    "pip-compiled": lambda venv, wheels: env.pip_install(venv, wheels, "--compile"),
    "uv": env.uv_install,
    "uv-compiled": lambda venv, wheels: env.uv_install(venv, wheels, "--compile-bytecode"),
    "uv-copy": lambda venv, wheels: env.uv_install(venv, wheels, "--link-mode", "copy"),
    "uv-umask-027": lambda venv, wheels: env.uv_install(venv, wheels, "--link-mode", "copy", umask=0o027),
    "pip-umask-002": lambda venv, wheels: env.pip_install(venv, wheels, umask=0o002),
}


@pytest.fixture(scope="module")
def wheels(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    return sample_wheels(tmp_path_factory.mktemp("wheels"))


@pytest.mark.parametrize("maker", MAKERS)
def test_every_maker_of_environments_is_known(maker: str, wheels: list[Path], tmp_path: Path) -> None:
    venv = env.uv_install(MAKERS[maker](tmp_path / "env"), wheels)
    found = verify(lock_for(wheels), venv, strict=True)
    assert found.findings == ()
    assert found.verdict is Verdict.OK


@pytest.mark.parametrize("installer", INSTALLERS)
def test_every_installer_gives_the_locked_package_set(installer: str, wheels: list[Path], tmp_path: Path) -> None:
    venv = INSTALLERS[installer](env.uv_venv(tmp_path / ".venv"), wheels)
    found = verify(lock_for(wheels), venv, strict=True)
    assert found.findings == ()
    assert found.package_set.found == found.package_set.expected
    assert found.counts.packages == 2


def test_a_path_with_spaces_and_quotes_and_a_long_one_are_honest(wheels: list[Path], tmp_path: Path) -> None:
    for name in ("it's a place", "long" * 40):
        for install in (env.pip_install, env.uv_install):
            place = tmp_path / name / install.__name__
            place.parent.mkdir(exist_ok=True)
            venv = install(env.uv_venv(place), wheels)
            assert (venv / "bin/alpha").read_bytes().startswith(b"#!/bin/sh\n")
            assert verify(lock_for(wheels), venv, strict=True).findings == ()


def test_an_environment_reached_through_a_link_is_honest(wheels: list[Path], tmp_path: Path) -> None:
    venv = env.uv_install(env.uv_venv(tmp_path / "real" / "env"), wheels)
    (tmp_path / "link").symlink_to("real")
    assert verify(lock_for(wheels), tmp_path / "link" / "env", strict=True).findings == ()
    assert verify(lock_for(wheels), venv, strict=True).findings == ()


def test_using_an_environment_changes_nothing(wheels: list[Path], tmp_path: Path) -> None:
    venv = env.uv_install(env.uv_venv(tmp_path / "env"), wheels)
    for options in ([], ["-O"], ["-OO"]):
        subprocess.run([venv / "bin/python", *options, "-c", "import alpha.core, beta, ns.b.x"], check=True, env={})
    assert len(list(venv.rglob("*.opt-2.pyc"))) > 2
    found = verify(lock_for(wheels), venv, strict=True)
    assert found.findings == ()


def test_bytecode_checked_by_hash_is_honest(wheels: list[Path], tmp_path: Path) -> None:
    venv = env.uv_install(env.uv_venv(tmp_path / "env"), wheels)
    env.run(env.BASE, "-m", "compileall", "-q", "--invalidation-mode", "checked-hash", venv / "lib")
    assert verify(lock_for(wheels), venv, strict=True).findings == ()


def test_bytecode_compiled_at_another_place_is_honest(wheels: list[Path], tmp_path: Path) -> None:
    first = env.uv_install(env.uv_venv(tmp_path / "first", "--relocatable"), wheels, "--compile-bytecode")
    moved = env.copy_of(first, tmp_path / "else" / "where")
    assert b"first" in next(moved.rglob("core.*.pyc")).read_bytes()
    assert verify(lock_for(wheels), moved, strict=True).findings == ()


def test_files_linked_by_uv_are_a_warning(wheels: list[Path], tmp_path: Path) -> None:
    venv = env.uv_install(env.uv_venv(tmp_path / "env"), wheels, "--link-mode", "symlink")
    found = verify(lock_for(wheels), venv)
    assert [finding.name for finding in found.findings] == ["link-mode"]
    assert found.verdict is Verdict.OK
    assert found.package_set.found == found.package_set.expected
    assert verify(lock_for(wheels), venv, strict=True).verdict is Verdict.UNTRUSTED


@pytest.fixture(scope="module")
def seeded(wheels: list[Path], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An environment with the pip that `venv` puts there."""
    place = tmp_path_factory.mktemp("seeded") / "env"
    env.run(env.BASE, "-m", "venv", place)
    return env.pip_install(place, wheels)


def test_the_seeds_of_venv_are_a_warning_unless_allowed(wheels: list[Path], seeded: Path) -> None:
    found = verify(lock_for(wheels), seeded)
    assert {finding.name for finding in found.findings} == {"package-seeded"}
    assert "pip" in {finding.package for finding in found.findings}
    assert found.verdict is Verdict.OK
    assert found.package_set.found == found.package_set.expected
    assert verify(lock_for(wheels, policy=Policy(allow_seed=True)), seeded, strict=True).findings == ()


def test_a_seed_that_is_not_the_interpreters_own_is_an_error(wheels: list[Path], seeded: Path) -> None:
    module = seeded / SITE / "pip" / "__init__.py"
    honest = module.read_bytes()
    module.write_text("import os\n")
    try:
        found = verify(lock_for(wheels, policy=Policy(allow_seed=True)), seeded)
    finally:
        module.write_bytes(honest)
    assert ("package-extra", "pip", None) in errors(found)
    assert found.verdict is Verdict.UNTRUSTED


def test_data_that_programs_write_may_be_allowed(wheels: list[Path], tmp_path: Path) -> None:
    venv = env.uv_install(env.uv_venv(tmp_path / "env"), wheels)
    runtime = venv / "share/app/runtime"
    runtime.mkdir(parents=True)
    (runtime / "state.db").write_bytes(b"state")
    policy = Policy(writable=("share/app/runtime",))
    assert errors(verify(lock_for(wheels), venv)) == [("file-added", None, "share/app/runtime/state.db")]
    assert verify(lock_for(wheels, policy=policy), venv, strict=True).findings == ()
    (runtime / "plugin.py").write_bytes(b"evil")
    (runtime / "tool").write_bytes(b"evil")
    (runtime / "tool").chmod(0o755)
    (runtime / "settings.cfg").write_bytes(b"evil")
    assert [path for _, _, path in errors(verify(lock_for(wheels, policy=policy), venv))] == [
        "share/app/runtime/plugin.py",
        "share/app/runtime/settings.cfg",
        "share/app/runtime/tool",
    ]


def test_empty_folders_and_uvs_lock_are_nothing(wheels: list[Path], tmp_path: Path) -> None:
    venv = env.uv_install(env.uv_venv(tmp_path / "env"), wheels)
    (venv / SITE / "nothing").mkdir()
    (venv / ".lock").touch()
    (venv / ".lock").chmod(0o666)
    assert stat.S_IMODE((venv / ".lock").stat().st_mode) == 0o666
    assert verify(lock_for(wheels), venv, strict=True).findings == ()


BACKENDS = {
    "hatchling": "hatchling.build",
    "setuptools": "setuptools.build_meta",
    "flit_core": "flit_core.buildapi",
    "uv_build": "uv_build",
}


def editable_project(folder: Path, backend: str, *, flat: bool) -> Path:
    package = folder / ("ours" if flat else "src/ours")
    package.mkdir(parents=True)
    (package / "__init__.py").write_text('"""Ours."""\n__version__ = "0.1"\ndef main(): ...\n')
    (folder / "pyproject.toml").write_text(
        f'[build-system]\nrequires = ["{backend}"]\nbuild-backend = "{BACKENDS[backend]}"\n'
        '[project]\nname = "ours"\nversion = "0.1"\ndescription = "ours"\n[project.scripts]\nours = "ours:main"\n'
    )
    return folder


@pytest.mark.network
@pytest.mark.parametrize(("backend", "flat"), [("hatchling", False), ("setuptools", True), ("setuptools", False)])
def test_the_teams_own_package_may_be_installed_editable(
    backend: str, flat: bool, wheels: list[Path], tmp_path: Path
) -> None:
    folder = editable_project(tmp_path / "team", backend, flat=flat)
    venv = env.uv_install(env.uv_venv(tmp_path / "env"), wheels)
    env.run(env.binary(), "pip", "install", "-q", "--python", venv / "bin/python", "-e", folder)
    own = lock_for(wheels, project=Project(name="ours", path="."))
    assert verify(own, venv, strict=True, project_folder=folder).findings == ()
    names = {name for name, _, _ in errors(verify(own, venv, project_folder=tmp_path / "other"))}
    assert names == {"package-editable"}
    names = {name for name, _, _ in errors(verify(lock_for(wheels), venv))}
    assert {"package-editable", "package-extra", "startup-hook-added"} <= names
    hook = next((venv / SITE).glob("*ours*.pth"))
    hook.write_text(hook.read_text() + "\nimport os\n")
    assert errors(verify(own, venv, project_folder=folder)) != []


def test_an_interpreter_that_envctl_does_not_run_on_is_asked(wheels: list[Path], tmp_path: Path) -> None:
    """Another real interpreter with the same bytecode: a copy of this one's executable in a place of its own."""
    library = Path(os.__file__).parent
    if not (library.parent.parent / "bin").is_dir():
        pytest.skip("the standard library does not lie beside its interpreter")
    home = tmp_path / "python"
    (home / "bin").mkdir(parents=True)
    (home / "lib").mkdir()
    (home / "lib" / library.name).symlink_to(library)
    real = Path(env.BASE).resolve()
    (home / "bin" / real.name).write_bytes(real.read_bytes())
    (home / "bin" / real.name).chmod(0o755)
    shared = sorted(real.parent.parent.glob("lib/libpython3*.so*"))
    for path in shared:
        (home / "lib" / path.name).symlink_to(path)
    asked = subprocess.run([home / "bin" / real.name, "-I", "-S", "-c", ""], capture_output=True, check=False)
    if asked.returncode != 0:
        pytest.skip("this interpreter cannot be copied")
    venv = env.uv_venv(tmp_path / "env")
    config = (venv / "pyvenv.cfg").read_text().splitlines()
    config = [f"home = {home / 'bin'}" if line.startswith("home") else line for line in config]
    (venv / "pyvenv.cfg").write_text("\n".join(config) + "\n")
    (venv / "bin/python").unlink()
    (venv / "bin/python").symlink_to(home / "bin" / real.name)
    env.uv_install(venv, wheels, "--compile-bytecode")
    assert verify(lock_for(wheels), venv, strict=True).findings == ()


def test_a_wheel_may_ship_bytecode_of_other_pythons(tmp_path: Path) -> None:
    wheel = build_wheel(
        tmp_path, "gamma", files={"gamma/__init__.py": b"", "gamma/__pycache__/__init__.cpython-36.pyc": b"old"}
    )
    venv = env.uv_install(env.uv_venv(tmp_path / "env"), [wheel])
    found = verify(lock_for([wheel]), venv)
    assert [finding.name for finding in found.findings] == ["bytecode-other-python"]
    assert found.verdict is Verdict.OK


def test_bytecode_that_a_wheel_brings_may_be_made_anew(tmp_path: Path) -> None:
    """NumPy 2.2 does; pip, which compiles it too, then names it twice in RECORD."""
    source = tmp_path / "core.py"
    source.write_text("X = 1\n")
    cached = f"delta/__pycache__/core.{sys.implementation.cache_tag}.pyc"
    bytecode = Path(py_compile.compile(str(source), cfile=str(tmp_path / "core.pyc"), doraise=True)).read_bytes()
    wheel = build_wheel(tmp_path, "delta", files={"delta/core.py": source.read_bytes(), cached: bytecode})
    for install, words in ((env.pip_install, "--compile"), (env.pip_install, "--no-compile"), (env.uv_install, "-q")):
        venv = install(env.uv_venv(tmp_path / f"{install.__name__}{words}"), [wheel], words)
        record = (venv / SITE / "delta-1.0.dist-info/RECORD").read_text()
        assert record.count(f"{cached},") == (2 if words == "--compile" else 1)
        assert verify(lock_for([wheel]), venv, strict=True).findings == ()
    compiled = tmp_path / "pip_install--compile"
    (compiled / SITE / cached).write_bytes(bytecode.replace(b"X", b"Y"))
    assert errors(verify(lock_for([wheel]), compiled)) == [("bytecode-foreign", "delta", cached)]
    lines = (compiled / SITE / "delta-1.0.dist-info/RECORD").read_text().splitlines()
    twice = next(line for line in lines if line.startswith("delta/core.py,"))
    (compiled / SITE / "delta-1.0.dist-info/RECORD").write_text("\n".join([*lines, twice, ""]))
    assert ("record-changed", "delta", "delta-1.0.dist-info/RECORD") in errors(verify(lock_for([wheel]), compiled))
