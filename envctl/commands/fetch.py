"""Fill a folder with everything that `sync` needs of a target, for a machine without a network."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Protocol

import msgspec

from envctl.commands.sync import Fetched, Pair, select
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

    def wheels(self, lockfile: Lockfile, pairs: Sequence[Pair]) -> Fetched:
        """See `envctl.commands.sync.Ports`."""
        ...

    def installer(self, installer: Installer, platforms: Sequence[Platform]) -> Fetched:
        """The installer's wheels, from the default index, checked against their sha256.

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
    fetched = ports.wheels(lockfile, pairs)
    ports.step("writing")
    held = _place(folder, held, fetched.files)
    downloaded, tools = fetched.downloaded, {}
    if lockfile.envctl.installer is not None:
        tools, more = _installer(folder, lockfile.envctl.installer, chosen, ports)
        downloaded += more
        entry = msgspec.structs.replace(entry, installer=tuple(sorted(tools)))
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


def _place(folder: Path, held: Mapping[str, Held], paths: Mapping[str, Path]) -> dict[str, Held]:
    placed = {}
    for name, one in held.items():
        wheelhouse.place(folder, name, paths[name], one.sha256)
        placed[name] = msgspec.structs.replace(one, size=(folder / WHEELS / name).stat().st_size)
    return placed


def _installer(
    folder: Path, installer: Installer, platforms: Sequence[Platform], ports: Ports
) -> tuple[dict[str, Held], int]:
    fetched = ports.installer(installer, platforms)
    held = {}
    for name, path in fetched.files.items():
        digest = wheelhouse.sha256_file(path)
        wheelhouse.place(folder, name, path, digest)
        held[name] = Held(sha256=digest, size=path.stat().st_size)
    return held, fetched.downloaded
