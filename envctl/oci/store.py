"""An image in the content store of containerd, on this machine: a folder of blobs, each named by its digest."""

from __future__ import annotations

from collections.abc import Iterator
from functools import cached_property
from pathlib import Path
from typing import BinaryIO

from envctl.errors import InvalidFile
from envctl.oci import media
from envctl.oci.media import Descriptor, ImageConfig, ImageIndex, ImageManifest
from envctl.oci.streams import checked_chunks, stream_of

_PIECE = 2**20
# Below the engine's data folder, where it runs a containerd of its own; else that of the system.
_STORES = ("containerd/daemon/io.containerd.content.v1.content", "/var/lib/containerd/io.containerd.content.v1.content")


class StoredImage:
    """An `ImageSource`: an image of an engine, read past the engine. Only those who may read its files can."""

    def __init__(self, blobs: Path, name: str, digest: str, manifest: bytes) -> None:
        self._blobs, self.reference, self.digest, self.manifest_bytes = blobs, name, digest, manifest
        document = media.parse_document(manifest)
        if not isinstance(document, ImageManifest):
            raise media.Malformed("is no manifest of one image")
        self.config_digest = document.config.digest
        self.layers: tuple[Descriptor, ...] = document.layers

    @cached_property
    def config_bytes(self) -> bytes:
        """The configuration as it lies there."""
        data = (self._blobs / self.config_digest.partition(":")[2]).read_bytes()
        if media.digest_of(data, self.config_digest) != self.config_digest:
            raise InvalidFile("the image's configuration is not what its digest says", file=self.reference)
        return data

    @cached_property
    def config(self) -> ImageConfig:
        """The configuration."""
        config = media.parse_config(self.config_bytes)
        media.check_layers(self.layers, config)
        return config

    def open(self, layer: Descriptor, *, checked: bool = True) -> BinaryIO:
        """A layer's bytes; see `ImageSource.open`."""

        def failure(what: str, found: str, expected: str) -> InvalidFile:
            return InvalidFile(
                f"a layer in the engine's store {what}", file=self.reference, found=found, expected=expected
            )

        return stream_of(checked_chunks(self._pieces(layer), layer, failure, digest=checked))

    def _pieces(self, layer: Descriptor) -> Iterator[bytes]:
        with (self._blobs / layer.digest.partition(":")[2]).open("rb") as file:
            while piece := file.read(_PIECE):
                yield piece

    def complete(self) -> bool:
        """Whether all of it is there: engines let go of what they have unpacked, when asked to."""
        return all((self._blobs / layer.digest.partition(":")[2]).is_file() for layer in self.layers)


def stored_image(root: str, name: str, digest: str, platform: str) -> StoredImage | None:
    """The image of that digest (a manifest's or an index's); None where the store cannot be read, or has not all of it.

    Args:
        root: the engine's data folder.
        platform: the one of an index, such as `linux/amd64`.
    """
    for store in _STORES:
        blobs = Path(root, store, "blobs/sha256")
        try:
            data = (blobs / digest.partition(":")[2]).read_bytes()
            if media.digest_of(data, digest) != digest:
                return None
            document = media.parse_document(data)
            if isinstance(document, ImageIndex):
                digest = media.choose_platform(document.manifests, platform).digest
                data = (blobs / digest.partition(":")[2]).read_bytes()
            if media.digest_of(data, digest) != digest:
                return None
            image = StoredImage(blobs, name, digest, data)
            return image if image.complete() and image.config else None
        except (OSError, media.Malformed):
            continue
    return None
