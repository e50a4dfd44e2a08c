"""Registries that are down, hostile or broken: exit 6, one clear message, and the lockfile that was there stays."""

from __future__ import annotations

import json
from collections.abc import Iterator

import pytest
from support.oci_images import OCI_MANIFEST, Content, digest, image, index
from support.project import Project, Ran
from support.registry import RegistryServer

MANIFEST = "/v2/python/manifests/"
BLOB = "/v2/python/blobs/"


@pytest.fixture
def registry(tmp_path, monkeypatch) -> Iterator[RegistryServer]:
    monkeypatch.setenv("DOCKER_CONFIG", str(tmp_path / "docker"))
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("ENVCTL_CACHE_DIR", str(tmp_path / "cache"))
    with RegistryServer() as server:
        yield server


@pytest.fixture
def locked(project: Project, registry: RegistryServer) -> Project:
    """A project that was locked, and whose tag has moved since."""
    project.wheel("alpha", "1.0")
    project.wheel("uv", "0.13.8", tag="py3-none-manylinux_2_17_x86_64.manylinux2014_x86_64")
    base = registry.push("python:3.11", index(image()))
    project.profile(f'python = "3.11"\ndependencies = ["alpha"]\n[image]\nbase = "{base}"\n')
    assert project.run("lock").status == 0
    registry.push("python:3.11", moved())
    return project


def moved() -> Content:
    return index(image([{"etc/os-release": b"ID=newer\n"}], python="3.11.10"))


def refused(project: Project) -> Ran:
    before = project.snapshot()
    ran = project.run("lock", "--upgrade-base")
    assert ran.status == 6, ran
    assert project.snapshot() == before
    assert ran.out == ""
    assert "Traceback" not in ran.err
    assert "the base of train (profiles/train.toml:4)" in ran.err
    return ran


@pytest.mark.parametrize(
    ("status", "what", "hint"),
    [
        (401, "asks for a login in an unknown way", ""),
        (403, "the registry denies access", "docker login"),
        (404, "the registry does not have it", "check name and tag"),
        (418, "the registry refuses", ""),
        (429, "the registry has had too many requests", "docker login"),
        (500, "the registry has a problem of its own", "try again later"),
        (503, "the registry has a problem of its own", "try again later"),
    ],
)
@pytest.mark.parametrize("where", [MANIFEST, BLOB])
def test_a_status_is_told_in_the_words_of_the_registry(locked, registry, status, what, hint, where):
    said = json.dumps({"errors": [{"code": "TEAPOT", "message": "I am\x1b[31m one"}]}).encode()
    registry.fault(where, status=status, body=said, headers={"Retry-After": "16" if status == 429 else ""})
    ran = refused(locked)
    assert f"error: {registry.name}/python:3.11: {what}" in ran.err or what in ran.err
    assert f"{registry.name}/python:3.11" in ran.err
    assert hint in ran.err
    assert "\x1b" not in ran.err
    if status in (403, 404) and where == MANIFEST:
        assert f"found:    HTTP status {status}, TEAPOT: I am?[31m one" in ran.err


def test_too_many_requests_are_waited_for(locked, registry):
    registry.fault(MANIFEST, status=429, headers={"Retry-After": "1"}, times=1)
    registry.fault(BLOB, status=503, times=2)
    assert locked.run("lock", "--upgrade-base").status == 0


@pytest.mark.parametrize(
    ("body", "what"),
    [
        (b"", "is no image manifest"),
        (b"<html>welcome</html>", "is no image manifest"),
        (b"[]", "is no image manifest"),
        (b"{" * 5000, "is no image manifest"),
        (b'{"schemaVersion":2,"layers":' + b"[" * 200000, "is no image manifest"),
        (b"\xff\xfe\x00", "is no image manifest"),
        (b'{"schemaVersion":2}', "is neither an image manifest nor an index"),
        (b'{"schemaVersion":1,"fsLayers":[]}', "schema 1"),
        (b'{"schemaVersion":2,"manifests":[],"layers":[]}', "is neither an image manifest nor an index, or both"),
        (b'{"schemaVersion":2,"manifests":[]}', "has no image for linux/amd64"),
        (b'{"schemaVersion":2,"manifests":[{"digest":"sha256:1","size":1}]}', "has a digest that is none"),
        (b'{"schemaVersion":2,"manifests":[{"digest":"../../etc/passwd","size":1}]}', "has a digest that is none"),
        (b'{"schemaVersion":2,"manifests":"none"}', "Expected `array | null`"),
    ],
)
def test_garbage_is_no_manifest(locked, registry, body, what):
    registry.fault(MANIFEST, body=body, headers={"Docker-Content-Digest": "", "Content-Type": ""})
    assert what in refused(locked).err


