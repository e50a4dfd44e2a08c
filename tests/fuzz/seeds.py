"""Writes the corpus anew, but for what fuzzing left there: `PYTHONPATH=tests .build/venv/bin/python -m fuzz.seeds`."""

from __future__ import annotations

import gzip
import hashlib
import json
import struct
import tarfile
import tempfile
from collections.abc import Iterator
from pathlib import Path

from support.environments import lock_for
from support.layouts import member, tar
from support.wheels import build_wheel

from envctl.index.wheel import read_file
from envctl.lockfile.write import write_lockfile
from envctl.oci import media
from fuzz.targets import SEPARATOR

CORPUS = Path(__file__).parent / "corpus"
DIGEST = "sha256:" + "0" * 64
LOCK = """
[tool.envctl.installer]
name = "uv"
version = "0.13.9"
sha256 = { "linux/amd64" = "%s" }

[tool.envctl.image]
base = "python:3.11.9-slim@sha256:%s"
env = { A = "1" }
user = 10001
ports = [8000]
command = ["python"]
"""
PROFILE = """\
python = "3.11"
extends = []
platforms = ["linux/amd64"]
dependencies = ["n>=2", "a[b]; os_name == 'x'"]
requirements = ["r.in"]
[resolver]
exclude-newer = "7 days"
index = [{ name = "x", url = "https://u.example/a", packages = ["a-*"], exclude-newer = false }]
[image]
base = "a/b:c"
env = { A = "1" }
[variants.cpu]
unset = ["image.user"]
dependencies = ["!n"]
"""
PAGE = """<!DOCTYPE html><html><body><base href="/x/"><!-- c -->
<a href="x-1.0-py3-none-any.whl#sha256=%s" data-requires-python="&gt;=3.8" data-yanked="no">x</a></body></html>"""
STATUS = """\
Package: libc6
Status: install ok installed
Version: 2.36-9+deb12u4
Architecture: amd64
Depends: libgcc-s1 (>= 3.0) | libgcc1, libcrypt1
Provides: libc (= 1)

Package: x
Status: deinstall ok config-files
Architecture: all
"""
SOURCES = "Types: deb\nURIs: https://archive.example/debian\nSuites: bookworm\nComponents: main\n"


def layer() -> bytes:
    return tar(
        member("opt/venv/pyvenv.cfg", b"home = /usr/bin\n"),
        member("opt/link", type=tarfile.SYMTYPE, linkname="/usr/lib"),
        member("opt/hard", type=tarfile.LNKTYPE, linkname="opt/venv/pyvenv.cfg"),
        member("opt/.wh.gone"),
        member("n" * 120, b"x"),
        member("d", type=tarfile.DIRTYPE),
    ).rstrip(b"\0") + bytes(1024)


def image() -> tuple[bytes, bytes, bytes]:
    """A layer, its configuration and its manifest."""
    data = tar(member("a.py", b"x"))[:2048]
    config = json.dumps(
        {
            "architecture": "amd64",
            "os": "linux",
            "rootfs": {"type": "layers", "diff_ids": [digest(data)]},
            "config": {"Env": ["A=1"]},
        }
    ).encode()
    said = {"mediaType": media.OCI_CONFIG, "digest": digest(config), "size": len(config)}
    layers = [{"mediaType": media.OCI_LAYER, "digest": digest(data), "size": len(data)}]
    document = {"schemaVersion": 2, "mediaType": media.OCI_MANIFEST, "config": said, "layers": layers}
    return data, config, json.dumps(document).encode()


def digest(data: bytes) -> str:
    return "sha256:" + hashlib.sha256(data).hexdigest()


def index(manifest: bytes) -> bytes:
    platform = {"architecture": "amd64", "os": "linux"}
    entry = {"mediaType": media.OCI_MANIFEST, "digest": digest(manifest), "size": len(manifest), "platform": platform}
    return json.dumps({"schemaVersion": 2, "manifests": [entry]}).encode()


def cache() -> bytes:
    """/etc/ld.so.cache with one library."""
    name = b"libx.so\0/lib/libx.so\0"
    start = 48 + 24
    head = b"glibc-ld.so.cache1.1" + struct.pack("<II20x", 1, len(name))
    return head + struct.pack("<iIIIQ", 3, start, start + 8, 0, 0) + name


