"""The shipped profiles on the real index: deterministic, standard, and with the pins that uv alone gives."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import tomli
from packaging.pylock import Pylock

from envctl.lockfile.read import read_lockfile
from envctl.system.uv import binary

ROOT = Path(__file__).resolve().parents[2]
STACK = {
    *("numpy", "scipy", "pandas", "scikit-learn", "jupyter", "matplotlib", "seaborn", "cython", "torch", "tensorflow"),
    *("keras", "xgboost", "pymc", "pystan", "gensim", "nltk", "opencv-python-headless"),
}
HERE = {"TZ": "Asia/Kathmandu", "LANG": "de_DE.UTF-8", "LC_ALL": "C.UTF-8", "USER": "anna", "LOGNAME": "anna"}
THERE = {"TZ": "America/St_Johns", "LANG": "C", "LC_ALL": "C", "USER": "root", "PYTHONHASHSEED": "7"}

pytestmark = [pytest.mark.network, pytest.mark.campaign]


def lock(folder: Path, target: str, env: dict[str, str], umask: int) -> Path:
    """Lock a shipped profile in a folder of its own, as another user of another machine would."""
    (folder / "profiles").mkdir(parents=True)
    shutil.copy(ROOT / "profiles" / f"{target}.toml", folder / "profiles")
    (folder / "home").mkdir()
    subprocess.run(
        [sys.executable, "-m", "envctl", "-C", str(folder), "lock", target],
        env={**os.environ, "HOME": str(folder / "home"), "ENVCTL_CACHE_DIR": str(folder / "cache"), **env},
        umask=umask,
        check=True,
        cwd=folder,
    )
    return folder / "profiles" / "locked"


@pytest.fixture(scope="module")
def datascience(tmp_path_factory):
    """The full stack, locked twice as differently as possible."""
    one = lock(tmp_path_factory.mktemp("one"), "datascience", HERE, 0o022)
    two = lock(tmp_path_factory.mktemp("two") / "deeper" / "down", "datascience", THERE, 0o077)
    return one, two


def test_two_people_on_two_machines_lock_the_same_bytes(datascience):
    one, two = ({p.name: p.read_bytes() for p in folder.iterdir()} for folder in datascience)
    assert one == two
    assert set(one) == {"pylock.datascience.toml", "Dockerfile.datascience", "Dockerfile.datascience.dockerignore"}


def test_the_full_stack_names_its_17_distributions_and_both_platforms(datascience):
    lockfile = read_lockfile(datascience[0] / "pylock.datascience.toml")
    names = {package.name for package in lockfile.packages}
    assert names >= STACK
    assert [str(p) for p in lockfile.platforms()] == ["linux/amd64", "linux/arm64"]
    assert "nvidia-nccl-cu12" not in names
    arm = {package.name for package, _ in lockfile.select(lockfile.platforms()[1])}
    assert STACK - arm == {"pystan"}


def test_the_full_stack_is_a_valid_pylock_without_a_trace_of_the_machine(datascience):
    path = datascience[0] / "pylock.datascience.toml"
    Pylock.from_dict(tomli.loads(path.read_text("utf-8")))
    text = path.read_text("utf-8")
    assert "file://" not in text
    assert str(Path.home()) not in text
    assert not any(folder.as_posix() in text for folder in datascience)


def test_the_pins_are_those_of_uv_alone(datascience, tmp_path):
    profile = tomli.loads((ROOT / "profiles" / "datascience.toml").read_text("utf-8"))
    (tmp_path / "asked.in").write_text("\n".join(profile["dependencies"]), "utf-8")
    (tmp_path / "excludes.txt").write_text("\n".join(profile["resolver"]["exclude"]), "utf-8")
    lockfile = read_lockfile(datascience[0] / "pylock.datascience.toml")
    for platform in lockfile.platforms():
        command = [
            *(binary(), "pip", "compile", "asked.in", "--excludes", "excludes.txt", "--no-config", "--no-annotate"),
            *("--python-version", profile["python"], "--python-platform", f"{platform.machine}-manylinux_2_28"),
            *("--only-binary", ":all:", "--exclude-newer", profile["resolver"]["exclude-newer"], "--no-header", "-q"),
        ]
        env = {**os.environ, "UV_PYTHON_DOWNLOADS": "never"}
        done = subprocess.run(command, cwd=tmp_path, env=env, capture_output=True, encoding="utf-8", check=True)
        theirs = dict(line.split("==") for line in done.stdout.split())
        ours = {package.name: package.version for package, _ in lockfile.select(platform)}
        assert ours == theirs


@pytest.fixture(scope="module")
def demo(tmp_path_factory):
    """The demo profile, with the machine's own Python in place of the profile's."""
    folder = tmp_path_factory.mktemp("demo")
    return lock(folder / "project", "demo", {}, 0o027)


def test_cuda_pins_a_library_of_nvidia_that_cpu_lacks(demo):
    cpu, cuda = (
        {p.name: p.version for p in read_lockfile(demo / f"pylock.demo-{v}.toml").packages} for v in ("cpu", "cuda")
    )
    assert 15 <= len(cpu) <= 25
    assert any(name.startswith("nvidia-") for name in cuda.keys() - cpu.keys())
    assert {name: cuda[name] for name in cpu.keys() & cuda.keys()} == {
        n: v for n, v in cpu.items() if n != "xgboost-cpu"
    }


def installable(lock: Path) -> bool:
    """Whether this machine has an interpreter that the lockfile is for."""
    return read_lockfile(lock).envctl.python.minor == sys.version_info[:2]


@pytest.mark.campaign
def test_pip_and_uv_install_from_the_file_as_it_stands(demo, tmp_path):
    path = demo / "pylock.demo-cpu.toml"
    if not installable(path):
        path = for_this_python(path, tmp_path)
    uv = str(binary())
    env = {k: v for k, v in os.environ.items() if not k.startswith(("PIP_", "UV_"))} | {"PIP_CONFIG_FILE": os.devnull}
    wanted = {f"{p.name}=={p.version}" for p in read_lockfile(path).packages}
    for name, install in {
        "uv": [uv, "pip", "sync", "--no-config", "--preview", "--python", "{venv}", str(path)],
        "pip": [sys.executable, "-m", "pip", "--python", "{venv}", "install", "-q", "--no-input", "-r", str(path)],
    }.items():
        venv = tmp_path / name
        subprocess.run([uv, "venv", "-q", "--no-config", "--python", sys.executable, str(venv)], check=True, env=env)
        command = [part.replace("{venv}", str(venv)) for part in install]
        done = subprocess.run(command, env=env, capture_output=True, encoding="utf-8", check=False)
        assert done.returncode == 0, done.stderr
        freeze = [uv, "pip", "freeze", "--no-config", "--python", str(venv)]
        listed = subprocess.run(freeze, env=env, capture_output=True, encoding="utf-8", check=True)
        assert set(listed.stdout.split()) == wanted


def for_this_python(path: Path, folder: Path) -> Path:
    """The same stack locked for the interpreter that runs the tests."""
    profile = (
        (ROOT / "profiles" / "demo.toml")
        .read_text("utf-8")
        .replace('"3.11.9"', '"{}.{}.{}"'.format(*sys.version_info[:3]))
    )
    (folder / "here" / "profiles").mkdir(parents=True)
    (folder / "here" / "profiles" / "demo.toml").write_text(profile, "utf-8")
    subprocess.run([sys.executable, "-m", "envctl", "-C", str(folder / "here"), "lock", "demo:cpu"], check=True)
    return folder / "here" / "profiles" / "locked" / path.name


@pytest.mark.parametrize(("python", "machine"), [("another", None), (None, "another")])
def test_pip_and_uv_refuse_what_the_file_was_not_made_for(demo, tmp_path, python, machine):
    text = (demo / "pylock.demo-cpu.toml").read_text("utf-8")
    if python:
        text = text.replace('requires-python = "==3.11.*"', 'requires-python = "==3.99.*"')
    if machine:
        text = text.replace("platform_machine == 'x86_64'", "platform_machine == 'riscv64'")
    path = tmp_path / "pylock.toml"
    path.write_text(text, "utf-8")
    uv = str(binary())
    venv = tmp_path / "venv"
    subprocess.run([uv, "venv", "-q", "--no-config", "--python", sys.executable, str(venv)], check=True)
    for command in (
        [uv, "pip", "sync", "--no-config", "--preview", "--python", str(venv), str(path)],
        [sys.executable, "-m", "pip", "--python", str(venv), "install", "-q", "--no-input", "-r", str(path)],
    ):
        assert subprocess.run(command, capture_output=True, check=False).returncode != 0
    assert not list(venv.glob("lib/python*/site-packages/*.dist-info"))
