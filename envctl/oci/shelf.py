"""Base images in a folder that travels, each found by a digest that somebody pinned; nothing in it is believed.

sha256-<hex>/        an OCI layout of the image with that manifest digest
sha256-<hex>.json    an index of images with that digest: it leads from a pinned index to one platform's image
"""

from __future__ import annotations

import shutil
from pathlib import Path

import msgspec

from envctl.errors import EnvctlError, InvalidFile, ToolFailed, UsageError
from envctl.oci import media
from envctl.oci.interface import ImageSource
from envctl.oci.layout import Layout
from envctl.oci.layout_writer import Progress, write_layout
from envctl.oci.media import ImageConfig, ImageIndex, Malformed
from envctl.oci.reference import Reference
from envctl.system.files import read_bytes, write_atomically

_CHUNK = 2**20


class Shelved(msgspec.Struct, frozen=True, kw_only=True):
    """An image that lies there.

    Attributes:
        place: its layout. `digest`: its manifest's. `config`: its configuration.
        names: in the shelf's folder, of all that leads from the pinned digest to it.
        size: bytes of its layers.
    """

    place: Path
    digest: str
    config: ImageConfig
    names: tuple[str, ...]
    size: int


def find(folder: Path, digest: str, platform: str) -> Shelved | None:
    """The image of a platform that a pinned digest means, of a manifest or an index; None where it is not there.

    Manifest and configuration are checked; the layers are checked by whoever reads them.

    Raises:
        InvalidFile: what lies there is not what its digest says, or is for another platform.
    """
    listed = folder / _name(digest, ".json")
    names = []
    if listed.exists():
        names.append(listed.name)
        digest = _chosen(listed, digest, platform)
    place = folder / _name(digest)
    if not place.is_dir():
        return None
    try:
        with Layout(place) as layout:
            image = layout.image(platform)
    except UsageError as error:
        raise InvalidFile(error.what, file=place, found=error.found, expected=error.expected) from error
    if image.digest != digest:
        raise InvalidFile("holds another image than its name says", file=place, found=image.digest, expected=digest)
    size = sum(layer.size for layer in image.layers)
    return Shelved(place=place, digest=digest, config=image.config, names=(*names, place.name), size=size)


def check(found: Shelved) -> None:
    """Read each of its layers.

    Raises:
        InvalidFile: one is missing, or is not what its digest says.
    """
    with Layout(found.place) as layout:
        image = layout.image(None)
        for layer in image.layers:
            with image.open(layer) as stream:
                while stream.read(_CHUNK):
                    pass


def put(
    folder: Path,
    image: ImageSource,
    *,
    name: Reference,
    index: tuple[str, bytes] | None = None,
    progress: Progress | None = None,
) -> None:
    """Write an image, and the index that leads to it (its digest and bytes); each is there whole or not at all.

    Raises:
        IndexFailed, InvalidFile: a blob cannot be had, or is not what its digest says.
        ToolFailed: the folder cannot be written.
    """
    if image.digest is None:
        raise InvalidFile("has no manifest, so that it has no digest", file=image.reference)
    write_layout(folder / _name(image.digest), image, name=name, progress=progress)
    if index is not None:
        write_atomically({folder / _name(index[0], ".json"): index[1]})


def remove(folder: Path, name: str) -> None:
    """Remove an image or an index of the shelf that is what its name says; anything else stays."""
    place, digest = folder / name, name.removesuffix(".json").replace("-", ":", 1)
    if not media.DIGEST.fullmatch(digest):
        return
    try:
        if name.endswith(".json"):
            if media.digest_of(read_bytes(place, limit=media.MANIFEST_LIMIT), digest) == digest:
                place.unlink()
            return
        with Layout(place) as layout:
            ours = layout.image(None).digest == digest
        if ours:
            shutil.rmtree(place)
    except (EnvctlError, FileNotFoundError):
        return  # gone already, or somebody else's
    except OSError as error:
        raise ToolFailed("cannot be removed", file=error.filename or place, found=error.strerror) from error


def sweep(folder: Path) -> None:
    """Remove what killed runs left half-written."""
    for left in folder.glob(".sha*-*.tmp"):
        if left.is_dir() and not left.is_symlink():
            shutil.rmtree(left)
        else:
            left.unlink(missing_ok=True)


def _name(digest: str, suffix: str = "") -> str:
    if not media.DIGEST.fullmatch(digest):
        raise InvalidFile("a digest is malformed", found=ascii(digest)[:100], expected="sha256:<64 hex digits>")
    return digest.replace(":", "-", 1) + suffix


def _chosen(place: Path, digest: str, platform: str) -> str:
    """The manifest's digest of the platform in an index."""
    data = read_bytes(place, limit=media.MANIFEST_LIMIT)
    found = media.digest_of(data, digest)
    if found != digest:
        raise InvalidFile("is not what its name says", file=place, found=found, expected=digest)
    try:
        document = media.parse_document(data)
        if not isinstance(document, ImageIndex):
            raise Malformed("is no index of images")
        return media.choose_platform(document.manifests, platform).digest
    except Malformed as error:
        raise InvalidFile(error.what, file=place, found=error.found, expected=error.expected) from error
