"""The distribution's packages, fetched with lists and a cache of our own and extracted: nothing is installed.

The host's lists, preferences and package state are neither read nor changed; of its apt only the mirror's address
and the way to it (proxy, certificates) are taken.
"""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path

from support.engine import jobs, machine
from support.engine.place import Failed, Place, Unavailable

PROVEN = "trixie"
ENGINE = ("docker.io", "docker-cli", "docker-buildx", "containerd", "docker-registry")
# tini (docker-init) and runc from the older release: the newer ones want a newer glibc than a bookworm host has.
HELPERS = ("runc", "tini", "mmdebstrap", "patchelf")


def suite(environ: Mapping[str, str]) -> str:
    """The release that the engine is taken from; ENVCTL_ENGINE_SUITE names a newer one."""
    return environ.get("ENVCTL_ENGINE_SUITE") or PROVEN


def fetch(place: Place, suite: str, packages: Sequence[str], folder: Path) -> None:
    """Download the packages' files into `folder`; Unavailable when the mirror does not give them."""
    env = _lists(place, suite)
    folder.mkdir(parents=True, exist_ok=True)
    _download(place, suite, packages, folder, env)


def fetch_with_needs(place: Place, suite: str, packages: Sequence[str], without: Sequence[str], folder: Path) -> None:
    """The same with all that they depend on, as on a machine that has nothing; `without` begins names that are not."""
    env = _lists(place, suite)
    folder.mkdir(parents=True, exist_ok=True)
    argv = ["apt-get", "-q", "--simulate", "--no-install-recommends", "install", *packages]
    done = subprocess.run(argv, env=env, check=False, capture_output=True, text=True)
    names = [line.split()[1] for line in done.stdout.splitlines() if line.startswith("Inst ")]
    if done.returncode or not names:
        raise Unavailable(f"{suite} has no {' '.join(packages)}: {done.stderr.strip()}")
    _download(place, suite, [name for name in names if not name.startswith(tuple(without))], folder, env)


def _lists(place: Place, suite: str) -> dict[str, str]:
    """A package list of our own, and the environment in which apt uses it."""
    state = place.work / "apt" / suite
    for name in ("lists/partial", "archives/partial"):
        (state / name).mkdir(parents=True, exist_ok=True)
    (state / "status").write_bytes(b"")
    (state / "sources.list").write_text(f"deb [signed-by={machine.KEYRING}] {machine.mirror()} {suite} main\n")
    (state / "apt.conf").write_text(
        "\n".join(
            [
                *machine.acquire_options(),
                f'Dir::State "{state}"; Dir::State::lists "{state}/lists"; Dir::State::status "{state}/status";',
                f'Dir::Cache "{state}"; Dir::Etc::sourcelist "{state}/sources.list";',
                'Dir::Etc::sourceparts "/dev/null"; Dir::Etc::preferences "/dev/null";',
                'Dir::Etc::preferencesparts "/dev/null"; Dir::Etc::main "/dev/null"; Dir::Etc::parts "/dev/null";',
                'Acquire::Languages "none"; Acquire::Retries "3"; APT::Sandbox::User "root";',
                "",
            ]
        )
    )
    env = place.environment(APT_CONFIG=str(state / "apt.conf"))
    log = place.log / f"apt-{suite}.log"
    try:
        # Without this an unreachable mirror is a warning, and the download then knows no package.
        jobs.retried(f"fetching {suite}'s package list", ["apt-get", "-q", "update", "--error-on=any"], log, env)
    except Failed as error:
        raise Unavailable(str(error)) from error
    return env


def _download(place: Place, suite: str, packages: Sequence[str], folder: Path, env: Mapping[str, str]) -> None:
    log = place.log / f"apt-{suite}.log"
    try:
        jobs.retried(f"fetching packages of {suite}", ["apt-get", "-q", "download", *packages], log, env, folder)
    except Failed as error:
        raise Unavailable(str(error)) from error


def extract(place: Place, packages: Path, into: Path) -> None:
    """Unpack every package file of a folder; no maintainer script runs."""
    for package in sorted(packages.glob("*.deb")):
        argv = ["dpkg-deb", "-x", package, into]
        jobs.step(f"extracting {package.name}", argv, place.log / "extract.log", place.environment())


def get(place: Place, suite: str, packages: Sequence[str]) -> None:
    """Have the packages of a suite under the root folder."""
    done = place.work / f"{suite}.done"
    wanted = " ".join(packages)
    if done.is_file() and done.read_text() == wanted:
        return
    folder = place.work / "apt" / suite / "debs"
    shutil.rmtree(folder, ignore_errors=True)
    fetch(place, suite, packages, folder)
    place.root.mkdir(exist_ok=True)
    extract(place, folder, place.root)
    shutil.rmtree(folder)
    done.write_text(wanted)


def link_programs(place: Place) -> None:
    """What a user would have: `docker` on PATH, and buildx among the client's plugins."""
    for link, program in (
        (place.bin / "docker", "docker"),
        (place.config / "cli-plugins/docker-buildx", "docker-buildx"),
    ):
        link.unlink(missing_ok=True)
        link.symlink_to(place.program(program))
