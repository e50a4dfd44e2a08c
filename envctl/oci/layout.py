"""Images in files: an OCI layout (folder or tar), what `docker save` writes (old form, new form), `podman save`.

Sources: OCI image layout specification 1.1; Docker image specification 1.2 (manifest.json of combined archives). Where
an archive is both, the OCI layout counts: it alone has manifests.
"""

from __future__ import annotations

import hashlib
import re
from pathlib import Path
from types import TracebackType
from typing import BinaryIO, TypeVar

import msgspec

from envctl.errors import EnvctlError, InvalidFile, UsageError
from envctl.oci import media
from envctl.oci.files import Files, Folder, TarFile
from envctl.oci.media import Descriptor, ImageConfig, ImageIndex, ImageManifest, Malformed, OtherPlatform
from envctl.oci.reference import Reference
from envctl.oci.streams import checked_chunks, stream_of

T = TypeVar("T")

LAYOUT, INDEX, SAVED = "oci-layout", "index.json", "manifest.json"
NAME, TAG = "io.containerd.image.name", "org.opencontainers.image.ref.name"
"""Annotations of an index: an image's whole name (Docker's), and its tag (the layout specification's)."""

_DEPTH = 3
_HEX = re.compile(r"[0-9a-f]{64}")
_COMPRESSED = re.compile(r"(?:.*/)?(?:sha256[:/_])?([0-9a-f]{64})\.tar\.(?:gz|gzip|zst)")
_MAGIC = {b"\x1f\x8b": f"{media.OCI_LAYER}+gzip", b"\x28\xb5\x2f\xfd": f"{media.OCI_LAYER}+zstd"}


class _Version(msgspec.Struct, rename="camel"):
    image_layout_version: str


class _Saved(msgspec.Struct, rename="pascal"):
    config: str
    layers: list[str]
    repo_tags: list[str] | None = None


class _Top(msgspec.Struct, frozen=True):
    """What an archive lists: an entry of its index, or of manifest.json; and all of its names."""

    names: tuple[str, ...]
    entry: Descriptor | _Saved


