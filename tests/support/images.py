"""Images that tests build and share: a project on an index of small wheels, its base in the tests' registry.

`image_index` has an installer that really installs (the uv of these tests). `demo` is built once a session and worker,
with a wheel large enough for a layer of its own, a script, a data file, and files of the application.
"""

from __future__ import annotations

import shutil
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from support.engine.client import Engine
from support.project import Project, Ran
from support.server import IndexServer
from support.wheels import build_wheel

from envctl.system import uv

PYTHON = "3.11.2"  # of every base of bookworm
INSTALLER = "0.13.0"
LARGE = 11 * 10**6  # bytes: beyond what shares a layer with everything else

DEMO = """\
python = "3.11.2"
dependencies = ["acme-core", "acme-large", "idna"]

[image]
base = "{base}"
env = {{ GREETING = "good $day" }}
files = [
    {{ source = "app", target = "/srv/app" }},
    {{ source = "model.bin", target = "/srv/app/model.bin", locked = true }},
    {{ source = "weights", target = "/srv/weights", locked = true }},
]
workdir = "/srv/app"
user = 10001
ports = [8000]
command = ["acme", "serve"]
"""


def installer_wheel(folder: Path, version: str = INSTALLER) -> Path:
    """uv as a wheel for Linux on x86_64, stored and not compressed: it is made and unpacked in no time."""
    folder.mkdir(parents=True, exist_ok=True)
    script = {"uv": uv.binary().read_bytes()}
    tag = "py3-none-manylinux_2_17_x86_64"
    return build_wheel(
        folder, "uv", version, files={}, scripts=script, tag=tag, purelib=False, compression=zipfile.ZIP_STORED
    )


def fill(folder: Path, index: IndexServer, installer: Path) -> None:
    """Put the wheels of the demo on an index."""
    main = {"acme_core/__init__.py": b"def main() -> None:\n    print('served')\n", "acme_core/data.txt": b"data\n"}
    core = build_wheel(
        folder, "acme-core", "1.0", files=main, entry_points={"acme": "acme_core:main"}, requires=["six"]
    )
    noise = {"acme_large/__init__.py": b"", "acme_large/blob.bin": bytes(LARGE)}
    large = build_wheel(folder, "acme-large", "2.0", files=noise, compression=zipfile.ZIP_STORED)
    for wheel in (core, large, build_wheel(folder, "six", "1.16.0"), build_wheel(folder, "idna", "3.7"), installer):
        index.add(wheel)


class Shared(NamedTuple):
    """What a session's tests share: an index with the demo's wheels, and the folder they lie in."""

    index: IndexServer
    wheels: Path
    installer: Path


@pytest.fixture(scope="session")
def image_index(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Shared]:
    """An index with the demo's wheels and an installer that works."""
    folder = tmp_path_factory.mktemp("image-wheels")
    installer = installer_wheel(folder / "installer")
    with IndexServer() as index:
        fill(folder, index, installer)
        yield Shared(index, folder, installer)


def write_demo(project: Project, base: str, profile: str = DEMO, name: str = "train") -> None:
    """The demo's profile and files."""
    project.profile(profile.format(base=base), name)
    app = project.folder / "app"
    app.mkdir(exist_ok=True)
    (app / "serve.py").write_text("print('application')\n")
    (project.folder / "model.bin").write_bytes(b"model" * 1000)
    weights = project.folder / "weights" / "deep"
    weights.mkdir(parents=True, exist_ok=True)
    (weights / "a b.bin").write_bytes(b"weights")
    (weights / "__pycache__").mkdir(exist_ok=True)
    (weights / "__pycache__" / "kept.pyc").write_bytes(b"a locked folder is locked whole")


@pytest.fixture
def image_project(tmp_path: Path, image_index: Shared, monkeypatch: pytest.MonkeyPatch) -> Project:
    """An empty project folder whose default index is `image_index`; wheels that it adds lie on that index as well."""
    monkeypatch.setenv("ENVCTL_INDEX_URL", image_index.index.url)
    return Project(tmp_path / "project", image_index.index)


class Demo(NamedTuple):
    """A built demo: where its project is, its name in the engine, and what `envctl build --format json` said."""

    project: Project
    tag: str
    result: dict[str, Any]


@pytest.fixture(scope="session")
def demo(tmp_path_factory: pytest.TempPathFactory, image_index: Shared, engine: Engine) -> Demo:
    """The demo, locked and built on the base `py311`, not verified. Tests must not change its project or image."""
    project = Project(tmp_path_factory.mktemp("demo") / "project", image_index.index)
    write_demo(project, engine.bases["py311"])
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("ENVCTL_INDEX_URL", image_index.index.url)
        patch.setenv("ENVCTL_CACHE_DIR", str(tmp_path_factory.mktemp("demo-cache")))
        locked(project)
        tag = engine.name("demo")
        done = built(project, "--tag", tag, "--no-verify")
    return Demo(project, tag, done.json)


@pytest.fixture
def demo_copy(demo: Demo, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Project:
    """A copy of the demo's project, locked, that a test may change."""
    monkeypatch.setenv("ENVCTL_INDEX_URL", demo.project.index.url)
    project = Project(tmp_path / "copy" / "project", demo.project.index)
    shutil.copytree(demo.project.folder, project.folder, dirs_exist_ok=True)
    return project


def locked(project: Project, *args: object) -> Ran:
    """`envctl lock`, which must succeed."""
    done = project.run("lock", *args)
    assert done.status == 0, done.err
    return done


def built(project: Project, *args: object, target: str = "train") -> Ran:
    """`envctl build` as JSON, which must succeed."""
    done = project.run("build", target, "--format", "json", *args)
    assert done.status == 0, done.err
    return done


def inside(engine: Engine, image: str, *command: str, options: tuple[str, ...] = ()) -> str:
    """What a command writes in a container of the image, as root and without its entrypoint."""
    words = ("--rm", "--user=0", "--entrypoint", command[0], *options, image, *command[1:])
    return engine.run("run", *words).stdout
