"""No false alarm where it takes gigabytes: the data science stack, and every Python of this machine. `make honest`."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

import pytest
from support import environments as env
from support.honest import DATASCIENCE, MINORS, alarms
from support.project import Ran, envctl

from envctl.lockfile.read import read_lockfile
from envctl.model.lockfile import Policy
from envctl.system.uv import binary

pytestmark = [pytest.mark.honest, pytest.mark.network]

ROOT = Path(__file__).resolve().parents[2]
TORCH_HUB = """\
import os, torch
from pathlib import Path
torch.save({"weight": torch.zeros(3)}, "resnet.pth")
found = torch.hub.load_state_dict_from_url(Path("resnet.pth").resolve().as_uri(), progress=False, weights_only=True)
assert found["weight"].shape == (3,)
"""


def run(folder: Path, *args: object) -> Ran:
    done = envctl("-C", folder, *args)
    assert done.status in (0, 1), done.err
    return done


@pytest.fixture(scope="module")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The stack, locked and fetched."""
    folder = tmp_path_factory.mktemp("stack")
    (folder / "profiles").mkdir()
    text = (ROOT / "profiles/datascience.toml").read_text()
    text = text.replace('python = "3.11.9"', f'python = "{env.PYTHON}"').replace(', "linux/arm64"', "")
    image, policy = text.index("[image]"), text.index("[policy]")
    (folder / "profiles/datascience.toml").write_text(text[:image] + text[policy:])
    assert run(folder, "lock").status == 0
    assert run(folder, "fetch", "datascience", folder / "wheels").status == 0
    return folder


@pytest.mark.parametrize("row", DATASCIENCE, ids=str)
def test_the_data_science_stack_raises_no_alarm(row, stack: Path, tmp_path: Path) -> None:
    wheels = sorted((stack / "wheels").rglob("*.whl"))
    install = env.uv_install if row.installer == "uv" else env.pip_install
    venv = install(env.uv_venv(tmp_path / "env"), wheels, *row.options)
    done = run(stack, "verify", "datascience", "--venv", venv, "--format", "json", "--offline")
    assert alarms(done) == []
    assert (done.status, done.json["counts"]["packages"]) == (0, len(wheels))
    if row.after:
        place = venv / "share/torch"
        variables = {"PATH": os.environ["PATH"], "HOME": str(tmp_path), "TORCH_HOME": str(place)}
        subprocess.run([venv / "bin/python", "-c", TORCH_HUB], env=variables, cwd=tmp_path, check=True)
        lockfile = read_lockfile(stack / "profiles/locked/pylock.datascience.toml")
        hooks = lockfile.envctl.policy.startup_hooks
        allowed = env.with_envctl(lockfile, policy=Policy(startup_hooks=hooks, writable=("share/torch",)))
        assert [f for f in env.verify(allowed, venv).findings if f.code != "ENV302"] == []
        assert len(env.errors(env.verify(lockfile, venv))) > 0
    shutil.rmtree(tmp_path)


def found(minor: str) -> tuple[str, str] | None:
    """An interpreter of this machine and its X.Y.Z: on the path, or one of pyenv's."""
    places = sorted(Path.home().glob(f".pyenv/versions/{minor}.*/bin/python{minor}"))
    for place in (shutil.which(f"python{minor}"), *map(str, places)):
        if place is not None:
            ask = [place, "-I", "-c", "import platform; print(platform.python_version())"]
            done = subprocess.run(ask, capture_output=True, text=True, check=False)
            if done.returncode == 0:
                return place, done.stdout.strip()
    return None


@pytest.mark.parametrize("minor", MINORS)
def test_other_pythons_raise_no_alarm(minor: str, tmp_path: Path) -> None:
    """By uv and compiled, by venv and pip; bytecode is compared by the environment's base interpreter."""
    known = found(minor)
    if known is None:
        pytest.skip(f"there is no Python {minor} here")
    python, version = known
    (tmp_path / "profiles").mkdir()
    listed = '"pandas", "matplotlib", "joblib", "jupyter-core", "docutils", "pip"'
    (tmp_path / "profiles/other.toml").write_text(f'python = "{version}"\ndependencies = [{listed}]\n')
    assert run(tmp_path, "lock").status == 0
    assert run(tmp_path, "fetch", "other", tmp_path / "wheels").status == 0
    wheels = sorted((tmp_path / "wheels").rglob("*.whl"))
    env.run(binary(), "venv", "-q", "--python", python, tmp_path / "uv")
    env.uv_install(tmp_path / "uv", wheels, "--compile-bytecode")
    env.run(python, "-m", "venv", "--without-pip", tmp_path / "pip")
    env.pip_install(tmp_path / "pip", wheels, "--compile")
    for name in ("uv", "pip"):
        done = run(tmp_path, "verify", "other", "--venv", tmp_path / name, "--format", "json", "--offline")
        assert alarms(done) == []
        assert (done.status, "bytecode" in done.json["scope"]) == (0, True)
