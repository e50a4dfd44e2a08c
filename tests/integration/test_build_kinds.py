"""Images of other kinds: a standalone Python, the distribution's own, a CUDA base, the team's own package."""

from __future__ import annotations

import hashlib
import json
import platform

import pytest
from support.images import PYTHON, Shared, built, image_index, image_project, inside, locked
from support.wheels import build_wheel

__all__ = ["image_index", "image_project"]

BACKEND = b"""
import os, zipfile

def build_wheel(folder, config_settings=None, metadata_directory=None):
    name = "acme_train-1.0-py3-none-any.whl"
    info = "acme_train-1.0.dist-info/"
    members = {
        "acme_train.py": open("acme_train.py").read(),
        info + "METADATA": "Metadata-Version: 2.1\\nName: acme-train\\nVersion: 1.0\\n",
        info + "WHEEL": "Wheel-Version: 1.0\\nGenerator: tiny\\nRoot-Is-Purelib: true\\nTag: py3-none-any\\n",
        info + "entry_points.txt": "[console_scripts]\\nacme-train = acme_train:main\\n",
    }
    record = "".join(path + ",,\\n" for path in members) + info + "RECORD,,\\n"
    with zipfile.ZipFile(os.path.join(folder, name), "w") as wheel:
        for path, text in {**members, info + "RECORD": record}.items():
            wheel.writestr(path, text)
    return name
"""


def config(engine, image):
    return json.loads(engine.run("image", "inspect", image).stdout)[0]["Config"]


def serve_archive(engine, index: Shared) -> str:
    """The profile's `python` for the standalone build, served by the index."""
    data = engine.standalone.read_bytes()
    path = "/builds/cpython-3.11-x86_64-unknown-linux-gnu-install_only.tar.gz"
    index.index.page(path, data, "application/gzip")
    return f'{{ url = "{index.index.root}{path}", sha256 = "{hashlib.sha256(data).hexdigest()}" }}'


def test_standalone_python_comes_into_a_base_that_has_none(engine, image_project, image_index):
    base = engine.bases["cuda-python-free"]
    image_project.profile(
        f"""
python = "{PYTHON}"
dependencies = ["acme-core"]
cuda = "12.8"
[image]
base = "{base}"
python = {serve_archive(engine, image_index)}
user = 10001
"""
    )
    locked(image_project)
    tag = engine.name("standalone")
    first = built(image_project, "--tag", tag)
    code = "import sys, acme_core; print(sys.prefix, sys.base_prefix, sys.version.split()[0])"
    done = engine.run("run", "--rm", tag, "python", "-c", code)
    assert done.stdout.split() == ["/opt/venv", "/opt/python", PYTHON]
    stat = ("stat", "-c", "%n %a %u:%g", "/", "/opt", "/tmp", "/usr")
    assert inside(engine, tag, *stat) == inside(engine, base, *stat)
    said = config(engine, tag)["Env"]
    assert "NVIDIA_REQUIRE_CUDA=cuda>=12.0" in said
    assert "NVIDIA_VISIBLE_DEVICES=all" in said
    again = built(image_project, "--no-verify", "--no-cache", "--tag", tag)
    assert again.json["image"]["id"] == first.json["image"]["id"]


def test_archive_of_python_that_is_not_the_locked_one_is_refused(engine, image_project, image_index):
    said = serve_archive(engine, image_index)
    wrong = said[: said.rindex('"') - 64] + "0" * 64 + '" }'
    image_project.profile(
        f'python = "{PYTHON}"\ndependencies = ["idna"]\n[image]\nbase = "{engine.bases["py311"]}"\npython = {wrong}\n'
    )
    locked(image_project)
    done = image_project.run("build", "train", "--no-verify")
    assert done.status == 5
    assert "digest mismatch" in done.err


def test_base_with_another_python_is_refused(engine, image_project):
    image_project.profile(f'python = "3.11.9"\ndependencies = ["idna"]\n[image]\nbase = "{engine.bases["py311"]}"\n')
    locked(image_project)
    done = image_project.run("build", "train", "--no-verify")
    assert done.status == 5
    assert f"this is Python {PYTHON}, the lockfile says 3.11.9" in done.err
    assert "step [tools" in done.err
    assert "hint: " in done.err


