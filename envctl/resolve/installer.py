"""The wheel of the installer that a Dockerfile uses, for each platform."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from envctl.errors import IndexFailed, NoResolution
from envctl.model.lockfile import Installer
from envctl.model.platform import Libc, Platform
from envctl.model.profile import Index, Requirement
from envctl.resolve.choose import choose
from envctl.resolve.interface import Question, Resolver

_NAME = "uv"


def resolve_installer(
    resolver: Resolver,
    *,
    cutoff: datetime | None,
    platforms: Sequence[Platform],
    libc: Libc,
    python: str,
    version: str | None = None,
    indexes: Sequence[Index] = (),
    offline: bool = False,
) -> Installer:
    """The newest release at the cutoff, or `version`: one version for all platforms, and its wheels' sha256.

    Args:
        python: X.Y.Z of the image.
        libc: that of the image; on darwin it does not matter.

    Raises:
        NoResolution, IndexFailed, ToolFailed: as `Resolver.resolve`; IndexFailed too where the index says no sha256.
    """
    digests: dict[str, str] = {}
    for platform in platforms:
        label = f"the installer {_NAME} for {platform}"
        asked = Requirement(text=_NAME if version is None else f"{_NAME}=={version}", file="the Dockerfile's installer")
        question = Question(
            label=label,
            python=python,
            platform=platform,
            libc=libc,
            requirements=(asked,),
            cutoff=cutoff,
            indexes=indexes,
            offline=offline,
        )
        pin = next((pin for pin in resolver.resolve(question).pins if pin.name == _NAME), None)
        if pin is None:
            raise NoResolution(f"{label}: the index has none")
        major, minor = python.split(".")[:2]
        wheel = choose(pin, python=(int(major), int(minor)), platform=platform, libc=libc, label=label)
        if wheel.sha256 is None:
            raise IndexFailed("the index says no sha256 of the installer", file=wheel.url, expected="a sha256")
        digests[str(platform)] = wheel.sha256
        version = pin.version
    if version is None:
        raise ValueError("an installer for no platform")
    return Installer(name=_NAME, version=version, sha256=digests)
