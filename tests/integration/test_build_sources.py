"""Where a build takes files from: indexes with passwords, mirrors, a company's own authority, a folder.

What it needs for that is in no layer, in no history, and in no configuration of the image.
"""

from __future__ import annotations

import gzip
import hashlib
import json
import os
import subprocess
import tarfile

import pytest
from support.images import built, demo, demo_copy, fill, image_index, image_project, inside, locked, write_demo
from support.project import Project
from support.server import IndexServer
from support.wheels import build_wheel

__all__ = ["demo", "demo_copy", "image_index", "image_project"]

USER, PASSWORD = "whoever-builds", "s3cret-of-the-index"
SMALL = """\
python = "3.11.2"
dependencies = ["acme-core", "idna"]
{extra}
[image]
base = "{base}"
"""


def everything(engine, image, base, tmp_path):
    """All bytes of an image but those of its base: archive, configuration, history, and each layer unpacked."""
    engine.run("pull", "--quiet", base)  # what a build used is not thereby an image of the engine
    known = json.loads(engine.run("image", "inspect", base).stdout)[0]["RootFS"]["Layers"]
    archive = tmp_path / "image.tar"
    engine.run("save", "--output", archive, image)
    found = [engine.run("history", "--no-trunc", image).stdout.encode()]
    found.append(engine.run("image", "inspect", image).stdout.encode())
    with tarfile.open(archive) as saved:
        for member in saved:
            data = saved.extractfile(member).read() if member.isfile() else b""
            if data[:2] == b"\x1f\x8b":
                data = gzip.decompress(data)
            if "sha256:" + hashlib.sha256(data).hexdigest() not in known:
                found.append(data)
    return b"\0".join(found)


@pytest.fixture(scope="module")
def authority(tmp_path_factory):
    """A company's own authority and a server's certificate, in a folder whose name must not be found in an image."""
    folder = tmp_path_factory.mktemp("authority") / "path-of-the-host"
    folder.mkdir()
    new = ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2"]
    ca = [*new, "-subj", "/CN=Company", "-keyout", "ca.key", "-out", "ca.pem"]
    subprocess.run(ca, cwd=folder, check=True, capture_output=True)
    signed = ["-CA", "ca.pem", "-CAkey", "ca.key", "-addext", "basicConstraints=critical,CA:FALSE"]
    leaf = [*new, *signed, "-subj", "/CN=127.0.0.1", "-addext", "subjectAltName=IP:127.0.0.1"]
    subprocess.run([*leaf, "-keyout", "key.pem", "-out", "cert.pem"], cwd=folder, check=True, capture_output=True)
    (folder / "both.pem").write_bytes((folder / "cert.pem").read_bytes() + (folder / "key.pem").read_bytes())
    return folder


def test_credentials_and_certificates_leave_no_trace(engine, tmp_path, image_index, authority, monkeypatch):
    with IndexServer(USER, PASSWORD, tls=authority / "both.pem") as index:
        fill(tmp_path / "served", index, image_index.installer)
        monkeypatch.setenv("SSL_CERT_FILE", str(authority / "ca.pem"))
        monkeypatch.setenv("ENVCTL_INDEX_URL", index.with_credentials())
        project = Project(tmp_path / "project", index)
        project.profile(SMALL.format(base=engine.bases["official"], extra=""))
        locked(project)
        tag = engine.name("secret")
        done = built(project, "--no-cache", "--no-verify", "--tag", tag)
        assert index.asked("/files/uv-")
        assert index.asked("/files/acme_core-")
    assert inside(engine, tag, "/opt/venv/bin/acme") == "served\n"
    found = everything(engine, tag, engine.bases["official"], tmp_path)
    assert b"acme_core" in found
    certificate = (authority / "ca.pem").read_text().splitlines()[1]
    for secret in (USER, PASSWORD, "path-of-the-host", certificate):
        assert secret.encode() not in found
        assert secret not in done.out + done.err


def test_private_index_of_the_profile_gets_its_own_credentials(engine, tmp_path, image_index, monkeypatch):
    with IndexServer(USER, PASSWORD, host="localhost") as private:
        private.add(build_wheel(tmp_path, "acme-secret", "1.0", files={"acme_secret/__init__.py": b"NAME = 'found'\n"}))
        monkeypatch.setenv("ENVCTL_INDEX_URL", image_index.index.url)
        monkeypatch.setenv("UV_INDEX_ACME_USERNAME", USER)
        monkeypatch.setenv("UV_INDEX_ACME_PASSWORD", PASSWORD)
        project = Project(tmp_path / "project", image_index.index)
        extra = f'resolver.index = [{{ name = "acme", url = "{private.url}", packages = ["acme-secret"] }}]'
        text = SMALL.format(base=engine.bases["official"], extra=extra).replace('"idna"', '"acme-secret"')
        project.profile(text)
        locked(project)
        before = len(image_index.index.requests)
        tag = engine.name("private")
        built(project, "--no-verify", "--tag", tag)
        sent = [headers.get("authorization") for _, _, headers in image_index.index.requests[before:]]
    code = "import acme_secret; print(acme_secret.NAME)"
    assert inside(engine, tag, "/opt/venv/bin/python", "-c", code) == "found\n"
    assert not any(sent)
    found = everything(engine, tag, engine.bases["official"], tmp_path)
    assert USER.encode() not in found
    assert PASSWORD.encode() not in found


