"""`envctl build --offline --from DIR`: index and registry are gone, and the engine never saw the base image."""

from __future__ import annotations

import hashlib
import json
import os
import shlex
import shutil
from pathlib import Path

import pytest
from support.debs import build_deb, serve
from support.images import PYTHON, Shared, built, fill, image_index, inside, locked
from support.oci_images import OCI_MANIFEST, Content, digest, image
from support.project import Project
from support.registry import RegistryServer
from support.server import IndexServer

from envctl.oci.reference import Reference
from envctl.oci.registry import Registry

__all__ = ["image_index"]

PROFILE = """\
python = "{version}"
dependencies = ["acme-core", "idna"]
[image]
base = "{base}"
{python}
command = ["acme"]
"""
TOOL = build_deb("acme-tool", files={"usr/bin/acme-tool": b"#!/bin/sh\necho a tool\n"})
URL = "/builds/cpython-3.11.2%2B1-x86_64-unknown-linux-gnu-install_only.tar.gz"


def unseen(engine, base: str) -> Content:
    """The base image with one layer more, so that no engine has seen it."""
    more = image([{"srv/unseen": b"never seen " + os.urandom(8).hex().encode()}])
    with Registry() as registry:
        found = registry.image(Reference.parse(base), "linux/amd64")
        blobs = dict(more.blobs)
        for layer in found.layers:
            with found.open(layer) as stream:
                blobs[layer.digest] = stream.read()
        config, manifest = json.loads(found.config_bytes), json.loads(found.manifest_bytes)
    config["rootfs"]["diff_ids"] += more.config["rootfs"]["diff_ids"]
    data = json.dumps(config).encode()
    manifest |= {"mediaType": OCI_MANIFEST, "layers": manifest["layers"] + more.parsed["layers"]}
    manifest["config"] |= {"digest": digest(data), "size": len(data)}
    kinds = {"tar.gzip": "application/vnd.oci.image.layer.v1.tar+gzip"}
    for layer in manifest["layers"]:
        layer["mediaType"] = kinds.get(layer["mediaType"].rpartition(".diff.")[2], layer["mediaType"])
    manifest["config"]["mediaType"] = "application/vnd.oci.image.config.v1+json"
    return Content(OCI_MANIFEST, json.dumps(manifest).encode(), {**blobs, digest(data): data}, config=config)


class Carried:
    """A project whose index and registry are gone, and the folder that was fetched before."""

    def __init__(self, project: Project, house: Path, base: str) -> None:
        self.project, self.house, self.base = project, house, base


def carry(folder: Path, engine, image_index: Shared, base: str, *, standalone: bool) -> Carried:
    content = unseen(engine, engine.bases[base])
    archive = engine.standalone.read_bytes() if standalone else b""
    with IndexServer() as index, RegistryServer() as registry, pytest.MonkeyPatch.context() as patch:
        patch.setenv("ENVCTL_INDEX_URL", index.url)
        patch.setenv("ENVCTL_CACHE_DIR", str(folder / "cache"))
        fill(folder / "served", index, image_index.installer)
        index.page(URL, archive, "application/gzip")
        project = Project(folder / "project", index)
        base = f"{registry.push('team/base:1', content)}@{content.digest}"
        packages = f'packages = ["acme-tool"]\nsnapshot = "{serve(index, [TOOL])}"'
        said = f'python = {{ url = "{index.root + URL}", sha256 = "{hashlib.sha256(archive).hexdigest()}" }}'
        project.profile(PROFILE.format(version=PYTHON, base=base, python=said if standalone else packages))
        locked(project)
        house = folder / "job@2: wheels"
        done = project.run("fetch", "train", house)
        assert done.status == 0, done.err
    return Carried(project, house, base)


@pytest.fixture(scope="module")
def carried(tmp_path_factory: pytest.TempPathFactory, engine, image_index: Shared) -> Carried:
    return carry(tmp_path_factory.mktemp("carried"), engine, image_index, "py311", standalone=False)


@pytest.fixture(scope="module")
def python_free(tmp_path_factory: pytest.TempPathFactory, engine, image_index: Shared) -> Carried:
    return carry(tmp_path_factory.mktemp("python-free"), engine, image_index, "cuda-python-free", standalone=True)


@pytest.fixture
def copied(carried: Carried, tmp_path: Path) -> Path:
    """A copy of the folder that a test may change."""
    return Path(shutil.copytree(carried.house, tmp_path / "house"))


def scope(project: Project, *args: object) -> set[str]:
    done = project.run("verify", "train", "--offline", "--format", "json", *args)
    assert done.status in (0, 1, 7), done.err
    return set(done.json["scope"])


