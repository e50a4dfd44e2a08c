"""NVIDIA GPUs of this machine: what the kernel's module, nvidia-smi and the container toolkit say of themselves.

Sources: NVIDIA driver README ("Using the /proc file system interface"), nvidia-smi(1), Container Device Interface
specification (where specifications lie).
"""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from pathlib import Path

import msgspec

from envctl.errors import ToolFailed
from envctl.system.hardware import is_wsl, read
from envctl.system.process import program, run

CDI_FOLDERS = ("/etc/cdi", "/var/run/cdi")
CDI_KIND = "nvidia.com/gpu"
_WSL = "/usr/lib/wsl/lib"
_SECONDS = 20.0  # with many GPUs and no persistence daemon it takes a while; with a broken driver it hangs
_KERNEL_VERSION = re.compile(r"NVRM version:.*?\s(\d{1,6}(?:\.\d{1,6}){1,3})\s")
_RELEASE = re.compile(r"(\d{1,3})\.(\d{1,3})")
_KIND = re.compile(r"""["']?kind["']?\s*:\s*["']?nvidia\.com/gpu\b""")


class Gpu(msgspec.Struct, frozen=True, kw_only=True):
    """One GPU: `memory` in bytes, compute capability (9, 0); None where nvidia-smi does not say."""

    name: str
    capability: tuple[int, int] | None = None
    memory: int | None = None


class Nvidia(msgspec.Struct, frozen=True, kw_only=True):
    """What is there of NVIDIA.

    Attributes:
        driver: the version of the kernel's module, else the one that nvidia-smi says; in WSL2 that is Windows'.
        cuda: the newest CUDA that the driver says it has.
        cards: how many NVIDIA devices the PCI bus has, whether a driver knows them or not.
        smi: why nvidia-smi told nothing; None where it did, or where there is none.
        cdi: files of the Container Device Interface that describe NVIDIA GPUs.
    """

    driver: str | None = None
    cuda: tuple[int, int] | None = None
    gpus: tuple[Gpu, ...] = ()
    cards: int = 0
    wsl: bool = False
    smi: str | None = None
    cdi: tuple[str, ...] = ()


def look(root: Path = Path("/"), *, smi: Path | None = None, environ: Mapping[str, str] | None = None) -> Nvidia:
    """Look for NVIDIA's driver, GPUs and CDI files.

    Args:
        root: where /proc, /sys and /etc are looked for.
        smi: the nvidia-smi to ask; None: the one on PATH, or WSL's.
    """
    wsl = is_wsl(root)
    smi = smi or _smi(root, os.environ if environ is None else environ)
    module = _KERNEL_VERSION.search(read(root / "proc/driver/nvidia/version"))
    said = _ask(smi) if smi is not None else _Said()
    return Nvidia(
        driver=module[1] if module is not None else said.driver,
        cuda=said.cuda,
        gpus=said.gpus,
        cards=_cards(root),
        wsl=wsl,
        smi=said.failure,
        cdi=_cdi(root),
    )


class _Said(msgspec.Struct, frozen=True, kw_only=True):
    """What nvidia-smi said, or why it did not."""

    driver: str | None = None
    cuda: tuple[int, int] | None = None
    gpus: tuple[Gpu, ...] = ()
    failure: str | None = None


def _smi(root: Path, environ: Mapping[str, str]) -> Path | None:
    return program("nvidia-smi", environ) or program("nvidia-smi", {"PATH": str(root / _WSL.lstrip("/"))})


def _ask(smi: Path) -> _Said:
    try:
        done = run([smi, "-q", "-x"], timeout=_SECONDS)
        capabilities = run([smi, "--query-gpu=compute_cap", "--format=csv,noheader"], timeout=_SECONDS)
    except ToolFailed as error:
        return _Said(failure=error.what if error.found is None else f"{error.what}: {error.found}")
    if done.status != 0:
        lines = [*done.stdout.split("\n"), *done.stderr.split("\n")]
        first = next((line.strip() for line in lines if line.strip()), f"it ended with {done.status}")
        return _Said(failure=first[:200])
    return _parse(done.stdout, capabilities.stdout if capabilities.status == 0 else "")


def _parse(text: str, capabilities: str) -> _Said:
    """Read `nvidia-smi -q -x`, and `--query-gpu=compute_cap`, which drivers before 510 do not know."""
    from xml.etree import ElementTree

    try:
        log = ElementTree.fromstring(text)  # noqa: S314  # its program runs with this user's rights already
    except (ElementTree.ParseError, ValueError):
        return _Said(failure="what it wrote is no XML")
    levels = [_release(line) for line in capabilities.splitlines() if line.strip()]
    found = log.findall("gpu")
    if len(levels) != len(found):
        levels = [None] * len(found)
    gpus = tuple(
        Gpu(
            name=(gpu.findtext("product_name") or "").strip(),
            capability=level,
            memory=_mebibytes(gpu.findtext("fb_memory_usage/total") or ""),
        )
        for gpu, level in zip(found, levels, strict=True)
    )
    return _Said(
        driver=(log.findtext("driver_version") or "").strip() or None,
        cuda=_release(log.findtext("cuda_version") or ""),
        gpus=gpus,
    )


def _release(text: str) -> tuple[int, int] | None:
    match = _RELEASE.fullmatch(text.strip())
    return None if match is None else (int(match[1]), int(match[2]))


def _mebibytes(text: str) -> int | None:
    number, _, unit = text.strip().partition(" ")
    return int(number) * 2**20 if number.isdecimal() and unit == "MiB" else None


def _cards(root: Path) -> int:
    """Display and 3D controllers (PCI class 0x03) of the vendor 0x10de."""
    count = 0
    try:
        devices = sorted((root / "sys/bus/pci/devices").iterdir())
    except OSError:
        return 0
    for device in devices:
        if read(device / "vendor").strip() == "0x10de" and read(device / "class").startswith("0x03"):
            count += 1
    return count


def _cdi(root: Path) -> tuple[str, ...]:
    found = []
    for folder in CDI_FOLDERS:
        try:
            files = sorted((root / folder.lstrip("/")).iterdir())
        except OSError:
            continue
        found += [f"{folder}/{file.name}" for file in files if _describes_gpus(file)]
    return tuple(found)


def _describes_gpus(file: Path) -> bool:
    return file.suffix in {".yaml", ".yml", ".json"} and _KIND.search(read(file)) is not None
