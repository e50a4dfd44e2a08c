"""The files of a python-build-standalone archive, which its sha256 in the lockfile vouches for."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterable
from pathlib import Path
from typing import BinaryIO
from urllib.parse import unquote, urlsplit

from envctl.errors import EnvctlError, IndexFailed, InvalidFile
from envctl.model.inventory import Kind
from envctl.model.lockfile import Lockfile, Standalone
from envctl.model.platform import Platform
from envctl.oci.layers import read_layer
from envctl.system.digests import sha256_of
from envctl.system.files import cache_dir

_TOP = "python/"
_LIMIT = 2**31


def archive_name(url: str) -> str:
    """The name of an archive in a fetched folder: the last part of its address.

    Raises:
        InvalidFile: it has none that a file can have.
    """
    name = unquote(urlsplit(url).path).rpartition("/")[2]
    if not name.isprintable() or name.startswith(".") or not name:
        raise InvalidFile("the address of a standalone Python names no file", found=ascii(url)[:200])
    return name


def kept_archive(build: Standalone) -> Path | None:
    """The archive in the cache; None where it is not there as it was locked."""
    kept = cache_dir("builds") / build.sha256
    with contextlib.suppress(OSError), kept.open("rb") as file:
        if sha256_of(file) == build.sha256:
            return kept
    return None


def locked_build(
    lockfile: Lockfile, platform: Platform, *, fetched: Path | None, offline: bool
) -> dict[str, str] | None:
    """The files of the standalone Python that the lockfile pins; None where it pins none, or it is not at hand."""
    pinned = lockfile.envctl.python.builds.get(str(platform))
    if pinned is not None:
        with contextlib.suppress(EnvctlError, OSError):
            return files_of(pinned, folders=() if fetched is None else (fetched,), offline=offline)
    return None


def files_of(build: Standalone, *, folders: Iterable[Path], offline: bool) -> dict[str, str] | None:
    """Path below the build's folder -> sha256 of the file, or what a link leads to; None where it is not at hand.

    Raises:
        IndexFailed: its address answers with something else.
        InvalidFile: the archive is none.
    """
    name = archive_name(build.url)
    for folder in folders:
        for place in (folder / name, folder / "python" / name):
            if place.is_file():
                with place.open("rb") as file:
                    return _listed(file, build)
    kept = cache_dir("builds") / build.sha256
    with contextlib.suppress(OSError, EnvctlError), kept.open("rb") as file:
        return _listed(file, build)
    if offline:
        return None
    from envctl.system.http import Client

    kept.parent.mkdir(parents=True, exist_ok=True)
    part = kept.with_name(f"{kept.name}.{os.getpid()}")
    try:
        with Client() as client, part.open("w+b") as file:
            client.stream_to(build.url, file, limit=_LIMIT)
            found = _listed(file, build)
        part.replace(kept)
    finally:
        part.unlink(missing_ok=True)
    return found


def _listed(file: BinaryIO, build: Standalone) -> dict[str, str]:
    file.seek(0)
    found = sha256_of(file)
    if found != build.sha256:
        raise IndexFailed(
            "is not the locked build of Python", file=build.url, found=f"sha256:{found}", expected=build.sha256
        )
    file.seek(0)
    layer = read_layer(file, keep=lambda _path, _size: False)
    return {
        path.removeprefix(_TOP): entry.sha256 or entry.link or ""
        for path, entry in layer.entries.items()
        if path.startswith(_TOP) and entry.kind in (Kind.FILE, Kind.LINK)
    }
