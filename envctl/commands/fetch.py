"""Fill a folder with everything that `sync` needs of a target, for a machine without a network."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Protocol

import msgspec

from envctl.commands.sync import Pair, select
from envctl.errors import UsageError
from envctl.install import wheelhouse
from envctl.install.wheelhouse import WHEELS, Entry, Held
from envctl.model.lockfile import Installer, Lockfile
from envctl.model.manifest import sha256
from envctl.model.platform import Platform
from envctl.system import files


class FetchResult(msgspec.Struct, frozen=True, kw_only=True):
    """The result of `envctl fetch`. `wheels`: how many, and `bytes` of them; `downloaded`: bytes over the network."""

    schema: str
    target: str
    folder: str
    platforms: tuple[str, ...]
    wheels: int
    bytes: int
    downloaded: int
    installer: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()
    seconds: float = 0.0


class Ports(Protocol):
    """What fetching needs of the other rooms."""

    def wheels(self, lockfile: Lockfile, pairs: Sequence[Pair], folder: Path) -> int:
        """See `envctl.commands.sync.Ports`."""
        ...

    def installer(
        self, installer: Installer, platforms: Sequence[Platform], folder: Path
    ) -> tuple[dict[str, str], int]:
        """Put the installer's wheels of these platforms, by their sha256, into a folder.

        Returns:
            The sha256 by file name; how many bytes came over the network.

        Raises:
            IndexFailed: one cannot be had.
        """
        ...

    def step(self, what: str) -> None:
        """Say what is being done now."""
        ...


def fetch(path: Path, lockfile: Lockfile, folder: Path, platforms: Sequence[str], ports: Ports) -> FetchResult:
    """Bring the folder to the lockfile at `path`: what is right stays, the rest is fetched.

    Args:
        platforms: those wanted, such as `linux/amd64`; none: all of the lockfile.

    Raises:
        UsageError: a platform is not locked; the folder is none, or its files are another target's.
        InvalidFile: the folder's index is not envctl's.
        IndexFailed: a wheel cannot be had, or is not the locked one.
        ToolFailed: something cannot be written.
    """
    start = time.monotonic()
    chosen = _chosen(lockfile, platforms)
    before = wheelhouse.read_index(folder)
    pairs = _pairs(lockfile, chosen)
    held = {
        wheel.name: Held(sha256=wheel.sha256, size=wheel.size or 0, content=package.content[wheel.name])
        for package, wheel in pairs
    }
    data = files.read_bytes(path)
    name = f"pylock.{lockfile.target.replace(':', '-')}.toml"
    entry = Entry(name, sha256(data), tuple(map(str, chosen)), tuple(sorted(held)))
    wheelhouse.merged(before, lockfile.target, entry, held)  # before anything is downloaded
    wheelhouse.prepare(folder)
    ports.step("fetching wheels")
    downloaded = ports.wheels(lockfile, pairs, folder / WHEELS)
    tools: dict[str, Held] = {}
    if lockfile.envctl.installer is not None:
        ports.step("fetching the installer")
        found, more = ports.installer(lockfile.envctl.installer, chosen, folder / WHEELS)
        downloaded += more
        tools = {file: Held(sha256=digest, size=0) for file, digest in found.items()}
        entry = msgspec.structs.replace(entry, installer=tuple(sorted(tools)))
    held, tools = _measured(folder, held), _measured(folder, tools)
    after = wheelhouse.merged(before, lockfile.target, entry, {**held, **tools})
    wheelhouse.finish(folder, after, (name, data))
    wheelhouse.tidy(folder, before, after)
    return FetchResult(
        schema=wheelhouse.SCHEMA,
        target=lockfile.target,
        folder=str(folder),
        platforms=tuple(map(str, chosen)),
        wheels=len(held),
        bytes=sum(one.size for one in held.values()),
        downloaded=downloaded,
        installer=entry.installer,
        seconds=round(time.monotonic() - start, 3),
    )


def _chosen(lockfile: Lockfile, platforms: Sequence[str]) -> tuple[Platform, ...]:
    if not platforms:
        return lockfile.platforms()
    try:
        return tuple(sorted({Platform.parse(name) for name in platforms}))
    except ValueError as error:
        raise UsageError("--platform names no platform", found=str(error)) from error


def _pairs(lockfile: Lockfile, platforms: Sequence[Platform]) -> list[Pair]:
    """The packages of all these platforms, each wheel once."""
    by_name = {pair[1].name: pair for platform in platforms for pair in select(lockfile, platform)}
    return [by_name[name] for name in sorted(by_name)]


def _measured(folder: Path, held: Mapping[str, Held]) -> dict[str, Held]:
    """The same with the sizes of the files that lie there, which have the sha256 of the lockfile."""
    return {
        name: msgspec.structs.replace(one, size=(folder / WHEELS / name).stat().st_size) for name, one in held.items()
    }
