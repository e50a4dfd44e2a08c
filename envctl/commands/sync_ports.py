"""The real outside of `sync` and `fetch`: fetched folders, the cache of wheels, indexes, the verifier."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import BinaryIO

from envctl.commands.image_parts import FetchedImage, FetchedPython, ImageParts
from envctl.commands.sync import Pair
from envctl.errors import IndexFailed, UsageError
from envctl.index.cache import ContentCache
from envctl.index.contents import WheelRef
from envctl.index.download import Downloader, Wanted
from envctl.index.mirrors import configured, credentials
from envctl.index.pages import project_page
from envctl.install.wheelhouse import WHEELS, Held
from envctl.inventory.venv import Venv
from envctl.model.finding import Verification
from envctl.model.lockfile import Installer, Lockfile, OsPackage, Package, Standalone, Wheel
from envctl.model.manifest import Manifest
from envctl.model.platform import Platform
from envctl.model.simple_api import SimpleFile
from envctl.oci.shelf import Shelved
from envctl.resolve.uv import UvResolver
from envctl.system.answers import Downloaded
from envctl.system.credentials import redact
from envctl.system.digests import sha256_file
from envctl.system.http import Client
from envctl.verify.compare import compare

Progress = Callable[[str, int, int], None]


class SystemPorts:
    """Implements `envctl.commands.sync.Ports` and `envctl.commands.fetch.Ports`.

    Args:
        source: a fetched folder to take wheels from first.
        offline: no network at all.
        progress: called with what is being done, how much of how much.

    Raises:
        UsageError: `source` is no folder.
    """

    def __init__(self, *, source: Path | None, offline: bool, progress: Progress) -> None:
        if source is not None and not source.is_dir():
            raise UsageError("there is no such folder", file=source, hint="`envctl fetch TARGET DIR` fills one")
        self._local = () if source is None else (source / WHEELS, source)
        self._offline = offline
        self._progress = progress
        self._contents = ContentCache()

    def wheels(self, lockfile: Lockfile, pairs: Sequence[Pair], folder: Path) -> int:
        """See `envctl.commands.sync.Ports`."""
        indexes = {index.name: index.url for index in lockfile.envctl.indexes}
        return self._download([_wanted(package, wheel) for package, wheel in pairs], indexes, folder)

    def installer(
        self, installer: Installer, platforms: Sequence[Platform], folder: Path
    ) -> tuple[dict[str, str], int]:
        """See `envctl.commands.fetch.Ports`."""
        needed = {installer.sha256[str(p)] for p in platforms if str(p) in installer.sha256}
        held = {path.name: digest for path, digest in self._held(folder, installer, needed).items()}
        missing = needed - set(held.values())
        if not missing:
            return held, 0
        index = configured(os.environ) or UvResolver().default_index()
        with Client(offline=self._offline, credentials=credentials({})) as client:
            offered = project_page(client, index, installer.name) or ()
        found = {file.sha256: file for file in offered if file.sha256 in missing}
        for digest in sorted(missing - found.keys()):
            raise IndexFailed(
                f"the index has not the wheel of {installer.name} {installer.version} that was locked",
                file=redact(index),
                expected=f"a file with sha256 {digest}",
                hint="`envctl lock -U` locks one that it has",
            )
        wanted = [Wanted(wheel=_reference(file)) for file in found.values()]
        received = self._download(wanted, {}, folder)
        return {**held, **{file.filename: str(file.sha256) for file in found.values()}}, received

    def base(self, lockfile: Lockfile, platform: Platform, folder: Path) -> tuple[FetchedImage, Shelved, int]:
        """See `envctl.commands.image_parts.ImageParts`."""
        return ImageParts(offline=self._offline, progress=self._progress).base(lockfile, platform, folder)

    def python(self, build: Standalone, platform: Platform, folder: Path) -> tuple[FetchedPython, int]:
        """See `envctl.commands.image_parts.ImageParts`."""
        return ImageParts(offline=self._offline, progress=self._progress).python(build, platform, folder)

    def debs(self, packages: Mapping[str, OsPackage], folder: Path) -> tuple[dict[str, Held], int]:
        """See `envctl.commands.image_parts.ImageParts`."""
        return ImageParts(offline=self._offline, progress=self._progress).debs(packages, folder)

    def verify(self, lockfile: Lockfile, platform: Platform, venv: Path, project: Path | None) -> Verification:
        """See `envctl.commands.sync.Ports`. The environment counts, not the variables of this process."""

        def manifest(_: Package, wheel: Wheel) -> Manifest | None:
            known = self._contents.get(wheel.sha256, filename=wheel.name, whole=True)
            return None if known is None else known.content.manifest

        def no_seed(_name: str, _version: str) -> None:
            """A pip that the environment was seeded with is not locked, so sync removes it like any other."""

        inventory = Venv(venv, environ={}).take()
        return compare(
            lockfile,
            platform,
            inventory,
            manifests=manifest,
            seeds=no_seed,
            project_folder=project,
        )

    def build_links(self) -> Path | None:
        """See `envctl.commands.sync.Ports`."""
        return self._local[0] if self._local else None

    def step(self, what: str) -> None:
        """See `envctl.commands.sync.Ports`."""
        self._progress(what, 0, 0)

    def __enter__(self) -> SystemPorts:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        return None

    def _download(self, wanted: Sequence[Wanted], indexes: dict[str, str], folder: Path) -> int:
        mirror = configured(os.environ)
        client = _Counting(offline=self._offline, credentials=credentials(indexes))
        with client:
            downloader = Downloader(
                client, mirrors=[] if mirror is None else [mirror], local=self._local, contents=self._contents
            )
            downloader.download_all(
                wanted, folder, progress=lambda done, total: self._progress("fetching wheels", done, total)
            )
        return client.received

    def _held(self, folder: Path, installer: Installer, digests: set[str]) -> dict[Path, str]:
        """The installer's wheels that lie there already."""
        found = {}
        for path in folder.glob(f"{installer.name}-{installer.version}-*.whl"):
            digest = sha256_file(path)
            if digest in digests:
                found[path] = digest
        return found


class _Counting(Client):
    """Counts the bytes of the files that came over the network."""

    received = 0

    def stream_to(self, url: str, file: BinaryIO, *, limit: int) -> Downloaded:
        got = super().stream_to(url, file, limit=limit)
        self.received += got.size
        return got


def _wanted(package: Package, wheel: Wheel) -> Wanted:
    reference = WheelRef(filename=wheel.name, url=wheel.url or "", sha256=wheel.sha256, size=wheel.size)
    return Wanted(wheel=reference, content=package.content[wheel.name])


def _reference(file: SimpleFile) -> WheelRef:
    return WheelRef(filename=file.filename, url=file.url, sha256=file.sha256, size=file.size)
