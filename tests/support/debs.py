"""Small `.deb` files, and an archive of them: made in the test, served on loopback.

tool = build_deb("acme-tool", files={"usr/bin/acme-tool": b"#!/bin/sh\\necho tool\\n"}, depends="libacme1")
snapshot = serve(server, [tool, build_deb("libacme1", …)])      # what `image.snapshot` says
"""

from __future__ import annotations

import gzip
import hashlib
import io
import lzma
import tarfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from support.server import IndexServer

SUITE = "bookworm"


@dataclass(frozen=True)
class Deb:
    """A package: its control file, and its bytes."""

    name: str
    version: str
    arch: str
    control: str
    data: bytes

    @property
    def file(self) -> str:
        return f"{self.name}_{self.version.partition(':')[2] or self.version}_{self.arch}.deb"

    @property
    def sha256(self) -> str:
        return hashlib.sha256(self.data).hexdigest()

    def paragraph(self) -> str:
        """What `Packages` says of it."""
        return f"{self.control}Filename: pool/main/{self.file}\nSize: {len(self.data)}\nSHA256: {self.sha256}\n"


def build_deb(
    name: str,
    version: str = "1.0",
    *,
    arch: str = "amd64",
    files: Mapping[str, bytes] | None = None,
    links: Mapping[str, str] | None = None,
    scripts: Mapping[str, str] | None = None,
    packing: str = "xz",
    **fields: str,
) -> Deb:
    """A package. `scripts`: maintainer scripts by name; `fields`: of the control file, such as depends, pre_depends."""
    more = "".join(f"{key.replace('_', '-').title()}: {value}\n" for key, value in fields.items())
    control = (
        f"Package: {name}\nVersion: {version}\nArchitecture: {arch}\n{more}"
        "Maintainer: Tests <tests@archive.example>\nDescription: a small package\n"
    )
    inner = {"control": control.encode(), **{key: text.encode() for key, text in (scripts or {}).items()}}
    control_tar = gzip.compress(_tar(inner, {}, executable=tuple(scripts or ())), mtime=0)
    data_tar = _tar(files or {}, links or {})
    packed = {"xz": lzma.compress, "gz": lambda data: gzip.compress(data, mtime=0), "": bytes}[packing](data_tar)
    members = [
        ("debian-binary", b"2.0\n"),
        ("control.tar.gz", control_tar),
        ("data.tar" + (f".{packing}" if packing else ""), packed),
    ]
    return Deb(name, version, arch, control, b"!<arch>\n" + b"".join(_member(*member) for member in members))


def _member(name: str, data: bytes) -> bytes:
    return f"{name:<16}{0:<12}{0:<6}{0:<6}{100644:<8}{len(data):<10}`\n".encode() + data + b"\n" * (len(data) % 2)


def _tar(files: Mapping[str, bytes], links: Mapping[str, str], executable: Sequence[str] = ()) -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w", format=tarfile.GNU_FORMAT) as tar:
        folders = {
            "/".join(path.split("/")[:depth]) for path in (*files, *links) for depth in range(1, path.count("/") + 1)
        }
        for folder in sorted(folders):
            info = tarfile.TarInfo(f"./{folder}/")
            info.type, info.mode = tarfile.DIRTYPE, 0o755
            tar.addfile(info)
        for path, data in files.items():
            info = tarfile.TarInfo(f"./{path}")
            info.size, info.mtime = len(data), 1_600_000_000
            info.mode = 0o755 if "/bin/" in path or path in executable else 0o644
            tar.addfile(info, io.BytesIO(data))
        for path, target in links.items():
            info = tarfile.TarInfo(f"./{path}")
            info.type, info.linkname = tarfile.SYMTYPE, target
            tar.addfile(info)
    return buffer.getvalue()


def serve(
    server: IndexServer,
    debs: Sequence[Deb],
    *,
    root: str = "/archive/debian/20260101T000000Z",
    suite: str = SUITE,
    arches: Sequence[str] = ("amd64", "arm64"),
    inline: bool = True,
) -> str:
    """Put an archive with one suite on a server, and return its address. `inline`: its Release is an InRelease."""
    rows = []
    for arch in arches:
        text = "\n".join(deb.paragraph() for deb in debs if deb.arch in (arch, "all")).encode()
        for kind, packed in (("xz", lzma.compress(text)), ("gz", gzip.compress(text, mtime=0))):
            path = f"main/binary-{arch}/Packages.{kind}"
            server.page(f"{root}/dists/{suite}/{path}", packed, "application/octet-stream")
            rows.append(f" {hashlib.sha256(packed).hexdigest()} {len(packed)} {path}")
    release = f"Origin: Tests\nSuite: stable\nCodename: {suite}\nComponents: main\nSHA256:\n" + "\n".join(rows) + "\n"
    if inline:
        head = "-----BEGIN PGP SIGNED MESSAGE-----\nHash: SHA256\n\n"
        release = f"{head}{release}-----BEGIN PGP SIGNATURE-----\n\nnone\n-----END PGP SIGNATURE-----\n"
    name = "InRelease" if inline else "Release"
    server.page(f"{root}/dists/{suite}/{name}", release.encode(), "text/plain")
    for deb in debs:
        server.page(f"{root}/pool/main/{deb.file}", deb.data, "application/octet-stream")
    return server.root + root
