"""The real outside of `lock`: uv, package indexes, the cache of wheel contents, the clock."""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Sequence
from datetime import datetime, timezone
from types import TracebackType

from envctl.commands.base_systems import read_base_system
from envctl.commands.bases import Base
from envctl.commands.jobs import Job
from envctl.commands.locking import Read
from envctl.errors import InvalidFile
from envctl.index.ahead import Ahead
from envctl.index.cache import ContentCache
from envctl.index.contents import WheelRef, read_contents
from envctl.index.mirrors import configured, credentials
from envctl.model.lockfile import Installer
from envctl.model.resolution import Candidate
from envctl.oci.cache import DocumentCache
from envctl.oci.reference import Reference
from envctl.oci.registry import Registry
from envctl.os_packages.base import BaseSystem, Source
from envctl.os_packages.control import Offers
from envctl.os_packages.fetch import read_offers, sources_of
from envctl.resolve.installer import resolve_installer
from envctl.resolve.interface import Resolver
from envctl.resolve.uv import UvResolver
from envctl.system.files import cache_dir
from envctl.system.http import Client
from envctl.system.process import run
from envctl.system.uv import binary, clean_environment

Progress = Callable[[str, int, int], None]


class SystemPorts:
    """Implements `envctl.commands.locking.Ports`.

    Args:
        offline: no network: uv's cache and the cache of contents only.
        progress: called with what is being done, how much of how much.
        fresh: read wheels anew, whatever the cache of contents holds.
    """

    def __init__(self, *, offline: bool, progress: Progress, fresh: bool = False) -> None:
        self._offline = offline
        self._progress = progress
        self._cache = None if fresh else ContentCache()
        self._registry = Registry(offline=offline, cache=None if fresh else DocumentCache())
        self._offers: dict[tuple[tuple[Source, ...], str], Offers] = {}
        self._client = Client(offline=offline, credentials=credentials({}))
        self._ahead = Ahead(self._client, self._cache)
        self._resolver = UvResolver(default_index=configured(os.environ), seen=None if offline else self._ahead.see)

    def __enter__(self) -> SystemPorts:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._registry.close()
        self._ahead.__exit__(kind, error, trace)
        self._client.close()

    @property
    def resolver(self) -> Resolver:
        """uv."""
        return self._resolver

    def waiting(self, what: str) -> None:
        """Show it where progress is shown."""
        self._progress(f"waiting {what}", 0, 0)

    def now(self) -> datetime:
        """This moment, in UTC, whole seconds."""
        return datetime.now(timezone.utc).replace(microsecond=0)

    def python_release(self, minor: str) -> str:
        """The newest X.Y.Z that uv knows of X.Y; it is kept in the lockfile from then on."""
        done = run(
            [binary(), "python", "list", minor, "--only-downloads", "--all-versions", "--no-config", "--offline"],
            env=clean_environment(),
            timeout=60,
        )
        found = re.findall(rf"cpython-({re.escape(minor)}\.\d+)-", done.stdout)
        if done.status != 0 or not found:
            raise InvalidFile(
                "the patch release of Python is not known",
                key="python",
                found=minor,
                expected="X.Y.Z",
                hint=f"write it in the profile, such as {minor}.1",
            )
        return str(max(found, key=lambda version: int(version.rpartition(".")[2])))

    def installer(self, job: Job) -> Installer:
        """The newest uv that the cutoff admits, for the job's platforms."""
        return resolve_installer(
            self._resolver,
            cutoff=job.cutoff[0],
            platforms=job.platforms,
            libc=job.libc,
            python=job.settled.python.version,
            indexes=job.inputs.profile.resolver.index,
            offline=self._offline,
        )

    def base(self, reference: str, platform: str) -> Base:
        """The base image, from its registry."""
        image = self._registry.image(Reference.parse(reference), platform)
        python = image.config.variable("PYTHON_VERSION")
        return Base(digest=image.document.descriptor.digest, diff_ids=image.config.diff_ids, python=python)

    def base_system(self, reference: str, platform: str) -> BaseSystem:
        """The OS of a base image: from the cache, else from its layers in the registry."""
        return read_base_system(self._registry, reference, platform)

    def os_offers(self, snapshot: str | tuple[str, ...], base: BaseSystem, arch: str) -> Offers:
        """What the archives offer, read anew once; `Packages` files that did not change come from the cache."""
        sources = sources_of(snapshot, base)
        if (sources, arch) not in self._offers:
            self._progress("reading the archive of OS packages", 0, 0)
            found = read_offers(self._client, sources, arch, cache=cache_dir("archives", "v1"))
            self._offers[sources, arch] = found
        return self._offers[sources, arch]

    def read(self, wheels: Sequence[Candidate], jobs: Sequence[Job]) -> dict[str, Read]:
        """Read wheels by range, many at once, or take them from the cache by sha256."""
        refs = {
            wheel.url: WheelRef(filename=wheel.filename, url=wheel.url, sha256=wheel.sha256, size=wheel.size)
            for wheel in wheels
        }
        indexes = {index.name: index.url for job in jobs for index in job.inputs.profile.resolver.index}
        with Client(offline=self._offline, credentials=credentials(indexes)) as client:
            found = read_contents(
                list(refs.values()),
                client=client,
                cache=self._cache,
                ahead=self._ahead,
                progress=lambda done, total: self._progress("reading wheels", done, total),
            )
        read = {}
        for url in refs:
            wheel = found[url]
            read[url] = Read(
                manifest=wheel.content.manifest,
                sha256=wheel.sha256,
                size=wheel.size,
                requires=wheel.content.requires,
                requires_python=wheel.content.requires_python,
                hooks=wheel.content.hooks,
            )
        return read
