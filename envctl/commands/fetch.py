"""Fill a folder with everything that `sync` and `build` need of a target, for a machine without a network."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from pathlib import Path, PurePosixPath
from typing import Protocol

import msgspec

from envctl.commands import signatures
from envctl.commands.image_parts import FetchedImage, FetchedPython, archives, debs, unlocked_packages
from envctl.commands.sync import Pair, select
from envctl.errors import UsageError
from envctl.install import wheelhouse
from envctl.install.wheelhouse import WHEELS, Contents, Entry, Held
from envctl.model.lockfile import Installer, Lockfile, OsPackage, Standalone
from envctl.model.manifest import sha256
from envctl.model.platform import Platform
from envctl.oci.shelf import Shelved
from envctl.system import files


class FetchResult(msgspec.Struct, frozen=True, kw_only=True):
    """The result of `envctl fetch`. `wheels`: how many, and `bytes` of them; `downloaded`: bytes over the network.

    `images`, `pythons`, `os_packages` (how many): what only `build` needs, and `verify` of an image.
    """

    schema: str
    target: str
    folder: str
    platforms: tuple[str, ...]
    wheels: int
    bytes: int
    downloaded: int
    installer: tuple[str, ...] = ()
    images: tuple[FetchedImage, ...] = ()
    pythons: tuple[FetchedPython, ...] = ()
    os_packages: int = 0
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

    def base(self, lockfile: Lockfile, platform: Platform, folder: Path) -> tuple[FetchedImage, Shelved, int]:
        """See `envctl.commands.image_parts.ImageParts`."""
        ...

    def python(self, build: Standalone, platform: Platform, folder: Path) -> tuple[FetchedPython, int]:
        """See `envctl.commands.image_parts.ImageParts`."""
        ...

    def debs(self, packages: Mapping[str, OsPackage], folder: Path) -> tuple[dict[str, Held], int]:
        """See `envctl.commands.image_parts.ImageParts`."""
        ...

    def step(self, what: str) -> None:
        """Say what is being done now."""
        ...


class _Plan(msgspec.Struct, frozen=True, kw_only=True):
    """What is to be in the folder, as far as the lockfile says it.

    Attributes:
        chosen: the platforms. `built`: those of them that there is an image for.
        copies: the lockfile's bytes and those of its signatures, by the names of their copies.
    """

    chosen: tuple[Platform, ...]
    built: tuple[Platform, ...]
    pairs: list[Pair]
    copies: dict[str, bytes]
    entry: Entry
    contents: Contents


class _Parts(msgspec.Struct, kw_only=True):
    """What an image needs beside its wheels: as it was fetched, as the folder's index has it, and bytes received."""

    images: list[FetchedImage] = []
    pythons: list[FetchedPython] = []
    held: dict[str, Held] = {}
    debs: dict[str, Held] = {}
    received: int = 0