def test_everything_comes_from_the_folder_and_the_image_verifies(carried: Carried, engine, tmp_path, monkeypatch):
    monkeypatch.setenv("ENVCTL_CACHE_DIR", str(tmp_path / "nothing-cached"))
    project, house, tag = carried.project, carried.house, engine.name("carried")
    assert engine.run("image", "inspect", carried.base, check=False).returncode != 0
    done = built(project, "--offline", "--from", house, "--tag", tag)
    assert done.json["verdict"] == "ok"
    assert inside(engine, tag, "/opt/venv/bin/acme") == "served\n"
    assert inside(engine, tag, "acme-tool") == "a tool\n"
    assert inside(engine, tag, "cat", "/srv/unseen").startswith("never seen")
    archive = tmp_path / "image.tar"
    engine.run("save", "--output", archive, tag)
    for place in (("--image", tag), ("--archive", archive)):
        assert project.run("verify", "train", *place, "--offline", "--from", house).status == 0
        assert "base" not in scope(project, *place)  # nothing says what it is


def test_python_comes_from_the_folder_where_the_base_has_none(python_free: Carried, engine, tmp_path, monkeypatch):
    monkeypatch.setenv("ENVCTL_CACHE_DIR", str(tmp_path / "nothing-cached"))
    project, house, tag = python_free.project, python_free.house, engine.name("python-free")
    built(project, "--offline", "--from", house, "--tag", tag, "--no-verify")
    assert inside(engine, tag, "/opt/venv/bin/acme") == "served\n"
    assert inside(engine, tag, "/opt/venv/bin/python", "-c", "import sys; print(sys.base_prefix)") == "/opt/python\n"
    assert {"base", "interpreter"} <= scope(project, "--image", tag, "--from", house)
    (house / "python").rename(house / "elsewhere")
    told = lacking(project, house)
    (house / "elsewhere").rename(house / "python")
    assert "lacks the archive of Python" in told
    assert "cpython-3.11.2+1-x86_64" in told


def lacking(project: Project, house: Path) -> str:
    done = project.run("build", "train", "--offline", "--from", house)
    assert done.status == 3, done.err
    assert done.err.splitlines()[-1].startswith(f"hint: `envctl fetch train {shlex.quote(str(house))}`")
    return done.err


def test_folder_that_lacks_something_is_refused_by_its_name(carried: Carried, copied: Path, engine):
    (copied / "os-packages" / TOOL.file).unlink()
    assert f"lacks the OS package {TOOL.file}" in lacking(carried.project, copied)
    shutil.rmtree(next((copied / "images").iterdir()))
    told = lacking(carried.project, copied)
    assert "lacks the base image for linux/amd64" in told
    assert carried.base in told


def test_another_image_in_the_folder_is_refused(carried: Carried, copied: Path, engine):
    place = next((copied / "images").iterdir())
    listed = json.loads((place / "index.json").read_text())
    manifest = json.loads((place / "blobs" / listed["manifests"][0]["digest"].replace(":", "/")).read_text())
    manifest["annotations"] = {"changed": "yes"}
    data = json.dumps(manifest).encode()
    (place / "blobs" / digest(data).replace(":", "/")).write_bytes(data)
    listed["manifests"][0] |= {"digest": digest(data), "size": len(data)}
    (place / "index.json").write_text(json.dumps(listed))
    told = lacking(carried.project, copied)
    assert "holds another image than its name says" in told


def test_layer_that_was_changed_in_the_folder_is_refused(copied: Path, carried: Carried, engine):
    blobs = [path for path in copied.glob("images/*/blobs/sha256/*") if path.read_bytes()[:2] == b"\x1f\x8b"]
    for blob in blobs:
        blob.write_bytes(blob.read_bytes()[:-1] + b"\xff")
    told = lacking(carried.project, copied)
    assert any(blob.name in told for blob in blobs)


def test_os_packages_that_are_not_locked_are_said_before_anything_is_built(engine, tmp_path, image_index, monkeypatch):
    monkeypatch.setenv("ENVCTL_INDEX_URL", image_index.index.url)
    project = Project(tmp_path / "project", image_index.index)
    base = engine.bases["py311"]
    project.profile(
        f'python = "{PYTHON}"\ndependencies = ["idna"]\n[image]\nbase = "{base}"\npackages = ["libgomp1"]\n'
    )
    locked(project)
    assert project.lockfile().envctl.os_packages is None
    fetched = project.run("fetch", "train", "house")
    assert "OS packages are not in the folder (libgomp1)" in fetched.err
    done = project.run("build", "train", "--offline", "--from", "house")
    assert done.status == 3
    assert "libgomp1" in done.err
    assert "image.base" in done.err.splitlines()[-1]
