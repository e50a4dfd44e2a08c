"""The lockfile as values: PEP 751 (pylock.toml) and its `[tool.envctl]` and `[packages.tool.envctl]` tables.

Keys are spelled as in the file; see docs/reference/lockfile.md. The rooms `lockfile` (reads and writes it), `render`,
`verify` and the commands all speak in these.
"""

from __future__ import annotations

import re
from datetime import datetime
from functools import lru_cache
from typing import Any

import msgspec

from envctl.model.platform import Libc, Platform, fits, wheel_tags

_DEB = re.compile(r"[A-Za-z0-9][A-Za-z0-9.+~_-]{0,200}\.deb")


class Wheel(msgspec.Struct, frozen=True, kw_only=True, rename="kebab", omit_defaults=True):
    """One wheel of a package: the only one to install on the platforms that it fits (PEP 751, packages.wheels)."""

    name: str
    hashes: dict[str, str]
    url: str | None = None
    path: str | None = None
    upload_time: datetime | None = None
    size: int | None = None

    @property
    def sha256(self) -> str:
        """64 hex digits."""
        return self.hashes["sha256"]


class Dependency(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A distribution that a package needs on at least one of the lockfile's platforms."""

    name: str
    marker: str | None = None


class PackageTool(msgspec.Struct, frozen=True, kw_only=True, rename="kebab", omit_defaults=True):
    """`[packages.tool.envctl]`: content digest by wheel file name, `sha256:<hex>`."""

    content: dict[str, str]


class PackageTools(msgspec.Struct, frozen=True, kw_only=True):
    """`[packages.tool]`."""

    envctl: PackageTool


class Package(msgspec.Struct, frozen=True, kw_only=True, rename="kebab", omit_defaults=True):
    """A pinned distribution. `name` is normalised (PEP 503); `marker` says on which of the platforms, None: on all."""

    name: str
    version: str
    wheels: tuple[Wheel, ...]
    tool: PackageTools
    marker: str | None = None
    requires_python: str | None = None
    dependencies: tuple[Dependency, ...] = ()
    index: str | None = None

    @property
    def content(self) -> dict[str, str]:
        """Content digest by wheel file name."""
        return self.tool.envctl.content


class Resolver(msgspec.Struct, frozen=True, kw_only=True, rename="kebab", omit_defaults=True):
    """What resolved. `cutoff` says where `exclude-newer` came from: profile, command-line or pins (newest upload)."""

    name: str
    exclude_newer: datetime | None = None
    cutoff: str = "pins"


class Installer(msgspec.Struct, frozen=True, kw_only=True):
    """What the Dockerfile installs with: the wheel's sha256 (64 hex digits) by platform."""

    name: str
    version: str
    sha256: dict[str, str]


class Standalone(msgspec.Struct, frozen=True, kw_only=True):
    """A python-build-standalone archive for one platform."""

    url: str
    sha256: str


class Python(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """The interpreter: X.Y.Z, and where an image has it from (image, standalone or os; None without an image)."""

    version: str
    implementation: str = "cpython"
    source: str | None = None
    builds: dict[str, Standalone] = {}

    @property
    def minor(self) -> tuple[int, int]:
        """(3, 11) of 3.11.9."""
        major, minor = self.version.split(".")[:2]
        return int(major), int(minor)


class PlatformPin(msgspec.Struct, frozen=True, kw_only=True, rename="kebab", omit_defaults=True):
    """What is pinned for one platform beside the packages."""

    libc: str
    base_digest: str | None = None
    diff_ids: tuple[str, ...] = ()


class LockedFile(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A file that an image carries. With a digest it is verified; without, it is code of the application."""

    source: str
    target: str
    digest: str | None = None


class Image(msgspec.Struct, frozen=True, kw_only=True, rename="kebab", omit_defaults=True):
    """All of `[image]` that the Dockerfile says."""

    base: str
    packages: tuple[str, ...] = ()
    snapshot: str | tuple[str, ...] | None = None
    provides: tuple[str, ...] = ()
    env: dict[str, str] = {}
    files: tuple[LockedFile, ...] = ()
    workdir: str | None = None
    user: int | str | None = None
    ports: tuple[int, ...] = ()
    command: tuple[str, ...] = ()


class OsPackage(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A `.deb` that is installed on the platforms of an architecture (Debian's name for it, such as `amd64`).

    `step`: packages of a step are installed together, after those of the steps before (Pre-Depends).
    """

    name: str
    version: str
    arch: str
    sha256: str
    url: str
    size: int
    step: int = 0

    @property
    def file(self) -> str:
        """The name of the file: the last part of its address, or where that is unusual one made of name and sha256."""
        last = self.url.partition("?")[0].rpartition("/")[2]
        return last if _DEB.fullmatch(last) else f"{self.name}_{self.sha256[:16]}.deb"


class OsPackages(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """All OS packages that are installed beyond what the base image has; sorted by architecture and name."""

    snapshot: str | tuple[str, ...]
    packages: tuple[OsPackage, ...] = ()


class Hook(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, order=True):
    """Code that runs at every start of Python: path under the site directory, `sha256:<hex>`, owning package."""

    path: str
    digest: str
    package: str


class Policy(msgspec.Struct, frozen=True, kw_only=True, rename="kebab", omit_defaults=True):
    """`[policy]` of the profile, as the verifier applies it."""

    startup_hooks: tuple[str, ...] | None = None
    writable: tuple[str, ...] = ()
    allow_seed: bool = False


class Project(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """The team's own package: installed editable in a virtual environment, as a wheel in an image."""

    name: str
    path: str
    editable: bool = True


class LockedIndex(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """An index that the profile names: its name finds credentials in the environment, its url those of netrc.

    `default`: it stands in place of the default one, because it names no packages.
    """

    name: str
    url: str
    default: bool = False


class Envctl(msgspec.Struct, frozen=True, kw_only=True, rename="kebab", omit_defaults=True):
    """`[tool.envctl]`. `requirements` and `constraints` are what was asked for, merged, as PEP 508 strings."""

    schema: int
    profile: str
    inputs: str
    resolver: Resolver
    source_date_epoch: int
    python: Python
    package_set: dict[str, str]
    platforms: dict[str, PlatformPin]
    variant: str | None = None
    requirements: tuple[str, ...] = ()
    constraints: tuple[str, ...] = ()
    overrides: tuple[str, ...] = ()
    exclude: tuple[str, ...] = ()
    cuda: str | None = None
    indexes: tuple[LockedIndex, ...] = ()
    installer: Installer | None = None
    image: Image | None = None
    commands: dict[str, tuple[str, ...]] = {}
    policy: Policy = Policy()
    hooks: tuple[Hook, ...] = ()
    project: Project | None = None
    os_packages: OsPackages | None = None
    files: tuple[LockedFile, ...] = ()


class Tools(msgspec.Struct, frozen=True, kw_only=True):
    """`[tool]`."""

    envctl: Envctl


class Lockfile(msgspec.Struct, frozen=True, kw_only=True, rename="kebab", omit_defaults=True):
    """A whole `pylock.<target>.toml`. Packages are sorted by name, version, marker."""

    lock_version: str
    environments: tuple[str, ...]
    requires_python: str
    created_by: str
    packages: tuple[Package, ...]
    tool: Tools

    @property
    def envctl(self) -> Envctl:
        """`[tool.envctl]`."""
        return self.tool.envctl

    @property
    def target(self) -> str:
        """`PROFILE` or `PROFILE:VARIANT`."""
        variant = self.envctl.variant
        return self.envctl.profile if variant is None else f"{self.envctl.profile}:{variant}"

    def platforms(self) -> tuple[Platform, ...]:
        """The platforms that the lockfile was made for."""
        return tuple(Platform.parse(name) for name in self.envctl.platforms)

    def select(self, platform: Platform) -> tuple[tuple[Package, Wheel], ...]:
        """Each package with the one wheel to install on the platform, by name; ValueError unless exactly one fits."""
        pin = self.envctl.platforms.get(str(platform))
        if pin is None:
            raise ValueError(f"{self.target} is not locked for {platform}")
        python = self.envctl.python
        tags = wheel_tags(python.minor, platform, Libc.parse(pin.libc))
        environment = platform.environment(python.version)
        chosen = []
        for package in self.packages:
            if package.marker is not None and not _holds(package.marker, environment):
                continue
            fitting = [wheel for wheel in package.wheels if fits(wheel.name, tags)]
            if len(fitting) != 1:
                raise ValueError(f"{package.name} {package.version} has {len(fitting)} wheels for {platform}, not one")
            chosen.append((package, fitting[0]))
        return tuple(chosen)


@lru_cache(maxsize=256)
def _marker(text: str) -> Any:
    from packaging.markers import Marker

    return Marker(text)


def _holds(marker: str, environment: dict[str, str]) -> bool:
    """Whether a marker holds; ValueError for a text that is none, or one that asks for what no installer knows."""
    try:
        return bool(_marker(marker).evaluate(environment))
    except (ValueError, LookupError, RecursionError) as error:
        raise ValueError(f"{marker[:60]!r} is not a marker that can be evaluated") from error
