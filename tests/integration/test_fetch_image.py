"""`envctl fetch` of a target with an image: its base image and standalone Python, in the same folder."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from support.locked import PYTHON, change, lock
from support.oci_images import image, index
from support.project import Project
from support.registry import RegistryServer

from envctl.model.lockfile import Image, OsPackage, OsPackages, PlatformPin, Python, Standalone

AMD, ARM = "linux/amd64", "linux/arm64"
URL = "/builds/cpython-3.11.9%2B20240814-x86_64-unknown-linux-gnu-install_only.tar.gz"


@pytest.fixture
def registry() -> Iterator[RegistryServer]:
    with RegistryServer() as server:
        yield server


@pytest.fixture
def train(project: Project, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Project:
    monkeypatch.setenv("ENVCTL_CACHE_DIR", str(tmp_path / "cache"))
    monkeypatch.setenv("DOCKER_CONFIG", str(tmp_path))  # no login of the machine's
    project.wheel("alpha")
    return project


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "wheelhouse"


def locked(project: Project, base: str, *platforms: str, target: str = "train", **values: Any) -> None:
    """A lockfile of `alpha` with an image on that base; `pins` are its platforms' pins."""
    names = platforms or (AMD,)
    pins = values.pop("pins", {name: PlatformPin(libc="glibc 2.28") for name in names})
    packages = values.pop("packages", ())
    values = {"python": Python(version=PYTHON, source="image"), **values}
    written = lock(project, project.wheels / "alpha-1.0-py3-none-any.whl", platforms=names, target=target)
    change(project, written, image=Image(base=base, packages=packages), platforms=pins, **values)


def fetched(project: Project, folder: Path, *args: object, target: str = "train") -> Any:
    done = project.run("fetch", target, folder, "--format", "json", *args)
    assert done.status == 0, done.err
    return done.json


def layout(folder: Path, digest: str) -> Path:
    return folder / "images" / digest.replace(":", "-")


def archive(project: Project, data: bytes = b"an archive of Python", url: str = URL) -> Standalone:
    project.index.page(url, data, "application/gzip")
    return Standalone(url=project.index.root + url, sha256=hashlib.sha256(data).hexdigest())


def standalone(build: Standalone, *platforms: str) -> Python:
    return Python(version=PYTHON, source="standalone", builds=dict.fromkeys(platforms or (AMD,), build))


def test_base_image_lies_there_as_a_layout_and_is_not_downloaded_again(
    train: Project, registry: RegistryServer, folder: Path
) -> None:
    content = image([{"etc/os-release": b"ID=debian\n"}, {"usr/bin/python3": b"python"}])
    base = registry.push("team/python:3.11", content) + f"@{content.digest}"
    locked(train, base)
    first = fetched(train, folder)
    (told,) = first["images"]
    assert told["platform"] == AMD
    assert told["reference"] == base
    assert told["digest"] == content.digest
    assert folder / told["place"] == layout(folder, content.digest)
    assert told["bytes"] == sum(one["size"] for one in content.parsed["layers"])
    assert first["downloaded"] > told["bytes"]
    for digest, blob in content.blobs.items():
        assert (layout(folder, content.digest) / "blobs" / digest.replace(":", "/")).read_bytes() == blob
    entry = json.loads((folder / "fetch.json").read_text())
    assert entry["targets"]["train"]["images"] == [layout(folder, content.digest).name]
    assert layout(folder, content.digest).name in entry["images"]
    asked = len(registry.requests)
    again = fetched(train, folder)
    assert (again["images"], again["downloaded"]) == (first["images"], 0)
    assert len(registry.requests) == asked


def test_index_of_several_platforms_leads_to_each_of_them(
    train: Project, registry: RegistryServer, folder: Path
) -> None:
    both = [image(architecture="amd64"), image([{"etc/arm": b"arm"}], architecture="arm64")]
    content = index(*both, attested=True)
    base = registry.push("python:3.11", content) + f"@{content.digest}"
    locked(train, base, AMD, ARM)
    result = fetched(train, folder)
    assert [(one["platform"], one["digest"]) for one in result["images"]] == [
        (AMD, both[0].digest),
        (ARM, both[1].digest),
    ]
    assert (folder / "images" / (layout(folder, content.digest).name + ".json")).read_bytes() == content.data
    asked = len(registry.requests)
    assert [one["platform"] for one in fetched(train, folder, "--platform", ARM)["images"]] == [ARM]
    assert len(registry.requests) == asked
    assert not layout(folder, both[0].digest).exists()  # nobody needs it any more
    assert layout(folder, both[1].digest).is_dir()


