"""CUDA: which release a lockfile carries, and which NVIDIA drivers and GPUs run it. Pure.

Sources: NVIDIA, CUDA Toolkit release notes (driver versions for Linux), CUDA Compatibility (minor-version and forward
compatibility), and the toolkit's list of GPUs (compute capabilities) of each release.
"""

from __future__ import annotations

import enum
import re

import msgspec

from envctl.model.lockfile import Lockfile
from envctl.model.platform import Platform

Release = tuple[int, int]
"""A CUDA release or a compute capability: (12, 8)."""
Driver = tuple[int, ...]
"""A driver's version: (570, 26)."""

# The oldest driver on Linux that runs every release of the major version, without what its later ones added.
_MINOR_COMPATIBLE: dict[int, Driver] = {11: (450, 80, 2), 12: (525, 60, 13), 13: (580, 65, 6)}
# The oldest driver on Linux that has all of a release.
_FULL: dict[Release, Driver] = {
    (11, 3): (465, 19, 1),
    (11, 4): (470, 42, 1),
    (11, 5): (495, 29, 5),
    (11, 6): (510, 39, 1),
    (11, 7): (515, 43, 4),
    (11, 8): (520, 61, 5),
    (12, 0): (525, 60, 13),
    (12, 1): (530, 30, 2),
    (12, 2): (535, 54, 3),
    (12, 3): (545, 23, 6),
    (12, 4): (550, 54, 14),
    (12, 5): (555, 42, 2),
    (12, 6): (560, 28, 3),
    (12, 8): (570, 26),
    (12, 9): (575, 51, 3),
    (13, 0): (580, 65, 6),
    (13, 1): (590, 44, 1),
    (13, 2): (595, 45, 4),
}
# The lowest compute capability that libraries of a major version have code for: 12 left Kepler out, 13 what is before
# Turing.
_OLDEST_GPU: dict[int, Release] = {11: (3, 5), 12: (5, 0), 13: (7, 5)}
# The first release with code for a compute capability.
_FIRST_FOR_GPU: dict[Release, Release] = {
    (8, 0): (11, 0),
    (8, 6): (11, 1),
    (8, 7): (11, 4),
    (8, 9): (11, 8),
    (9, 0): (11, 8),
    (10, 0): (12, 8),
    (10, 3): (12, 9),
    (11, 0): (13, 0),
    (12, 0): (12, 8),
    (12, 1): (12, 9),
}

_RUNTIME = re.compile(r"nvidia-cuda-runtime(?:-cu\d+)?")
_CUDNN = re.compile(r"nvidia-cudnn(?:-cu\d+)?")
_MAJOR = re.compile(r"(?:nvidia-.+-cu|cupy-cuda|jax-cuda)(1\d)(?:x|-plugin|-pjrt)?")
_LOCAL = re.compile(r"\+cu(1\d)(\d)\b")
_BASE = re.compile(r"(?:^|/)cuda:(\d{1,2})\.(\d{1,2})")
_NUMBERS = re.compile(r"[0-9]{1,6}(?:\.[0-9]{1,6}){1,3}")


class Cuda(msgspec.Struct, frozen=True, kw_only=True):
    """The CUDA that a target carries.

    Attributes:
        minor: None where only the major version is known.
        source: what says so, such as `nvidia-cuda-runtime-cu12 12.8.90`.
        cudnn: the version of cuDNN among the pins.
    """

    major: int
    minor: int | None = None
    source: str
    cudnn: str | None = None

    def __str__(self) -> str:
        return str(self.major) if self.minor is None else f"{self.major}.{self.minor}"


class Support(enum.Enum):
    """What a driver makes of a CUDA release."""

    FULL = "full"
    MINOR = "minor"  # runs by minor-version compatibility, without what the release added
    NONE = "none"
    UNKNOWN = "unknown"  # a release or driver that is newer than this table


def carried(lockfile: Lockfile, platform: Platform) -> Cuda | None:
    """The CUDA of a target on a platform; None where it carries none.

    The pins decide: nvidia-cuda-runtime, cuda-toolkit, a local version (`2.9.0+cu128`), then suffixes (`-cu12`), which
    give the major version alone. Then the profile's `cuda`, then the tag of an `nvidia/cuda` base.

    Raises:
        ValueError: the lockfile contradicts itself, or is not for the platform.
    """
    pins = {package.name: package.version for package, _ in lockfile.select(platform)}
    found = _pinned(pins) or _asserted(lockfile)
    if found is None:
        return None
    cudnn = [version for name, version in sorted(pins.items()) if _CUDNN.fullmatch(name)]
    return msgspec.structs.replace(found, cudnn=cudnn[-1] if cudnn else None)