def test_a_size_that_cannot_be_is_refused(locked, registry):
    entry = {"mediaType": OCI_MANIFEST, "digest": image().digest, "platform": {"os": "linux", "architecture": "amd64"}}
    for size in (-1, 2**63, 1.5):
        body = json.dumps({"schemaVersion": 2, "manifests": [{**entry, "size": size}]}).encode()
        registry.fault(MANIFEST, body=body, headers={"Docker-Content-Digest": ""})
        refused(locked)


@pytest.mark.parametrize("said", [{}, {"Docker-Content-Digest": ""}])
def test_another_content_than_the_digest_asked_for_is_refused(locked, registry, said):
    wanted = moved().parsed["manifests"][0]["digest"]
    registry.fault(f"{MANIFEST}sha256:", body=image().data, headers=said)
    ran = refused(locked)
    assert "the registry answers with other content than its digest says" in ran.err
    assert f"expected: {wanted}" in ran.err
    assert f"found:    {image().digest}" in ran.err


def test_a_tag_whose_content_is_not_that_of_its_digest_is_refused(locked, registry):
    registry.fault(f"{MANIFEST}3.11", headers={"Docker-Content-Digest": digest(b"another")})
    assert "the registry answers with other content than its digest says" in refused(locked).err


def test_a_configuration_with_another_content_is_refused(locked, registry):
    config = moved().parsed["manifests"][0]
    size = next(len(blob) for name, blob in registry.blobs.items() if b"3.11.10" in blob)
    registry.fault(BLOB, body=b"x" * size)
    ran = refused(locked)
    assert "has another digest than its manifest says" in ran.err
    assert config["digest"] not in ran.err
    registry.fault(BLOB, body=b"{}")
    assert "is smaller than its manifest says" in refused(locked).err
    registry.fault(BLOB, body=b"x" * (size + 1))
    assert "too large" in refused(locked).err


@pytest.mark.parametrize("where", [MANIFEST, BLOB])
def test_an_endless_body_is_cut_off(locked, registry, where):
    registry.fault(where, body=b"x" * (5 * 2**20), claim=2**40)
    assert "too large" in refused(locked).err
    registry.fault(where, body=b"x" * (5 * 2**20), headers={"Content-Length": "", "Connection": "close"})
    assert "too large" in refused(locked).err


@pytest.mark.parametrize("where", [MANIFEST, BLOB])
def test_a_body_that_drips_is_given_up(locked, registry, where, monkeypatch):
    monkeypatch.setenv("UV_HTTP_TIMEOUT", "1")
    registry.fault(where, drip=0.3, method="GET")
    assert "answers too slowly" in refused(locked).err


@pytest.mark.parametrize("where", [MANIFEST, BLOB])
def test_a_connection_that_breaks_is_told(locked, registry, where):
    registry.fault(where, drop=True)
    assert "the connection broke" in refused(locked).err


@pytest.mark.parametrize("where", [MANIFEST, BLOB])
def test_a_body_that_is_cut_off_is_asked_for_again(locked, registry, where):
    registry.fault(where, cut=50, method="GET", times=2)
    assert locked.run("lock", "--upgrade-base").status == 0


def test_nobody_there_is_told(locked, registry):
    profile = locked.folder / "profiles" / "train.toml"
    with RegistryServer() as gone:
        name = gone.name
    profile.write_text(profile.read_text("utf-8").replace(registry.name, name), "utf-8")
    ran = refused(locked)
    assert f"error: {name}/python:3.11: the registry: could not be reached" in ran.err
    assert "hint: check the network" in ran.err


