"""Manifests, indexes and configurations from bytes that nobody vouches for."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.oci_images import DOCKER_INDEX, DOCKER_MANIFEST, OCI_INDEX, OCI_MANIFEST, image, index

from envctl.oci import media
from envctl.oci.media import Descriptor, ImageConfig, ImageIndex, ImageManifest, ImagePlatform, Malformed

DIGEST = "sha256:" + "8f" * 32


def entry(platform: dict[str, str] | None = None, **more: object) -> dict[str, object]:
    said = {"mediaType": OCI_MANIFEST, "digest": DIGEST, "size": 7, **more}
    return said if platform is None else {**said, "platform": platform}


def document(**keys: object) -> bytes:
    return json.dumps({"schemaVersion": 2, **keys}).encode()


@pytest.mark.parametrize("docker", [False, True])
def test_manifests_and_indexes_of_both_kinds_are_read(docker):
    one = image(docker=docker)
    manifest = media.parse_document(one.data, one.media_type)
    assert isinstance(manifest, ImageManifest)
    assert manifest.media_type == (DOCKER_MANIFEST if docker else OCI_MANIFEST)
    assert [layer.compression for layer in manifest.layers] == ["gzip"]
    many = index(one, docker=docker)
    found = media.parse_document(many.data, f"{many.media_type}; charset=utf-8")
    assert isinstance(found, ImageIndex)
    assert found.media_type == (DOCKER_INDEX if docker else OCI_INDEX)
    assert found.manifests[0].platform == ImagePlatform(architecture="amd64", os="linux")


def test_a_document_without_media_type_is_told_by_its_keys():
    config = {"mediaType": "application/vnd.oci.image.config.v1+json", "digest": DIGEST, "size": 1}
    assert media.parse_document(document(config=config, layers=[])).media_type == OCI_MANIFEST
    assert media.parse_document(document(manifests=[])).media_type == OCI_INDEX
    assert media.parse_document(document(manifests=[], news={"a": [1]})).media_type == OCI_INDEX


@pytest.mark.parametrize(
    ("data", "media_type"),
    [
        (document(manifests=[], layers=[]), ""),
        (document(manifests=[], config=entry()), ""),
        (document(mediaType=OCI_INDEX, manifests=[]), DOCKER_INDEX),
        (document(mediaType=OCI_MANIFEST, manifests=[]), ""),
        (document(mediaType=OCI_INDEX, config=entry(), layers=[]), ""),
        (document(manifests=[]), OCI_MANIFEST),
        (document(config=entry()), ""),
        (document(layers=[]), ""),
        (b'{"schemaVersion": 3, "manifests": []}', ""),
        (document(manifests=[entry(size=-1)]), ""),
        (document(manifests=[entry(size=2**60)]), ""),
        (document(manifests=[entry(digest="sha1:" + "0" * 40)]), ""),
        (document(manifests=[entry(annotations={"a": 1})]), ""),
        (b" " * (media.MANIFEST_LIMIT + 1), ""),
    ],
)
def test_what_can_be_read_in_two_ways_or_in_none_is_refused(data, media_type):
    with pytest.raises(Malformed):
        media.parse_document(data, media_type)


@pytest.mark.parametrize(
    ("data", "media_type"),
    [
        (b'{"schemaVersion": 1, "fsLayers": [], "history": []}', ""),
        (b"{}", "application/vnd.docker.distribution.manifest.v1+prettyjws"),
        (b'{"schemaVersion": 2, "fsLayers": []}', ""),
    ],
)
def test_schema_1_is_refused_by_its_name(data, media_type):
    with pytest.raises(Malformed, match="schema 1"):
        media.parse_document(data, media_type)


def test_a_configuration_is_read_whole():
    wire = {
        "architecture": "arm64",
        "os": "linux",
        "variant": "v8",
        "os.version": "1",
        "created": "2026-01-01T00:00:00Z",
        "config": {
            "Env": ["A=1", "B=x=y", "A=2"],
            "Cmd": ["python3"],
            "Entrypoint": ["/tini", "--"],
            "User": "1000",
            "WorkingDir": "/app",
            "Labels": {"a": "b"},
            "ExposedPorts": {"8000/tcp": {}},
            "Volumes": {"/data": {}},
            "StopSignal": "SIGINT",
            "Healthcheck": {"Test": ["CMD", "true"], "Interval": 5},
            "Unknown": 1,
        },
        "rootfs": {"type": "layers", "diff_ids": [DIGEST]},
        "history": [{"created_by": "RUN x", "empty_layer": True}, {}],
    }
    found = media.parse_config(json.dumps(wire).encode())
    assert found == ImageConfig(
        architecture="arm64",
        os="linux",
        variant="v8",
        env=("A=1", "B=x=y", "A=2"),
        cmd=("python3",),
        entrypoint=("/tini", "--"),
        user="1000",
        workdir="/app",
        labels={"a": "b"},
        diff_ids=(DIGEST,),
    )
    assert (found.variable("A"), found.variable("B"), found.variable("C")) == ("2", "x=y", None)
    assert str(found.platform) == "linux/arm64/v8"


def test_a_configuration_with_nothing_but_nulls_is_read():
    keys = ("Env", "Cmd", "Entrypoint", "User", "WorkingDir", "Labels", "ExposedPorts", "Volumes", "Healthcheck")
    wire = {
        "architecture": "amd64",
        "os": "linux",
        "config": dict.fromkeys(keys),
        "rootfs": {"type": "layers", "diff_ids": None},
        "history": None,
        "created": None,
    }
    assert media.parse_config(json.dumps(wire).encode()) == ImageConfig(architecture="amd64", os="linux")


@pytest.mark.parametrize(
    "change",
    [
        {"rootfs": {"type": "tarball", "diff_ids": []}},
        {"rootfs": {"type": "layers", "diff_ids": ["sha256:1"]}},
        {"rootfs": None},
        {"os": 5},
        {"config": {"Env": "A=1"}},
        {"history": {}},
    ],
)
def test_a_configuration_of_the_wrong_form_is_refused(change):
    wire = {"architecture": "amd64", "os": "linux", "rootfs": {"type": "layers", "diff_ids": []}, **change}
    with pytest.raises(Malformed):
        media.parse_config(json.dumps(wire).encode())


def test_layers_and_diff_ids_must_be_as_many():
    one = image([{"a": b"1"}, {"b": b"2"}])
    manifest = media.parse_document(one.data)
    assert isinstance(manifest, ImageManifest)
    media.check_layers(manifest.layers, media.parse_config(json.dumps(one.config).encode()))
    with pytest.raises(Malformed, match="another number of layers"):
        media.check_layers(manifest.layers, ImageConfig(architecture="amd64", os="linux"))


def test_a_layer_of_an_unknown_kind_is_none():
    with pytest.raises(Malformed, match="no layer of a known kind"):
        _ = Descriptor(media_type="application/vnd.example.model", digest=DIGEST, size=1).compression


def listed(*platforms: str) -> list[Descriptor]:
    found = []
    for number, name in enumerate(platforms):
        os, architecture, variant = [*name.split("/"), "", ""][:3]
        platform = ImagePlatform(os=os, architecture=architecture, variant=variant) if name else None
        found.append(Descriptor(media_type=OCI_MANIFEST, digest=DIGEST, size=number, platform=platform))
    return found


@pytest.mark.parametrize(
    ("platforms", "wanted", "chosen"),
    [
        (["linux/amd64", "linux/arm64/v8"], "linux/arm64", 1),
        (["linux/arm/v6", "linux/arm/v7"], "linux/arm", 1),
        (["linux/arm/v6", "linux/arm/v7"], "linux/arm/v6", 0),
        (["linux/arm64", "linux/arm64/v8"], "linux/arm64", 0),
        (["linux/arm64"], "linux/arm64/v8", 0),
        (["linux/amd64/v3", "linux/amd64"], "linux/amd64", 1),
        (["linux/amd64/v3"], "linux/amd64", 0),
        (["windows/amd64", "unknown/unknown", "linux/amd64"], "linux/amd64", 2),
        ([""], "linux/amd64", 0),
        (["linux/riscv64", "unknown/unknown"], None, 0),
    ],
)
def test_the_image_of_a_platform_is_chosen_with_its_variant(platforms, wanted, chosen):
    assert media.choose_platform(listed(*platforms), wanted).size == chosen


@pytest.mark.parametrize(
    ("platforms", "wanted", "found"),
    [
        (["linux/amd64", "unknown/unknown"], "linux/arm64", "linux/amd64"),
        (["linux/arm/v7"], "linux/arm/v6", "linux/arm/v7"),
        (["windows/amd64"], "linux/amd64", "windows/amd64"),
        (["unknown/unknown"], "linux/amd64", "no image at all"),
        ([], "linux/amd64", "no image at all"),
        (["", ""], "linux/amd64", "no platform"),
        (["linux/amd64", "linux/arm64"], None, "linux/amd64, linux/arm64"),
    ],
)
def test_a_platform_that_is_not_there_is_told_with_those_that_are(platforms, wanted, found):
    with pytest.raises(Malformed) as error:
        media.choose_platform(listed(*platforms), wanted)
    assert error.value.found == found


@given(st.binary(max_size=200) | st.text(max_size=100).map(str.encode))
def test_any_bytes_are_read_or_refused(data):
    for parse in (media.parse_document, media.parse_config):
        with pytest.raises(Malformed):
            parse(data)


_json = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=10,
)


@given(st.sampled_from(["schemaVersion", "config", "layers", "manifests", "mediaType", "annotations"]), _json)
def test_any_value_of_a_key_is_read_or_refused(key, value):
    whole = {**image().parsed, key: value}
    try:
        found = media.parse_document(json.dumps(whole).encode())
    except Malformed:
        return
    assert isinstance(found, ImageManifest | ImageIndex)
