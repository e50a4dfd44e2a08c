"""What the stages of a Dockerfile are rendered from: a lockfile with an image, and what follows from it. Pure."""

from __future__ import annotations

import re

import msgspec

from envctl.errors import InvalidFile
from envctl.model.lockfile import Image, Installer, Lockfile, OsPackage, Python
from envctl.model.target import Target
from envctl.render.debs import by_arch

_OS_PACKAGE = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9+._-]*[A-Za-z0-9+._])?(?::[a-z0-9]+)?(?:=[A-Za-z0-9.+~:_-]+)?")


class Context(msgspec.Struct, frozen=True, kw_only=True):
    """What every stage may need. `platforms`: OCI names, Linux only; `bases`: reference with digest by platform."""

    lockfile: Lockfile
    target: Target
    image: Image
    installer: Installer
    platforms: tuple[str, ...]
    bases: dict[str, str]
    lock_digest: str

    @property
    def python(self) -> Python:
        """The interpreter."""
        return self.lockfile.envctl.python

    @property
    def epoch(self) -> int:
        """The lockfile's SOURCE_DATE_EPOCH."""
        return self.lockfile.envctl.source_date_epoch

    @property
    def musl(self) -> bool:
        """Whether the base is Alpine's kind."""
        return any(self.lockfile.envctl.platforms[name].libc.startswith("musl") for name in self.platforms)

    @property
    def os_packages(self) -> tuple[str, ...]:
        """`name` or `name=version`, sorted: the image's, and what the OS's own Python needs to make environments."""
        names = set(self.image.packages)
        if self.python.source == "os" and not self.musl:
            own = f"python{self.minor}-venv"
            if not any(re.match(r"python3(\.\d+)?-venv(=|$)", name) for name in names):
                names.add(own)
        for name in names:
            if not _OS_PACKAGE.fullmatch(name):
                raise InvalidFile(
                    "an OS package has no usable name",
                    key="image.packages",
                    found=ascii(name),
                    expected="NAME or NAME=VERSION",
                )
        return tuple(sorted(names))

    @property
    def minor(self) -> str:
        """X.Y of the interpreter."""
        return ".".join(str(number) for number in self.python.minor)

    @property
    def interpreter(self) -> str:
        """The command that starts the locked Python in the tools stage and after it."""
        name = f"python{self.minor}"
        return {"standalone": f"/opt/python/bin/{name}", "os": f"/usr/bin/{name}"}.get(self.python.source or "", name)

    @property
    def default_index(self) -> str | None:
        """The index that the profile puts in place of the default one, without credentials."""
        return next((index.url for index in self.lockfile.envctl.indexes if index.default), None)

    @property
    def before_last(self) -> str:
        """The stage that the last one starts from."""
        installs = self.os_packages if self.debs is None else any(self.debs.values())
        return "system" if installs else "base"

    @property
    def debs(self) -> dict[str, tuple[OsPackage, ...]] | None:
        """The pinned OS packages by architecture; None where they are not pinned."""
        pinned = self.lockfile.envctl.os_packages
        return None if pinned is None else by_arch(pinned, self.platforms)
