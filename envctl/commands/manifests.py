"""Manifests for the verifier: from the cache of contents, a fetched folder, the index, the interpreter's wheels.

None of these sources is trusted: a manifest counts when it hashes to the locked content digest.
"""

from __future__ import annotations

import contextlib
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING

from envctl.errors import EnvctlError
from envctl.index.cache import ContentCache
from envctl.model.inventory import Inventory
from envctl.model.lockfile import Lockfile, Package, Wheel
from envctl.model.manifest import Manifest
from envctl.model.platform import Platform

if TYPE_CHECKING:
    from envctl.system.http import Client

_WHEELS = "wheels"  # where `envctl fetch` keeps them
_PATIENCE = 10.0


class ManifestSources:
    """Answers what `envctl.verify.compare` asks. The network is used only to name files that differ."""

    def __init__(
        self, lockfile: Lockfile, inventory: Inventory, *, fetched: Path | None = None, offline: bool = False
    ) -> None:
        self._lockfile, self._inventory = lockfile, inventory
        self._folders = () if fetched is None else (fetched / _WHEELS, fetched)
        self._offline = offline
        self._cache = ContentCache()
        self._client: Client | None = None

    def __enter__(self) -> ManifestSources:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._client is not None:
            self._client.close()

    def manifest(self, package: Package, wheel: Wheel) -> Manifest | None:
        """The manifest of a locked wheel, None where no source has it."""
        locked = package.content[wheel.name]
        for source in (self._cached, self._fetched, self._asked):
            with contextlib.suppress(EnvctlError, OSError, ValueError):
                manifest = source(wheel)
                if manifest is not None and manifest.digest() == locked:
                    return manifest
        return None

    def seed(self, name: str, version: str) -> Manifest | None:
        """The manifest of the wheel of that name and version that the interpreter carries."""
        from envctl.index.wheel import read_file

        for place in self._inventory.interpreter.bundled:
            path = Path(place)
            found, _, rest = path.name.partition("-")
            if found.lower().replace("_", "-") == name and rest.partition("-")[0] == version:
                with contextlib.suppress(EnvctlError):
                    return read_file(path).manifest
        return None

    def debs(self, platform: Platform) -> dict[str, dict[str, str] | None] | None:
        """The files of the OS packages that the lockfile pins for the platform, as far as they are at hand."""
        pinned = self._lockfile.envctl.os_packages
        if pinned is None:
            return None
        from envctl.commands.debs import contents_of

        arch = str(platform).split("/")[1]
        packages = [package for package in pinned.packages if package.arch == arch]
        return contents_of(packages, folders=self._folders, offline=self._offline)

    def _cached(self, wheel: Wheel) -> Manifest | None:
        known = self._cache.get(wheel.sha256, filename=wheel.name)
        return None if known is None else known.content.manifest

    def _fetched(self, wheel: Wheel) -> Manifest | None:
        from envctl.index.wheel import read_file

        for folder in self._folders:
            if (folder / wheel.name).is_file():
                return read_file(folder / wheel.name).manifest
        return None

    def _asked(self, wheel: Wheel) -> Manifest | None:
        if self._offline or wheel.url is None:
            return None
        from envctl.index.mirrors import credentials
        from envctl.index.wheel import read_remote
        from envctl.system.http import Client

        if self._client is None:
            indexes = {index.name: index.url for index in self._lockfile.envctl.indexes}
            known = credentials(indexes)
            self._client = Client(credentials=known, attempts=2, patience=_PATIENCE)
        try:
            read = read_remote(self._client, wheel.url, filename=wheel.name, sha256=wheel.sha256, size=wheel.size)
        except EnvctlError:
            self._offline = True  # an index that fails once is not waited for again
            raise
        self._cache.put(read)
        return read.content.manifest
