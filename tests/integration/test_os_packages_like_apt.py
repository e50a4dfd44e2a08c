"""OS packages are resolved as `apt-get install --no-install-recommends` resolves them."""

from __future__ import annotations

import random
import shutil
import subprocess
from pathlib import Path

import pytest

from envctl.errors import NoResolution
from envctl.os_packages.control import Offers, installed
from envctl.os_packages.resolve import resolve

pytestmark = pytest.mark.skipif(shutil.which("apt-get") is None, reason="apt is not on this machine")


class Apt:
    """apt over an archive and a database of its own: nothing of the machine's is read or changed."""

    def __init__(self, folder: Path, status: str, sources: str) -> None:
        for name in ("state/lists/partial", "cache/archives/partial", "etc"):
            (folder / name).mkdir(parents=True)
        (folder / "status").write_text(status)
        (folder / "sources.list").write_text(sources)
        settings = {
            "Dir::State": folder / "state",
            "Dir::State::status": folder / "status",
            "Dir::Etc::sourcelist": folder / "sources.list",
            "Dir::Etc::sourceparts": "/dev/null",
            "Dir::Etc::preferencesparts": folder / "etc",
            "Dir::Cache": folder / "cache",
            "APT::Architecture": "amd64",
            "APT::Architectures": "amd64",
            "APT::Sandbox::User": "root",
            "Acquire::Languages": "none",
        }
        self._options = [word for key, value in settings.items() for word in ("-o", f"{key}={value}")]
        self.lists = folder / "state/lists"
        done = self._run("update")
        assert done.returncode == 0, done.stderr

    def _run(self, *args: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(["apt-get", *self._options, *args], capture_output=True, text=True, check=False)

    def installs(self, *names: str) -> set[tuple[str, str]] | None:
        """Names and versions that it would install; None where it refuses."""
        done = self._run("install", "--simulate", "--no-install-recommends", *names)
        if done.returncode:
            return None
        rows = (line.split("(") for line in done.stdout.splitlines() if line.startswith("Inst "))
        return {(row[0].split()[1], row[1].split()[0]) for row in rows}


def ours(packages: str, status: str, *names: str) -> set[tuple[str, str]] | None:
    try:
        found = resolve(names, installed(status, "amd64"), Offers([("https://archive.example", packages)], "amd64"))
    except NoResolution:
        return None
    return {(one.package.name, one.package.version) for one in found}


def made_up(seed: int) -> tuple[str, str, list[str]]:
    """An archive of packages that need each other in all ways, and a base that has some of them."""
    chance = random.Random(seed)
    names = [f"p{number}" for number in range(14)]

    def wanted(name: str) -> str:
        return chance.choice([name, name, f"{name} (>= 1)", f"{name} (>= 2)", f"{name}:any", f"{name} (<< 3)"])

    packages, status = [], []
    for at, name in enumerate(names):
        version = chance.choice(["1.0", "1.0-1", "2.0~rc1", "2.0", "2.1"])
        fields = [f"Package: {name}", f"Version: {version}", "Architecture: amd64", "Multi-Arch: allowed"]
        later = names[at + 1 :]
        groups = [
            " | ".join(wanted(other) for other in chance.sample(later, min(len(later), chance.choice([1, 1, 2]))))
            for _ in range(chance.randrange(3))
            if later
        ]
        if groups:
            fields.append(f"{chance.choice(['Depends', 'Pre-Depends'])}: {', '.join(groups)}")
        if at % 5 == 0:
            fields.append(f"Provides: v{at} (= 1)")
        tail = f"Filename: {name}.deb\nSize: 1\nSHA256: {'0' * 64}\nDescription: x\nMaintainer: a <a@archive.example>"
        packages.append("\n".join([*fields, tail]))
        if chance.random() < 0.2 and not groups:
            plain = [*fields[:4], "Status: install ok installed", "Description: x", "Maintainer: a <a@archive.example>"]
            status.append("\n".join(plain))
    return "\n\n".join(packages) + "\n", "".join(f"{row}\n\n" for row in status), names


@pytest.mark.parametrize("seed", range(6))
def test_made_up_archives(seed: int, tmp_path: Path) -> None:
    packages, status, names = made_up(seed)
    flat = tmp_path / "flat"
    flat.mkdir()
    (flat / "Packages").write_text(packages)
    apt = Apt(tmp_path / "apt", status, f"deb [trusted=yes] file:{flat} ./\n")
    for name in names[:5]:
        found = ours(packages, status, name)
        if found is None:
            assert apt.installs(name) is None, name
        else:  # of alternatives it may take others; but it takes what is ours when told so, and nothing else
            assert apt.installs(name, *(f"{other}={version}" for other, version in found)) == found, name


@pytest.mark.network
@pytest.mark.campaign
def test_the_archive_of_this_machine(tmp_path: Path) -> None:
    said = subprocess.run(
        ["apt-get", "indextargets", "--no-release-info", "--format", "$(REPO_URI) $(RELEASE) $(COMPONENT)",
         "Created-By: Packages"], capture_output=True, text=True, check=True,
    )  # fmt: skip
    rows = list(dict.fromkeys(said.stdout.splitlines()))
    if not rows:
        pytest.skip("apt has no sources here")
    apt = Apt(tmp_path / "apt", "", "".join(f"deb {row}\n" for row in rows))
    helper = "/usr/lib/apt/apt-helper"
    texts = [
        subprocess.run([helper, "cat-file", path], capture_output=True, check=True).stdout.decode()
        for path in sorted(apt.lists.glob("*_Packages*"))
    ]
    offers = Offers([("https://archive.example", text) for text in texts], "amd64")
    for name in ("libgomp1", "curl", "git", "libgl1", "ffmpeg"):
        found = {(one.package.name, one.package.version) for one in resolve([name], {}, offers)}
        assert found == apt.installs(name), name
