"""Container images made on the spot: blobs, manifests and indexes as a registry or an archive holds them."""

from __future__ import annotations

import gzip
import hashlib
import io
import json
import tarfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

OCI_INDEX = "application/vnd.oci.image.index.v1+json"
OCI_MANIFEST = "application/vnd.oci.image.manifest.v1+json"
DOCKER_INDEX = "application/vnd.docker.distribution.manifest.list.v2+json"
DOCKER_MANIFEST = "application/vnd.docker.distribution.manifest.v2+json"
_DOCKER_KINDS = (
    "application/vnd.docker.image.rootfs.diff.tar.gzip",
    "application/vnd.docker.container.image.v1+json",
)
_OCI_KINDS = ("application/vnd.oci.image.layer.v1.tar+gzip", "application/vnd.oci.image.config.v1+json")


@dataclass
class Content:
    """A manifest or an index, and everything that it names. `blobs` by digest; `manifests`: digest -> (type, bytes)."""

    media_type: str
    data: bytes
    blobs: dict[str, bytes] = field(default_factory=dict)
    manifests: dict[str, tuple[str, bytes]] = field(default_factory=dict)
    platform: dict[str, str] = field(default_factory=dict)
    config: dict[str, Any] = field(default_factory=dict)
    tars: list[bytes] = field(default_factory=list)

    @property
    def digest(self) -> str:
        return digest(self.data)

    @property
    def descriptor(self) -> dict[str, Any]:
        return {"mediaType": self.media_type, "digest": self.digest, "size": len(self.data)}

    @property
    def parsed(self) -> dict[str, Any]:
        return json.loads(self.data)


def digest(data: bytes) -> str:
    return "sha256:" + hashlib.sha256(data).hexdigest()


def layer(files: Mapping[str, bytes]) -> bytes:
    """An uncompressed layer."""
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w") as tar:
        for name, data in files.items():
            member = tarfile.TarInfo(name)
            member.size = len(data)
            tar.addfile(member, io.BytesIO(data))
    return out.getvalue()


def image(
    layers: Sequence[Mapping[str, bytes]] = ({"etc/os-release": b"ID=debian\n"},),
    *,
    python: str | None = "3.11.9",
    architecture: str = "amd64",
    os: str = "linux",
    variant: str = "",
    docker: bool = False,
    settings: Mapping[str, Any] | None = None,
) -> Content:
    """One platform's image. `python` is its PYTHON_VERSION; `docker`: with Docker's media types."""
    env = ["PATH=/usr/local/bin:/usr/bin"] + ([f"PYTHON_VERSION={python}"] if python else [])
    tars = [layer(files) for files in layers]
    packed = [gzip.compress(tar, mtime=0) for tar in tars]
    config: dict[str, Any] = {
        "architecture": architecture,
        "os": os,
        "config": {"Env": env, **(settings or {})},
        "rootfs": {"type": "layers", "diff_ids": [digest(tar) for tar in tars]},
        "history": [{"created_by": "made on the spot"}],
    }
    if variant:
        config["variant"] = variant
    data = json.dumps(config).encode()
    kind, config_kind = _DOCKER_KINDS if docker else _OCI_KINDS
    media_type = DOCKER_MANIFEST if docker else OCI_MANIFEST
    manifest = {
        "schemaVersion": 2,
        "mediaType": media_type,
        "config": {"mediaType": config_kind, "digest": digest(data), "size": len(data)},
        "layers": [{"mediaType": kind, "digest": digest(blob), "size": len(blob)} for blob in packed],
    }
    platform = {"architecture": architecture, "os": os} | ({"variant": variant} if variant else {})
    return Content(
        media_type,
        json.dumps(manifest).encode(),
        {digest(blob): blob for blob in [data, *packed]},
        platform=platform,
        config=config,
        tars=tars,
    )


def index(*images: Content, docker: bool = False, attested: bool = False) -> Content:
    """An index of several platforms; `attested` adds what BuildKit attaches."""
    entries = [{**one.descriptor, "platform": one.platform} for one in images]
    every = list(images)
    if attested:
        more = image([{"in-toto.json": b"{}"}], architecture="unknown", os="unknown")
        note = {"vnd.docker.reference.type": "attestation-manifest", "vnd.docker.reference.digest": images[0].digest}
        entries.append({**more.descriptor, "platform": more.platform, "annotations": note})
        every.append(more)
    media_type = DOCKER_INDEX if docker else OCI_INDEX
    data = json.dumps({"schemaVersion": 2, "mediaType": media_type, "manifests": entries}).encode()
    blobs = {name: blob for one in every for name, blob in one.blobs.items()}
    manifests = {name: kept for one in every for name, kept in one.manifests.items()}
    manifests |= {one.digest: (one.media_type, one.data) for one in every}
    return Content(media_type, data, blobs, manifests)
