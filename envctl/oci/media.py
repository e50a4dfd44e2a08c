"""Manifests, indexes and image configurations: parsed once, from bytes that nobody vouches for; their media types.

Sources: OCI image specification 1.1 (descriptor, manifest, image-index, config), Docker image manifest v2 schema 2.
"""

from __future__ import annotations

import hashlib
import re
from typing import TYPE_CHECKING, TypeVar

import msgspec

from envctl.oci.wire import WireConfig, WireDescriptor, WireDocument, WireSettings

if TYPE_CHECKING:
    from collections.abc import Sequence

OCI_INDEX = "application/vnd.oci.image.index.v1+json"
OCI_MANIFEST = "application/vnd.oci.image.manifest.v1+json"
OCI_CONFIG = "application/vnd.oci.image.config.v1+json"
DOCKER_INDEX = "application/vnd.docker.distribution.manifest.list.v2+json"
DOCKER_MANIFEST = "application/vnd.docker.distribution.manifest.v2+json"
DOCKER_CONFIG = "application/vnd.docker.container.image.v1+json"
OCI_LAYER = "application/vnd.oci.image.layer.v1.tar"

INDEXES = frozenset({OCI_INDEX, DOCKER_INDEX})
MANIFESTS = frozenset({OCI_MANIFEST, DOCKER_MANIFEST})
CONFIGS = frozenset({OCI_CONFIG, DOCKER_CONFIG})
ACCEPT = ", ".join((OCI_INDEX, OCI_MANIFEST, DOCKER_INDEX, DOCKER_MANIFEST))
"""All four: a registry that may not answer with what it has converts it, and its digest is of what nobody can pull."""

COMPRESSIONS = {
    OCI_LAYER: None,
    f"{OCI_LAYER}+gzip": "gzip",
    f"{OCI_LAYER}+zstd": "zstd",
    "application/vnd.oci.image.layer.nondistributable.v1.tar": None,
    "application/vnd.oci.image.layer.nondistributable.v1.tar+gzip": "gzip",
    "application/vnd.oci.image.layer.nondistributable.v1.tar+zstd": "zstd",
    "application/vnd.docker.image.rootfs.diff.tar": None,
    "application/vnd.docker.image.rootfs.diff.tar.gzip": "gzip",
    "application/vnd.docker.image.rootfs.diff.tar.zstd": "zstd",
    "application/vnd.docker.image.rootfs.foreign.diff.tar": None,
    "application/vnd.docker.image.rootfs.foreign.diff.tar.gzip": "gzip",
}
"""Media type of a layer -> its compression: gzip, zstd, or None."""

MANIFEST_LIMIT = 4 * 2**20
CONFIG_LIMIT = 8 * 2**20
_MOST_BYTES = 2**53
_SCHEMA_1 = re.compile(r"application/vnd\.docker\.distribution\.manifest\.v1\+(?:prettyjws|json)")
DIGEST = re.compile(r"sha256:[0-9a-f]{64}|sha512:[0-9a-f]{128}")

T = TypeVar("T")


class Malformed(Exception):
    """A document that is not what its media type promises. Whoever reads it knows where it came from, and says so."""

    def __init__(self, what: str, *, found: str | None = None, expected: str | None = None) -> None:
        super().__init__(what)
        self.what, self.found, self.expected = what, found, expected


class OtherPlatform(Malformed):
    """Nothing is wrong with it, but it has no image for the platform."""


class ImagePlatform(msgspec.Struct, frozen=True, kw_only=True):
    """What an index says of one of its images; empty where it says nothing."""

    architecture: str = ""
    os: str = ""
    variant: str = ""

    def __str__(self) -> str:
        return "/".join(part for part in (self.os, self.architecture, self.variant) if part) or "no platform"


