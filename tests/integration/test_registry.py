"""The registry client: logins, tokens, mirrors, caches and streams, against registries on loopback."""

from __future__ import annotations

import base64
import json
import stat
import subprocess
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from support.oci_images import digest, image, index
from support.registry import RegistryServer

from envctl.errors import EnvctlError, IndexFailed, InvalidFile
from envctl.oci.cache import DocumentCache
from envctl.oci.reference import Reference
from envctl.oci.registry import Registry

PLATFORM = "linux/amd64"


@pytest.fixture(autouse=True)
def home(tmp_path, monkeypatch) -> Path:
    """An empty home folder, without any login."""
    for name in ("DOCKER_CONFIG", "REGISTRY_AUTH_FILE", "XDG_RUNTIME_DIR", "XDG_CONFIG_HOME"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HOME", str(tmp_path))
    return tmp_path


@pytest.fixture
def registry() -> Iterator[RegistryServer]:
    with RegistryServer() as server:
        yield server


def write_json(path: Path, value: object) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(value), "utf-8")


def encoded(user: str, password: str) -> str:
    return base64.b64encode(f"{user}:{password}".encode()).decode()


def config(home: Path, text: str) -> None:
    place = home / ".config" / "envctl" / "config.toml"
    place.parent.mkdir(parents=True, exist_ok=True)
    place.write_text(text, "utf-8")


def digest_of(reference: str, **options: Any) -> str | None:
    with Registry(**options) as client:
        return client.image(Reference.parse(reference), PLATFORM).digest


def failure(reference: str, **options: Any) -> EnvctlError:
    with pytest.raises(EnvctlError) as error:
        digest_of(reference, **options)
    return error.value


def layer_of(client: Registry, reference: str) -> bytes:
    found = client.image(Reference.parse(reference), PLATFORM)
    with found.open(found.layers[0]) as stream:
        return stream.read()


# Documents


@pytest.mark.parametrize("docker", [False, True])
def test_an_image_of_an_index_is_that_of_the_platform(registry, docker):
    mine, other = image(docker=docker), image(architecture="arm64", docker=docker)
    reference = registry.push("a/b:1", index(other, mine, docker=docker, attested=True))
    with Registry() as client:
        found = client.image(Reference.parse(reference), PLATFORM)
        assert (found.digest, found.manifest_bytes) == (mine.digest, mine.data)
        assert (found.config.architecture, found.config.variable("PYTHON_VERSION")) == ("amd64", "3.11.9")
        assert found.config_digest == digest(found.config_bytes)
        assert found.reference == f"{reference}@{mine.digest}"
        assert [layer.compression for layer in found.layers] == ["gzip"]
        assert client.image(Reference.parse(reference), "linux/arm64").digest == other.digest


def test_a_digest_names_an_index_or_an_image(registry):
    mine = image()
    every = index(mine, image(architecture="arm64"))
    registry.push("a:1", every)
    for named in (every.digest, mine.digest):
        assert digest_of(f"{registry.name}/a@{named}") == mine.digest
    assert registry.asked("HEAD") == []


def test_without_a_platform_the_only_image_is_meant(registry):
    mine = image(architecture="arm64")
    with Registry() as client:
        assert (
            client.image(Reference.parse(registry.push("a:1", index(mine, attested=True))), None).digest == mine.digest
        )
        several = registry.push("a:2", index(mine, image()))
        with pytest.raises(IndexFailed, match="has not one image"):
            client.image(Reference.parse(several), None)


def test_all_four_kinds_of_manifests_are_accepted_in_every_request(registry):
    digest_of(registry.push("a:1", index(image())), cache=DocumentCache())
    for asked in registry.requests:
        if "/manifests/" in asked.path:
            assert asked.headers["accept"].count("application/vnd.") == 4


def test_documents_are_read_once(registry, tmp_path):
    reference = registry.push("a:1", index(image()))
    cache = DocumentCache(tmp_path / "images")
    first = digest_of(reference, cache=cache)
    asked = len(registry.requests)
    assert digest_of(reference, cache=cache) == first
    assert registry.asked()[asked:] == ["HEAD /v2/a/manifests/1"]
    assert digest_of(f"{registry.name}/a@{first}", cache=cache, offline=True) == first