def deb(data: bytes) -> bytes:
    def part(name: str, content: bytes) -> bytes:
        return (
            f"{name:<16}{'0':<12}{'0':<6}{'0':<6}{'100644':<8}{len(content):<10}`\n".encode()
            + content
            + b"\n" * (len(content) % 2)
        )

    return b"!<arch>\n" + part("debian-binary", b"2.0\n") + part("data.tar.gz", gzip.compress(data, mtime=0))


def seeds(folder: Path) -> Iterator[tuple[str, str, bytes]]:
    """Target, name of the seed, its bytes."""
    made = build_wheel(folder, "demo", entry_points={"demo": "demo:main"}, scripts={"run": b"#!python\n"})
    locked = write_lockfile(lock_for([made], python="3.11.9")).decode()
    locked = "".join(line for line in locked.splitlines(keepends=True) if not line.startswith("seal = "))
    yield "lockfile", "plain", locked.encode()
    yield "lockfile", "image", (locked.rstrip() + "\n" + LOCK % ("0" * 64, "0" * 64)).encode()
    yield "profile", "whole", PROFILE.encode() + SEPARATOR + b"numpy>=1 # c\n-r other.in\n--hash=sha256:aa\\\n"
    yield "record", "plain", b"a.py,sha256=" + b"A" * 43 + b",1\ndemo-1.0.dist-info/RECORD,,\n"
    yield "record", "quoted", b'"a,""b.py",sha512=x,\r\n"demo-1.0.data/scripts/x",,\r\n'
    yield "zip", "wheel", made.read_bytes()
    text = read_file(made).manifest.text()
    yield "manifest", "plain", text
    yield "manifest", "escaped", b"\\" + b"0" * 64 + b"  site/a\\nb\\\\c\n"
    headers = b"Metadata-Version: 2.1\nName: demo\nVersion: 1.0\nRequires-Dist: x\nProvides-Extra: a\n\nText\n"
    yield "metadata", "plain", headers
    points = b"[console_scripts]\ndemo = demo.cli:main [x]\n[gui_scripts]\n# c\nwin=demo:gui\n"
    yield "entry-points", "plain", points
    parts = [
        b"",
        headers,
        b"Wheel-Version: 1.0\nRoot-Is-Purelib: true\n",
        points,
        b"#!python\nx\n",
        b"demo.py\na/b.py",
        b"X = 1\n",
    ]
    yield "wheel", "plain", SEPARATOR.join(parts)
    data = layer()
    yield "tar", "two", data + SEPARATOR + tar(member("opt/way/x", b"y"), form=tarfile.GNU_FORMAT)[:2048]
    yield "compressed", "gzip", gzip.compress(data, mtime=0)
    yield "compressed", "plain", data[:600]
    lowest, config, manifest = image()
    yield "document", "manifest", manifest
    yield "document", "index", index(manifest)
    yield "document", "config", config
    blobs = [(f"blobs/sha256/{digest(part)[7:]}", part) for part in (lowest, config, manifest)]
    oci = [("oci-layout", b'{"imageLayoutVersion": "1.0.0"}'), ("index.json", index(manifest)), *blobs]
    old = [("manifest.json", json.dumps([{"Config": "c.json", "RepoTags": ["x:1"], "Layers": ["l.tar"]}]).encode())]
    old += [("c.json", config), ("l.tar", lowest)]
    yield "layout", "oci", tar(*(member(name, part) for name, part in oci)).rstrip(b"\0") + bytes(1024)
    yield "layout", "saved", tar(*(member(name, part) for name, part in old))
    yield "saved", "oci", digest(manifest).encode() + SEPARATOR + tar(*(member(name, part) for name, part in blobs))
    yield "project-page", "html", b"text/html" + SEPARATOR + (PAGE % ("0" * 64)).encode()
    file = {
        "filename": "x-1.0-py3-none-any.whl",
        "url": "../x",
        "hashes": {"sha256": "0" * 64},
        "size": 1,
        "yanked": "no",
    }
    file |= {"upload-time": "2026-01-01T00:00:00.5Z", "requires-python": ">=3.8", "core-metadata": True}
    page = {"meta": {"api-version": "1.1"}, "name": "x", "files": [file]}
    yield "project-page", "json", b"application/json" + SEPARATOR + json.dumps(page).encode()
    yield (
        "registry-answers",
        "challenge",
        b'Bearer realm="https://auth.example/token",service="r",scope="a:b:pull", Basic realm=x',
    )
    yield "registry-answers", "reference", f"registry.example:5000/team/app:1.0@{DIGEST}".encode()
    yield "registries", "mirror", b'[registries."docker.io"]\nmirrors = ["mirror.example:5000/x"]\ninsecure = true\n'
    yield "docker-config", "login", b'{"auths": {"registry.example:5000": {"auth": "dTpw"}}, "credHelpers": {"x": "y"}}'
    lines: list[dict[str, object]] = [
        {"prefix": "/venv", "version": "3.11.9", "implementation": "cpython", "variables": {"A": "1"}, "mounts": ["/"]},
        {"path": "/venv/pyvenv.cfg", "kind": "file", "mode": 420, "size": 1, "sha256": "0" * 64, "text": "eA=="},
        {"path": "/venv/lib64", "kind": "link", "link": "lib"},
        {"path": "/venv/x", "kind": "unread", "reason": "no"},
        {"end": 3},
    ]
    yield "probe-answer", "plain", "\n".join(map(json.dumps, lines)).encode()
    offers = "Package: x\nVersion: 1:1.0~rc1-1\nArchitecture: all\nSize: 5\nSHA256: 00\nFilename: x.deb\n\n" + SOURCES
    release = f"Suite: x\nSHA256:\n {'0' * 64} 10 main/binary-amd64/Packages.xz\n"
    yield "control", "plain", SEPARATOR.join(text.encode() for text in (STATUS, offers, release, "x"))
    yield "versions", "plain", b"1:2.3~rc1+dfsg-4" + SEPARATOR + b"2.3.a"
    yield "deb", "plain", deb(data)
    yield "loader-cache", "new", cache()
    rows = b"demo/__init__.py,sha256=" + b"A" * 43 + b",1\n../../../bin/demo,,\ndemo-1.0.dist-info/RECORD,,\n"
    script = b"#!/venv/bin/python\n# -*- coding: utf-8 -*-\nimport sys\nfrom demo import main\n"
    config_text = b"home = /usr/bin\ninclude-system-site-packages = false\nversion = 3.11.9\n"
    said = [config_text, rows, points, b'{"url": "file:///x", "dir_info": {"editable": true}}', script, b"import os\n"]
    yield "environment", "plain", SEPARATOR.join([*said, b"VIRTUAL_ENV=/venv\n", b"bin/python\nlib/x.pyc\nlink"])