@pytest.fixture(scope="module")
def archive_base(engine, tmp_path_factory):
    """A base with a stand-in for apt: it leaves logs, lists, bytecode and files of this moment, as apt does."""
    folder = tmp_path_factory.mktemp("apt")
    (folder / "apt-get").write_text(
        "#!/bin/sh\n"
        "mkdir -p /var/lib/apt/lists /var/cache/apt/archives /var/log/apt /usr/lib/newly/__pycache__\n"
        'case "$1" in update) date > /var/lib/apt/lists/list; exit 0 ;; esac\n'
        'echo "$@" > /usr/lib/newly/asked\n'
        "date +%N > /var/log/apt/history.log; date +%N > /usr/lib/newly/__pycache__/x.pyc\n"
        "date +%N > /var/cache/ldconfig/aux-cache; date +%N > /var/log/dpkg.log; touch /etc/ld.so.cache\n"
    )
    (folder / "apt-get").chmod(0o755)
    text = f"FROM {engine.bases['py311']}\nCOPY apt-get /usr/local/bin/apt-get\nRUN mkdir -p /var/cache/ldconfig\n"
    tag = engine.name("with-apt", pushed=True)
    engine.build(folder, text, tag, "--network=none")
    return engine.push(tag)


def test_os_packages_leave_nothing_of_the_moment(engine, image_project, archive_base):
    image_project.profile(
        f"""
python = "{PYTHON}"
dependencies = ["idna"]
[image]
base = "{archive_base}"
packages = ["zlib1g", "libgomp1=12"]
"""
    )
    locked(image_project)
    tag = engine.name("os-packages")
    first = built(image_project, "--no-verify", "--tag", tag)
    asked = inside(engine, tag, "cat", "/usr/lib/newly/asked")
    assert asked == "install -y --no-install-recommends -- libgomp1=12 zlib1g\n"
    left = "/var/lib/apt/lists/list /var/log/apt /usr/lib/newly/__pycache__ /var/log/dpkg.log /tmp/start"
    assert inside(engine, tag, "sh", "-c", f"for it in {left}; do [ ! -e $it ] || echo $it; done") == ""
    assert inside(engine, tag, "stat", "-c", "%a", "/tmp") == "1777\n"
    again = built(image_project, "--no-verify", "--no-cache", "--tag", tag)
    assert again.json["image"]["id"] == first.json["image"]["id"]


def test_python_of_the_distribution_is_checked_and_used(engine, image_project, archive_base):
    image_project.profile(
        f"""
python = "{PYTHON}"
dependencies = ["idna"]
[image]
base = "{archive_base}"
packages = ["python3"]
"""
    )
    locked(image_project)
    assert image_project.lockfile().envctl.python.source == "os"
    tag = engine.name("os-python")
    built(image_project, "--no-verify", "--tag", tag)
    assert inside(engine, tag, "/opt/venv/bin/python", "-c", "import sys; print(sys.base_prefix)") == "/usr\n"
    assert inside(engine, tag, "cat", "/usr/lib/newly/asked").split()[-2:] == ["python3", "python3.11-venv"]


def test_own_package_is_a_wheel_in_the_image_and_the_same_every_time(engine, image_project, image_index, tmp_path):
    backend = build_wheel(tmp_path, "tiny-backend", "1.0", files={"tiny_backend.py": BACKEND})
    image_index.index.add(backend, upload_time="2025-12-31T00:00:00Z")
    folder = image_project.folder
    (folder / "pyproject.toml").write_text(
        '[build-system]\nrequires = ["tiny-backend"]\nbuild-backend = "tiny_backend"\n'
        '[project]\nname = "acme-train"\nversion = "1.0"\ndependencies = ["idna"]\n'
    )
    (folder / "acme_train.py").write_text("def main() -> None:\n    print('trained')\n")
    (folder / ".env").write_text("SECRET=never-in-an-image\n")
    image_project.profile(
        f"""
python = "{PYTHON}"
project = {{ path = "." }}
[image]
base = "{engine.bases["py311"]}"
command = ["acme-train"]
"""
    )
    locked(image_project)
    tag = engine.name("own")
    first = built(image_project, "--no-verify", "--tag", tag)
    assert engine.run("run", "--rm", tag).stdout == "trained\n"
    assert inside(engine, tag, "find", "/", "-xdev", "-name", "pyproject.toml") == ""
    site = "/opt/venv/lib/python3.11/site-packages"
    noted = inside(engine, tag, "find", site, "-name", "direct_url.json", "-o", "-name", "uv_cache.json")
    assert noted == ""
    again = built(image_project, "--no-verify", "--no-cache", "--tag", tag)
    assert again.json["image"]["id"] == first.json["image"]["id"]


def test_platform_that_is_not_locked_is_refused(engine, image_project):
    image_project.profile(f'python = "{PYTHON}"\ndependencies = ["idna"]\n[image]\nbase = "{engine.bases["py311"]}"\n')
    locked(image_project)
    done = image_project.run("build", "train", "--platform", "linux/arm64")
    assert (done.status, "not locked for linux/arm64" in done.err) == (2, True)
    done = image_project.run("build", "train", "--platform", "plan9/sparc")
    assert (done.status, "names no platform" in done.err) == (2, True)
    assert platform.machine() == "x86_64"
