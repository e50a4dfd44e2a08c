"""`envctl lock` pins OS packages: a registry with base images and an archive on loopback."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from support.debs import build_deb, serve
from support.oci_images import image, index
from support.project import Project
from support.registry import RegistryServer

STATUS = """\
Package: libc6
Status: install ok installed
Architecture: {arch}
Version: 2.36-9

Package: dpkg
Status: install ok installed
Architecture: {arch}
Version: 1.21
"""
RELEASE = b'PRETTY_NAME="Debian GNU/Linux 12 (bookworm)"\nVERSION_CODENAME=bookworm\n'
ROOT = "/archive/debian/20260101T000000Z"


def base(arch: str = "amd64", **files: bytes):
    variant = "v8" if arch == "arm64" else ""
    layer = {"etc/os-release": RELEASE, "var/lib/dpkg/status": STATUS.format(arch=arch).encode(), **files}
    return image([layer], architecture=arch, variant=variant)


def tool(version: str = "1.0", arch: str = "amd64", **fields: str):
    return build_deb("acme-tool", version, arch=arch, **{"depends": "libacme1, libc6 (>= 2.30)", **fields})


LIBRARY = build_deb("libacme1", arch="all")


@pytest.fixture
def registry(tmp_path, monkeypatch) -> Iterator[RegistryServer]:
    monkeypatch.setenv("DOCKER_CONFIG", str(tmp_path / "docker"))
    monkeypatch.setenv("ENVCTL_CACHE_DIR", str(tmp_path / "cache"))
    with RegistryServer() as server:
        yield server


@pytest.fixture
def stocked(project: Project) -> Project:
    project.wheel("alpha", "1.0")
    for machine in ("x86_64", "aarch64"):
        project.wheel("uv", "0.13.8", tag=f"py3-none-manylinux_2_17_{machine}.manylinux2014_{machine}")
    return project


def profile(base: str, snapshot: str | None, packages: str = '"acme-tool"', more: str = "") -> str:
    text = f'python = "3.11"\ndependencies = ["alpha"]\n{more}[image]\nbase = "{base}"\npackages = [{packages}]\n'
    return text + (f'snapshot = "{snapshot}"\n' if snapshot else "")


def pins(project: Project) -> list[tuple[str, str, str]]:
    found = project.lockfile().envctl.os_packages
    return [] if found is None else [(pin.name, pin.version, pin.arch) for pin in found.packages]


@pytest.fixture
def pinned(stocked: Project, registry: RegistryServer) -> Project:
    snapshot = serve(stocked.index, [tool(), LIBRARY])
    stocked.profile(profile(registry.push("team/python:3.11", base()), snapshot))
    ran = stocked.run("lock")
    assert (ran.status, ran.err) == (0, "")
    return stocked


def test_everything_beyond_the_base_is_pinned_for_each_platform(stocked, registry):
    snapshot = serve(stocked.index, [tool(), tool(arch="arm64", depends="libc6"), LIBRARY], inline=False)
    name = registry.push("team/python:3.11", index(base(), base("arm64")))
    stocked.profile(profile(name, snapshot, more='platforms = ["linux/amd64", "linux/arm64"]\n'))
    ran = stocked.run("lock")
    assert (ran.status, ran.err) == (0, "")
    assert pins(stocked) == [("acme-tool", "1.0", "amd64"), ("libacme1", "1.0", "amd64"), ("acme-tool", "1.0", "arm64")]
    found = stocked.lockfile().envctl.os_packages
    assert found.snapshot == snapshot
    assert (found.packages[1].url, found.packages[1].sha256) == (
        f"{snapshot}/pool/main/libacme1_1.0_all.deb",
        LIBRARY.sha256,
    )
    assert found.packages[1].size == len(LIBRARY.data)
    assert stocked.run("lock", "--check").status == 0


def test_locking_again_asks_no_archive_and_upgrading_does(pinned):
    before, asked = pinned.snapshot(), len(pinned.index.asked(ROOT))
    serve(pinned.index, [tool("2.0"), LIBRARY])
    for command in (["lock"], ["lock", "--check"], ["lock", "-P", "alpha"], ["lock", "--offline"]):
        assert pinned.run(*command).status == 0, command
    assert (pinned.snapshot(), len(pinned.index.asked(ROOT))) == (before, asked)
    assert pinned.run("lock", "-U").status == 0
    assert pins(pinned)[0] == ("acme-tool", "2.0", "amd64")


def test_pins_stay_where_the_profile_asks_for_more(pinned):
    more = build_deb("more", depends="acme-tool")
    serve(pinned.index, [tool(), tool("2.0"), LIBRARY, more])
    text = pinned.folder / "profiles/train.toml"
    text.write_text(text.read_text().replace('["acme-tool"]', '["more"]'))
    assert "image: the lockfile says otherwise" in pinned.run("lock", "--check").out
    assert pinned.run("lock").status == 0
    assert pins(pinned) == [("acme-tool", "1.0", "amd64"), ("libacme1", "1.0", "amd64"), ("more", "1.0", "amd64")]


def test_a_cold_machine_writes_the_same_bytes(pinned, monkeypatch, tmp_path):
    before = pinned.snapshot()
    pinned.lock_path().unlink()
    monkeypatch.setenv("ENVCTL_CACHE_DIR", str(tmp_path / "cold"))
    assert pinned.run("lock").status == 0
    assert pinned.snapshot() == before


def test_a_new_base_that_has_a_package_needs_it_no_more(pinned, registry):
    status = (
        STATUS.format(arch="amd64")
        + "\nPackage: libacme1\nStatus: install ok installed\nArchitecture: all\nVersion: 1\n"
    )
    registry.push("team/python:3.11", base(**{"var/lib/dpkg/status": status.encode()}))
    assert pinned.run("lock", "--upgrade-base").status == 0
    assert pins(pinned) == [("acme-tool", "1.0", "amd64")]


def test_packages_that_the_base_has_need_no_step_of_the_build(stocked, registry):
    stocked.profile(profile(registry.push("a:1", base()), serve(stocked.index, [LIBRARY]), '"dpkg"'))
    assert stocked.run("lock").status == 0
    assert stocked.lockfile().envctl.os_packages.packages == ()
    assert "AS system" not in stocked.snapshot()["Dockerfile.train"].decode()
    assert stocked.run("lock", "--check").status == 0


def test_the_bases_own_archive_is_said_to_move_on(stocked, registry):
    address = serve(stocked.index, [tool(), LIBRARY])
    sources = f"Types: deb\nURIs: {address}\nSuites: bookworm\nComponents: main\n".encode()
    name = registry.push("a:1", base(**{"etc/apt/sources.list.d/debian.sources": sources}))
    stocked.profile(profile(name, "base"))
    ran = stocked.run("lock")
    assert ran.status == 0
    assert "which moves on" in ran.err
    assert stocked.lockfile().envctl.os_packages.packages[0].url.startswith(address)


def test_packages_without_a_snapshot_are_said_to_be_unpinned(stocked, registry):
    stocked.profile(profile(registry.push("a:1", base()), None))
    ran = stocked.run("lock")
    assert ran.status == 0
    assert "are not pinned" in ran.err
    assert stocked.lockfile().envctl.os_packages is None


REFUSED = {
    "a package that the archive has not": (4, '"zz-none"', {}, "the archive has no such package"),
    "a version that it has not": (4, '"acme-tool=9"', {}, "acme-tool (= 9): the archive has acme-tool 1.0"),
    "an index with another digest": (6, '"acme-tool"', {"prefix": f"{ROOT}/dists/bookworm/main", "body": b"x"},
                                     "not the one that its Release names"),
    "an archive without the release": (6, '"acme-tool"', {"prefix": f"{ROOT}/dists", "status": 404}, "HTTP status 404"),
    "an archive that fails": (6, '"acme-tool"', {"prefix": f"{ROOT}/dists", "status": 500}, "HTTP status 500"),
    "a page for a release": (6, '"acme-tool"', {"prefix": f"{ROOT}/dists/bookworm/InRelease", "body": b"<html>"},
                                       "no index of OS packages"),
}  # fmt: skip


@pytest.mark.parametrize("case", REFUSED)
def test_what_cannot_be_pinned_is_refused_and_nothing_is_written(stocked, registry, case):
    status, packages, fault, told = REFUSED[case]
    stocked.profile(profile(registry.push("a:1", base()), serve(stocked.index, [tool(), LIBRARY]), packages))
    if fault:
        stocked.index.fault(**fault)
    ran = stocked.run("lock")
    assert (ran.status, "Traceback" in ran.err) == (status, False), ran.err
    assert told in ran.err
    assert "profiles/train.toml:5" in ran.err or status == 6
    assert not stocked.lock_path().exists()


def test_other_kinds_of_bases_cannot_be_pinned(stocked, registry):
    alpine = image([{"etc/os-release": b'PRETTY_NAME="Alpine Linux v3.20"\nID=alpine\n'}])
    stocked.profile(profile(registry.push("a:1", alpine), serve(stocked.index, [])))
    ran = stocked.run("lock")
    assert ran.status == 3
    assert "profiles/train.toml:6" in ran.err
    assert "Alpine Linux v3.20 for linux/amd64" in ran.err


@pytest.mark.parametrize(
    ("value", "told"),
    [
        ('"http://archive.example/debian"', "is not encrypted"),
        ('"today"', "is not a URL"),
        ('["https://user:pw@archive.example/debian"]', "holds credentials"),
        ("3", "is not a string or a list of strings"),
    ],
)
def test_a_snapshot_is_an_encrypted_address(stocked, value, told):
    stocked.profile(f'python = "3.11.9"\n[image]\nbase = "a:1"\nsnapshot = {value}\n')
    ran = stocked.run("lock")
    assert ran.status == 3
    assert told in ran.err
