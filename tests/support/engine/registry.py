"""Images put together from layers, and pushed to a registry on loopback over plain HTTP."""

from __future__ import annotations

import dataclasses
import hashlib
import http.client
import json
import time
import urllib.error
import urllib.request
from collections.abc import Mapping, Sequence
from pathlib import Path

from support.engine.layers import EPOCH, Layer, blob

OCI = "application/vnd.oci.image."
# With fewer types a registry answers for another manifest, and so with another digest.
MANIFESTS = ", ".join(
    (
        OCI + "index.v1+json",
        OCI + "manifest.v1+json",
        "application/vnd.docker.distribution.manifest.list.v2+json",
        "application/vnd.docker.distribution.manifest.v2+json",
    )
)


@dataclasses.dataclass(frozen=True)
class Image:
    """A base image: `layers` from the lowest up, `config` what its configuration says beside them."""

    repository: str
    tag: str
    layers: Sequence[Layer]
    config: Mapping[str, object]


def answers(registry: str) -> bool:
    """Does a registry listen there?"""
    try:
        with _call("GET", f"http://{registry}/v2/"):
            return True
    except (OSError, http.client.HTTPException):
        return False


def digest_of(registry: str, repository: str, reference: str) -> str | None:
    """The digest that the registry gives for a tag or digest; None when it has none."""
    try:
        with _call("HEAD", f"http://{registry}/v2/{repository}/manifests/{reference}", Accept=MANIFESTS) as answer:
            return answer.headers["Docker-Content-Digest"]
    except urllib.error.HTTPError as error:
        error.close()
        if error.code != 404:
            raise
        return None


def push(images: Path, registry: str, image: Image, architecture: str) -> str:
    """Put an image into the registry; returns NAME:TAG@DIGEST."""
    created = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(EPOCH))
    config = _json(
        {
            "architecture": architecture,
            "os": "linux",
            "created": created,
            "config": image.config,
            "rootfs": {"type": "layers", "diff_ids": [layer.diff_id for layer in image.layers]},
            "history": [{"created": created, "created_by": "base"} for _ in image.layers],
        }
    )
    manifest = _json(
        {
            "schemaVersion": 2,
            "mediaType": OCI + "manifest.v1+json",
            "config": {"mediaType": OCI + "config.v1+json", "digest": _digest(config), "size": len(config)},
            "layers": [
                {"mediaType": OCI + "layer.v1.tar+gzip", "digest": layer.digest, "size": layer.size}
                for layer in image.layers
            ],
        }
    )
    name = f"{registry}/{image.repository}:{image.tag}@{_digest(manifest)}"
    if digest_of(registry, image.repository, image.tag) == _digest(manifest):
        return name
    api = f"http://{registry}/v2/{image.repository}"
    for layer in image.layers:
        _push_blob(api, layer.digest, blob(images, layer.digest))
    _push_blob(api, _digest(config), config)
    with _call("PUT", f"{api}/manifests/{image.tag}", manifest, Content_Type=OCI + "manifest.v1+json"):
        return name


def _push_blob(api: str, digest: str, content: Path | bytes) -> None:
    try:
        with _call("HEAD", f"{api}/blobs/{digest}"):
            return
    except urllib.error.HTTPError as error:
        error.close()
        if error.code != 404:
            raise
    with _call("POST", f"{api}/blobs/uploads/", b"") as answer:
        place = answer.headers["Location"]
    place += ("&" if "?" in place else "?") + "digest=" + digest
    body = content if isinstance(content, bytes) else content.read_bytes()
    with _call("PUT", place, body, Content_Type="application/octet-stream"):
        pass


def _call(method: str, url: str, body: bytes | None = None, **headers: str) -> http.client.HTTPResponse:
    named = {key.replace("_", "-"): value for key, value in headers.items()}
    request = urllib.request.Request(url, data=body, method=method, headers=named)
    # No proxy of the environment stands between this machine and itself.
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    answer: http.client.HTTPResponse = opener.open(request, timeout=60)
    return answer


def _json(value: object) -> bytes:
    return json.dumps(value, sort_keys=True, separators=(",", ":")).encode()


def _digest(data: bytes) -> str:
    return "sha256:" + hashlib.sha256(data).hexdigest()
