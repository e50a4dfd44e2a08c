"""What an image is to whoever reads it, wherever it lies: a registry, a layout, an archive."""

from __future__ import annotations

from typing import BinaryIO, Protocol

from envctl.oci.media import Descriptor, ImageConfig


class ImageSource(Protocol):
    """One platform's image. Reading it never runs anything of it; `open` may be called from any number of threads."""

    @property
    def reference(self) -> str:
        """What people call it: a reference, or a file and the tag in it."""
        ...

    @property
    def digest(self) -> str | None:
        """The manifest's digest; None where there is no manifest (archives of `docker save` before Docker 25)."""
        ...

    @property
    def manifest_bytes(self) -> bytes | None:
        """The manifest as it lies there, of which `digest` is the digest; None as above."""
        ...

    @property
    def config(self) -> ImageConfig:
        """The configuration, checked against `config_digest`. It has one diff-id for each layer, in their order."""
        ...

    @property
    def config_bytes(self) -> bytes:
        """The configuration as it lies there."""
        ...

    @property
    def config_digest(self) -> str:
        """The configuration's digest: what Docker's classic store calls the image id."""
        ...

    @property
    def layers(self) -> tuple[Descriptor, ...]:
        """The layers from the lowest up; `Descriptor.compression` says how each is packed."""
        ...

    def open(self, layer: Descriptor, *, checked: bool = True) -> BinaryIO:
        """A layer's bytes as they lie there (compressed), as an unbuffered stream that is read once, and closed.

        Whoever reads it must read to the end (until `read` gives nothing): there size and digest are checked.

        Args:
            checked: False leaves out the digest, not the size: for readers that compute the diff-id themselves, which
                stands for the same bytes.

        Raises:
            IndexFailed, InvalidFile: from here or from `read`: it cannot be had, or is not what its digest says.
        """
        ...