def found(folder: Path) -> Iterator[tuple[str, str, bytes]]:
    """Inputs that were defects once, where they are too large to have been found byte by byte."""
    digits = "1" * 5000  # `int` refuses more than 4,300, with a ValueError that nobody expects
    headers = f"Metadata-Version: 2.1\nName: demo\nVersion: {digits}\n\n".encode()
    parts = [b"", headers, b"Wheel-Version: 1.0\n", b"", b"", b"demo.py\na/b.py", b"X = 1\n"]
    yield "wheel", "version", SEPARATOR.join(parts)
    yield "versions", "digits", digits.encode() + SEPARATOR + digits.encode() + b"2"
    locked = next(data for of, _, data in seeds(folder) if of == "lockfile").decode()
    yield "lockfile", "version", locked.replace("demo-1.0-py3", f"demo-{digits}-py3").encode()
    info = tarfile.TarInfo("x")
    info.pax_headers = {"size": digits}
    yield "tar", "size", tar((info, b""))
    yield (
        "probe-answer",
        "infinite",
        b'{"prefix": "/", "version": "3", "variables": {}, "mounts": []}\n'
        + (b'{"path": "/x", "kind": "file", "mode": 1e999}\n{"end": 1}'),
    )
    yield "environment", "version", f"home = /usr/bin\nversion = 3.{digits}\n".encode()
    yield "entry-points", "lines", b"[console_scripts]\n" + b"a\n" * 7000
    name, entries = b"/" * 15000 + b"\0", 600  # each names all that follows
    table = b"".join(struct.pack("<iIIIQ", 3, 0, 48 + 24 * entries + n, 0, 0) for n in range(entries))
    yield (
        "loader-cache",
        "overlapping",
        b"glibc-ld.so.cache1.1" + struct.pack("<II20x", entries, len(name)) + table + name,
    )


def main() -> None:
    with tempfile.TemporaryDirectory() as folder:
        inputs = [("seed", *seed) for seed in seeds(Path(folder))] + [("found", *one) for one in found(Path(folder))]
    for kind, target, name, data in inputs:
        place = CORPUS / target / f"{kind}-{name}"
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_bytes(data)


if __name__ == "__main__":
    main()
