"""Platforms by their OCI names, C libraries, and the wheel tags that fit them.

Sources: OCI image index specification (platform), PEP 425 and PEP 600/656 (tags), PEP 508 (markers).
"""

from __future__ import annotations

import re
from collections.abc import Container, Iterator
from functools import lru_cache
from typing import TYPE_CHECKING

import msgspec

if TYPE_CHECKING:
    from packaging.tags import Tag

_MACHINES = {
    ("linux", "amd64"): "x86_64",
    ("linux", "arm64"): "aarch64",
    ("darwin", "amd64"): "x86_64",
    ("darwin", "arm64"): "arm64",
}
NAMES = tuple(f"{os}/{arch}" for os, arch in _MACHINES)
_LIBC = re.compile(r"(glibc|musl) ([0-9]{1,2})\.([0-9]{1,3})")
_OLDEST_GLIBC = 5  # glibc 2.5 is manylinux1
_MACOS = (14, 0)


class Libc(msgspec.Struct, frozen=True):
    """The C library of a platform and the version that wheels may need at most."""

    family: str
    major: int
    minor: int

    @classmethod
    def parse(cls, text: str) -> Libc:
        """Read `glibc 2.28` or `musl 1.2`; ValueError when it is neither."""
        match = _LIBC.fullmatch(text)
        if match is None:
            raise ValueError(f"{text!r} is not a C library such as 'glibc 2.28' or 'musl 1.2'")
        return cls(match[1], int(match[2]), int(match[3]))

    def __str__(self) -> str:
        return f"{self.family} {self.major}.{self.minor}"


class Platform(msgspec.Struct, frozen=True, order=True):
    """An operating system and architecture by their OCI names."""

    os: str
    arch: str

    @classmethod
    def parse(cls, name: str) -> Platform:
        """Read `linux/amd64`; ValueError when it is none of NAMES."""
        os, _, arch = name.partition("/")
        if (os, arch) not in _MACHINES:
            raise ValueError(f"{name!r} is not one of {', '.join(NAMES)}")
        return cls(os, arch)

    def __str__(self) -> str:
        return f"{self.os}/{self.arch}"

    @property
    def machine(self) -> str:
        """`platform_machine` of PEP 508."""
        return _MACHINES[self.os, self.arch]

    @property
    def marker(self) -> str:
        """The PEP 508 marker that holds on this platform alone."""
        return (
            f"sys_platform == '{self.os}' and platform_machine == '{self.machine}'"
            " and platform_python_implementation == 'CPython'"
        )

    def environment(self, python: str) -> dict[str, str]:
        """The PEP 508 environment of CPython `python` (X.Y.Z) on this platform."""
        linux = self.os == "linux"
        return {
            "implementation_name": "cpython",
            "implementation_version": python,
            "os_name": "posix",
            "platform_machine": self.machine,
            "platform_python_implementation": "CPython",
            "platform_release": "",
            "platform_system": "Linux" if linux else "Darwin",
            "platform_version": "",
            "python_full_version": python,
            "python_version": ".".join(python.split(".")[:2]),
            "sys_platform": self.os,
        }


def _platform_tags(platform: Platform, libc: Libc) -> Iterator[str]:
    if platform.os == "darwin":
        from packaging.tags import mac_platforms

        yield from mac_platforms(_MACOS, platform.machine)
        return
    legacy = {5: "manylinux1", 12: "manylinux2010", 17: "manylinux2014"}
    if libc.family == "musl":
        for minor in range(libc.minor, -1, -1):
            yield f"musllinux_{libc.major}_{minor}_{platform.machine}"
    else:
        oldest = _OLDEST_GLIBC if platform.machine == "x86_64" else 17
        for minor in range(libc.minor, oldest - 1, -1):
            yield f"manylinux_{libc.major}_{minor}_{platform.machine}"
            if minor in legacy:
                yield f"{legacy[minor]}_{platform.machine}"
    yield f"linux_{platform.machine}"


@lru_cache
def wheel_tags(python: tuple[int, int], platform: Platform, libc: Libc) -> dict[Tag, int]:
    """Every tag that fits CPython `python` on the platform, with its rank; 0 is the best (PEP 425)."""
    from packaging.tags import compatible_tags, cpython_tags

    platforms = list(_platform_tags(platform, libc))
    interpreter = f"cp{python[0]}{python[1]}"
    tags = [*cpython_tags(python, platforms=platforms), *compatible_tags(python, interpreter, platforms)]
    ranks: dict[Tag, int] = {}
    for rank, tag in enumerate(tags):
        ranks.setdefault(tag, rank)
    return ranks


def fits(filename: str, tags: Container[Tag]) -> bool:
    """Whether one of a wheel's tags is among `tags`, by its file name alone (binary distribution format)."""
    if filename.endswith("-py3-none-any.whl"):  # most are, and asking for them takes longest
        return True
    from packaging.tags import Tag

    *_, interpreters, abis, platforms = ["", "", "", *filename.removesuffix(".whl").lower().split("-")]
    return any(
        Tag(interpreter, abi, platform) in tags
        for interpreter in interpreters.split(".")
        for abi in abis.split(".")
        for platform in platforms.split(".")
    )