def test_a_cache_that_was_tampered_with_is_not_believed(registry, tmp_path):
    reference = registry.push("a:1", image())
    cache = DocumentCache(tmp_path / "images")
    first = digest_of(reference, cache=cache)
    for file in (tmp_path / "images").rglob("*"):
        if file.is_file():
            file.write_bytes(b"{}")
    assert digest_of(reference, cache=cache) == first


def test_a_registry_that_knows_no_head_is_asked_by_get(registry, tmp_path):
    reference = registry.push("a:1", image())
    registry.fault("/v2/", method="HEAD", status=405)
    assert digest_of(reference, cache=DocumentCache(tmp_path)) == image().digest


def test_connections_are_kept(registry):
    content = image([{"a": b"1"}, {"b": b"2"}, {"c": b"3"}])
    reference = registry.push("a:1", content)
    with Registry() as client:
        found = client.image(Reference.parse(reference), PLATFORM)
        for layer in found.layers:
            with found.open(layer) as stream:
                stream.read()
        assert registry.open_connections == 1


# Streams


def test_a_layer_is_read_as_it_lies_there(registry):
    content = image([{"data": bytes(range(256)) * 5000}])
    reference = registry.push("a:1", content)
    with Registry() as client:
        data = layer_of(client, reference)
    assert digest(data) == content.parsed["layers"][0]["digest"]