def test_base_that_was_locked_by_a_tag_is_fetched_as_it_was_locked(
    train: Project, registry: RegistryServer, folder: Path
) -> None:
    old, new = image(), image([{"etc/os-release": b"ID=newer\n"}])
    base = registry.push("python:3.11", old)
    pin = PlatformPin(libc="glibc 2.28", base_digest=old.digest, diff_ids=tuple(old.config["rootfs"]["diff_ids"]))
    locked(train, base, pins={AMD: pin})
    registry.push("python:3.11", new)
    assert [one["digest"] for one in fetched(train, folder)["images"]] == [old.digest]


def test_layers_that_are_not_the_locked_ones_are_refused(
    train: Project, registry: RegistryServer, folder: Path
) -> None:
    content = image()
    pin = PlatformPin(libc="glibc 2.28", base_digest=content.digest, diff_ids=("sha256:" + "0" * 64,))
    locked(train, registry.push("python:3.11", content), pins={AMD: pin})
    done = train.run("fetch", "train", folder)
    assert done.status == 3
    assert "not those that the lockfile says" in done.err
    assert not (folder / "fetch.json").exists()


def test_what_is_damaged_is_fetched_again(train: Project, registry: RegistryServer, folder: Path) -> None:
    content = image()
    wrapped = index(content)
    locked(train, registry.push("python:3.11", wrapped) + f"@{wrapped.digest}")
    fetched(train, folder)
    whole = {path: path.read_bytes() for path in (folder / "images").rglob("*") if path.is_file()}
    for path, data in whole.items():
        path.write_bytes(b"{}" if path.suffix == ".json" else data[:-1])
        result = fetched(train, folder)
        assert path.read_bytes() == data, path
        assert result["images"][0]["digest"] == content.digest


def test_registry_that_cannot_be_asked_leaves_the_folder_and_says_how_to_go_on(
    train: Project, registry: RegistryServer, folder: Path
) -> None:
    content = image()
    base = registry.push("python:3.11", content) + f"@{content.digest}"
    locked(train, base)
    registry.fault("/v2/python/", status=403)
    done = train.run("fetch", "train", folder)
    assert done.status == 6
    assert base in done.err
    assert "403" in done.err
    assert "--no-image" in done.err.splitlines()[-1]
    assert not (folder / "fetch.json").exists()
    assert fetched(train, folder, "--no-image")["images"] == []
    assert (folder / "wheels" / "alpha-1.0-py3-none-any.whl").is_file()
    assert not (folder / "images").exists() or not any((folder / "images").iterdir())


def test_layer_that_is_not_what_its_digest_says_is_refused(
    train: Project, registry: RegistryServer, folder: Path
) -> None:
    content = image()
    locked(train, registry.push("python:3.11", content) + f"@{content.digest}")
    layer = content.parsed["layers"][0]
    registry.fault(f"/v2/python/blobs/{layer['digest']}", body=b"\0" * layer["size"])
    done = train.run("fetch", "train", folder)
    assert done.status == 6
    assert layer["digest"] in done.err
    assert list((folder / "images").iterdir()) == []


def test_offline_takes_only_what_is_there(train: Project, registry: RegistryServer, folder: Path) -> None:
    content = image()
    locked(train, registry.push("python:3.11", content) + f"@{content.digest}")
    done = train.run("fetch", "train", folder, "--offline")
    assert (done.status, "--no-image" in done.err) == (6, True)
    assert registry.requests == []
    fetched(train, folder)
    asked = len(registry.requests)
    assert fetched(train, folder, "--offline")["downloaded"] == 0
    assert len(registry.requests) == asked