def test_netrc_reaches_the_build_for_the_hosts_that_it_asks_only(engine, tmp_path, image_index, monkeypatch):
    home = tmp_path / "home"
    home.mkdir()
    (home / ".netrc").write_text(
        f"machine localhost login {USER} password {PASSWORD}\nmachine other.example login a password never-sent\n"
    )
    monkeypatch.setenv("HOME", str(home))
    with IndexServer(USER, PASSWORD, host="localhost") as index:
        fill(tmp_path / "served", index, image_index.installer)
        monkeypatch.setenv("ENVCTL_INDEX_URL", index.url)
        project = Project(tmp_path / "project", index)
        project.profile(SMALL.format(base=engine.bases["official"], extra=""))
        locked(project)
        built(project, "--no-verify", "--tag", engine.name("netrc"))
        assert index.asked("/files/acme_core-")[-1][2]["authorization"].startswith("Basic ")


def test_mirror_stands_in_for_addresses_that_are_gone(engine, demo, demo_copy, tmp_path, image_index, monkeypatch):
    with IndexServer() as gone:
        fill(tmp_path / "served", gone, image_index.installer)
        monkeypatch.setenv("ENVCTL_INDEX_URL", gone.url)
        project = Project(tmp_path / "project", gone)
        write_demo(project, engine.bases["py311"])
        locked(project)
    with IndexServer() as mirror:
        fill(tmp_path / "served", mirror, image_index.installer)
        monkeypatch.setenv("ENVCTL_INDEX_URL", mirror.url)
        done = built(project, "--no-verify", "--tag", engine.name("mirrored"))
        assert mirror.asked("/files/acme_large-")
        root = mirror.root
    assert done.json["package_set"] == demo.result["package_set"]
    site = "/opt/venv/lib/python3.11/site-packages"
    noted = inside(engine, engine.name("mirrored"), "find", site, "-name", "direct_url.json")
    assert noted == ""
    assert root not in json.dumps(json.loads(engine.run("image", "inspect", engine.name("mirrored")).stdout))


def test_folder_of_fetch_builds_without_any_network(engine, tmp_path, image_index, monkeypatch):
    """Every step runs without a network; index and registry are gone, as far as the engine can know of them."""
    home = tmp_path / "home"
    (home / "envctl").mkdir(parents=True)
    (home / "envctl/config.toml").write_text(f'[registries."registry.invalid"]\nmirrors = ["{engine.registry}"]\n')
    monkeypatch.setenv("XDG_CONFIG_HOME", str(home))
    with IndexServer() as index:
        fill(tmp_path / "served", index, image_index.installer)
        monkeypatch.setenv("ENVCTL_INDEX_URL", index.url)
        project = Project(tmp_path / "project", index)
        write_demo(project, engine.bases["official"].replace(engine.registry, "registry.invalid"))
        locked(project)
        fetched = project.run("fetch", "train", "house")
        assert fetched.status == 0, fetched.err
    done = built(project, "--from", "house", "--tag", engine.name("offline"))
    assert inside(engine, engine.name("offline"), "/opt/venv/bin/acme") == "served\n"
    assert done.json["package_set"] == project.lockfile().envctl.package_set["linux/amd64"]
    assert done.json["verdict"] == "ok"


def test_folder_without_the_target_is_refused_before_anything_is_built(demo_copy, engine):
    (demo_copy.folder / "empty").mkdir()
    done = demo_copy.run("build", "train", "--from", "empty")
    assert (done.status, "was not fetched" in done.err, "`envctl fetch train" in done.err) == (2, True, True)
    done = demo_copy.run("build", "train", "--from", "nowhere")
    assert (done.status, "there is no such folder" in done.err) == (2, True)
    done = demo_copy.run("build", "train", "--offline")
    assert (done.status, "--from DIR" in done.err) == (2, True)
    assert demo_copy.run("fetch", "train", "house").status == 0
    wheel = next((demo_copy.folder / "house" / "wheels").glob("idna-*.whl"))
    wheel.unlink()
    done = demo_copy.run("build", "train", "--from", "house")
    assert (done.status, "lacks idna-3.7-py3-none-any.whl" in done.err) == (3, True)


def test_wheel_that_was_changed_in_the_folder_is_refused(engine, image_project):
    """One that the installer's cache in the engine has never seen."""
    image_project.wheel("acme-fresh", "1.0", files={"acme_fresh.py": f"SEEN = {os.urandom(16)!r}\n".encode()})
    text = SMALL.format(base=engine.bases["official"], extra="").replace('"idna"', '"acme-fresh"')
    image_project.profile(text)
    locked(image_project)
    assert image_project.run("fetch", "train", "house").status == 0
    wheel = next((image_project.folder / "house" / "wheels").glob("acme_fresh-*.whl"))
    wheel.write_bytes(wheel.read_bytes() + b"\0")
    done = image_project.run("build", "train", "--from", "house", "--no-verify", "--tag", engine.name("never"))
    assert done.status == 5
    assert "acme_fresh" in done.err or "acme-fresh" in done.err
    assert engine.run("image", "inspect", engine.name("never"), check=False).returncode != 0
