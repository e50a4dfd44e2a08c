"""What a target needs of a machine, read from its lockfile."""

from __future__ import annotations

import msgspec

from envctl.model import cuda
from envctl.model.cuda import Cuda
from envctl.model.lockfile import Lockfile
from envctl.model.platform import Libc, Platform


class Needs(msgspec.Struct, frozen=True, kw_only=True):
    """A target's needs.

    Attributes:
        platforms: OCI names that it is locked for; `platform`: the one that this machine would use.
        here: whether it is locked for this machine itself.
        image: whether it has an image; `standalone`: whether that brings a standalone Python.
        packages: name -> version on that platform. `wheels`: bytes of their wheels.
        base: the base image.
    """

    target: str
    platforms: tuple[str, ...]
    platform: Platform
    here: bool
    image: bool
    standalone: bool
    packages: dict[str, str]
    wheels: int
    libc: Libc
    python: str
    base: str | None = None
    cuda: Cuda | None = None


def needs_of(lockfile: Lockfile, host: Platform | None) -> Needs:
    """Read a target's needs for this machine's platform, else for the first that it is locked for.

    Raises:
        ValueError: the lockfile contradicts itself.
    """
    envctl = lockfile.envctl
    here = host is not None and str(host) in envctl.platforms
    platform = host if host is not None and here else lockfile.platforms()[0]
    pairs = lockfile.select(platform)
    return Needs(
        target=lockfile.target,
        platforms=tuple(envctl.platforms),
        platform=platform,
        here=here,
        image=envctl.image is not None,
        standalone=envctl.python.source == "standalone",
        packages={package.name: package.version for package, _ in pairs},
        wheels=sum(wheel.size or 0 for _, wheel in pairs),
        libc=Libc.parse(envctl.platforms[str(platform)].libc),
        python=envctl.python.version,
        base=None if envctl.image is None else envctl.image.base,
        cuda=cuda.carried(lockfile, platform),
    )
