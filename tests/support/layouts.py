"""OCI layouts made by hand on top of a real image: layers of any bytes, and configurations that say anything."""

from __future__ import annotations

import gzip
import io
import json
import os
import tarfile
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from support.oci_images import OCI_MANIFEST, digest

LAYER = "application/vnd.oci.image.layer.v1.tar"


class Base:
    """An image's OCI layout in a folder, onto which others are put."""

    def __init__(self, folder: Path) -> None:
        self.blobs = folder / "blobs" / "sha256"
        entry = json.loads((folder / "index.json").read_bytes())["manifests"][0]
        document = json.loads(self._blob(entry["digest"]))
        while "manifests" in document:
            document = json.loads(self._blob(document["manifests"][0]["digest"]))
        self.manifest: dict[str, Any] = document
        self.config: dict[str, Any] = json.loads(self._blob(document["config"]["digest"]))

    def _blob(self, name: str) -> bytes:
        return (self.blobs / name.partition(":")[2]).read_bytes()

    def put(
        self,
        folder: Path,
        layers: Sequence[bytes] = (),
        *,
        packed: Callable[[bytes], bytes] | None = gzip.compress,
        media: str = f"{LAYER}+gzip",
        change: Callable[[dict[str, Any], dict[str, Any]], None] | None = None,
    ) -> Path:
        """A layout with further layers (tar files); `change` is given configuration and manifest first."""
        blobs = folder / "blobs" / "sha256"
        blobs.mkdir(parents=True)
        for blob in self.blobs.iterdir():
            os.link(blob, blobs / blob.name)
        config, manifest = json.loads(json.dumps(self.config)), json.loads(json.dumps(self.manifest))

        def write(data: bytes, media_type: str) -> dict[str, Any]:
            (blobs / digest(data).partition(":")[2]).unlink(missing_ok=True)
            (blobs / digest(data).partition(":")[2]).write_bytes(data)
            return {"mediaType": media_type, "digest": digest(data), "size": len(data)}

        for layer in layers:
            config["rootfs"]["diff_ids"].append(digest(layer))
            manifest["layers"].append(write(layer if packed is None else packed(layer), media))
        if change is not None:
            change(config, manifest)
        manifest["config"] = write(json.dumps(config).encode(), manifest["config"]["mediaType"])
        entry = write(json.dumps(manifest).encode(), manifest.get("mediaType", OCI_MANIFEST))
        (folder / "index.json").write_text(json.dumps({"schemaVersion": 2, "manifests": [entry]}))
        (folder / "oci-layout").write_text('{"imageLayoutVersion": "1.0.0"}')
        return folder


def member(name: str, data: bytes = b"", **values: Any) -> tuple[tarfile.TarInfo, bytes]:
    """A member of a tar file; attributes of TarInfo by keyword."""
    info = tarfile.TarInfo(name)
    info.size = len(data)
    for key, value in values.items():
        setattr(info, key, value)
    return info, data


def tar(*members: tuple[tarfile.TarInfo, bytes], form: int = tarfile.PAX_FORMAT) -> bytes:
    """A tar file of the members, in their order, whatever they are named."""
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w", format=form, encoding="utf-8", errors="surrogateescape") as archive:
        for info, data in members:
            archive.addfile(info, io.BytesIO(data))
    return out.getvalue()
