"""The attack table on real wheels: those of the demo profile, and some with scripts, data and a startup hook."""

from __future__ import annotations

import functools
import json
import os
import re
import shutil
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import NamedTuple

import pytest
from support.attacked import SLIM, tools
from support.attacks import IMAGE, ROWS, VENV, Attack, Target, groups, rows_of
from support.attacks.allowed import FOLDER
from support.dealt import SHARING, Installed, deal, installed, split
from support.engine.client import Engine
from support.judging import seen, unexpected
from support.project import Ran, envctl
from support.readers import READERS, Reader, by_the_engines_files, excused, missing
from support.targets import attack

ROOT = Path(__file__).resolve().parents[2]
MORE = [
    "docutils==0.19",
    "jmespath==1.0.1",
    "jupyter-core==5.7.2",
    "pygments",
    "setuptools==75.8.2",
    "tabulate",
    "tqdm",
]
MORE += ["attrs", "click", "jinja2", "networkx", "pyyaml", "requests", "rich"]
POLICY = f'\n[policy]\nstartup-hooks = ["distutils-precedence.pth"]\nwritable = ["{FOLDER}"]\n'
ENV = {"ATTACK_FILES": "100000", "ATTACK_SPARSE": str(2**30)}
OWN = ("own", "seeded", "around", "loader", "said", "workdir", "removed")  # what is done to a project of their own
TAG = str(sys.implementation.cache_tag)

pytestmark = [pytest.mark.campaign, pytest.mark.network]


def profile(folder: Path, python: str, base: str | None) -> Path:
    """The demo profile for a Python and a base, with more packages; locked."""
    text = (ROOT / "profiles" / "demo.toml").read_text("utf-8")
    text = re.sub(r"(?m)^python = .*$", f'python = "{python}"', text)
    listed = ", ".join(f'"{one}"' for one in MORE)
    text = text.replace('dependencies = ["scikit-learn"', f'dependencies = [{listed}, "scikit-learn"', 1)
    text = re.sub(r"(?m)^base = .*$", f'base = "{base}"', text)
    if base is None:
        text = re.sub(r"(?ms)^\[image\]\n.*?(?=^# )", "", text)
    (folder / "profiles").mkdir(parents=True)
    (folder / "profiles" / "demo.toml").write_text(text + POLICY, "utf-8")
    done = envctl("-C", folder, "lock", "demo:cpu")
    assert done.status == 0, done.err
    return folder


def judge(
    rows: Sequence[Attack],
    targets: dict[str, Target],
    done: Ran,
    *,
    blind: bool,
    reader: Reader = by_the_engines_files,
) -> None:
    """Every row is named, and nothing else is."""
    assert done.status == 1, done.err
    assert done.json["verdict"] in ("changed", "untrusted")
    found = seen(done.json["findings"])
    assert missing(rows, targets, found, reader, blind=blind) == []
    assert unexpected(rows, targets, [item for item in found if not excused(item, reader)], blind=blind) == []


def parts(where: str) -> list[tuple[str, str]]:
    """Group and half of each environment that is attacked."""
    shared = [("together", half) for half in split(rows_of("together", where))]
    return [*shared, *((group, "") for group in groups(where) if group != "together" and not group.startswith(OWN))]


def rows_in(group: str, half: str, where: str) -> list[Attack]:
    rows = rows_of(group, where)
    return split(rows)[half] if half else list(rows)


class Real(NamedTuple):
    """A project whose environment is attacked in its place, and an honest copy of it."""

    project: Path
    honest: Path
    packages: list[Installed]


@pytest.fixture(scope="module")
def environ(tmp_path_factory: pytest.TempPathFactory):
    """Caches that this module's tests share; the default index."""
    folder = tmp_path_factory.mktemp("campaign")
    with pytest.MonkeyPatch.context() as patch:
        for name in [name for name in os.environ if name.startswith(("PIP_", "UV_", "PYTHON", "ENVCTL_", "VIRTUAL_"))]:
            if name not in ("ENVCTL_ENGINE_WORK", "PYTHONWARNINGS", "PYTHONPATH"):
                patch.delenv(name)
        patch.setenv("ENVCTL_CACHE_DIR", str(folder / "cache"))
        patch.setenv("XDG_CONFIG_HOME", str(folder / "config"))
        yield folder