def test_killed_in_the_middle_it_leaves_nothing_that_counts(
    train: Project, registry: RegistryServer, folder: Path
) -> None:
    content = image([{"usr/lib/large": os.urandom(3000)}])
    locked(train, registry.push("python:3.11", content) + f"@{content.digest}")
    slow = registry.fault(f"/v2/python/blobs/{content.parsed['layers'][0]['digest']}", drip=0.01)
    words = [sys.executable, "-m", "envctl", "-C", str(train.folder), "fetch", "train", str(folder)]
    running = subprocess.Popen(words, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    deadline = time.monotonic() + 20
    while not list(folder.glob("images/.*.tmp")) and time.monotonic() < deadline:
        time.sleep(0.01)
    running.send_signal(signal.SIGKILL)
    running.wait()
    left = [path.name for path in (folder / "images").iterdir()]
    assert len(left) == 1
    assert left[0].startswith(".")
    slow.times = 0
    (folder / "python").mkdir(exist_ok=True)
    (folder / "python" / ".envctl-0123.part").write_bytes(b"half")
    fetched(train, folder)
    assert [path.name for path in (folder / "images").iterdir()] == [layout(folder, content.digest).name]
    assert list((folder / "python").iterdir()) == []


def test_two_at_once_wait_for_each_other(train: Project, registry: RegistryServer, folder: Path) -> None:
    content = image([{"usr/lib/large": os.urandom(300)}])
    base = registry.push("python:3.11", content) + f"@{content.digest}"
    locked(train, base)
    locked(train, base, target="serve")
    registry.fault(f"/v2/python/blobs/{content.parsed['layers'][0]['digest']}", drip=0.002)
    words = [sys.executable, "-m", "envctl", "-C", str(train.folder), "fetch"]
    running = [subprocess.Popen([*words, name, str(folder)], stdout=subprocess.DEVNULL) for name in ("train", "serve")]
    assert [one.wait(60) for one in running] == [0, 0]
    assert sorted(json.loads((folder / "fetch.json").read_text())["targets"]) == ["serve", "train"]
    assert len(registry.asked(content.parsed["layers"][0]["digest"])) == 1


def test_two_targets_share_a_base_and_it_goes_with_the_last(
    train: Project, registry: RegistryServer, folder: Path
) -> None:
    content, other = image(), image([{"etc/other": b"other"}])
    base = registry.push("python:3.11", content) + f"@{content.digest}"
    locked(train, base)
    locked(train, base, target="serve")
    fetched(train, folder)
    fetched(train, folder, target="serve")
    locked(train, registry.push("python:3.12", other) + f"@{other.digest}")
    fetched(train, folder)
    assert layout(folder, content.digest).is_dir()
    assert layout(folder, other.digest).is_dir()
    locked(train, registry.push("python:3.12", other) + f"@{other.digest}", target="serve")
    (folder / "images" / "mine").mkdir()
    fetched(train, folder, target="serve")
    assert sorted(path.name for path in (folder / "images").iterdir()) == [
        "mine",
        layout(folder, other.digest).name,
    ]


def test_archive_of_python_lies_there_under_its_name(train: Project, registry: RegistryServer, folder: Path) -> None:
    content = image()
    base = registry.push("python:3.11", content) + f"@{content.digest}"
    build = archive(train)
    locked(train, base, python=standalone(build))
    (told,) = fetched(train, folder)["pythons"]
    assert told["place"] == "python/cpython-3.11.9+20240814-x86_64-unknown-linux-gnu-install_only.tar.gz"
    assert (told["platform"], told["sha256"], told["bytes"]) == (AMD, build.sha256, 20)
    place = folder / told["place"]
    assert hashlib.sha256(place.read_bytes()).hexdigest() == build.sha256
    asked = len(train.index.asked("/builds/"))
    assert fetched(train, folder)["downloaded"] == 0
    assert len(train.index.asked("/builds/")) == asked
    place.write_bytes(b"damaged")
    fetched(train, folder)
    assert hashlib.sha256(place.read_bytes()).hexdigest() == build.sha256
    locked(train, base)
    fetched(train, folder)
    assert not place.exists()


def test_archive_that_is_not_the_locked_one_is_refused(train: Project, registry: RegistryServer, folder: Path) -> None:
    content = image()
    build = archive(train)
    locked(
        train, registry.push("python:3.11", content) + f"@{content.digest}",
        python=standalone(Standalone(url=build.url, sha256="0" * 64)),
    )  # fmt: skip
    done = train.run("fetch", "train", folder)
    assert done.status == 6
    assert build.sha256 in done.err
    assert list((folder / "python").iterdir()) == []
    assert not (folder / "fetch.json").exists()


def test_two_archives_of_one_name_need_two_folders(train: Project, registry: RegistryServer, folder: Path) -> None:
    content = index(image(), image(architecture="arm64"))
    base = registry.push("python:3.11", content) + f"@{content.digest}"
    one, two = archive(train), archive(train, b"another", "/arm" + URL)
    python = Python(version=PYTHON, source="standalone", builds={AMD: one, ARM: two})
    locked(train, base, AMD, ARM, python=python)
    done = train.run("fetch", "train", folder)
    assert done.status == 2
    assert "two different archives" in done.err
    assert not folder.exists()
    assert len(fetched(train, folder, "--platform", AMD)["pythons"]) == 1
    locked(train, base, AMD, python=standalone(two), target="serve")
    done = train.run("fetch", "serve", folder)
    assert done.status == 2
    assert "serve and train need two different files" in done.err


@pytest.mark.parametrize("path", ["/builds/", "/builds/..%2F.hidden", "/x%0Ay.tar.gz"])
def test_archive_without_a_usable_name_is_refused(
    train: Project, registry: RegistryServer, folder: Path, path: str
) -> None:
    content = image()
    build = Standalone(url=train.index.root + path, sha256="0" * 64)
    locked(train, registry.push("python:3.11", content) + f"@{content.digest}", python=standalone(build))
    done = train.run("fetch", "train", folder)
    assert done.status == 3
    assert "names no file" in done.err
    assert not folder.exists()


def test_locked_os_packages_lie_there_by_their_names(train: Project, registry: RegistryServer, folder: Path) -> None:
    both = index(image(), image(architecture="arm64"))
    base = registry.push("python:3.11", both) + f"@{both.digest}"
    data = {arch: f"the package for {arch}".encode() for arch in ("amd64", "arm64")}
    pins = []
    for arch, content in data.items():
        path = f"/archive/pool/acme_1.0_{arch}.deb"
        train.index.page(path, content, "application/octet-stream")
        sha256 = hashlib.sha256(content).hexdigest()
        url = train.index.root + path
        pins.append(OsPackage(name="acme", version="1.0", arch=arch, sha256=sha256, url=url, size=len(content)))
    locked(
        train, base, AMD, ARM, packages=("acme",), os_packages=OsPackages(snapshot="2026", packages=tuple(pins))
    )  # fmt: skip
    result = fetched(train, folder)
    assert (result["os_packages"], result["notes"]) == (2, [])
    assert {path.name: path.read_bytes() for path in (folder / "os-packages").iterdir()} == {
        f"acme_1.0_{arch}.deb": content for arch, content in data.items()
    }
    (folder / "os-packages" / "acme_1.0_amd64.deb").write_bytes(b"damaged")
    assert fetched(train, folder, "--platform", AMD)["downloaded"] == len(data["amd64"])
    assert [path.read_bytes() for path in (folder / "os-packages").iterdir()] == [data["amd64"]]
    train.index.page("/archive/pool/acme_1.0_arm64.deb", b"another package!!!!!!", "application/octet-stream")
    done = train.run("fetch", "train", folder)
    assert done.status == 6
    assert "is not the locked OS package" in done.err
    assert [path.name for path in (folder / "os-packages").iterdir()] == ["acme_1.0_amd64.deb"]


def test_text_says_what_is_there_and_what_is_not(train: Project, registry: RegistryServer, folder: Path) -> None:
    content = image()
    base = registry.push("python:3.11", content)
    locked(train, f"{base}@{content.digest}", packages=("libgomp1",), python=standalone(archive(train)))
    done = train.run("fetch", "train", folder)
    assert done.status == 0, done.err
    lines = done.out.splitlines()
    assert lines[2].startswith(f"  {base}@{content.digest[7:15]}, {AMD}, ")
    assert (
        lines[3] == "  python/cpython-3.11.9+20240814-x86_64-unknown-linux-gnu-install_only.tar.gz, linux/amd64, 20 B"
    )
    assert "OS packages are not in the folder (libgomp1)" in done.err
    assert done.err.splitlines()[-1] == f"hint: `envctl build train --from {folder}`"


def test_folder_that_somebody_damaged_is_named(train: Project, registry: RegistryServer, folder: Path) -> None:
    """What is not a layout stays: it may be somebody else's."""
    content = image()
    locked(train, registry.push("python:3.11", content) + f"@{content.digest}")
    fetched(train, folder)
    place = layout(folder, content.digest)
    shutil.rmtree(place)
    (place / "mine").mkdir(parents=True)
    done = train.run("fetch", "train", folder)
    assert done.status == 3
    assert str(place) in done.err
    assert (place / "mine").is_dir()
