"""Control files, versions and archives' indexes, as Debian defines them."""

from __future__ import annotations

import shutil
import subprocess
from itertools import pairwise

import pytest

from envctl.os_packages.archive import index_files, unsigned
from envctl.os_packages.base import base_system
from envctl.os_packages.control import Offers, Relation, groups, installed, record
from envctl.os_packages.version import compare, holds

ORDERED = [
    "0~~", "0~", "0", "0.1", "0.1a", "1.0~rc1", "1.0", "1.0-1~bpo1", "1.0-1", "1.0-1+b2", "1.0a-1", "1.0+b1", "1.0.1",
    "1.2.3-1", "1.10", "2.36-9+deb12u8", "2.36-9+deb12u13", "1:0.9", "1:1.0",
]  # fmt: skip


def test_versions_are_ordered() -> None:
    for at, version in enumerate(ORDERED):
        assert compare(version, version) == 0
        for newer in ORDERED[at + 1 :]:
            assert (compare(version, newer), compare(newer, version)) == (-1, 1), (version, newer)


@pytest.mark.skipif(shutil.which("dpkg") is None, reason="dpkg is not on this machine")
def test_the_order_is_that_of_dpkg() -> None:
    for version, newer in pairwise(ORDERED):
        assert subprocess.run(["dpkg", "--compare-versions", version, "lt", newer], check=False).returncode == 0


@pytest.mark.parametrize(("one", "other"), [("1.0", "1.0-0"), ("1.0", "0:1.0"), ("1.00", "1.0"), ("1.0-01", "1.0-1")])
def test_versions_can_be_equal_in_other_words(one: str, other: str) -> None:
    assert compare(one, other) == 0


@pytest.mark.parametrize(
    ("relation", "held"),
    [("<<", False), ("<=", True), ("=", True), (">=", True), (">>", False), ("<", True), (">", True)],
)
def test_relations_hold_as_policy_says(relation: str, held: bool) -> None:
    assert holds("1.0", relation, "1.0") is held


def test_relations_are_read() -> None:
    assert groups("libc6 (>= 2.34), python3:any | python3-minimal:any(<<4),\n default-mta [amd64]") == (
        (Relation("libc6", ">=", "2.34"),),
        (Relation("python3"), Relation("python3-minimal", "<<", "4")),
        (Relation("default-mta"),),
    )
    assert groups(" , ") == ()
    for bad in ("a (>= )", "a b", "$(sh)", "a (~ 1)"):
        with pytest.raises(ValueError, match="is no relation"):
            groups(bad)


def test_a_paragraph_without_a_version_is_refused() -> None:
    with pytest.raises(ValueError, match="has no name, version or size"):
        record("Package: a\nArchitecture: all\n")


STATUS = """\
Package: libc6
Status: install ok installed
Architecture: amd64
Version: 2.36-9
Description: C library
 more
 .
 lines
Provides: libc6-api (= 2)

Package: gone
Status: deinstall ok config-files
Architecture: amd64
Version: 1

Package: libc6
Status: install ok installed
Architecture: i386
Version: 2.30
"""


def test_only_what_is_installed_for_the_architecture_counts() -> None:
    found = installed(STATUS, "amd64")
    assert {name: package.version for name, package in found.items()} == {"libc6": "2.36-9"}
    assert found["libc6"].meets(Relation("libc6-api", ">=", "1"))
    assert not found["libc6"].meets(Relation("libc6-api", ">=", "3"))


def test_offers_are_the_newest_first_of_the_architecture() -> None:
    rows = [("1.9", "amd64"), ("1.10", "all"), ("2", "arm64")]
    text = "\n\n".join(f"Package: a\nVersion: {version}\nArchitecture: {arch}" for version, arch in rows)
    text += "\n\nPackage: b\nVersion: 1\nArchitecture: all\nProvides: c,\n d (= 3)\n"
    offers = Offers([("https://archive.example", text)], "amd64")
    assert [package.version for _, package in offers.named("a")] == ["1.10", "1.9"]
    assert (offers.providers("c"), offers.providers("d"), offers.named("zz")) == (("b",), ("b",), ())


RELEASE = f"""\
Origin: Debian
SHA256:
 {"1" * 64} 10 main/binary-amd64/Packages
 {"2" * 64} 5 main/binary-amd64/Packages.gz
 {"3" * 64} 4 main/binary-amd64/Packages.xz
 {"4" * 64} 4 universe/binary-amd64/Packages.gz
 {"5" * 64} 4 non-free/binary-amd64/Packages.xz
"""


def test_a_release_names_the_smallest_index_of_each_free_component() -> None:
    signed = f"-----BEGIN PGP SIGNED MESSAGE-----\nHash: SHA512\n\n{RELEASE}-----BEGIN PGP SIGNATURE-----\n\nxyz\n"
    for text in (RELEASE, signed):
        assert [(file.path, file.sha256[0], file.size) for file in index_files(text, "amd64")] == [
            ("main/binary-amd64/Packages.xz", "3", 4),
            ("universe/binary-amd64/Packages.gz", "4", 4),
        ]
    assert unsigned(RELEASE) == RELEASE
    assert index_files(RELEASE, "arm64") == ()
    with pytest.raises(ValueError, match="lists no file"):
        index_files("<html>", "amd64")


def test_text_around_a_signed_release_does_not_count() -> None:
    forged = f"SHA256:\n {'9' * 64} 1 main/binary-amd64/Packages.xz\n\n"
    signed = f"{forged}-----BEGIN PGP SIGNED MESSAGE-----\nHash: SHA512\n\n{RELEASE}-----BEGIN PGP SIGNATURE-----\n"
    assert index_files(signed, "amd64")[0].sha256 == "3" * 64


def test_a_base_says_what_it_is() -> None:
    found = base_system(
        {
            "etc/os-release": b'PRETTY_NAME="Debian GNU/Linux 12 (bookworm)"\nVERSION_CODENAME=bookworm\n',
            "var/lib/dpkg/status": STATUS.encode(),
            "etc/apt/sources.list": b"# deb http://no.example/ x main\n"
            b"deb [arch=amd64] http://archive.example/debian/ bookworm main contrib\n"
            b"deb-src http://archive.example/debian bookworm main\ndeb cdrom:[x]/ bookworm main\n",
            "etc/apt/sources.list.d/debian.sources": b"Types: deb\nURIs: http://archive.example/debian\n"
            b"Suites: bookworm bookworm-updates\nComponents: main\n\nTypes: deb\nEnabled: no\nURIs: http://off.example\n"
            b"Suites: a\nComponents: main\n",
        },
        "amd64",
    )
    assert (found.name, found.codename, list(found.packages or ())) == (
        "Debian GNU/Linux 12 (bookworm)",
        "bookworm",
        ["libc6"],
    )
    assert [(source.root, source.suite, source.components) for source in found.sources] == [
        ("http://archive.example/debian", "bookworm", ("main", "contrib")),
        ("http://archive.example/debian", "bookworm", ("main",)),
        ("http://archive.example/debian", "bookworm-updates", ("main",)),
    ]
    assert base_system({"etc/os-release": b"ID=alpine\n"}, "amd64").packages is None