@pytest.mark.parametrize("ranges", [True, False])
def test_a_broken_download_goes_on_where_it_broke(registry, ranges):
    content = image([{"data": bytes((n * 7919 >> 3) & 255 for n in range(300_000))}])
    reference = registry.push("a:1", content)
    blob = content.parsed["layers"][0]["digest"]
    registry.fault(f"/v2/a/blobs/{blob}", cut=len(content.blobs[blob]) // 2, times=1)
    if not ranges:
        registry.faults.insert(0, registry.fault(f"/v2/a/blobs/{blob}", no_ranges=True))
        registry.faults.pop()
    with Registry() as client:
        assert digest(layer_of(client, reference)) == blob
    asked = [one for one in registry.requests if blob in one.path]
    assert len(asked) == 2
    assert asked[1].headers["range"].startswith("bytes=")


def test_a_layer_with_another_content_is_told_at_its_end(registry):
    content = image()
    reference = registry.push("a:1", content)
    layer = content.parsed["layers"][0]
    for body, what in ((b"x" * layer["size"], "another digest"), (b"x", "smaller")):
        registry.fault(f"/v2/a/blobs/{layer['digest']}", body=body)
        with Registry() as client, pytest.raises(IndexFailed, match=what) as error:
            layer_of(client, reference)
        assert f"asked {registry.root}/v2/a/blobs/{layer['digest']}" in error.value.details


def test_many_threads_read_one_image(registry):
    layers = [{f"f{n}": bytes([n]) * 100_000} for n in range(8)]
    reference = registry.push("a:1", image(layers))
    registry.user, registry.password = "alice", "s3cret"
    registry.token, registry.open = True, True
    with Registry() as client:
        found = client.image(Reference.parse(reference), PLATFORM)
        registry.issued.clear()  # every token has expired
        read: dict[int, bytes] = {}

        def take(number: int) -> None:
            with found.open(found.layers[number]) as stream:
                read[number] = stream.read()

        threads = [threading.Thread(target=take, args=(n,)) for n in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert [digest(read[n]) for n in range(8)] == [layer.digest for layer in found.layers]


def test_a_stream_that_is_closed_early_gives_its_connection_back(registry):
    reference = registry.push("a:1", image([{"data": b"0" * 10}]))
    with Registry() as client:
        found = client.image(Reference.parse(reference), PLATFORM)
        for _ in range(20):
            with found.open(found.layers[0]) as stream:
                stream.read(1)
        assert registry.open_connections <= 8


# Logins


@pytest.mark.parametrize(
    "auth",
    [
        {"auth": encoded("alice", "s3:cret")},
        {"username": "alice", "password": "s3:cret"},
        {"auth": encoded("alice", "s3:cret"), "identitytoken": ""},
    ],
)
@pytest.mark.parametrize("token", [False, True])
def test_the_login_of_docker_is_used(registry, home, auth, token):
    registry.user, registry.password, registry.token = "alice", "s3:cret", token
    reference = registry.push("a:1", image())
    assert failure(reference).hint == (
        f"`docker login {registry.name}`, or check the name: registries say the same of images that do not exist"
    )
    write_json(home / ".docker" / "config.json", {"auths": {registry.name: auth}})
    asked = len(registry.requests)
    assert digest_of(reference) == image().digest
    assert "authorization" not in registry.requests[asked].headers  # nothing is told before it is asked for


def test_docker_config_names_the_folder(registry, tmp_path, monkeypatch):
    registry.user, registry.password = "alice", "s3cret"
    reference = registry.push("a:1", image())
    write_json(
        tmp_path / "other" / "config.json",
        {"auths": {f"https://{registry.name}": {"auth": encoded("alice", "s3cret")}}},
    )
    monkeypatch.setenv("DOCKER_CONFIG", str(tmp_path / "other"))
    assert digest_of(reference) == image().digest


@pytest.mark.parametrize("key", ["{name}", "{name}/team", "{name}/team/model"])
def test_the_login_of_podman_is_used_after_that_of_docker(registry, tmp_path, monkeypatch, home, key):
    registry.user, registry.password = "alice", "s3cret"
    reference = registry.push("team/model:1", image())
    auth = {"auth": encoded("alice", "s3cret")}
    write_json(tmp_path / "run" / "containers" / "auth.json", {"auths": {key.format(name=registry.name): auth}})
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(tmp_path / "run"))
    assert digest_of(reference) == image().digest
    write_json(home / ".docker" / "config.json", {"auths": {registry.name: {"auth": encoded("bob", "x")}}})
    assert failure(reference).what == "the registry refuses the login"


def test_the_closest_login_of_podman_counts(registry, tmp_path, monkeypatch):
    registry.user, registry.password = "alice", "s3cret"
    reference = registry.push("team/model:1", image())
    auths = {
        registry.name: {"auth": encoded("bob", "x")},
        f"{registry.name}/team": {"auth": encoded("alice", "s3cret")},
    }
    write_json(tmp_path / "auth.json", {"auths": auths})
    monkeypatch.setenv("REGISTRY_AUTH_FILE", str(tmp_path / "auth.json"))
    assert digest_of(reference) == image().digest


def helper(folder: Path, name: str, script: str) -> None:
    folder.mkdir(exist_ok=True)
    path = folder / f"docker-credential-{name}"
    path.write_text(f"#!/bin/sh\n{script}\n", "utf-8")
    path.chmod(path.stat().st_mode | stat.S_IXUSR)


@pytest.fixture
def helpers(tmp_path, monkeypatch) -> Path:
    import os

    folder = tmp_path / "helpers"
    folder.mkdir()
    monkeypatch.setenv("PATH", f"{folder}{os.pathsep}{os.environ['PATH']}")
    return folder


@pytest.mark.parametrize("kind", ["credsStore", "credHelpers"])
def test_a_credential_helper_is_asked_for_the_registry(registry, home, helpers, kind):
    registry.user, registry.password = "alice", "s3cret"
    reference = registry.push("a:1", image())
    helper(
        helpers,
        "vault",
        'read server; echo "$1 $server" >>"$HOME/asked"; echo \'{"Username":"alice","Secret":"s3cret"}\'',
    )
    said = "vault" if kind == "credsStore" else {registry.name: "vault"}
    write_json(home / ".docker" / "config.json", {kind: said, "auths": {registry.name: {}}})
    assert digest_of(reference) == image().digest
    assert (home / "asked").read_text("utf-8") == f"get {registry.name}\n"


def test_a_helper_that_knows_nothing_leaves_the_file(registry, home, helpers):
    registry.user, registry.password = "alice", "s3cret"
    reference = registry.push("a:1", image())
    helper(helpers, "vault", "cat >/dev/null; echo credentials not found in native keychain; exit 1")
    auths = {registry.name: {"auth": encoded("alice", "s3cret")}}
    write_json(home / ".docker" / "config.json", {"credsStore": "vault", "auths": auths})
    assert digest_of(reference) == image().digest


@pytest.mark.parametrize(
    ("script", "found"),
    [
        ("cat >/dev/null; echo the s3cret is locked; exit 3", "exit 3"),
        ("cat >/dev/null; echo s3cret", "an answer that is no JSON object"),
        ('cat >/dev/null; echo \'{"Secret":"s3cret"}\'', "an answer without Username and Secret"),
        ('cat >/dev/null; echo \'{"Username":5,"Secret":"s3cret"}\'', "an answer without Username and Secret"),
    ],
)
def test_a_helper_that_fails_is_told_without_what_it_said(registry, home, helpers, script, found):
    registry.user, registry.password = "alice", "s3cret"
    reference = registry.push("a:1", image())
    helper(helpers, "vault", script)
    write_json(home / ".docker" / "config.json", {"credsStore": "vault"})
    error = failure(reference)
    assert isinstance(error, IndexFailed)
    assert "the credential helper docker-credential-vault failed" in str(error)
    assert error.found == found
    assert "s3cret" not in str(error)


@pytest.mark.parametrize("name", ["nowhere", "../../../bin/sh", "a b", ""])
def test_a_helper_that_is_not_there_is_told(registry, home, name):
    registry.user, registry.password = "alice", "s3cret"
    reference = registry.push("a:1", image())
    write_json(home / ".docker" / "config.json", {"credHelpers": {registry.name: name}})
    error = failure(reference)
    assert ("is not on PATH" in error.what) == bool(name)


@pytest.mark.parametrize(
    "text",
    ["{", "[]", '{"auths": []}', '{"auths": {"x": {"auth": 5}}}', "\xff", "{" * 100_000],
)
def test_a_malformed_file_of_logins_is_told_without_its_content(registry, home, text):
    registry.user, registry.password = "alice", "s3cret"
    reference = registry.push("a:1", image())
    place = home / ".docker" / "config.json"
    place.parent.mkdir()
    place.write_text(text, "latin-1")
    error = failure(reference)
    assert isinstance(error, IndexFailed)
    assert "the registry" in str(error)
    assert str(place) in str(error)


@pytest.mark.parametrize("auth", ["not base64!", base64.b64encode(b"no colon s3cret").decode(), "//79"])
def test_a_login_that_cannot_be_read_is_told_without_it(registry, home, auth):
    registry.user, registry.password = "alice", "s3cret"
    reference = registry.push("a:1", image())
    write_json(home / ".docker" / "config.json", {"auths": {registry.name: {"auth": auth}}})
    text = str(failure(reference))
    assert "login cannot be read" in text
    assert auth not in text
    assert "s3cret" not in text


def test_an_identity_token_is_exchanged_by_post(registry, home):
    registry.token, registry.identity_token = True, "refresh+me/=="
    reference = registry.push("a:1", image())
    auth = {"auth": encoded("alice", "ignored"), "identitytoken": "refresh+me/=="}
    write_json(home / ".docker" / "config.json", {"auths": {registry.name: auth}})
    assert digest_of(reference) == image().digest
    (posted,) = [asked for asked in registry.requests if asked.method == "POST"]
    assert "refresh" not in posted.path
    assert b"scope=repository%3Aa%3Apull" in posted.body
    assert "authorization" not in posted.headers


def test_a_helper_gives_an_identity_token_under_its_own_name(registry, home, helpers):
    registry.token, registry.identity_token = True, "refresh"
    reference = registry.push("a:1", image())
    helper(helpers, "vault", 'cat >/dev/null; echo \'{"Username":"<token>","Secret":"refresh"}\'')
    write_json(home / ".docker" / "config.json", {"credsStore": "vault"})
    assert digest_of(reference) == image().digest


def test_an_identity_token_follows_no_redirect(registry, home):
    registry.token, registry.identity_token = True, "refresh"
    reference = registry.push("a:1", image())
    write_json(home / ".docker" / "config.json", {"auths": {registry.name: {"identitytoken": "refresh"}}})
    with RegistryServer(host="localhost") as other:
        registry.fault("/token", redirect=f"{other.root}/token")
        assert "refresh" not in str(failure(reference))
        assert other.requests == []


def test_a_token_of_one_repository_is_asked_for_once(registry):
    registry.token, registry.open = True, True
    reference = registry.push("a:1", index(image([{"x": b"1"}, {"y": b"2"}])))
    with Registry() as client:
        found = client.image(Reference.parse(reference), PLATFORM)
        for layer in found.layers:
            found.open(layer).read()
    (asked,) = [asked for asked in registry.requests if asked.path == "/token"]
    assert asked.query == {"service": "tests", "scope": "repository:a:pull"}
    assert "authorization" not in asked.headers  # anybody may have it


def test_a_token_that_expired_is_renewed(registry):
    registry.token, registry.open = True, True
    reference = registry.push("a:1", image())
    with Registry() as client:
        found = client.image(Reference.parse(reference), PLATFORM)
        registry.issued.clear()
        registry.issued.add("another")
        assert digest(found.open(found.layers[0]).read()) == found.layers[0].digest
    assert len(registry.asked("/token")) == 2


def test_a_token_server_may_be_another_host(registry, home):
    with RegistryServer("alice", "s3cret", host="localhost") as tokens:
        registry.token, registry.realm = True, f"{tokens.root}/token"
        registry.issued = tokens.issued
        reference = registry.push("a:1", image())
        write_json(home / ".docker" / "config.json", {"auths": {registry.name: {"auth": encoded("alice", "s3cret")}}})
        assert digest_of(reference) == image().digest


def test_blobs_on_another_host_see_no_token(registry, home):
    registry.user, registry.password = "alice", "s3cret"
    write_json(home / ".docker" / "config.json", {"auths": {registry.name: {"auth": encoded("alice", "s3cret")}}})
    reference = registry.push("a:1", image())
    with RegistryServer(host="localhost") as cdn:
        cdn.blobs = registry.blobs
        blob = image().parsed["config"]["digest"]
        registry.fault(f"/v2/a/blobs/{blob}", redirect=f"{cdn.root}/v2/x/blobs/{blob}?signature=s3cret")
        assert digest_of(reference) == image().digest
        assert len(cdn.requests) == 1
        assert "authorization" not in cdn.requests[0].headers


def test_netrc_is_not_for_registries(registry, home):
    (home / ".netrc").write_text("default login alice password s3cret\n", "utf-8")
    registry.user, registry.password = "alice", "s3cret"
    failure(registry.push("a:1", image()))
    assert all("authorization" not in asked.headers for asked in registry.requests)


def test_several_ways_to_log_in_are_told_apart(registry, home):
    registry.user, registry.password = "alice", "s3cret"
    write_json(home / ".docker" / "config.json", {"auths": {registry.name: {"auth": encoded("alice", "s3cret")}}})
    registry.fault("/v2/", status=401, headers={"WWW-Authenticate": 'Negotiate, Basic realm="a, b"'}, times=1)
    assert digest_of(registry.push("a:1", image())) == image().digest


# Mirrors and plain HTTP


def test_a_mirror_is_asked_first_and_the_registry_where_it_fails(registry, home):
    reference = registry.push("team/a:1", image())
    with RegistryServer(host="localhost") as mirror:
        mirror.push("cache/team/a:1", image())
        config(home, f'[registries."{registry.name}"]\nmirrors = ["{mirror.name}/cache"]\n')
        assert digest_of(reference) == image().digest
        assert registry.requests == []
        assert mirror.asked("/v2/cache/team/a/")
        mirror.fault("/v2/", status=500)
        asked = len(mirror.requests)
        assert digest_of(reference) == image().digest
        assert registry.requests != []
        assert set(mirror.asked()[asked:]) == {"GET /v2/cache/team/a/manifests/1"}  # not asked again


@pytest.mark.parametrize(
    "kind", [{"status": 404}, {"status": 401}, {"body": b"garbage"}, {"drop": True}, {"body": b"x" * 5_000_000}]
)
def test_no_answer_of_a_mirror_stands_in_the_way(registry, home, kind):
    reference = registry.push("a:1", image())
    with RegistryServer(host="localhost") as mirror:
        mirror.push("a:1", image())
        mirror.fault("/v2/", **kind)
        config(home, f'[registries."{registry.name}"]\nmirrors = ["{mirror.name}"]\n')
        assert digest_of(reference) == image().digest
        mirror.faults.clear()
        mirror.fault("/v2/a/blobs/", **kind)
        assert digest_of(reference) == image().digest


def test_what_mirrors_said_is_told_when_the_registry_fails_too(registry, home):
    reference = registry.push("a:1", image())
    registry.fault("/v2/", status=403)
    with RegistryServer(host="localhost") as mirror:
        mirror.fault("/v2/", status=403)
        config(home, f'[registries."{registry.name}"]\nmirrors = ["{mirror.name}"]\n')
        text = str(failure(reference))
    assert f"mirror {mirror.root}/v2/: the registry denies access (HTTP status 403)" in text
    assert f"asked {registry.root}/v2/a/manifests/1" in text


def test_the_login_of_the_registry_is_not_the_mirror_s(registry, home):
    registry.user, registry.password = "alice", "s3cret"
    write_json(home / ".docker" / "config.json", {"auths": {registry.name: {"auth": encoded("alice", "s3cret")}}})
    reference = registry.push("a:1", image())
    with RegistryServer("alice", "s3cret", host="localhost") as mirror:
        config(home, f'[registries."{registry.name}"]\nmirrors = ["{mirror.name}"]\n')
        assert digest_of(reference) == image().digest
        assert all("authorization" not in asked.headers for asked in mirror.requests)


def test_plain_http_is_for_loopback_and_where_it_is_allowed(registry, home, monkeypatch):
    port = registry.name.partition(":")[2]
    monkeypatch.setenv("HTTP_PROXY", registry.root)  # which stands for the whole network here
    monkeypatch.setenv("HTTPS_PROXY", registry.root)
    error = failure(f"registry.example:{port}/a:1")
    assert f"asked https://registry.example:{port}/v2/a/manifests/1" in str(error)
    config(home, f'[registries."registry.example:{port}"]\ninsecure = true\n')
    assert "HTTP status 404" in str(failure(f"registry.example:{port}/a:1"))
    assert registry.asked("registry.example") != []
    config(home, f'[registries."{registry.name}"]\ninsecure = false\n')
    assert f"asked https://{registry.name}" in str(failure(registry.push("a:1", image())))


def test_proxies_are_not_asked_for_loopback(registry, monkeypatch):
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:9")
    monkeypatch.setenv("ALL_PROXY", "http://127.0.0.1:9")
    assert digest_of(registry.push("a:1", image())) == image().digest


@pytest.mark.parametrize(
    ("text", "what"),
    [
        ("registries = 5", "is malformed"),
        ("[registrys]", "is malformed"),
        ('[registries."a.example"]\nmirror = []', "is malformed"),
        ('[registries."a.example"]\nmirrors = "b"', "is malformed"),
        ('[registries."a.example"]\nmirrors = ["https://b.example"]', "names no mirror"),
        ('[registries."a.example"]\nmirrors = ["b.example/UP"]', "names no mirror"),
        ('[registries."a.example"]\nmirrors = ["b.example/../x"]', "names no mirror"),
        ('[registries."https://a.example"]\ninsecure = true', "names no registry"),
        ("[", "is not TOML"),
        ("a = " + "[" * 100_000, "is"),
    ],
)
def test_a_malformed_configuration_is_told(registry, home, text, what):
    config(home, text)
    error = failure(registry.push("a:1", image()))
    assert isinstance(error, InvalidFile)
    assert what in error.what
    assert error.file == str(home / ".config" / "envctl" / "config.toml")
    assert registry.requests == []


def test_certificates_of_a_company_are_trusted_where_the_environment_says(tmp_path, monkeypatch):
    pem = tmp_path / "both.pem"
    key, certificate = tmp_path / "key.pem", tmp_path / "certificate.pem"
    made = ["req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", "/CN=localhost"]
    named = ["-addext", "subjectAltName=DNS:localhost", "-keyout", key, "-out", certificate]
    subprocess.run(["openssl", *made, *named], check=True, capture_output=True)
    pem.write_bytes(key.read_bytes() + certificate.read_bytes())
    with RegistryServer(tls=pem, host="localhost") as server:
        config(tmp_path, f'[registries."{server.name}"]\ninsecure = false\n')
        reference = server.push("a:1", image())
        assert "no trusted connection could be made" in str(failure(reference))
        monkeypatch.setenv("SSL_CERT_FILE", str(certificate))
        assert digest_of(reference) == image().digest


def test_a_real_registry_is_read(engine):
    reference = engine.bases["py311"]
    with Registry() as client:
        found = client.image(Reference.parse(reference), PLATFORM)
        assert found.config.os == "linux"
        assert len(found.layers) == len(found.config.diff_ids) > 0
        with found.open(found.layers[0]) as stream:
            size = sum(len(piece) for piece in iter(lambda: stream.read(1 << 20), b""))
        assert size == found.layers[0].size
        by_tag = Reference.parse(reference.partition("@")[0])
        assert client.image(by_tag, PLATFORM).config_digest == found.config_digest
        with pytest.raises(IndexFailed, match="MANIFEST_UNKNOWN"):
            client.resolve(Reference.parse(f"{engine.registry}/base/nothing:1"))
