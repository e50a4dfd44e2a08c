"""OS packages that `envctl lock` pins from an archive: built without a network, verified file by file."""

from __future__ import annotations

import pytest
from support.debs import build_deb, serve
from support.images import PYTHON, built, image_index, image_project, inside, locked

__all__ = ["image_index", "image_project"]

CACHE = "/usr/lib/x86_64-linux-gnu/gdk-pixbuf-2.0/2.10.0/loaders.cache"  # what a trigger writes, of plug-ins
LIBRARY = build_deb(
    "libacme1",
    "2:1.4-1",
    files={
        "usr/lib/acme/data.txt": b"from the library\n",
        "usr/lib/acme/plug.so": b"plug",
        "usr/share/doc/libacme1/copyright": b"free\n",
    },
    links={"usr/lib/acme/latest.txt": "data.txt"},
)
FIRST = build_deb("acme-first", arch="all", files={"usr/bin/acme-first": b"#!/bin/sh\nexit 0\n"}, packing="gz")
TOOL = build_deb(
    "acme-tool",
    "1.0-1+b2",
    files={"usr/bin/acme-tool": b"#!/bin/sh\ncat /usr/lib/acme/latest.txt /var/lib/acme\n"},
    scripts={
        "preinst": "#!/bin/sh\nset -e\n/usr/bin/acme-first\n",
        "postinst": "#!/bin/sh\nset -e\n[ -e /usr/lib/acme/data.txt ]\necho configured > /var/lib/acme\n"
        "update-alternatives --install /usr/bin/acme acme /usr/bin/acme-tool 10\n"
        f"mkdir -p {CACHE.rpartition('/')[0]}\necho '\"/usr/lib/acme/plug.so\"' > {CACHE}\n",
    },
    depends="libacme1 (>= 2:1.2), libc6",
    pre_depends="acme-first",
    recommends="acme-extras",
)


@pytest.fixture
def pinned(engine, image_project):
    snapshot = serve(image_project.index, [TOOL, LIBRARY, FIRST])
    image_project.profile(
        f"""
python = "{PYTHON}"
dependencies = ["idna"]
[image]
base = "{engine.bases["py311"]}"
packages = ["acme-tool"]
snapshot = "{snapshot}"
user = 10001
"""
    )
    told = locked(image_project)
    assert told.err == ""
    return image_project


def test_pinned_packages_are_installed_and_verified_file_by_file(engine, pinned):
    pins = pinned.lockfile().envctl.os_packages.packages
    assert [(pin.name, pin.version, pin.arch, pin.step) for pin in pins] == [
        ("acme-first", "1.0", "amd64", 0),
        ("acme-tool", "1.0-1+b2", "amd64", 1),
        ("libacme1", "2:1.4-1", "amd64", 0),
    ]
    assert [pin.sha256 for pin in pins] == [FIRST.sha256, TOOL.sha256, LIBRARY.sha256]
    tag = engine.name("debs")
    first = built(pinned, "--no-verify", "--tag", tag)
    assert inside(engine, tag, "acme") == "from the library\nconfigured\n"
    ran = pinned.run("verify", "train", "--image", tag, "--format", "json")
    assert (ran.status, ran.json["verdict"], ran.json["findings"]) == (0, "ok", [])
    again = built(pinned, "--no-verify", "--no-cache", "--tag", tag)
    assert again.json["image"]["id"] == first.json["image"]["id"]


ATTACKS = {
    "a changed file": ("RUN echo evil > /usr/lib/acme/data.txt", "ENV511", "/usr/lib/acme/data.txt"),
    "a link that leads elsewhere": (
        "RUN ln -sf /etc/passwd /usr/lib/acme/latest.txt",
        "ENV511",
        "/usr/lib/acme/latest.txt",
    ),
    "a deleted file": ("RUN rm /usr/bin/acme-tool", "ENV511", "/usr/bin/acme-tool"),
    "an added file in the package's list": (
        "RUN echo evil > /usr/lib/acme/more && echo /usr/lib/acme/more >> /var/lib/dpkg/info/libacme1.list",
        "ENV503",
        "/usr/lib/acme/more",
    ),
    "a list of plug-ins with another": (f"RUN echo '\"/srv/evil.so\"' >> {CACHE}", "ENV503", CACHE),
    "an added link": ("RUN ln -s /usr/bin/acme-tool /usr/local/bin/zz", "ENV503", "/usr/local/bin/zz"),
}


def test_what_was_changed_in_a_locked_package_is_named(engine, pinned, tmp_path):
    tag = engine.name("debs-honest")
    built(pinned, "--no-verify", "--tag", tag)
    for name, (line, code, path) in ATTACKS.items():
        attacked = engine.name("debs-attacked")
        engine.build(tmp_path, f"FROM {tag}\nUSER 0\n{line}\nUSER 10001\n", attacked, "--network=none")
        ran = pinned.run("verify", "train", "--image", attacked, "--format", "json")
        found = [(finding["code"], finding["path"]) for finding in ran.json["findings"]]
        assert (ran.status, found) == (1, [(code, path)]), name


def test_packages_that_cannot_be_had_are_said_to_be_unverified(engine, pinned, monkeypatch, tmp_path):
    tag = engine.name("debs-offline")
    built(pinned, "--no-verify", "--tag", tag)
    monkeypatch.setenv("ENVCTL_CACHE_DIR", str(tmp_path / "cold"))
    ran = pinned.run("verify", "train", "--image", tag, "--offline", "--format", "json")
    (warning,) = [finding for finding in ran.json["findings"] if finding["code"] == "ENV507"]
    assert "6 files of 3 locked OS packages" in warning["message"]


def test_a_package_in_the_archive_that_is_not_the_locked_one_is_refused(engine, pinned, tmp_path):
    fresh = build_deb("acme-fresh", files={"usr/lib/acme-fresh": str(tmp_path).encode()})  # in no engine's cache
    serve(pinned.index, [TOOL, LIBRARY, FIRST, fresh])
    text = pinned.folder / "profiles/train.toml"
    text.write_text(text.read_text().replace('["acme-tool"]', '["acme-fresh"]'))
    locked(pinned)
    pinned.index.page(f"/archive/debian/20260101T000000Z/pool/main/{fresh.file}", LIBRARY.data)
    ran = pinned.run("build", "train", "--no-verify", "--no-cache")
    assert ran.status == 5
    assert "digest mismatch" in ran.err


def test_a_fetched_folder_builds_without_the_archive(engine, pinned, tmp_path):
    folder = tmp_path / "carried"
    assert pinned.run("fetch", "train", folder).status == 0
    assert {path.name for path in (folder / "os-packages").iterdir()} == {FIRST.file, LIBRARY.file, TOOL.file}
    for deb in (FIRST, LIBRARY, TOOL):
        pinned.index.page(f"/archive/debian/20260101T000000Z/pool/main/{deb.file}", b"gone")
    tag = engine.name("debs-carried")
    ran = pinned.run("build", "train", "--offline", "--from", folder, "--tag", tag, "--no-cache")
    assert (ran.status, "verified" in ran.out) == (0, True), ran.err
    assert inside(engine, tag, "acme-tool") == "from the library\nconfigured\n"
    (folder / "os-packages" / TOOL.file).write_bytes(LIBRARY.data)
    ran = pinned.run("build", "train", "--offline", "--from", folder, "--no-verify", "--no-cache")
    assert ran.status == 5
    assert "computed checksum did NOT match" in ran.err