def test_a_name_that_does_not_exist_is_told(locked, registry):
    profile = locked.folder / "profiles" / "train.toml"
    profile.write_text(profile.read_text("utf-8").replace(registry.name, "registry.invalid"), "utf-8")
    assert "the host name could not be looked up" in refused(locked).err


def test_a_redirect_to_another_server_that_wants_a_login_gets_none(locked, registry, tmp_path):
    login(tmp_path, registry.name, "alice", "s3cret")
    with RegistryServer("alice", "s3cret", host="localhost") as other:
        other.blobs |= registry.blobs
        registry.fault(BLOB, redirect=f"{other.root}{BLOB}{image().parsed['config']['digest']}")
        ran = refused(locked)
        assert "sends to another server, which asks for a login" in ran.err
        assert len(other.requests) == 1
        assert all("authorization" not in asked.headers for asked in other.requests)


def test_redirects_without_end_are_ended(locked, registry):
    registry.fault(MANIFEST, redirect=f"{registry.root}{MANIFEST}3.11")
    assert "redirects without end" in refused(locked).err


@pytest.mark.parametrize("where", ["ftp://127.0.0.1/x", "file:///etc/passwd", "http://[", "//"])
def test_a_redirect_to_no_web_address_is_refused(locked, registry, where):
    registry.fault(MANIFEST, redirect=where)
    refused(locked)


@pytest.mark.parametrize(
    "realm",
    ["", "http://token.example/auth", "ftp://127.0.0.1/auth", "https://user:word@token.example/auth", "http://["],
)
def test_a_token_server_without_tls_elsewhere_is_not_asked(locked, registry, tmp_path, realm):
    login(tmp_path, registry.name, "alice", "s3cret")
    challenge = f'Bearer realm="{realm}",service="x"'
    registry.fault(MANIFEST, status=401, headers={"WWW-Authenticate": challenge})
    ran = refused(locked)
    assert "names a token server that no login may be sent to" in ran.err
    assert "s3cret" not in ran.err
    assert "word" not in ran.err


@pytest.mark.parametrize(
    "body", [b"", b"{}", b"nonsense", b'{"token": 5}', b'{"token": "a\\r\\nb: c"}', b'{"token": ""}']
)
def test_a_token_server_that_gives_no_token_is_told(locked, registry, body):
    registry.token, registry.open = True, True
    registry.fault("/token", body=body)
    assert "the registry's token server gives no token" in refused(locked).err


def test_tokens_that_are_never_good_enough_end_the_asking(locked, registry):
    registry.token, registry.open = True, True
    registry.fault("/token", body=b'{"token": "useless"}')
    ran = refused(locked)
    assert "the registry wants a login" in ran.err
    assert f"hint: `docker login {registry.name}`" in ran.err
    assert len(registry.asked("/token")) <= 2


def test_what_is_no_container_image_is_told(locked, registry):
    chart = json.loads(image().data)
    chart["config"]["mediaType"] = "application/vnd.cncf.helm.config.v1+json"
    registry.push("python:3.11", Content(OCI_MANIFEST, json.dumps(chart).encode(), image().blobs))
    assert "is no container image, but another artifact" in refused(locked).err


def test_a_configuration_of_the_wrong_form_is_told(locked, registry):
    good = image()
    for text in (b"[]", b"{}", b'{"architecture":"amd64","os":"linux","rootfs":{"type":"layers","diff_ids":["x"]}}'):
        manifest = json.loads(good.data)
        manifest["config"] |= {"digest": digest(text), "size": len(text)}
        content = Content(OCI_MANIFEST, json.dumps(manifest).encode(), {**good.blobs, digest(text): text})
        registry.push("python:3.11", content)
        refused(locked)


def test_an_index_that_leads_to_itself_without_end_is_told(locked, registry):
    content = image()
    for _ in range(6):
        content.platform = {"os": "linux", "architecture": "amd64"}
        content = index(content)
        registry.push("python:3.11", content)
    assert "is an index of indexes without end" in refused(locked).err


def login(folder, name: str, user: str, password: str) -> None:
    import base64

    (folder / "docker").mkdir()
    secret = base64.b64encode(f"{user}:{password}".encode()).decode()
    (folder / "docker" / "config.json").write_text(json.dumps({"auths": {name: {"auth": secret}}}), "utf-8")
