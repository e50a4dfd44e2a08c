"""Which packages share a layer: heavy and stable ones below, so that a small change leaves them alone. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence

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
    rest = {package.name: package for package in packages}
    sizes: dict[str, int] = {}
    for package in packages:
        size = max((wheel.size or 0 for wheel in package.wheels), default=0)
        sizes[package.name] = max(size, sizes.get(package.name, 0))
    giants = sorted((n for n in rest if sizes[n] >= GIANT and not _shared(n)), key=lambda n: (-sizes[n], n))
    large = [n for n in rest if sizes[n] >= LARGE and not _shared(n) and n not in giants[:_MOST_GIANTS]]
    groups = [
        ("nvidia_wheels", [n for n in rest if _NVIDIA.fullmatch(n)]),
        ("torch_wheels", [n for n in rest if _TORCH.fullmatch(n)]),
        *((name, [name]) for name in giants[:_MOST_GIANTS]),
        ("large_wheels", large),
    ]
    layers = [_layer(name, names, packages) for name, names in groups if names]
    placed = {name for layer in layers for name in layer.packages}
    other = _layer("other_wheels", [n for n in rest if n not in placed], packages)
    return [*layers, other]


def _shared(name: str) -> bool:
    return bool(_NVIDIA.fullmatch(name) or _TORCH.fullmatch(name))


def _layer(name: str, names: Iterable[str], packages: Sequence[Package]) -> Layer:
    own = tuple(sorted(names))
    chosen = set(own)
    uploads = [
        int(wheel.upload_time.timestamp())
        for package in packages
        if package.name in chosen
        for wheel in package.wheels
        if wheel.upload_time is not None
    ]
    return Layer(name, max(uploads, default=_EARLIEST), own)
