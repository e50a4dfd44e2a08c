"""What an image is built from beside its wheels, in a folder that travels: base images and archives of Python.

images/sha256-<hex>/       a base image as an OCI layout, and sha256-<hex>.json where a pinned index leads to it
python/<name>              an archive of a standalone Python, as its address names it
"""

from __future__ import annotations

import os
import secrets
import shutil
from collections.abc import Callable, Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path, PurePosixPath
from typing import NamedTuple

import msgspec

from envctl.commands.builds import archive_name, kept_archive
from envctl.errors import EnvctlError, IndexFailed, InvalidFile, ToolFailed, UsageError
from envctl.install.wheelhouse import DEBS, IMAGES, PYTHON, Held
from envctl.model.lockfile import Lockfile, OsPackage, Standalone
from envctl.model.platform import Platform
from envctl.oci import shelf
from envctl.oci.media import ImageIndex
from envctl.oci.reference import Reference
from envctl.oci.registry import Registry
from envctl.oci.shelf import Shelved
from envctl.system.digests import sha256_file

Progress = Callable[[str, int, int], None]
"""What is being done, how much of how much."""

_LIMIT = 2**31  # bytes of an archive of Python


class FetchedImage(msgspec.Struct, frozen=True, kw_only=True):
    """A base image in the folder. `digest`: its manifest's; `place`: its layout, in the folder; `bytes`: its layers."""

    platform: str
    reference: str
    digest: str
    place: str
    bytes: int


class FetchedPython(msgspec.Struct, frozen=True, kw_only=True):
    """An archive of a standalone Python in the folder; `sha256`: 64 hex digits."""

    platform: str
    place: str
    sha256: str
    bytes: int


def base_reference(lockfile: Lockfile, platform: str) -> Reference | None:
    """The base image at its pinned digest, of a manifest or an index; None where the target has no image."""
    image, pin = lockfile.envctl.image, lockfile.envctl.platforms.get(platform)
    if image is None or pin is None:
        return None
    reference = Reference.parse(image.base)
    digest = reference.digest or pin.base_digest
    return None if digest is None else reference.at(digest)


def held_base(lockfile: Lockfile, platform: str, folder: Path) -> Shelved | None:
    """The pinned base image in a fetched folder; None where it is not there.

    Raises:
        InvalidFile: what lies there is not what its digest says.
    """
    reference = base_reference(lockfile, platform)
    if reference is None or reference.digest is None:
        return None
    return shelf.find(folder / IMAGES, reference.digest, platform)


def unlocked_packages(lockfile: Lockfile) -> tuple[str, ...]:
    """The OS packages that no folder has: the lockfile pins none, so a build takes what the archive has then."""
    image = lockfile.envctl.image
    if image is None or lockfile.envctl.os_packages is not None:
        return ()
    named = tuple(sorted(image.packages))
    return named or (("python3",) if lockfile.envctl.python.source == "os" else ())


class _File(NamedTuple):
    """A file that the lockfile pins. `limit`: bytes that it may have; `what`: as messages name it."""

    url: str
    sha256: str
    limit: int
    what: str


