"""All of an image: its layers read at once from wherever they can be opened, or one after the other from a stream."""

from __future__ import annotations

import contextlib
import json
import os
import sys
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from itertools import chain
from typing import BinaryIO

import msgspec

from envctl.errors import InvalidFile
from envctl.oci import media
from envctl.oci.interface import ImageSource
from envctl.oci.layers import COMPRESSED, Keep, Layer, Pack, read_layer
from envctl.oci.media import ImageConfig, ImageManifest
from envctl.oci.streams import stream_of
from envctl.oci.tar import BLOCK, Malformed, Member, TarStream

_TURN = 1e-4  # seconds
_MOST_DOCUMENTS = 10_000


class Wanted(msgspec.Struct, frozen=True):
    """What of the layers is asked for: contents to keep, and contents for the pack."""

    keep: Keep
    packs: Keep | None = None
    pack: Pack | None = None

    def read(self, stream: BinaryIO, *, diff_id: bool = True, whole: bool = False) -> Layer:
        """Read one layer; see `read_layer`."""
        return read_layer(stream, keep=self.keep, pack=self.pack, packs=self.packs, diff_id=diff_id, whole=whole)


NOTHING = Wanted(keep=lambda _path, _size: False)
"""Entries alone."""


class Contents(msgspec.Struct, frozen=True, kw_only=True):
    """One platform's image. `digest` is the manifest's, None where it has none; `config_digest` the configuration's."""

    name: str
    config: ImageConfig
    config_digest: str
    digest: str | None
    layers: tuple[Layer, ...]


def read_image(source: ImageSource, wanted: Wanted, *, exact: int | None = None) -> Contents:
    """Read every layer, several at once, each against its diff-id.

    Args:
        exact: of how many of the lowest layers; the others are checked against the manifest's digest of what lies
            there, which costs less where it is compressed. None: of all.

    Raises:
        InvalidFile, IndexFailed: a layer cannot be had, is damaged, or is not what the configuration says.
    """
    count = len(source.layers)
    layers = _read_lowest(source, wanted, count, exact=count if exact is None else exact)
    check_diff_ids(source.reference, source.config, layers)
    return Contents(
        name=source.reference,
        config=source.config,
        config_digest=source.config_digest,
        digest=source.digest,
        layers=layers,
    )


def read_lowest(source: ImageSource, wanted: Wanted, count: int) -> tuple[Layer, ...]:
    """The lowest layers, each with its diff-id. Raises as `read_image` does; nothing is compared."""
    return _read_lowest(source, wanted, min(count, len(source.layers)), exact=count)


def _read_lowest(source: ImageSource, wanted: Wanted, count: int, *, exact: int) -> tuple[Layer, ...]:
    largest_first = sorted(range(count), key=lambda number: -source.layers[number].size)

    def read(number: int) -> Layer:
        by_content = number < exact
        with source.open(source.layers[number], checked=not by_content) as stream:
            try:
                return wanted.read(stream, diff_id=by_content)
            except Malformed as error:
                raise InvalidFile(
                    f"layer {number + 1} of {len(source.layers)}: {error.what}",
                    file=source.reference,
                    found=error.found,
                    hint=error.hint,
                ) from error

    with _quick_turns(), ThreadPoolExecutor(max(2, min(4, os.cpu_count() or 2)), "envctl-layer") as threads:
        reading = {number: threads.submit(read, number) for number in largest_first}
        try:
            return tuple(reading[number].result() for number in range(count))
        except BaseException:
            threads.shutdown(wait=False, cancel_futures=True)
            raise


@contextlib.contextmanager
def _quick_turns() -> Iterator[None]:
    """Threads take turns at once: one that inflates needs the interpreter's lock every 2 ms, and would wait 5 ms."""
    before = sys.getswitchinterval()
    sys.setswitchinterval(_TURN)
    try:
        yield
    finally:
        sys.setswitchinterval(before)