class Descriptor(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """A content's media type, digest (`algorithm:hex`) and size in bytes."""

    media_type: str
    digest: str
    size: int
    platform: ImagePlatform | None = None
    annotations: dict[str, str] = {}

    @property
    def compression(self) -> str | None:
        """`gzip`, `zstd` or None of a layer; Malformed when it is no layer of a known kind."""
        try:
            return COMPRESSIONS[self.media_type]
        except KeyError:
            raise Malformed("is no layer of a known kind", found=ascii(self.media_type)[:120]) from None


class ImageManifest(msgspec.Struct, frozen=True, kw_only=True):
    """One platform's image: its configuration, and its layers from the lowest up."""

    media_type: str
    config: Descriptor
    layers: tuple[Descriptor, ...]


class ImageIndex(msgspec.Struct, frozen=True, kw_only=True):
    """The images of several platforms."""

    media_type: str
    manifests: tuple[Descriptor, ...]


class ImageConfig(msgspec.Struct, frozen=True, kw_only=True):
    """An image's configuration (OCI image specification, config).

    Attributes:
        env: `NAME=value`, in order, as it stands there.
        diff_ids: digests of the uncompressed layers, from the lowest up.
    """

    architecture: str
    os: str
    variant: str = ""
    env: tuple[str, ...] = ()
    cmd: tuple[str, ...] = ()
    entrypoint: tuple[str, ...] = ()
    user: str = ""
    workdir: str = ""
    labels: dict[str, str] = {}
    diff_ids: tuple[str, ...] = ()

    @property
    def platform(self) -> ImagePlatform:
        """What it was built for."""
        return ImagePlatform(architecture=self.architecture, os=self.os, variant=self.variant)

    def variable(self, name: str) -> str | None:
        """The value of an environment variable; the last one counts where it is there twice."""
        found = [entry.partition("=")[2] for entry in self.env if entry.partition("=")[0] == name]
        return found[-1] if found else None


def digest_of(data: bytes, like: str = "sha256:") -> str:
    """`algorithm:hex` of the data, by the algorithm of another digest."""
    algorithm = like.partition(":")[0]
    return f"{algorithm}:{hashlib.new(algorithm, data).hexdigest()}"


def choose_platform(descriptors: Sequence[Descriptor], platform: str | None) -> Descriptor:
    """The image of an index for `os/architecture[/variant]`; None: its only image.

    A platform without a variant takes the entry without one, else arm64's v8 and arm's v7, else the first. What
    builders attach (attestations, which stand there as unknown/unknown) is no image of any platform.

    Raises:
        OtherPlatform: the index has none; `found` lists those that it has.
    """
    images = [d for d in descriptors if _is_image(d)]
    has = ", ".join(dict.fromkeys(str(d.platform or "no platform") for d in images))[:300]
    if platform is None:
        if len(images) != 1:
            raise OtherPlatform("has not one image, but several or none", found=has or "no image at all")
        return images[0]
    os, _, rest = platform.partition("/")
    architecture, _, variant = rest.partition("/")
    fitting = [d for d in images if d.platform and (d.platform.os, d.platform.architecture) == (os, architecture)]
    wanted = [variant] if variant else ["", *_VARIANTS.get(architecture, ())]
    for want in [*wanted, *_SAME.get((architecture, variant), ())]:
        for descriptor in fitting:
            if descriptor.platform is not None and descriptor.platform.variant == want:
                return descriptor
    if fitting and not variant:
        return fitting[0]
    if not fitting and len(images) == 1 and images[0].platform is None:
        return images[0]  # layouts of one image say nothing of its platform; its configuration does
    raise OtherPlatform(f"has no image for {platform}", found=has or "no image at all")


_VARIANTS = {"arm64": ("v8",), "arm": ("v7", "v6", "v5"), "amd64": ("v1",)}
_SAME = {("arm64", "v8"): ("",), ("amd64", "v1"): ("",)}


def _is_image(descriptor: Descriptor) -> bool:
    if descriptor.media_type not in MANIFESTS | INDEXES | {""}:
        return False
    if "vnd.docker.reference.type" in descriptor.annotations:
        return False
    platform = descriptor.platform
    return platform is None or platform.os not in ("", "unknown")


def parse_document(data: bytes, media_type: str = "") -> ImageManifest | ImageIndex:
    """A manifest or an index.

    Args:
        media_type: what the server or the descriptor calls it; must agree with what the document says of itself.

    Raises:
        Malformed: neither, ambiguous (a document that is both would be pulled differently by different tools), of
            schema 1, or with a digest or size that cannot be.
    """
    media_type = media_type.partition(";")[0].strip().lower()
    if _SCHEMA_1.fullmatch(media_type):
        raise _schema_1()
    wire = _decode(data, MANIFEST_LIMIT, WireDocument, "manifest")
    if wire.schema_version == 1 or wire.fs_layers is not None:
        raise _schema_1()
    if wire.schema_version != 2:
        raise Malformed("is no image manifest", found=f"schemaVersion {wire.schema_version}", expected="2")
    known = INDEXES | MANIFESTS
    said = wire.media_type or media_type
    if media_type in known and said != media_type:
        raise Malformed("contradicts itself", found=f"mediaType {ascii(said)[:100]}", expected=media_type)
    if (wire.manifests is None) == (wire.config is None and wire.layers is None):
        raise Malformed("is neither an image manifest nor an index, or both", expected="layers, or manifests")
    if wire.manifests is not None:
        said = said if said in known else OCI_INDEX
        if said not in INDEXES:
            raise Malformed("is an index, but calls itself something else", found=said)
        manifests = tuple(_descriptor(item) for item in wire.manifests)
        return ImageIndex(media_type=said, manifests=manifests)
    said = said if said in known else OCI_MANIFEST
    if said not in MANIFESTS:
        raise Malformed("is a manifest, but calls itself something else", found=said)
    if wire.config is None or wire.layers is None:
        raise Malformed("has no configuration or no layers")
    return ImageManifest(
        media_type=said,
        config=_descriptor(wire.config),
        layers=tuple(_descriptor(item) for item in wire.layers),
    )


def parse_config(data: bytes) -> ImageConfig:
    """An image's configuration; Malformed when it is none."""
    wire = _decode(data, CONFIG_LIMIT, WireConfig, "configuration")
    if wire.rootfs.type != "layers":
        raise Malformed("is no image's configuration", found=f"rootfs type {ascii(wire.rootfs.type)[:40]}")
    diff_ids = tuple(wire.rootfs.diff_ids or ())
    for digest in diff_ids:
        _check_digest(digest, "a diff-id")
    settings = wire.config or WireSettings()
    return ImageConfig(
        architecture=wire.architecture,
        os=wire.os,
        variant=wire.variant or "",
        env=tuple(settings.env or ()),
        cmd=tuple(settings.cmd or ()),
        entrypoint=tuple(settings.entrypoint or ()),
        user=settings.user or "",
        workdir=settings.working_dir or "",
        labels=settings.labels or {},
        diff_ids=diff_ids,
    )


def check_layers(layers: Sequence[Descriptor], config: ImageConfig) -> None:
    """Malformed unless each layer has a kind that is known, and the configuration a diff-id for it."""
    for layer in layers:
        _ = layer.compression
    if len(layers) != len(config.diff_ids):
        raise Malformed(
            "has another number of layers than its configuration",
            found=f"{len(layers)} layers, {len(config.diff_ids)} diff-ids",
        )


def _descriptor(wire: WireDescriptor) -> Descriptor:
    _check_digest(wire.digest, "a digest")
    if not 0 <= wire.size < _MOST_BYTES:
        raise Malformed("has a size that cannot be", found=str(wire.size))
    platform = wire.platform and ImagePlatform(
        architecture=wire.platform.architecture or "",
        os=wire.platform.os or "",
        variant=wire.platform.variant or "",
    )
    return Descriptor(
        media_type=wire.media_type,
        digest=wire.digest,
        size=wire.size,
        platform=platform or None,
        annotations=wire.annotations or {},
    )


def _check_digest(digest: str, what: str) -> None:
    if not DIGEST.fullmatch(digest):
        raise Malformed(f"has {what} that is none", found=ascii(digest)[:100], expected="sha256:<64 hex digits>")


def _schema_1() -> Malformed:
    return Malformed(
        "is an image of Docker's schema 1, which says nothing that could be pinned",
        expected="an OCI image, or a Docker image of schema 2: push it again with any engine of the last years",
    )


def _decode(data: bytes, limit: int, kind: type[T], what: str) -> T:
    if len(data) > limit:
        raise Malformed("is too large", found=f"{len(data):,} bytes", expected=f"at most {limit:,} bytes")
    try:
        return msgspec.json.decode(data, type=kind)
    except (msgspec.MsgspecError, ValueError, RecursionError) as error:
        found = "nested too deeply" if isinstance(error, RecursionError) else str(error)[:200]
        raise Malformed(f"is no image {what}", found=found) from error