@pytest.fixture(autouse=True)
def _cached(environ: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ENVCTL_CACHE_DIR", str(environ / "cache"))
    for name, value in ENV.items():
        monkeypatch.setenv(name, value)


@pytest.fixture(scope="module")
def real(environ: Path) -> Real:
    project = profile(environ / "venv", "{}.{}.{}".format(*sys.version_info[:3]), None)
    done = envctl("-C", project, "sync", "demo:cpu")
    assert done.status == 0, done.err
    (site,) = (project / ".venv").glob("lib/python*/site-packages")
    packages = installed(site)
    (project / ".venv").rename(project / "honest")
    return Real(project, project / "honest", packages)


@pytest.mark.parametrize(("group", "half"), parts(VENV), ids=lambda part: part or "alone")
def test_real_wheels_in_a_virtual_environment(real, group, half, tmp_path, monkeypatch):
    venv = real.project / ".venv"
    shutil.rmtree(venv, ignore_errors=True)
    # Deeds write new files, but some change the mode of one that is there: then nothing is shared.
    copy = shutil.copy2 if group == "together" else lambda a, b: os.link(a, b, follow_symlinks=False)
    shutil.copytree(real.honest, venv, symlinks=True, copy_function=copy)
    rows = rows_in(group, half, VENV)
    targets = deal(rows, real.packages, TAG, str(tmp_path / "outside"))
    attack(venv, [(row, targets[row.name]) for row in rows])
    for row in rows:
        for name, value in row.environ.items():
            monkeypatch.setenv(name, value)
    verify = functools.partial(envctl, "-C", real.project, "verify", "demo:cpu", "--venv", ".venv", "--format", "json")
    judge(rows, targets, verify(), blind=False)
    if group == "many":
        return  # what it adds needs no manifest to be named
    monkeypatch.setenv("ENVCTL_CACHE_DIR", str(tmp_path / "empty"))
    judge(rows, targets, verify("--offline"), blind=True)


class Pictured(NamedTuple):
    """As readers take it: the engine, a project, and what Dockerfiles of attacks use."""

    engine: Engine
    folder: Path
    tools: Path
    image: str
    packages: list[Installed]

    def verify(self, *args: object) -> Ran:
        """`envctl verify` as JSON."""
        return envctl("-C", self.folder, "verify", "demo:cpu", "--format", "json", *args)


@pytest.fixture(scope="module")
def pictured(environ: Path, engine: Engine) -> Pictured:
    folder = environ / "image"
    folder.mkdir()
    tools(folder / "tools")
    base = engine.name("slim:1", pushed=True)
    engine.build(folder / "tools", SLIM.format(base=engine.bases["py311"]), base)
    project = profile(folder / "project", "3.11.2", engine.push(base))
    image = engine.name("demo")
    done = envctl("-C", project, "build", "demo:cpu", "-t", image)
    assert done.status == 0, done.err
    site = folder / "site"
    site.mkdir()
    name = engine.name("demo-files")
    engine.run("create", "--name", name, image)
    engine.run("cp", f"{name}:/opt/venv/lib/python3.11/site-packages/.", site)
    engine.remove(name)
    return Pictured(engine, project, folder / "tools", image, installed(site))


@pytest.fixture(scope="module")
def attacked(pictured: Pictured) -> Callable[[str, str], tuple[str, dict[str, Target]]]:
    """The image of a group, built once, and its targets."""

    @functools.cache
    def make(group: str, half: str) -> tuple[str, dict[str, Target]]:
        rows = rows_in(group, half, IMAGE)
        targets = deal(rows, pictured.packages, "cpython-311", "/srv/attack")
        chosen = {str(ROWS.index(row)): targets[row.name]._asdict() for row in rows if row.deed is not None}
        steps = [row.steps.replace("{site}", "/opt/venv/lib/python3.11/site-packages") for row in rows if row.steps]
        stem = re.sub(r"[^a-z0-9]+", "-", f"{group} {half}".lower()).strip("-")
        if chosen:
            (pictured.tools / f"{stem}.json").write_text(json.dumps(chosen))
            words = " ".join(f"{name}={value}" for name, value in {"PYTHONPATH": "/mnt", **ENV}.items())
            words += f" python3.11 -S -B -m attacks /opt/venv /mnt/{stem}.json"
            steps.append(f"RUN --network=none --mount=type=bind,target=/mnt {words}")
        tag = pictured.engine.name(f"real-{stem}")
        steps = [re.sub(r"^RUN (?!--network)", "RUN --network=none ", step) for step in steps]
        text = "\n".join([f"FROM {pictured.image}", "USER 0", *steps, "USER 10001", ""])
        pictured.engine.build(pictured.tools, text, tag)
        return tag, targets

    return make


PARTS = parts(IMAGE)
MATRIX = [(*part, reader) for part in PARTS for reader in (READERS if part == ("together", SHARING) else READERS[:1])]
MATRIX += [("together", "lonely", reader) for reader in READERS[1:]]


@pytest.mark.engine
@pytest.mark.parametrize(("group", "half", "reader"), MATRIX, ids=[f"{g}-{h}-{r.__name__}" for g, h, r in MATRIX])
def test_real_wheels_in_an_image(pictured, attacked, environ, group, half, reader, tmp_path, monkeypatch):
    rows = rows_in(group, half, IMAGE)
    tag, targets = attacked(group, half)
    done = reader(pictured, tag, tmp_path, monkeypatch)
    judge(rows, targets, done, blind=False, reader=reader)
    if reader is by_the_engines_files and group != "many":
        shutil.copytree(environ / "cache" / "images", tmp_path / "cache" / "images")
        monkeypatch.setenv("ENVCTL_CACHE_DIR", str(tmp_path / "cache"))
        done = pictured.verify("--image", tag, "--offline")
        judge(rows, targets, done, blind=True)
