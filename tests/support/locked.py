"""Lockfiles of wheels that a test built, written into its project without resolving anything."""

from __future__ import annotations

import platform as _platform
import re
from pathlib import Path

import msgspec
from support.project import Project
from support.wheels import sha256_of

from envctl.index.wheel import read_file
from envctl.lockfile.write import write_lockfile
from envctl.model.lockfile import (
    Envctl,
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
from envctl.model.lockfile import Project as OwnPackage
from envctl.model.manifest import environment_digest
from envctl.model.platform import Platform
from envctl.system.machine import host

PYTHON = _platform.python_version()


def package(project: Project, wheel: Path) -> Package:
    """A pin of a wheel that the project's index serves."""
    name, version = wheel.name.split("-")[:2]
    name = re.sub(r"[-_.]+", "-", name).lower()
    locked = Wheel(
        name=wheel.name,
        url=project.index.file_url(wheel.name),
        hashes={"sha256": sha256_of(wheel)},
        size=wheel.stat().st_size,
    )
    content = PackageTool(content={wheel.name: read_file(wheel).manifest.digest()})
    return Package(name=name, version=version, wheels=(locked,), tool=PackageTools(envctl=content))


def lock(
    project: Project,
    *wheels: Path,
    target: str = "train",
    python: str = PYTHON,
    platforms: tuple[str, ...] | None = None,
    own: OwnPackage | None = None,
    installer: Installer | None = None,
) -> Lockfile:
    """Write profiles/locked/pylock.<target>.toml for these wheels."""
    names = platforms or (str(host()),)
    packages = tuple(sorted((package(project, wheel) for wheel in wheels), key=lambda p: p.name))
    digest = environment_digest((p.name, p.version, p.content[p.wheels[0].name]) for p in packages)
    profile, _, variant = target.partition(":")
    lockfile = Lockfile(
        lock_version="1.0",
        environments=tuple(Platform.parse(name).marker for name in names),
        requires_python="==" + ".".join(python.split(".")[:2]) + ".*",
        created_by="envctl",
        packages=packages,
        tool=Tools(
            envctl=Envctl(
                schema=1,
                profile=profile,
                variant=variant or None,
                inputs="sha256:" + "0" * 64,
                resolver=Resolver(name="uv"),
                source_date_epoch=0,
                python=Python(version=python),
                package_set=dict.fromkeys(names, digest),
                platforms={name: PlatformPin(libc="glibc 2.28") for name in names},
                project=own,
                installer=installer,
            )
        ),
    )
    return write(project, lockfile)


def write(project: Project, lockfile: Lockfile) -> Lockfile:
    """Write a lockfile to its place in the project."""
    slug = lockfile.target.replace(":", "-")
    path = project.lock_path(slug)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(write_lockfile(lockfile))
    return lockfile


def change(project: Project, lockfile: Lockfile, **values: object) -> Lockfile:
    """The same lockfile with other values in [tool.envctl], written."""
    envctl = msgspec.structs.replace(lockfile.envctl, **values)
    return write(project, msgspec.structs.replace(lockfile, tool=Tools(envctl=envctl)))
