"""What a manifest says is what pip and uv install."""

from __future__ import annotations

import hashlib
import re
import subprocess
import sys
import sysconfig
from pathlib import Path

import pytest
from support.wheels import build_wheel, sha256_of

from envctl.index.contents import WheelRef, read_contents
from envctl.index.download import Downloader, Wanted
from envctl.index.pages import project_page
from envctl.index.wheel import read_file
from envctl.model.manifest import BIN, INCLUDE, PREFIX, SITE, Manifest
from envctl.model.record import entry_point_scripts
from envctl.resolve.uv import UvResolver
from envctl.system import uv
from envctl.system.http import Client
from envctl.verify.scripts import Script

pytestmark = pytest.mark.campaign

PURE = ("idna", "jmespath", "setuptools", "bidict", "six")


def install(installer: str, wheel: Path, prefix: Path) -> None:
    if installer == "pip":
        command = [
            sys.executable,
            "-m",
            "pip",
            "--isolated",
            "install",
            "--no-deps",
            "--no-index",
            "--ignore-installed",
        ]
        command += ["--prefix", str(prefix), "--no-warn-script-location", "--root-user-action", "ignore", str(wheel)]
    else:
        command = [
            str(uv.binary()),
            "pip",
            "install",
            "--no-config",
            "--offline",
            "--no-deps",
            "--prefix",
            str(prefix),
            str(wheel),
        ]
        command += ["--python", sys.executable]
    subprocess.run(command, check=True, capture_output=True)


def found(prefix: Path, manifest: Manifest, entry_points: dict[str, str]) -> Manifest:
    """The same manifest with what stands on disk; a file that is missing is missing in it."""
    version = f"python{sysconfig.get_python_version()}"
    places = {
        SITE: prefix / "lib" / version / "site-packages",
        BIN: prefix / "bin",
        INCLUDE: prefix / "include" / "site" / version,
        PREFIX: prefix,
    }
    files = {}
    for path in manifest.files:
        root, _, rest = path.partition("/")
        place = places[f"{root}/"] / rest
        if not place.is_file():
            place = prefix / "include" / version / rest  # where pip puts headers outside of virtual environments
        data = place.read_bytes() if place.is_file() else None
        if data is None:
            continue
        if path in entry_points:
            assert re.search(rf"from {re.escape(entry_points[path].partition(':')[0])} import", data.decode())
            data = entry_points[path].encode()
        elif root == "bin":
            script = Script.of(data)
            data = script.body if script is not None and b"python" in script.starter else data
        files[path] = hashlib.sha256(data).hexdigest()
    return Manifest.of(files)


@pytest.mark.parametrize("installer", ["pip", "uv"])
def test_a_built_wheel_is_installed_as_its_manifest_says(tmp_path: Path, installer: str) -> None:
    wheel = build_wheel(
        tmp_path,
        "demo",
        files={"demo/__init__.py": b"", "demo/a b,c.txt": b"1", "demo.pth": b"", "demo/é.txt": b"2"},
        scripts={"tool": b"#!python\nprint(1)\n", "sh": b"#!/bin/sh\nexit 0\n", "bare": b"#!python\n"},
        data={"data/share/demo/x": b"3", "purelib/pure.py": b"4", "platlib/plat.py": b"5", "data/bin/extra": b"6"},
        entry_points={"demo": "demo:main"},
    )
    install(installer, wheel, tmp_path / "prefix")
    manifest = read_file(wheel).manifest
    assert found(tmp_path / "prefix", manifest, {"bin/demo": "demo:main"}) == manifest


def test_the_example_of_the_reference_is_what_comes_out(tmp_path: Path) -> None:
    page = (Path(__file__).parents[2] / "docs" / "reference" / "digests.md").read_text("utf-8")
    wheel = build_wheel(
        tmp_path,
        "hello",
        files={"hello.py": b'def main(): print("hello")\n'},
        scripts={"greet": b"#!python\nimport hello\n"},
        entry_points={"hello": "hello:main"},
    )
    manifest = read_file(wheel).manifest
    assert f"```manifest\n{manifest.text().decode()}```" in page
    assert manifest.digest() in page


@pytest.mark.network
def test_real_wheels_read_by_range_and_whole_and_installed_have_one_content(tmp_path: Path) -> None:
    index = UvResolver().default_index()
    refs = []
    with Client() as client:
        for name in PURE:
            files = [f for f in project_page(client, index, name) or () if f.filename.endswith("py3-none-any.whl")]
            newest = max(files, key=lambda file: (file.upload_time is not None, file.upload_time))
            refs.append(WheelRef(filename=newest.filename, url=newest.url, sha256=newest.sha256))
        read = read_contents(refs, client=client)
        wanted = [Wanted(wheel=ref, content=read[ref.url].content.manifest.digest()) for ref in refs]
        places = Downloader(client).download_all(wanted, tmp_path / "wheels")
    for ref in refs:
        whole = read_file(places[ref.filename])
        assert sha256_of(places[ref.filename]) == ref.sha256
        assert whole.manifest == read[ref.url].content.manifest
        for installer in ("pip", "uv"):
            prefix = tmp_path / installer / ref.filename
            install(installer, places[ref.filename], prefix)
            (info,) = prefix.glob("lib/python3*/site-packages/*.dist-info")
            texts = info / "entry_points.txt"
            entry_points = entry_point_scripts(texts.read_bytes()) if texts.exists() else {}
            assert found(prefix, whole.manifest, entry_points) == whole.manifest
