"""What `docker save` writes: only digests that are computed here say what a member is."""

from __future__ import annotations

import hashlib
import io
import json
import tarfile

import pytest

from envctl.errors import InvalidFile
from envctl.oci.contents import Contents, Wanted, read_saved

WANTED = Wanted(keep=lambda _path, _size: False)


def tar(**members: bytes) -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as archive:
        for name, data in members.items():
            info = tarfile.TarInfo(name)
            info.size = len(data)
            archive.addfile(info, io.BytesIO(data))
    return buffer.getvalue()


def sha256(data: bytes) -> str:
    return f"sha256:{hashlib.sha256(data).hexdigest()}"


def config(layer: bytes) -> bytes:
    rootfs = {"type": "layers", "diff_ids": [sha256(layer)]}
    return json.dumps({"architecture": "amd64", "os": "linux", "rootfs": rootfs}).encode()


def read(archive: bytes, digest: str) -> Contents:
    return read_saved(iter([archive]), "saved", WANTED, digest=digest, platform="linux/amd64")


def test_an_image_is_found_by_the_digests_of_what_is_there():
    layer = tar(file=b"content")
    said = config(layer)
    found = read(tar(**{"layer.tar": layer, "config.json": said}), sha256(said))
    assert found.config_digest == sha256(said)
    assert [list(one.entries) for one in found.layers] == [["file"]]


def test_a_member_that_is_named_like_a_digest_is_not_what_has_that_digest():
    layer, other = tar(file=b"content"), tar(file=b"another")
    said = config(layer)
    with pytest.raises(InvalidFile, match="does not hold all of the image"):
        read(tar(**{"layer.tar": other, sha256(said): config(other)}), sha256(said))
    with pytest.raises(InvalidFile, match="holds no layer of a digest"):
        read(tar(**{sha256(layer): other, "config.json": said}), sha256(said))
