"""Which index a package comes from: the one it is bound to, a mirror, and nothing that a machine has at hand."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from support.project import BASE, Project
from support.server import IndexServer
from support.wheels import build_wheel, sha256_of

UV_WHEEL = "py3-none-manylinux_2_17_x86_64.manylinux2014_x86_64"
CUTOFF = "2026-06-01T00:00:00Z"


@pytest.fixture
def cpu() -> Iterator[IndexServer]:
    with IndexServer(json_form=False, relative=True) as server:
        yield server


@pytest.fixture
def cuda() -> Iterator[IndexServer]:
    with IndexServer(json_form=False, relative=True) as server:
        yield server


def torch_profile(cpu: IndexServer, cuda: IndexServer) -> str:
    """Two variants of one profile, each with an index of its own, as PyTorch's are."""
    return f"""
python = "3.11.9"
dependencies = ["trainer", "torch"]
default-variant = "cpu"
[resolver]
exclude-newer = "{CUTOFF}"
[image]
base = "{BASE}"
[variants.cpu]
resolver.index = [{{ name = "torch-cpu", url = "{cpu.url}", packages = ["torch*"], exclude-newer = false }}]
[variants.cuda]
[[variants.cuda.resolver.index]]
name = "torch-cuda"
url = "{cuda.url}"
packages = ["Torch", "torch_vision"]
exclude-newer = false
"""


def stock(project: Project, cpu: IndexServer, cuda: IndexServer) -> None:
    """A public index with decoys; two of local versions without upload times, and with digests for some files only."""
    project.wheel("uv", "0.13.8", tag=UV_WHEEL)
    project.wheel("trainer", "1.0", requires=["torch>=2.8", "torch-vision"])
    project.wheel("nvidia-nccl-cu12", "2.27", files={"nvidia/nccl/lib/x.so": b""})
    project.wheel("torch", "9.0", files={"torch/__init__.py": b"decoy"})
    project.wheel("torch-vision", "9.0", files={"torch_vision/__init__.py": b"decoy"})
    for server, label in ((cpu, "cpu"), (cuda, "cu128")):
        folder = project.wheels / label
        needs = ["nvidia-nccl-cu12"] if label != "cpu" else []
        for version in ("2.8.0", "2.9.0"):
            text = f"{version}+{label}".encode()
            wheel = build_wheel(
                folder, "torch", f"{version}+{label}", requires=needs, files={"torch/__init__.py": text}
            )
            server.add(wheel, upload_time=None, hashed=version == "2.8.0")
        vision = build_wheel(folder, "torch-vision", f"0.2+{label}", requires=["torch==2.9.0"])
        server.add(vision, upload_time=None)
        server.add(build_wheel(folder, "trainer", "8.0"), upload_time=None)
        server.add(build_wheel(folder, "nvidia-nccl-cu12", "8.0"), upload_time=None)


def test_a_cpu_and_a_cuda_variant_take_their_own_build_of_one_version(
    project: Project, cpu: IndexServer, cuda: IndexServer
) -> None:
    stock(project, cpu, cuda)
    project.profile(torch_profile(cpu, cuda))
    ran = project.run("lock")
    assert ran.status == 0, ran.err
    both = {"trainer": "1.0"}
    assert project.pins("train-cpu") == {**both, "torch": "2.9.0+cpu", "torch-vision": "0.2+cpu"}
    assert project.pins("train-cuda") == {
        **both,
        "torch": "2.9.0+cu128",
        "torch-vision": "0.2+cu128",
        "nvidia-nccl-cu12": "2.27",
    }
    for slug, server in (("train-cpu", cpu), ("train-cuda", cuda)):
        lockfile = project.lockfile(slug)
        for package in lockfile.packages:
            bound = package.name.startswith("torch")
            assert package.index == (server.url if bound else None)
            (wheel,) = package.wheels
            assert str(wheel.url).startswith(server.root if bound else project.index.root)
            assert wheel.sha256 == sha256_of(next(project.wheels.rglob(wheel.name)))
            assert (wheel.upload_time is None) == bound
        assert [index.url for index in lockfile.envctl.indexes] == [server.url]
    # The request logs are the proof: nothing that is bound was asked elsewhere, and nothing else was asked there.
    for server in (cpu, cuda):
        asked = {path for _, path, _ in server.requests if path.startswith("/simple/")}
        assert asked == {"/simple/torch/", "/simple/torch-vision/"}
    asked = {path for _, path, _ in project.index.requests if path.startswith("/simple/")}
    assert asked == {"/simple/trainer/", "/simple/nvidia-nccl-cu12/", "/simple/uv/"}
    assert project.run("lock", "--check").status == 0
    before = project.snapshot()
    assert "nothing changed" in project.run("lock").out
    ran = project.run("lock", "--check", "--resolve")
    assert (ran.status, ran.err) == (0, "")
    assert project.run("lock", "-U").status == 0
    assert project.snapshot() == before