class Layout:
    """An archive that is open: `with Layout(path) as layout:`.

    Args:
        path: a folder or a tar file.
        shown: the name that messages use for it.

    Raises:
        InvalidFile: it is no archive of images, or a hostile one.
    """

    def __init__(self, path: Path, shown: str | None = None) -> None:
        self._shown = shown or str(path)
        self._files: Files
        if path.is_dir():
            self._files = Folder(path, self._shown)
        else:
            self._files = TarFile(path, self._shown)
        try:
            self._tops = self._list()
        except BaseException:
            self._files.close()
            raise

    def __enter__(self) -> Layout:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Close the archive; streams of its layers end."""
        self._files.close()

    @property
    def names(self) -> tuple[str, ...]:
        """The names and tags of its images, as they stand there; images without one are not among them."""
        return tuple(dict.fromkeys(name for top in self._tops for name in top.names))

    def image(self, platform: str | None, name: str | None = None) -> LayoutImage:
        """One image.

        Args:
            platform: `linux/amd64`, `linux/arm64/v8`; None: the only one.
            name: its name or tag; None: the only one.

        Raises:
            UsageError: it is not there, there are several, or it is for another platform.
            InvalidFile: what is there is not what its digests say.
        """
        top = self._top(name)
        shown = f"{self._shown} ({top.names[0]})" if top.names else self._shown
        try:
            if isinstance(top.entry, Descriptor):
                found = self._from_manifest(shown, top.entry, platform)
            else:
                found = self._from_saved(shown, top.entry)
            config = found.config
            if platform and platform.split("/")[:2] != [config.os, config.architecture]:
                raise OtherPlatform("is an image for another platform", found=str(config.platform), expected=platform)
        except OtherPlatform as error:
            raise UsageError(error.what, file=shown, found=error.found, expected=error.expected) from error
        except Malformed as error:
            raise InvalidFile(error.what, file=shown, found=error.found, expected=error.expected) from error
        return found

    def _list(self) -> list[_Top]:
        try:
            if self._files.size(LAYOUT) is not None and self._files.size(INDEX) is not None:
                return self._list_index()
            if self._files.size(SAVED) is not None:
                return self._list_saved()
        except Malformed as error:
            raise InvalidFile(error.what, file=self._shown, found=error.found, expected=error.expected) from error
        raise InvalidFile(
            "is no archive of images",
            file=self._shown,
            expected=f"{LAYOUT} and {INDEX} (an OCI layout), or {SAVED} (`docker save`)",
        )

    def _list_index(self) -> list[_Top]:
        version = self._json(LAYOUT, _Version).image_layout_version
        if not version.startswith("1."):
            raise Malformed("is an OCI layout of an unknown version", found=ascii(version)[:40], expected="1.0.0")
        document = media.parse_document(self._document(INDEX), media.OCI_INDEX)
        if not isinstance(document, ImageIndex):
            raise Malformed(f"has an {INDEX} that is no index")
        by_digest: dict[str, _Top] = {}
        for entry in document.manifests:
            names = [entry.annotations[key] for key in (NAME, TAG) if key in entry.annotations]
            before = by_digest.get(entry.digest)
            by_digest[entry.digest] = _Top((*(before.names if before else ()), *names), entry)
        return list(by_digest.values())

    def _list_saved(self) -> list[_Top]:
        return [_Top(tuple(one.repo_tags or ()), one) for one in self._json(SAVED, list[_Saved])]

    def _top(self, name: str | None) -> _Top:
        if not self._tops:
            raise InvalidFile("holds no image", file=self._shown)
        tops = self._tops
        if name is not None:
            tops = [top for top in tops if name in top.names or _whole(name) in map(_whole, top.names)]
        elif len(tops) > 1:
            tops = [top for top in tops if not (isinstance(top.entry, Descriptor) and _is_attached(top.entry))]
        if len(tops) == 1:
            return tops[0]
        raise UsageError(
            f"the archive has no image {name!r}" if name is not None else "the archive has several images",
            file=self._shown,
            found=", ".join(map(ascii, self.names))[:300] or "images without a name",
            hint="name the one that is meant" if name is None else None,
        )

    def _from_manifest(self, shown: str, entry: Descriptor, platform: str | None) -> LayoutImage:
        for _ in range(_DEPTH):
            data = self._blob(entry, media.MANIFEST_LIMIT)
            document = media.parse_document(data, entry.media_type)
            if isinstance(document, ImageManifest):
                if document.config.media_type not in media.CONFIGS:
                    raise Malformed(
                        "is no container image, but another artifact", found=ascii(document.config.media_type)[:120]
                    )
                config = self._blob(document.config, media.CONFIG_LIMIT)
                places = {layer.digest: _place(layer.digest) for layer in document.layers}
                return LayoutImage(
                    self._files,
                    shown,
                    manifest=(entry.digest, data),
                    config=(document.config.digest, config),
                    layers=document.layers,
                    places=places,
                )
            entry = media.choose_platform(document.manifests, platform)
        raise Malformed("has an index of indexes without end")

    def _from_saved(self, shown: str, saved: _Saved) -> LayoutImage:
        data = self._document(saved.config)
        digest = media.digest_of(data)
        stem = saved.config.rpartition("/")[2].removesuffix(".json")
        if _HEX.fullmatch(stem) and digest != f"sha256:{stem}":
            raise Malformed("has a configuration that is not what its name says", found=digest, expected=stem)
        config = media.parse_config(data)
        if len(saved.layers) != len(config.diff_ids):
            raise Malformed("has another number of layers than its configuration", found=str(len(saved.layers)))
        layers = tuple(
            self._saved_layer(name, diff_id) for name, diff_id in zip(saved.layers, config.diff_ids, strict=True)
        )
        places = {layer.digest: name for layer, name in zip(layers, saved.layers, strict=True)}
        return LayoutImage(self._files, shown, manifest=None, config=(digest, data), layers=layers, places=places)

    def _saved_layer(self, name: str, diff_id: str) -> Descriptor:
        """A layer of manifest.json: plain tar, whose digest is its diff-id, or compressed by other tools."""
        size = self._size(name)
        start = next(self._files.chunks(name), b"")
        for magic, media_type in _MAGIC.items():
            if start.startswith(magic):
                match = _COMPRESSED.fullmatch(name)
                digest = f"sha256:{match[1]}" if match else self._hash(name)
                return Descriptor(media_type=media_type, digest=digest, size=size)
        return Descriptor(media_type=media.OCI_LAYER, digest=diff_id, size=size)

    def _hash(self, name: str) -> str:
        hasher = hashlib.sha256()
        for chunk in self._files.chunks(name):
            hasher.update(chunk)
        return f"sha256:{hasher.hexdigest()}"

    def _blob(self, descriptor: Descriptor, limit: int) -> bytes:
        name = _place(descriptor.digest)
        size = self._size(name)
        if size != descriptor.size:
            raise Malformed(f"has a {name} of another size", found=f"{size:,}", expected=f"{descriptor.size:,} bytes")
        data = self._document(name, limit)
        found = media.digest_of(data, descriptor.digest)
        if found != descriptor.digest:
            raise Malformed(f"has a {name} that is not what its name says", found=found)
        return data

    def _document(self, name: str, limit: int = media.CONFIG_LIMIT) -> bytes:
        size = self._size(name)
        if size > limit:
            raise Malformed(f"has a {ascii(name)[1:-1]} that is too large", found=f"{size:,} bytes")
        return b"".join(self._files.chunks(name))

    def _size(self, name: str) -> int:
        size = self._files.size(name) if not name.startswith("/") and ".." not in name.split("/") else None
        if size is None:
            raise Malformed("does not hold all of the image", found=f"no {ascii(name)[1:-1][:120]}")
        return size

    def _json(self, name: str, kind: type[T]) -> T:
        try:
            return msgspec.json.decode(self._document(name), type=kind)
        except (msgspec.MsgspecError, ValueError, RecursionError) as error:
            found = "nested too deeply" if isinstance(error, RecursionError) else str(error)[:200]
            raise Malformed(f"has a malformed {name}", found=found) from error


class LayoutImage:
    """An image in an archive; implements `envctl.oci.interface.ImageSource` for as long as its `Layout` is open."""

    def __init__(
        self,
        files: Files,
        reference: str,
        *,
        manifest: tuple[str, bytes] | None,
        config: tuple[str, bytes],
        layers: tuple[Descriptor, ...],
        places: dict[str, str],
    ) -> None:
        self._files, self._places = files, places
        self.reference = reference
        self.digest: str | None = None if manifest is None else manifest[0]
        self.manifest_bytes: bytes | None = None if manifest is None else manifest[1]
        self.config_digest, self.config_bytes = config
        self.config: ImageConfig = media.parse_config(self.config_bytes)
        self.layers = layers
        media.check_layers(layers, self.config)

    def open(self, layer: Descriptor, *, checked: bool = True) -> BinaryIO:
        """A layer's bytes; see `ImageSource.open`."""
        name = self._places[layer.digest]
        if self._files.size(name) is None:
            raise InvalidFile(
                "does not hold all of the image", file=self.reference, found=f"no {ascii(name)[1:-1][:120]}"
            )

        def failure(what: str, found: str, expected: str) -> EnvctlError:
            return InvalidFile(what, file=self.reference, key=name, found=found, expected=expected)

        return stream_of(checked_chunks(self._files.chunks(name), layer, failure, digest=checked))


def _place(digest: str) -> str:
    return f"blobs/{digest.replace(':', '/', 1)}"


def _is_attached(entry: Descriptor) -> bool:
    """Whether an entry of an index is what builders attach to an image."""
    platform = entry.platform
    return "vnd.docker.reference.type" in entry.annotations or (platform is not None and platform.os == "unknown")


def _whole(name: str) -> str:
    """An image's whole name, so that `python:3.11` finds docker.io/library/python:3.11."""
    try:
        return str(Reference.parse(name))
    except UsageError:
        return name