def fetch(
    path: Path, lockfile: Lockfile, folder: Path, platforms: Sequence[str], ports: Ports, *, image: bool = True
) -> FetchResult:
    """Bring the folder to the lockfile at `path`: what is right stays, the rest is fetched.

    Args:
        platforms: those wanted, such as `linux/amd64`; none: all of the lockfile.
        image: whether base image and standalone Python are wanted too, where the target has an image.

    Raises:
        UsageError: a platform is not locked; the folder is none, or its files are another target's.
        InvalidFile: the folder's index is not envctl's.
        IndexFailed: a wheel, the base image or Python cannot be had, or is not the locked one.
        ToolFailed: something cannot be written.
    """
    start = time.monotonic()
    plan = _plan(path, lockfile, platforms, image=image)
    wheelhouse.merged(wheelhouse.read_index(folder), lockfile.target, plan.entry, plan.contents)
    with wheelhouse.alone(folder, lambda: ports.step("waiting for another envctl that fetches into this folder")):
        before = wheelhouse.read_index(folder)
        wheelhouse.merged(before, lockfile.target, plan.entry, plan.contents)  # before anything is downloaded
        wheelhouse.prepare(folder, image=bool(plan.built))
        parts = _image_parts(lockfile, plan.built, folder, ports)  # first: what cannot be had is known soonest here
        ports.step("fetching wheels")
        downloaded = parts.received + ports.wheels(lockfile, plan.pairs, folder / WHEELS)
        tools: dict[str, Held] = {}
        if lockfile.envctl.installer is not None:
            ports.step("fetching the installer")
            found, more = ports.installer(lockfile.envctl.installer, plan.chosen, folder / WHEELS)
            downloaded += more
            tools = {file: Held(sha256=digest, size=0) for file, digest in found.items()}
        held, tools = _measured(folder, plan.contents.wheels), _measured(folder, tools)
        pythons = {PurePosixPath(one.place).name: Held(sha256=one.sha256, size=one.bytes) for one in parts.pythons}
        entry = msgspec.structs.replace(plan.entry, installer=tuple(sorted(tools)), images=tuple(sorted(parts.held)))
        contents = Contents(wheels={**held, **tools}, images=parts.held, pythons=pythons, debs=parts.debs)
        after = wheelhouse.merged(before, lockfile.target, entry, contents)
        wheelhouse.finish(folder, after, plan.copies)
        wheelhouse.tidy(folder, before, after)
    return FetchResult(
        schema=wheelhouse.SCHEMA,
        target=lockfile.target,
        folder=str(folder),
        platforms=entry.platforms,
        wheels=len(held),
        bytes=sum(one.size for one in held.values()),
        downloaded=downloaded,
        installer=entry.installer,
        images=tuple(parts.images),
        pythons=tuple(parts.pythons),
        os_packages=len(parts.debs),
        notes=_notes(lockfile, plan.built),
        seconds=round(time.monotonic() - start, 3),
    )


def _plan(path: Path, lockfile: Lockfile, platforms: Sequence[str], *, image: bool) -> _Plan:
    chosen = _chosen(lockfile, platforms)
    built = _built(lockfile, chosen) if image else ()
    pairs = _pairs(lockfile, chosen)
    wheels = {
        wheel.name: Held(sha256=wheel.sha256, size=wheel.size or 0, content=package.content[wheel.name])
        for package, wheel in pairs
    }
    pythons = archives(lockfile, built)
    packages = {name: Held(sha256=one.sha256, size=one.size) for name, one in debs(lockfile, built).items()}
    data = files.read_bytes(path)
    name = f"pylock.{lockfile.target.replace(':', '-')}.toml"
    signed = {name + key[len(path.name) :]: content for key, content in signatures.carried(path).items()}
    entry = Entry(
        name,
        sha256(data),
        tuple(map(str, chosen)),
        tuple(sorted(wheels)),
        pythons=tuple(sorted(pythons)),
        debs=tuple(sorted(packages)),
        signatures=tuple(sorted(signed)),
    )
    contents = Contents(wheels=wheels, pythons=pythons, debs=packages)
    return _Plan(chosen=chosen, built=built, pairs=pairs, copies={name: data, **signed}, entry=entry, contents=contents)


def _built(lockfile: Lockfile, platforms: Sequence[Platform]) -> tuple[Platform, ...]:
    """The platforms that there is an image for."""
    if lockfile.envctl.image is None:
        return ()
    return tuple(platform for platform in platforms if platform.os == "linux")


def _image_parts(lockfile: Lockfile, platforms: Sequence[Platform], folder: Path, ports: Ports) -> _Parts:
    parts = _Parts()
    if not platforms:
        return parts
    for platform in platforms:
        ports.step("fetching the base image")
        told, found, received = ports.base(lockfile, platform, folder)
        parts.images.append(told)
        parts.received += received
        for name in found.names:
            digest = name.removesuffix(".json").partition("-")[2]
            parts.held[name] = Held(sha256=digest, size=found.size if name == found.place.name else 0)
        build = lockfile.envctl.python.builds.get(str(platform))
        if build is not None:
            ports.step("fetching Python")
            archive, received = ports.python(build, platform, folder)
            parts.pythons.append(archive)
            parts.received += received
    ports.step("fetching OS packages")
    parts.debs, received = ports.debs(debs(lockfile, platforms), folder)
    parts.received += received
    return parts


def _notes(lockfile: Lockfile, built: Sequence[Platform]) -> tuple[str, ...]:
    packages = unlocked_packages(lockfile) if built else ()
    if not packages:
        return ()
    return (
        f"OS packages are not in the folder ({', '.join(packages)}), so `envctl build --offline` refuses the target",
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