def test_without_the_opt_out_the_cutoff_hides_an_index_that_tells_no_times(
    project: Project, cpu: IndexServer, cuda: IndexServer
) -> None:
    stock(project, cpu, cuda)
    project.profile(torch_profile(cpu, cuda).replace(", exclude-newer = false }", " }"))
    ran = project.run("lock", "train:cpu")
    assert ran.status == 4, ran.err
    assert "the index 'torch-cpu' does not say when torch" in ran.err
    assert "exclude-newer = false" in ran.err
    assert project.snapshot() == {}


def test_a_glob_reaches_what_only_packages_ask_for_and_exact_names_go_first(
    project: Project, cpu: IndexServer, cuda: IndexServer
) -> None:
    for server, label in ((project.index, "public"), (cpu, "one"), (cuda, "two")):
        for name in ("acme-core", "acme-base", "acme-special", "open"):
            needs = {"acme-core": ["acme-base", "open"], "acme-base": ["acme-special"]}.get(name, [])
            server.add(build_wheel(project.wheels / label, name, "1.0", requires=needs), upload_time=None)
    project.wheel("app", "1.0", requires=["acme-core"])
    project.profile(f"""
python = "3.11.9"
dependencies = ["app"]
[[resolver.index]]
name = "one"
url = "{cpu.url}"
packages = ["acme-*"]
[[resolver.index]]
name = "two"
url = "{cuda.url}"
packages = ["ACME.Special"]
""")
    ran = project.run("lock")
    assert ran.status == 0, ran.err
    found = {package.name: package.index for package in project.lockfile().packages}
    assert found == {
        "acme-base": cpu.url,
        "acme-core": cpu.url,
        "acme-special": cuda.url,
        "app": None,
        "open": None,
    }
    asked = [{path for _, path, _ in s.requests if "/simple/" in path} for s in (project.index, cpu, cuda)]
    assert asked == [
        {"/simple/app/", "/simple/open/"},
        {"/simple/acme-core/", "/simple/acme-base/"},
        {"/simple/acme-special/"},
    ]


PLAIN = f'python = "3.11.9"\ndependencies = ["alpha"]\n[image]\nbase = "{BASE}"\n'


@pytest.fixture
def stocked(project: Project) -> Project:
    project.wheel("uv", "0.13.8", tag=UV_WHEEL)
    project.wheel("alpha", "1.0", requires=["beta"])
    project.wheel("beta", "1.0")
    project.wheel("beta", "2.0")
    project.profile(PLAIN)
    return project


