"""Which packages share a layer: heavy and stable ones below, so that a small change leaves them alone. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime

import msgspec

from envctl.model.lockfile import Package

MB = 10**6
GIANT, LARGE = 100 * MB, 10 * MB
_MOST_GIANTS = 8  # engines stop at about 120 layers, and the base has some
_EARLIEST = 315532800  # 1980-01-01, the oldest moment that a wheel's archive can hold
_NVIDIA = re.compile(r"nvidia-.+|(?:pytorch-)?triton(?:-.+)?")
_TORCH = re.compile(r"torch|torchvision|torchaudio|torchtext|torchdata")


class Layer(msgspec.Struct, frozen=True):
    """A layer of packages. `moment`: the mtime of all in it, seconds since 1970; `packages`: normalised names."""

    name: str
    moment: int
    packages: tuple[str, ...]


def plan(packages: Sequence[Package]) -> list[Layer]:
    """The layers from the lowest up; the last holds the rest and the environment's own files.

    A layer's moment is the newest upload among its own packages: it moves only when one of them does, so an unchanged
    layer keeps its digest when other pins move. Names with `_` cannot be those of packages.
    """
    sizes: dict[str, int] = {}
    uploads: dict[str, list[datetime]] = {}
    for package in packages:
        found = uploads.setdefault(package.name, [])
        for wheel in package.wheels:
            sizes[package.name] = max(wheel.size or 0, sizes.get(package.name, 0))
            if wheel.upload_time is not None:
                found.append(wheel.upload_time)
    groups: dict[str, list[str]] = {"nvidia_wheels": [], "torch_wheels": []}
    plain: list[str] = []
    for name in uploads:
        shared = "nvidia_wheels" if _NVIDIA.fullmatch(name) else "torch_wheels" if _TORCH.fullmatch(name) else None
        (plain if shared is None else groups[shared]).append(name)
    heavy = [name for name in plain if sizes.get(name, 0) >= LARGE]
    giants = sorted((n for n in heavy if sizes[n] >= GIANT), key=lambda n: (-sizes[n], n))[:_MOST_GIANTS]
    groups |= {name: [name] for name in giants}
    groups["large_wheels"] = [name for name in heavy if name not in giants]
    groups["other_wheels"] = [name for name in plain if sizes.get(name, 0) < LARGE]
    return [_layer(name, names, uploads) for name, names in groups.items() if names or name == "other_wheels"]


def _layer(name: str, names: Iterable[str], uploads: Mapping[str, Sequence[datetime]]) -> Layer:
    own = tuple(sorted(names))
    newest = max((moment for package in own for moment in uploads[package]), default=None)
    return Layer(name, _EARLIEST if newest is None else int(newest.timestamp()), own)
