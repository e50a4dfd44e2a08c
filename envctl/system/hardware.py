"""What this machine has: processor, memory, disks, C library, kernel. Whatever cannot be read is None or empty."""

from __future__ import annotations

import os
import re
import sys
from pathlib import Path

import msgspec

from envctl.model.platform import Libc

_UNLIMITED = 2**60  # cgroup v1 writes the largest multiple of a page where there is no limit
_READ = 2**20
_QEMU = {"aarch64": "linux/arm64", "x86_64": "linux/amd64"}


class Processor(msgspec.Struct, frozen=True, kw_only=True):
    """A processor's name and flags, as the kernel writes them (`sse4_2`, `avx2`); `cpus` that this process may use."""

    name: str
    flags: frozenset[str]
    cpus: int


class Memory(msgspec.Struct, frozen=True, kw_only=True):
    """Bytes: of the machine, those that are free or can be freed, and this process's own limit (a container's)."""

    total: int
    available: int
    limit: int | None


class Disk(msgspec.Struct, frozen=True, kw_only=True):
    """Bytes free to this user in a folder's file system; `device` tells file systems apart."""

    path: str
    free: int
    device: int


def processor(root: Path = Path("/")) -> Processor | None:
    """The processor, by /proc/cpuinfo; None where there is none to read."""
    text = read(root / "proc/cpuinfo")
    fields: dict[str, str] = {}
    for line in text.splitlines():
        key, colon, value = line.partition(":")
        if colon:
            fields.setdefault(key.strip(), value.strip())
    flags = fields.get("flags") or fields.get("Features")
    if not flags:
        return None
    name = fields.get("model name") or fields.get("Processor") or ""
    return Processor(name=name, flags=frozenset(flags.split()), cpus=_cpus())


def _cpus() -> int:
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def memory(root: Path = Path("/")) -> Memory | None:
    """The memory, by /proc/meminfo and the process's cgroup; None where there is none to read."""
    found: dict[str, str] = dict(re.findall(r"^(\w+): +(\d{1,15}) kB$", read(root / "proc/meminfo"), re.MULTILINE))
    if "MemTotal" not in found:
        return None
    total = int(found["MemTotal"]) * 1024
    available = int(found.get("MemAvailable", found.get("MemFree", 0))) * 1024
    limits = [limit for limit in map(_limit, _cgroups(root)) if limit is not None and limit < total]
    return Memory(total=total, available=available, limit=min(limits, default=None))


def _cgroups(root: Path) -> list[Path]:
    """Files that limit this process's memory (cgroups(7)): its own cgroup's and those above it, of both versions."""
    base = root / "sys/fs/cgroup"
    files = [base / "memory.max", base / "memory/memory.limit_in_bytes"]
    for line in read(root / "proc/self/cgroup").splitlines():
        _, _, rest = line.partition(":")
        controllers, _, path = rest.partition(":")
        if ".." in path:  # a cgroup outside of what this process sees
            continue
        place = base / path.lstrip("/") if not controllers else base / "memory" / path.lstrip("/")
        if not controllers or "memory" in controllers.split(","):
            name = "memory.limit_in_bytes" if controllers else "memory.max"
            files += [folder / name for folder in (place, *place.parents) if folder.is_relative_to(base)]
    return files


def _limit(file: Path) -> int | None:
    text = read(file).strip()
    return int(text) if text.isdecimal() and int(text) < _UNLIMITED else None


def disk(path: Path) -> Disk | None:
    """The file system in which a folder lies, or would lie when it were made; None where that cannot be known."""
    for folder in (path, *path.absolute().parents):
        try:
            found = os.statvfs(folder)
            return Disk(path=str(folder), free=found.f_bavail * found.f_frsize, device=folder.stat().st_dev)
        except FileNotFoundError:
            continue
        except OSError:
            return None
    return None


def libc() -> Libc | None:
    """The C library of this machine; None where it is neither glibc nor musl, or cannot be known."""
    try:
        said = os.confstr("CS_GNU_LIBC_VERSION") or ""  # of the library that runs, not of a file
        name, _, version = said.partition(" ")
        return Libc.parse(f"{name} {'.'.join(version.split('.')[:2])}")
    except (ValueError, OSError, AttributeError):
        pass
    try:
        from packaging._musllinux import _get_musl_version
    except ImportError:
        return None
    musl = _get_musl_version(sys.executable) if sys.platform.startswith("linux") else None
    return Libc("musl", musl.major, musl.minor) if musl is not None else None


def is_wsl(root: Path = Path("/")) -> bool:
    """Whether the kernel is that of the Windows Subsystem for Linux."""
    return "microsoft" in read(root / "proc/version").lower()


def emulated(root: Path = Path("/")) -> frozenset[str]:
    """The platforms whose programs this kernel hands to an emulator (binfmt_misc), by their OCI names."""
    folder = root / "proc/sys/fs/binfmt_misc"
    found = set()
    for machine, platform in _QEMU.items():
        for entry in (f"qemu-{machine}", f"qemu-{machine}-static", "rosetta" if machine == "x86_64" else ""):
            if entry and read(folder / entry).startswith("enabled"):
                found.add(platform)
    return frozenset(found)


def read(file: Path) -> str:
    """The first MiB of a file as text; empty where it cannot be read."""
    try:
        with file.open("rb") as opened:
            return opened.read(_READ).decode("utf-8", "replace")
    except OSError:
        return ""