def test_a_lockfile_made_against_a_mirror_holds_without_it_and_the_other_way_round(
    stocked: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert stocked.run("lock").status == 0
    pins, digest = stocked.pins(), stocked.lockfile().envctl.package_set
    with IndexServer() as mirror:
        for wheel in stocked.wheels.glob("*.whl"):
            mirror.add(wheel)
        for variable in ("UV_DEFAULT_INDEX", "PIP_INDEX_URL", "ENVCTL_INDEX_URL"):
            monkeypatch.setenv(variable, mirror.url)
        stocked.index.requests.clear()
        assert stocked.run("lock", "--check").status == 0
        ran = stocked.run("lock", "--check", "--resolve")
        assert (ran.status, ran.err) == (0, "")
        assert "nothing changed" in stocked.run("lock").out
        assert stocked.run("lock", "-U").status == 0
        assert (stocked.pins(), stocked.lockfile().envctl.package_set) == (pins, digest)
        assert mirror.requests
    assert stocked.index.requests == []
    monkeypatch.setenv("ENVCTL_INDEX_URL", stocked.index.url)
    for command in (["lock", "--check"], ["lock", "--check", "--resolve"], ["lock"]):
        ran = stocked.run(*command)
        assert (ran.status, ran.err) == (0, ""), command


def test_an_address_of_the_index_that_is_none_is_refused(stocked: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    for value in ("file:///srv/simple", "not an address", "//user:sekret@index.example/simple"):
        monkeypatch.setenv("ENVCTL_INDEX_URL", value)
        ran = stocked.run("lock")
        assert ran.status == 2, ran.err
        assert "ENVCTL_INDEX_URL" in ran.err
        assert "sekret" not in ran.err


def test_nothing_that_this_machine_is_configured_with_reaches_a_lockfile(
    stocked: Project, cpu: IndexServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert stocked.run("lock").status == 0
    good = stocked.snapshot()
    links = tmp_path / "links"
    for name in ("alpha", "beta"):
        cpu.add(build_wheel(links, name, "99.0"))
    index = f'[[index]]\nurl = "{cpu.url}"\ndefault = true\n'
    home, project = tmp_path / "home", stocked.folder
    for place in (".config/uv/uv.toml", "xdg/uv/uv.toml", "xdgs/uv/uv.toml"):
        (home / place).parent.mkdir(parents=True)
        (home / place).write_text(index)
    pip = f"[global]\nindex-url = {cpu.url}\nextra-index-url = {cpu.url}\nfind-links = {links}\n"
    for place in (".config/pip/pip.conf", ".pip/pip.conf", "xdg/pip/pip.conf"):
        (home / place).parent.mkdir(parents=True, exist_ok=True)
        (home / place).write_text(pip)
    for folder in (project, project.parent):
        (folder / "uv.toml").write_text(index)
        (folder / ".python-version").write_text("3.8\n")
        (folder / "pyproject.toml").write_text(
            f'[project]\nname = "other"\nversion = "1"\n[tool.uv]\nconstraint-dependencies = ["beta<2"]\n'
            f'find-links = ["{links}"]\n[[tool.uv.index]]\nurl = "{cpu.url}"\ndefault = true\n'
        )
    variables = {
        "HOME": home,
        "XDG_CONFIG_HOME": home / "xdg",
        "XDG_CONFIG_DIRS": home / "xdgs",
        "PIP_CONFIG_FILE": home / ".pip/pip.conf",
        "UV_CONFIG_FILE": project / "uv.toml",
        **dict.fromkeys(("PIP_FIND_LINKS", "UV_FIND_LINKS"), links),
        **dict.fromkeys(
            (
                "PIP_EXTRA_INDEX_URL",
                "UV_EXTRA_INDEX_URL",
                "UV_INDEX",
                "UV_DEFAULT_INDEX",
                "UV_INDEX_URL",
                "PIP_INDEX_URL",
            ),
            cpu.url,
        ),
        "UV_EXCLUDE_NEWER": "2020-01-01",
        "UV_PRERELEASE": "allow",
        "UV_RESOLUTION": "lowest",
        "UV_INDEX_STRATEGY": "unsafe-best-match",
        "UV_CONSTRAINT": "/nowhere",
        "UV_OVERRIDE": "/nowhere",
        "UV_PYTHON": "3.8",
        "UV_OFFLINE": "1",
        "UV_NO_CACHE": "1",
        "UV_REQUIRE_HASHES": "1",
        "UV_PROJECT": "/nowhere",
        "UV_WORKING_DIRECTORY": "/nowhere",
        "PYTHONPATH": "/nowhere",
        "PYTHONWARNINGS": "ignore",
        "VIRTUAL_ENV": "/nowhere",
        "RUST_LOG": "trace",
    }
    for name, value in variables.items():
        monkeypatch.setenv(name, str(value))
    monkeypatch.chdir(project)
    for path in (project / "profiles" / "locked").iterdir():
        path.unlink()
    ran = stocked.run("lock", "-U")
    assert (ran.status, ran.err) == (0, "")
    assert stocked.snapshot() == good
    assert cpu.requests == []
    assert os.environ["PIP_FIND_LINKS"]