class ImageParts:
    """Brings base images and archives into a folder.

    Args:
        offline: no network at all: only what is there, or in the caches.
    """

    def __init__(self, *, offline: bool, progress: Progress, environ: Mapping[str, str] | None = None) -> None:
        self._offline, self._progress = offline, progress
        self._environ = os.environ if environ is None else environ

    def base(self, lockfile: Lockfile, platform: Platform, folder: Path) -> tuple[FetchedImage, Shelved, int]:
        """The base image of a platform, fetched where it is not there whole.

        Returns:
            What it is, where it lies, and how many bytes came over the network.

        Raises:
            InvalidFile: the lockfile pins no base, or its layers are not the locked ones.
            IndexFailed: it cannot be had.
            ToolFailed: it cannot be written.
        """
        reference = base_reference(lockfile, str(platform))
        if reference is None or reference.digest is None:
            raise InvalidFile(f"the lockfile pins no base image for {platform}", key="tool.envctl.image.base")
        received = 0
        found = self._there(lockfile, platform, folder)
        if found is None:
            received = self._fetch(reference, platform, folder)
            found = shelf.find(folder / IMAGES, reference.digest, str(platform))
        if found is None:
            raise InvalidFile("is an index of indexes, which does not travel", file=reference.familiar())
        diff_ids = lockfile.envctl.platforms[str(platform)].diff_ids
        if diff_ids and found.config.diff_ids != diff_ids:
            raise InvalidFile(
                "the layers of the base image are not those that the lockfile says",
                file=reference.familiar(),
                found=" ".join(found.config.diff_ids),
                expected=" ".join(diff_ids),
                hint=f"`envctl lock {lockfile.target} --upgrade-base`",
            )
        told = FetchedImage(
            platform=str(platform),
            reference=reference.familiar(),
            digest=found.digest,
            place=f"{IMAGES}/{found.place.name}",
            bytes=found.size,
        )
        return told, found, received

    def python(self, build: Standalone, platform: Platform, folder: Path) -> tuple[FetchedPython, int]:
        """The archive of a platform's standalone Python, and how many bytes came over the network.

        Raises:
            InvalidFile: its address names no file.
            IndexFailed: it cannot be had, or is not the locked one.
            ToolFailed: it cannot be written.
        """
        place = folder / PYTHON / archive_name(build.url)
        self._progress("fetching Python", 0, 0)
        size, received = self._file(
            _File(build.url, build.sha256, _LIMIT, "archive of Python"), place, kept_archive(build)
        )
        name = f"{PYTHON}/{place.name}"
        return FetchedPython(platform=str(platform), place=name, sha256=build.sha256, bytes=size), received

    def debs(self, packages: Mapping[str, OsPackage], folder: Path) -> tuple[dict[str, Held], int]:
        """Locked OS packages, by their names in the folder; and how many bytes came over the network.

        Raises:
            IndexFailed: one cannot be had, or is not the locked one.
            ToolFailed: one cannot be written.
        """
        if not packages:
            return {}, 0
        (folder / DEBS).mkdir(parents=True, exist_ok=True)
        held, received = {}, 0
        with ThreadPoolExecutor(4, "envctl-debs") as threads:
            wanted = {name: _File(one.url, one.sha256, one.size, "OS package") for name, one in packages.items()}
            running = {name: threads.submit(self._file, file, folder / DEBS / name) for name, file in wanted.items()}
            try:
                for name, done in running.items():
                    size, more = done.result()
                    held[name] = Held(sha256=wanted[name].sha256, size=size)
                    received += more
                    self._progress("fetching OS packages", len(held), len(running))
            except BaseException:
                threads.shutdown(wait=False, cancel_futures=True)
                raise
        return held, received

    def _there(self, lockfile: Lockfile, platform: Platform, folder: Path) -> Shelved | None:
        """What lies there and is whole: then no registry is asked."""
        try:
            found = held_base(lockfile, str(platform), folder)
            if found is not None:
                shelf.check(found)
        except InvalidFile:
            return None  # damaged: fetched anew
        return found

    def _fetch(self, reference: Reference, platform: Platform, folder: Path) -> int:
        from envctl.oci.cache import DocumentCache

        what, received = f"fetching {reference.familiar().partition('@')[0]}", [0]

        def tell(done: int, total: int) -> None:
            received[0] = done
            self._progress(what, done, total)

        with Registry(environ=self._environ, offline=self._offline, cache=DocumentCache()) as registry:
            try:
                pinned = registry.resolve(reference)
                image = registry.image(reference, str(platform))
                listed = isinstance(pinned.content, ImageIndex)
                index = (pinned.descriptor.digest, pinned.data) if listed else None
                shelf.put(folder / IMAGES, image, name=reference, index=index, progress=tell)
            except IndexFailed as error:
                raise _with_hint(error) from error
        return received[0]

    def _file(self, file: _File, place: Path, kept: Path | None = None) -> tuple[int, int]:
        """Have a file in its place: its size, and how many bytes came over the network. `kept`: a right copy of it."""
        part = place.with_name(f".envctl-{secrets.token_hex(8)}.part")
        received = 0
        try:
            if not place.is_file() or sha256_file(place) != file.sha256:
                if kept is None:
                    received = self._download(file, part)
                else:
                    shutil.copyfile(kept, part)
                part.replace(place)
            return place.stat().st_size, received
        except OSError as error:
            raise ToolFailed("could not be written", file=error.filename or place, found=error.strerror) from error
        finally:
            part.unlink(missing_ok=True)

    def _download(self, wanted: _File, part: Path) -> int:
        from envctl.system.http import Client

        with Client(offline=self._offline, environ=self._environ) as client, part.open("w+b") as file:
            try:
                found = client.stream_to(wanted.url, file, limit=wanted.limit)
            except IndexFailed as error:
                raise _with_hint(error) from error
            if found.sha256 != wanted.sha256:
                raise IndexFailed(
                    f"is not the locked {wanted.what}",
                    file=wanted.url,
                    found=f"sha256 {found.sha256}",
                    expected=f"sha256 {wanted.sha256}",
                )
            file.flush()
            os.fsync(file.fileno())
        return found.size


def archives(lockfile: Lockfile, platforms: Iterable[Platform]) -> dict[str, Held]:
    """The archives of a standalone Python by their names in the folder; their sizes are not known yet.

    Raises:
        UsageError: two platforms' archives have one name.
        InvalidFile: an address names no file.
    """
    found: dict[str, Held] = {}
    for platform in platforms:
        build = lockfile.envctl.python.builds.get(str(platform))
        if build is None:
            continue
        held = found.setdefault(archive_name(build.url), Held(sha256=build.sha256, size=0))
        if held.sha256 != build.sha256:
            raise UsageError(
                f"platforms need two different archives named {archive_name(build.url)}",
                hint="fetch one --platform into each folder",
            )
    return found


def debs(lockfile: Lockfile, platforms: Iterable[Platform]) -> dict[str, OsPackage]:
    """The locked OS packages of these platforms by their names in the folder.

    Raises:
        UsageError: two of them have one name.
        InvalidFile: one has a name that no file can have.
    """
    pinned = lockfile.envctl.os_packages
    found: dict[str, OsPackage] = {}
    arches = {str(platform).split("/")[1] for platform in platforms}
    for package in () if pinned is None else pinned.packages:
        if package.arch not in arches:
            continue
        if package.file != PurePosixPath(package.file).name:
            raise InvalidFile("an OS package has no usable name", found=ascii(package.file)[:200])
        if found.setdefault(package.file, package).sha256 != package.sha256:
            raise UsageError(
                f"platforms need two different OS packages named {package.file}",
                hint="fetch one --platform into each folder",
            )
    return found


def _with_hint(error: IndexFailed) -> EnvctlError:
    own = "`--no-image` leaves out base image and Python, which `envctl sync` does not need"
    error.hint = own if error.hint is None else f"{error.hint}; {own}"
    return error