def check_diff_ids(name: str, config: ImageConfig, layers: tuple[Layer, ...]) -> None:
    """InvalidFile where the layers are not those of the configuration."""
    found = tuple(layer.diff_id for layer in layers)
    for number, (said, is_) in enumerate(zip(config.diff_ids, found, strict=False)):
        if is_ is not None and said != is_:
            raise InvalidFile(
                f"layer {number + 1} of {len(found)} is not what the image's configuration says",
                file=name,
                found=is_,
                expected=said,
                hint="the image was tampered with, or damaged on its way",
            )
    if len(found) != len(config.diff_ids):
        raise InvalidFile(
            "the image has another number of layers than its configuration says",
            file=name,
            found=str(len(found)),
            expected=str(len(config.diff_ids)),
        )


def read_saved(pieces: Iterable[bytes], name: str, wanted: Wanted, *, digest: str, platform: str) -> Contents:
    """Read what `docker save` of one image writes, in one pass: in whatever order its members come.

    Args:
        digest: the image's id as the engine says it: the digest of an index, a manifest or a configuration.
        platform: the one of an index, such as `linux/amd64`.

    Raises:
        InvalidFile: it is damaged, or does not hold that image.
    """
    try:
        saved = _Saved(wanted)
        saved.take(pieces)
        return saved.image(name, digest, platform)
    except Malformed as error:
        raise InvalidFile(error.what, file=name, found=error.found, hint=error.hint) from error
    except media.Malformed as error:
        raise InvalidFile(error.what, file=name, found=error.found, expected=error.expected) from error


class _Saved:
    def __init__(self, wanted: Wanted) -> None:
        self._wanted = wanted
        # By digest and by diff-id, computed here: what the archive calls them is nobody's word.
        self._documents: dict[str, bytes] = {}
        self._layers: dict[str, Layer] = {}

    def take(self, pieces: Iterable[bytes]) -> None:
        tar = TarStream(pieces)
        for member in tar:
            if member.kind == "file" and member.size:
                self._member(tar, member)

    def _member(self, tar: TarStream, member: Member) -> None:
        pieces, start = tar.pieces(member), b""
        while len(start) < BLOCK and (piece := next(pieces, None)) is not None:
            start += piece
        content = chain((start,), map(bytes, pieces))
        if not _is_layer(start[:BLOCK]):
            if member.size > media.CONFIG_LIMIT or len(self._documents) > _MOST_DOCUMENTS:
                raise Malformed("a document in the archive is too large", found=ascii(member.path)[:120])
            data = b"".join(content)
            self._documents[media.digest_of(data)] = data
            return
        with stream_of(content) as stream:
            layer = self._wanted.read(stream)
        self._layers[layer.diff_id or ""] = layer

    def image(self, name: str, digest: str, platform: str) -> Contents:
        """The image of a manifest's, an index's or a configuration's digest."""
        manifest_digest: str | None = None
        data = self._document(digest)
        if _is_manifest(data):
            document = media.parse_document(data)
            if not isinstance(document, ImageManifest):
                digest = media.choose_platform(document.manifests, platform).digest
                document = media.parse_document(self._document(digest))
            if not isinstance(document, ImageManifest):
                raise Malformed("the archive has an index in an index")
            manifest_digest, digest = digest, document.config.digest
            data = self._document(digest)
        config = media.parse_config(data)
        missing = [diff_id for diff_id in config.diff_ids if diff_id not in self._layers]
        if missing:
            raise Malformed("the archive holds no layer of a digest that the configuration names", found=missing[0])
        layers = tuple(self._layers[diff_id] for diff_id in config.diff_ids)
        return Contents(name=name, config=config, config_digest=digest, digest=manifest_digest, layers=layers)

    def _document(self, digest: str) -> bytes:
        if digest not in self._documents:
            raise Malformed("the archive does not hold all of the image", found=f"no {digest}")
        return self._documents[digest]


def _is_layer(start: bytes) -> bool:
    """Whether a member begins as a layer does: compressed, however small, or a tar file, however empty."""
    if start.startswith(COMPRESSED) or start[257:262] == b"ustar":
        return True
    return len(start) == BLOCK and start.lstrip()[:1] not in (b"{", b"[")


def _is_manifest(data: bytes) -> bool:
    """Whether a document is a manifest or an index, not a configuration."""
    try:
        found = json.loads(data)
    except (ValueError, RecursionError):
        return False
    return isinstance(found, dict) and found.get("schemaVersion") == 2 and "rootfs" not in found
