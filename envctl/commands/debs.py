"""The files in the locked OS packages: from the cache, a fetched folder, or the archive that the lockfile names."""

from __future__ import annotations

import contextlib
import tempfile
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import msgspec

from envctl.errors import EnvctlError, IndexFailed
from envctl.install.wheelhouse import DEBS
from envctl.model.lockfile import OsPackage
from envctl.os_packages.deb import files_of
from envctl.system.digests import keep, kept, sha256_of
from envctl.system.files import cache_dir
from envctl.system.http import Client

_PATIENCE = 10.0


def contents_of(
    packages: Sequence[OsPackage], *, folders: Sequence[Path], offline: bool
) -> dict[str, dict[str, str] | None]:
    """Package -> path -> sha256 of a file, or `-> TARGET` of a link; None for a package that is not at hand.

    Args:
        folders: where the `.deb` files may lie, by their names.
    """
    found: dict[str, dict[str, str] | None] = {}
    for package in packages:
        found[package.name] = _kept(package) or _in_folders(package, folders)
    left = [package for package in packages if found[package.name] is None]
    if not left or offline:
        return found
    with Client(attempts=2, patience=_PATIENCE) as client, ThreadPoolExecutor(4, "envctl-debs") as threads:
        for package, files in zip(left, threads.map(lambda one: _fetched(client, one), left), strict=True):
            found[package.name] = files
    return found


def _place(package: OsPackage) -> Path:
    return cache_dir("debs", "v1") / package.sha256


def _kept(package: OsPackage) -> dict[str, str] | None:
    if (data := kept(_place(package))) is not None:
        with contextlib.suppress(msgspec.MsgspecError):
            return msgspec.json.decode(data, type=dict[str, str])
    return None


def _in_folders(package: OsPackage, folders: Sequence[Path]) -> dict[str, str] | None:
    for folder in folders:
        for place in (folder / DEBS / package.file, folder / package.file):
            with contextlib.suppress(OSError, EnvctlError):
                return _read(place, package)
    return None


def _fetched(client: Client, package: OsPackage) -> dict[str, str] | None:
    with tempfile.TemporaryDirectory(prefix="envctl-") as folder, contextlib.suppress(OSError, EnvctlError):
        place = Path(folder, "package.deb")
        with place.open("w+b") as file:
            client.stream_to(package.url, file, limit=package.size)
        return _read(place, package)
    return None


def _read(place: Path, package: OsPackage) -> dict[str, str]:
    with place.open("rb") as file:
        found = sha256_of(file)
        if found != package.sha256:
            raise IndexFailed("is not the locked OS package", file=place, found=found, expected=package.sha256)
        files = files_of(file, package.file)
    keep(_place(package), msgspec.json.encode(files))
    return files
