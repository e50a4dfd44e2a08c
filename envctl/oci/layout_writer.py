"""An image -> an OCI layout folder, for machines without a network: blobs checked, the folder there whole or not."""

from __future__ import annotations

import contextlib
import os
import secrets
import shutil
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import msgspec

from envctl.errors import EnvctlError, InvalidFile, ToolFailed
from envctl.oci import media
from envctl.oci.interface import ImageSource
from envctl.oci.layout import INDEX, LAYOUT, NAME, TAG, Layout
from envctl.oci.media import Descriptor
from envctl.oci.reference import Reference
from envctl.system.files import uninterrupted

Progress = Callable[[int, int], None]
"""Bytes so far, and of how many."""

_CHUNK = 2**20
_TMP = ".tmp"


def write_layout(folder: Path, image: ImageSource, *, name: Reference, progress: Progress | None = None) -> None:
    """Write one platform's image as an OCI layout; an unchanged one that is there stays as it is.

    Args:
        folder: made, or replaced as a whole where it is such a layout (anything else is not touched).
        name: what the image is called in the layout.

    Raises:
        InvalidFile: the image has no manifest (an archive of an old engine), or `folder` holds something else.
        IndexFailed, InvalidFile: a blob cannot be had, or is not what its digest says; nothing is left of it.
        ToolFailed: the folder cannot be written.
    """
    if image.digest is None or image.manifest_bytes is None:
        raise InvalidFile("has no manifest, so that it has no digest", file=image.reference)
    if _holds(folder, image):
        return
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        made = folder.with_name(f".{folder.name}.{secrets.token_hex(4)}{_TMP}")
        made.mkdir()
        try:
            _fill(made, image, name, progress or _silent)
            with uninterrupted():
                _take_place(made, folder)
        finally:
            shutil.rmtree(made, ignore_errors=True)
    except OSError as error:
        raise ToolFailed("could not be written", file=error.filename or folder, found=error.strerror) from error


def _fill(made: Path, image: ImageSource, name: Reference, progress: Progress) -> None:
    if image.digest is None or image.manifest_bytes is None:
        raise ValueError("an image without a manifest")
    manifest = media.parse_document(image.manifest_bytes)
    _write(made / _blob(image.digest), image.manifest_bytes)
    _write(made / _blob(image.config_digest), image.config_bytes)
    layers = {layer.digest: layer for layer in image.layers}
    total, lock, done = sum(layer.size for layer in layers.values()), threading.Lock(), [0]

    def tell(size: int) -> None:
        with lock:
            done[0] += size
            progress(done[0], total)

    with ThreadPoolExecutor(max_workers=3, thread_name_prefix="layout") as pool:
        copies = [pool.submit(_copy, made / _blob(digest), image, layer, tell) for digest, layer in layers.items()]
        try:
            for copy in copies:
                copy.result()
        except BaseException:
            pool.shutdown(wait=False, cancel_futures=True)
            raise
    config = image.config
    entry = {
        "mediaType": manifest.media_type,
        "digest": image.digest,
        "size": len(image.manifest_bytes),
        "annotations": {NAME: name.familiar().partition("@")[0], TAG: name.tag or "latest"},
        "platform": {"architecture": config.architecture, "os": config.os}
        | ({"variant": config.variant} if config.variant else {}),
    }
    index = {"schemaVersion": 2, "mediaType": media.OCI_INDEX, "manifests": [entry]}
    _write(made / INDEX, msgspec.json.encode(index))
    _write(made / LAYOUT, b'{"imageLayoutVersion":"1.0.0"}')


def _copy(place: Path, image: ImageSource, layer: Descriptor, tell: Callable[[int], None]) -> None:
    place.parent.mkdir(parents=True, exist_ok=True)
    with image.open(layer) as stream, place.open("wb") as file:
        while chunk := stream.read(_CHUNK):
            file.write(chunk)
            tell(len(chunk))
        file.flush()
        os.fsync(file.fileno())


def _write(place: Path, data: bytes) -> None:
    place.parent.mkdir(parents=True, exist_ok=True)
    with place.open("wb") as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())


def _blob(digest: str) -> Path:
    return Path("blobs", *digest.split(":"))


def _holds(folder: Path, image: ImageSource) -> bool:
    """Whether the folder already is that image's layout, each blob as its digest says. InvalidFile: it is none."""
    if not folder.is_dir() or not any(folder.iterdir()):
        return False
    if not (folder / LAYOUT).is_file():
        raise InvalidFile(
            "holds something else than an OCI layout", file=folder, hint="name another folder, or empty it"
        )
    try:
        with Layout(folder) as there:
            found = there.image(None)
            if found.digest != image.digest:
                return False
            for layer in found.layers:
                with found.open(layer) as stream:
                    while stream.read(_CHUNK):
                        pass
    except EnvctlError:
        return False  # damaged: written anew
    return True


def _take_place(made: Path, folder: Path) -> None:
    """Put the finished folder where it belongs; an older layout is removed once the new one is there."""
    if not folder.exists() or not any(folder.iterdir()):
        made.replace(folder)
        return
    old = made.with_name(made.name.removesuffix(_TMP) + ".old" + _TMP)
    folder.rename(old)
    try:
        made.rename(folder)
    except BaseException:
        with contextlib.suppress(OSError):
            old.rename(folder)
        raise
    shutil.rmtree(old, ignore_errors=True)


def _silent(_done: int, _total: int) -> None:
    """Nobody wants to know."""