def _pinned(pins: dict[str, str]) -> Cuda | None:
    exact, majors = [], []
    for name, version in sorted(pins.items()):
        source = f"{name} {version}"
        release = parse_release(version) if _RUNTIME.fullmatch(name) or name == "cuda-toolkit" else None
        local = _LOCAL.search(version)
        suffix = _MAJOR.fullmatch(name)
        if release is not None:
            exact.append(Cuda(major=release[0], minor=release[1], source=source))
        elif local is not None:
            exact.append(Cuda(major=int(local[1]), minor=int(local[2]), source=source))
        elif suffix is not None:
            majors.append(Cuda(major=int(suffix[1]), source=source))
    every = [*exact, *majors]  # several majors: the newest needs the newest driver; an exact one says more
    return max(every, key=lambda cuda: (cuda.major, cuda.minor is not None, cuda.minor or 0)) if every else None


def _asserted(lockfile: Lockfile) -> Cuda | None:
    envctl = lockfile.envctl
    if envctl.cuda is not None and (release := parse_release(envctl.cuda)) is not None:
        return Cuda(major=release[0], minor=release[1], source="the profile's cuda")
    base = _BASE.search(envctl.image.base) if envctl.image is not None else None
    if base is not None:
        return Cuda(major=int(base[1]), minor=int(base[2]), source="the base image")
    return None


def parse_release(text: str) -> Release | None:
    """`12.8` or `12.8.90` as (12, 8); None when it is neither."""
    parts = text.split(".")
    if len(parts) < 2 or not all(part.isdecimal() and len(part) < 7 for part in parts[:2]):
        return None
    return int(parts[0]), int(parts[1])


def parse_driver(text: str) -> Driver | None:
    """`570.86.15` as (570, 86, 15); None when it is no driver's version."""
    return tuple(int(part) for part in text.split(".")) if _NUMBERS.fullmatch(text) else None


def show_driver(driver: Driver) -> str:
    """As NVIDIA writes it: 450.80.02."""
    return ".".join([str(driver[0]), *(f"{part:02}" for part in driver[1:])])


def show_release(release: Release) -> str:
    """`12.8`."""
    return f"{release[0]}.{release[1]}"


def support(cuda: Cuda, driver: Driver | None, reported: Release | None = None) -> Support:
    """What a driver makes of a CUDA release.

    Args:
        driver: its version on Linux; None where it is unknown, or that of another system (WSL2 shows Windows').
        reported: the newest CUDA that the driver itself says it has.
    """
    wanted = (cuda.major, cuda.minor or 0)
    oldest = _MINOR_COMPATIBLE.get(cuda.major)
    full = full_from(cuda)
    if reported is not None and reported >= wanted:
        return Support.FULL
    if driver is not None and full is not None and driver >= full:
        return Support.FULL
    if driver is None or oldest is None:
        if reported is None:
            return Support.UNKNOWN
        return Support.MINOR if reported[0] == cuda.major else Support.NONE
    return Support.MINOR if driver >= oldest else Support.NONE


def full_from(cuda: Cuda) -> Driver | None:
    """The oldest driver that has all of a release; where it is not in the table, of the next one of that major."""
    if cuda.minor is None:
        return _MINOR_COMPATIBLE.get(cuda.major)
    later = [release for release in _FULL if release[0] == cuda.major and release[1] >= cuda.minor]
    return _FULL[min(later)] if later else None


def runs_from(cuda: Cuda) -> Driver | None:
    """The oldest driver that runs anything of that major version."""
    return _MINOR_COMPATIBLE.get(cuda.major)


def newest_in_full(driver: Driver) -> Release | None:
    """The newest release in the table of which a driver has all."""
    return max((release for release, needed in _FULL.items() if driver >= needed), default=None)


def oldest_gpu(cuda: Cuda) -> Release | None:
    """The lowest compute capability that the release's libraries have code for; None where that is not known."""
    return _OLDEST_GPU.get(cuda.major)


def first_for_gpu(capability: Release) -> Release | None:
    """The first CUDA release with code for a compute capability; None where that is not known, or long ago."""
    return _FIRST_FOR_GPU.get(capability)
