"""What a machine must have so that it can run a private engine, and which mirror its packages come from."""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
from pathlib import Path

from support.engine.place import Place, Unavailable

KEYRING = Path("/usr/share/keyrings/debian-archive-keyring.gpg")
RELEASE = Path("/etc/os-release")
TOOLS = ("apt-get", "apt-config", "dpkg", "dpkg-deb", "perl", "gpgv", "unshare", "setpriv", "mount", "chroot")
NEEDED_BYTES = 2_500_000_000
ARCHITECTURES = {"amd64": "amd64", "arm64": "arm64"}


def find_tools() -> None:
    """Have the administrator's programs on PATH: shells of CI and of users often leave their folders out."""
    folders = os.environ.get("PATH", os.defpath).split(os.pathsep)
    missing = [folder for folder in ("/usr/local/sbin", "/usr/sbin", "/sbin") if folder not in folders]
    os.environ["PATH"] = os.pathsep.join([*folders, *missing])


def check_makes_images(release: Path = RELEASE) -> None:
    """Raise Unavailable unless base images and a registry can be made here."""
    if _os_release(release).get("ID") != "debian":
        raise Unavailable("a registry and base images are made from Debian's packages, and this machine is not Debian")
    if os.geteuid() != 0:
        raise Unavailable("it needs root (root file systems of base images, mounts, cgroups)")
    for tool in TOOLS:
        if shutil.which(tool) is None:
            raise Unavailable(f"this machine has no {tool}")
    if not KEYRING.is_file():
        raise Unavailable(f"this machine has no {KEYRING}")
    architecture()


def check_runs_daemon(place: Place) -> None:
    """Raise Unavailable unless a daemon of our own can work here."""
    if "overlay" not in Path("/proc/filesystems").read_text("ascii").split():
        raise Unavailable("the kernel has no overlay file system")
    if not any(line.split()[2].startswith("cgroup") for line in Path("/proc/mounts").read_text("utf-8").splitlines()):
        raise Unavailable("no cgroup file system is mounted")
    if shutil.disk_usage(place.work).free < NEEDED_BYTES:
        raise Unavailable(f"under {NEEDED_BYTES / 1e9} GB free in {place.work}")
    with tempfile.TemporaryDirectory(dir=place.tmp) as folder:
        for name in ("lower", "upper", "work", "merged"):
            (Path(folder) / name).mkdir()
        options = f"lowerdir={folder}/lower,upperdir={folder}/upper,workdir={folder}/work"
        mount = ["mount", "-t", "overlay", "overlay", "-o", options, f"{folder}/merged"]
        tried = subprocess.run(["unshare", "-m", *mount], check=False, capture_output=True, text=True)
    if tried.returncode:
        raise Unavailable(f"no overlay mount in {place.work}: {tried.stderr.strip()}")


def architecture() -> str:
    """Debian's and OCI's name of this machine's architecture, where they are the same."""
    name = _output(["dpkg", "--print-architecture"]).strip()
    if name not in ARCHITECTURES:
        raise Unavailable(f"base images are made for amd64 and arm64, and this machine is {name}")
    return ARCHITECTURES[name]


def mirror() -> str:
    """The address that this machine's own apt takes its release's main packages from."""
    codename = own_release()
    # Without the option nothing is listed where `apt-get update` never ran.
    shown = "$(REPO_URI) $(RELEASE) $(COMPONENT)"
    listed = _output(["apt-get", "indextargets", "--no-release-info", "--format", shown, "Created-By: Packages"])
    for line in listed.splitlines():
        address, release, component = line.split()
        if component == "main" and release in {codename, "stable", "testing", "unstable", "sid"}:
            return address
    raise Unavailable(f"apt's sources name no mirror of {codename}'s main packages")


def acquire_options() -> list[str]:
    """How this machine's apt reaches the network (proxies, certificates): lines for a configuration of our own."""
    ways = ("Acquire::http", "Acquire::https", "Acquire::ftp", "Acquire::Retries", "Acquire::ForceIPv")
    lines = _output(["apt-config", "dump", "--no-empty"]).splitlines()
    return [line for line in lines if line.startswith(ways)]


def own_release() -> str:
    """The codename of this machine's Debian."""
    return _os_release(RELEASE).get("VERSION_CODENAME", "")


def _os_release(file: Path) -> dict[str, str]:
    try:
        lines = file.read_text("utf-8").splitlines()
    except OSError:
        return {}
    pairs = (line.partition("=") for line in lines if "=" in line)
    return {key: value.strip("\"'") for key, _, value in pairs}


def _output(argv: list[str]) -> str:
    done = subprocess.run(argv, check=False, capture_output=True, text=True)
    if done.returncode:
        raise Unavailable(f"{argv[0]} answered: {done.stderr.strip()}")
    return done.stdout
