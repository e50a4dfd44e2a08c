"""OS packages of images, pinned from an archive: after everything else of a lockfile is known."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Protocol

import msgspec

from envctl.commands.jobs import Job, LockOptions
from envctl.commands.locking import Locked
from envctl.errors import EnvctlError, IndexFailed, InvalidFile, NoResolution
from envctl.model.lockfile import Image, Lockfile, OsPackage, OsPackages
from envctl.os_packages.base import BaseSystem
from envctl.os_packages.control import Offers
from envctl.os_packages.fetch import sources_of
from envctl.os_packages.resolve import Chosen, resolve

_UNPINNED = (
    "the OS packages of image.packages are not pinned: each build takes what the archive has on that day; "
    "image.snapshot names a dated archive to pin them from"
)
_MOVING = (
    "the OS packages are pinned from the base image's own archive, which moves on: their files may be gone from there "
    "one day; image.snapshot can name a dated archive, which keeps them"
)
_VENV = re.compile(r"python3(?:\.\d+)?-venv(?:=|$)")
_SHA256 = re.compile(r"[0-9a-f]{64}")
_FILE = re.compile(r"(?!/)(?!.*(?:^|/)\.\.(?:/|$))[A-Za-z0-9._~+/%-]+")


class Ports(Protocol):
    """What pinning OS packages reaches outside for."""

    def base_system(self, reference: str, platform: str) -> BaseSystem:
        """The OS of a base image, given by its digest."""
        ...

    def os_offers(self, snapshot: str | tuple[str, ...], base: BaseSystem, arch: str) -> Offers:
        """What the archives offer for a base image and an architecture."""
        ...


def asked_for(lockfile: Lockfile) -> tuple[str, ...]:
    """The OS packages that an image needs: the profile's, and what the OS's Python needs to make environments."""
    image, python = lockfile.envctl.image, lockfile.envctl.python
    names = set(image.packages) if image is not None else set()
    if python.source == "os" and not any(_VENV.match(name) for name in names):
        names.add(f"python{python.minor[0]}.{python.minor[1]}-venv")
    return tuple(sorted(names))


def with_os_packages(done: Locked, options: LockOptions, ports: Ports) -> Locked:
    """The lockfile with its OS packages pinned, where `image.snapshot` says from where.

    Raises:
        InvalidFile: the base image is not of Debian's kind, or says too little.
        NoResolution: the archive has not what is asked for, or it does not go together with the base.
        IndexFailed: the base image or the archive cannot be read.
    """
    lockfile, job = done.lockfile, done.job
    if lockfile is job.previous:
        return done
    image, names = lockfile.envctl.image, asked_for(lockfile)
    if image is None or not names:
        return _replaced(done, None)
    if image.snapshot is None:
        warnings = () if _musl(lockfile) else (_UNPINNED,)
        return msgspec.structs.replace(_replaced(done, None), warnings=(*done.warnings, *warnings))
    kept = job.previous if job.intact and not options.upgrade else None
    if kept is None or not _same(kept, lockfile):
        try:
            packages = _pinned(lockfile, image, names, None if kept is None else kept.envctl.os_packages, ports)
        except (InvalidFile, NoResolution, IndexFailed) as error:
            raise _placed(error, job) from error
        pins: OsPackages | None = OsPackages(snapshot=image.snapshot, packages=packages)
    else:
        pins = kept.envctl.os_packages
    told = (_MOVING,) if image.snapshot == "base" else ()
    return msgspec.structs.replace(_replaced(done, pins), warnings=(*done.warnings, *told))


def _replaced(done: Locked, pins: OsPackages | None) -> Locked:
    if done.lockfile.envctl.os_packages == pins:
        return done
    envctl = msgspec.structs.replace(done.lockfile.envctl, os_packages=pins)
    tool = msgspec.structs.replace(done.lockfile.tool, envctl=envctl)
    return msgspec.structs.replace(done, lockfile=msgspec.structs.replace(done.lockfile, tool=tool))


def _musl(lockfile: Lockfile) -> bool:
    return any(pin.libc.startswith("musl") for pin in lockfile.envctl.platforms.values())


def _same(previous: Lockfile, lockfile: Lockfile) -> bool:
    """Whether all that decides the pins is as it was."""
    if previous.envctl.os_packages is None or previous.envctl.image is None or lockfile.envctl.image is None:
        return False
    before, now = previous.envctl.image, lockfile.envctl.image
    return (
        (before.base, before.snapshot, asked_for(previous)) == (now.base, now.snapshot, asked_for(lockfile))
        and _bases(previous) == _bases(lockfile)
    )  # fmt: skip


def _bases(lockfile: Lockfile) -> dict[str, str | None]:
    return {name: pin.base_digest for name, pin in lockfile.envctl.platforms.items() if name.startswith("linux/")}


def _pinned(
    lockfile: Lockfile, image: Image, names: tuple[str, ...], previous: OsPackages | None, ports: Ports
) -> tuple[OsPackage, ...]:
    found: list[OsPackage] = []
    name, _, said = image.base.partition("@")
    for platform, digest in _bases(lockfile).items():
        arch = platform.split("/")[1]
        base = ports.base_system(f"{name}@{digest or said}", platform)
        if base.packages is None:
            raise InvalidFile(
                "the base image has no packages of Debian's kind, and others cannot be pinned",
                key="image.snapshot",
                found=f"{base.name} for {platform}",
                expected="a base image with /var/lib/dpkg/status",
                hint="without image.snapshot its packages are installed as the archive has them",
            )
        sources_of(image.snapshot or "", base)
        offers = ports.os_offers(image.snapshot or "", base, arch)
        kept = {one.name: one.version for one in previous.packages if one.arch == arch} if previous else {}
        try:
            chosen = resolve(names, base.packages, offers, kept)
        except ValueError as error:
            raise IndexFailed("the archive's index is malformed", found=str(error), key="image.snapshot") from error
        found += [_package(one, arch) for one in chosen]
    return tuple(sorted(found, key=lambda one: (one.arch, one.name)))


def _package(chosen: Chosen, arch: str) -> OsPackage:
    package = chosen.package
    if not _SHA256.fullmatch(package.sha256) or not _FILE.fullmatch(package.filename) or package.size <= 0:
        raise IndexFailed(
            f"the archive does not say where {package.name} is, or what it is",
            file=chosen.root,
            found=ascii(package.filename)[:200],
            expected="Filename, Size and SHA256",
        )
    return OsPackage(
        name=package.name,
        version=package.version,
        arch=arch,
        sha256=package.sha256,
        url=f"{chosen.root}/{package.filename}",
        size=package.size,
        step=chosen.step,
    )


def _placed(error: EnvctlError, job: Job) -> EnvctlError:
    """The error with the place of the key that it is about."""
    lines: Mapping[str, tuple[str, int]] = job.inputs.line_of
    if error.key is not None:
        file, line = lines.get(error.key) or lines.get(error.key.partition(".")[0]) or (None, None)
        told = f"{job.target}, {error.key} ({file}:{line})" if file else f"{job.target}, {error.key}"
        if error.file is None:
            error.file, error.line = file, line
        elif told not in error.details:
            error.details = (*error.details, told)
    return error
