"""Lockfile values for tests: everything has a default, so that a test says only what it is about."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

import msgspec

from envctl.lockfile.write import write_lockfile
from envctl.model.lockfile import (
    Dependency,
    Envctl,
    Image,
    Installer,
    Lockfile,
    Package,
    PackageTool,
    PackageTools,
    PlatformPin,
    Python,
    Resolver,
    Tools,
    Wheel,
)
from envctl.model.manifest import environment_digest
from envctl.model.platform import Platform
from envctl.model.target import Target

BASE = "python:3.11.9-slim-bookworm@sha256:" + "8fb0" * 16
UPLOAD = datetime(2026, 3, 1, 12, tzinfo=timezone.utc)
CUTOFF = datetime(2026, 6, 1, tzinfo=timezone.utc)
LOCK_DIGEST = "sha256:" + "10cd" * 16


def sha256_of(text: str) -> str:
    """64 hex digits that stand for the text."""
    return hashlib.sha256(text.encode()).hexdigest()


def make_package(
    name: str,
    version: str = "1.0",
    *,
    tags: Sequence[str] = ("py3-none-any",),
    needs: Sequence[str] = (),
    marker: str | None = None,
    size: int | None = 1000,
    uploaded: datetime | None = UPLOAD,
    index: str | None = None,
    salt: str = "",
) -> Package:
    """A package with a wheel for each tag. Another `salt` is another build of the same version."""
    stem = f"{name.replace('-', '_')}-{version}"
    wheels = [
        Wheel(
            name=f"{stem}-{tag}.whl",
            url=f"https://index.example/files/{stem}-{tag}.whl",
            upload_time=uploaded,
            size=size,
            hashes={"sha256": sha256_of(f"{stem}-{tag}{salt}")},
        )
        for tag in tags
    ]
    return Package(
        name=name,
        version=version,
        marker=marker,
        dependencies=tuple(Dependency(name=need) for need in needs),
        index=index,
        wheels=tuple(wheels),
        tool=PackageTools(envctl=PackageTool(content={w.name: f"sha256:{sha256_of(w.sha256)}" for w in wheels})),
    )


def make_image(**values: Any) -> Image:
    """An image section on a Python base."""
    return Image(**{"base": BASE, **values})


def make_lockfile(
    packages: Sequence[Package] = (),
    *,
    profile: str = "train",
    variant: str | None = "cpu",
    platforms: Sequence[str] = ("linux/amd64",),
    python: Python | None = None,
    image: Image | None = None,
    libc: str = "glibc 2.28",
    base_digest: str | Mapping[str, str] | None = "sha256:" + "8fb0" * 16,
    **values: Any,
) -> Lockfile:
    """A lockfile that holds together: environments, package sets and installer follow from what is given."""
    python = python or Python(version="3.11.9", source="image" if image else None)
    digests = base_digest if isinstance(base_digest, Mapping) else dict.fromkeys(platforms, base_digest)
    envctl = Envctl(
        **{
            "schema": 1,
            "profile": profile,
            "variant": variant,
            "inputs": "sha256:" + sha256_of("inputs"),
            "resolver": Resolver(name="uv", exclude_newer=CUTOFF, cutoff="profile"),
            "source_date_epoch": 1772366400,
            "python": python,
            "package_set": {},
            "platforms": {p: PlatformPin(libc=libc, base_digest=digests.get(p) if image else None) for p in platforms},
            "image": image,
            "installer": Installer(name="uv", version="0.13.8", sha256={p: sha256_of("uv" + p) for p in platforms})
            if image
            else None,
            **values,
        }
    )
    lockfile = Lockfile(
        lock_version="1.0",
        environments=tuple(Platform.parse(name).marker for name in platforms),
        requires_python=f"=={'.'.join(python.version.split('.')[:2])}.*",
        created_by="envctl",
        packages=tuple(sorted(packages, key=lambda package: (package.name, package.version))),
        tool=Tools(envctl=envctl),
    )
    sets = {
        name: environment_digest(
            (package.name, package.version, package.content[wheel.name])
            for package, wheel in lockfile.select(Platform.parse(name))
        )
        for name in platforms
    }
    envctl = msgspec.structs.replace(envctl, package_set=sets)
    return msgspec.structs.replace(lockfile, tool=Tools(envctl=envctl))


def put_lockfile(project: Path, lockfile: Lockfile) -> Path:
    """Write the lockfile to its place in a project folder."""
    path = project / Target(lockfile.envctl.profile, lockfile.envctl.variant).lockfile
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(write_lockfile(lockfile))
    return path
