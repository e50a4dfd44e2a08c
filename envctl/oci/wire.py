"""Manifests, indexes and configurations as they stand in JSON, where anything may be null or missing.

`envctl.oci.media` makes values of them. Unknown keys are allowed, as the specifications ask; a wrong type is not.
"""

from __future__ import annotations

from typing import Any

import msgspec


class WirePlatform(msgspec.Struct):
    """Whom an entry of an index is for."""

    architecture: str | None = None
    os: str | None = None
    variant: str | None = None
    os_version: str | None = msgspec.field(default=None, name="os.version")


class WireDescriptor(msgspec.Struct, rename="camel"):
    """A content's media type, digest and size."""

    digest: str
    size: int
    media_type: str = ""
    platform: WirePlatform | None = None
    urls: list[str] | None = None
    annotations: dict[str, str] | None = None


class WireDocument(msgspec.Struct, rename="camel"):
    """A manifest or an index: which of both is told by its keys and its media type, which must agree."""

    schema_version: int
    media_type: str | None = None
    config: WireDescriptor | None = None
    layers: list[WireDescriptor] | None = None
    manifests: list[WireDescriptor] | None = None
    fs_layers: Any = None
    annotations: dict[str, str] | None = None


class WireSettings(msgspec.Struct, rename="pascal"):
    """What a container is started with."""

    env: list[str] | None = None
    cmd: list[str] | None = None
    entrypoint: list[str] | None = None
    user: str | None = None
    working_dir: str | None = None
    labels: dict[str, str] | None = None
    exposed_ports: dict[str, Any] | None = None
    volumes: dict[str, Any] | None = None
    stop_signal: str | None = None
    healthcheck: dict[str, Any] | None = None


class WireRootfs(msgspec.Struct):
    """The layers."""

    type: str
    diff_ids: list[str] | None = None


class WireHistory(msgspec.Struct):
    """How a layer came about."""

    created: str | None = None
    created_by: str | None = None
    comment: str | None = None
    empty_layer: bool | None = None


class WireConfig(msgspec.Struct):
    """An image's configuration."""

    architecture: str
    os: str
    rootfs: WireRootfs
    variant: str | None = None
    os_version: str | None = msgspec.field(default=None, name="os.version")
    config: WireSettings | None = None
    history: list[WireHistory] | None = None
    created: str | None = None
