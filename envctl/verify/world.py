"""What comparing works on: the environment, who owns each of its files, and the findings so far."""

from __future__ import annotations

import functools
import posixpath
import re
from bisect import bisect_left
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING

from envctl.model.codes import named
from envctl.model.finding import Finding, Severity
from envctl.model.image import Picture
from envctl.model.inventory import Entry, Inventory, Kind
from envctl.model.lockfile import Lockfile, Package, Wheel
from envctl.model.manifest import BIN, INCLUDE, PREFIX, SITE, Manifest
from envctl.model.names import normalise
from envctl.model.platform import Platform
from envctl.model.printable import printable
from envctl.model.record import canonical
from envctl.verify.scripts import starters

if TYPE_CHECKING:
    from envctl.verify.listing import Listing

Manifests = Callable[[Package, Wheel], Manifest | None]
Seeds = Callable[[str, str], Manifest | None]

BASE = "-base"  # owns what the layers of the pinned base image vouch for; no distribution has that name
NOBODY = "-"  # owns what was reported already; no distribution has that name
_INCLUDES = re.compile(r"(include/site/python\d+\.\d+/)([^/]+)/")
_INSTALLED_INCLUDES = re.compile(r"(include/(?:site/)?python\d+\.\d+t?/)([^/]+)/")  # of an interpreter that is no venv


class World:
    """One comparison. `owners` says for each path (relative to the prefix) who brought it.

    Args:
        known_as: further prefixes under which the environment is used: scripts may name any of them.
        prepared: listings that were made already, by the folder of the package's metadata.
        picture: the image or container that the environment is in; None on a machine.
        lock_digest: `sha256:<hex>` of the lockfile's bytes.

    Attributes:
        top: what lies directly in the site directory. `programs`: everything in `bin`.
        headers: normalised name -> folder that installers put a distribution's headers in.
    """

    def __init__(
        self,
        lockfile: Lockfile,
        platform: Platform,
        inventory: Inventory,
        known_as: Sequence[str] = (),
        *,
        prepared: Mapping[str, Listing] | None = None,
        picture: Picture | None = None,
        lock_digest: str | None = None,
    ) -> None:
        self.lockfile, self.platform, self.inventory = lockfile, platform, inventory
        self.picture, self.lock_digest = picture, lock_digest
        self.prefixes = tuple(dict.fromkeys((inventory.root, inventory.real_root, *known_as)))
        self.site = (inventory.site or "lib/python/site-packages") + "/"
        self._includes = _INCLUDES if inventory.venv else _INSTALLED_INCLUDES
        self.starters = starters(self.prefixes, inventory.interpreter.minor)
        self.prepared = prepared or {}
        self.owners: dict[str, str] = {}
        self.findings: list[Finding] = []
        self.lib64 = self._is_lib64_link()
        self.top: list[str] = []
        self.programs: list[str] = []
        self.headers: dict[str, str] = {}
        self._look()

    def _is_lib64_link(self) -> bool:
        entry = self.inventory.entries.get("lib64")
        return entry is not None and entry.kind is Kind.LINK and entry.link == "lib"

    def _look(self) -> None:
        """One pass over everything for what is looked at by name."""
        end = len(self.site)
        for path, entry in self.inventory.entries.items():
            if path.startswith(self.site):
                if path.find("/", end) < 0:
                    self.top.append(path)
            elif path.startswith(BIN):
                self.programs.append(path)
            elif (
                path.startswith("include/")
                and entry.kind is Kind.FOLDER
                and (match := self._includes.fullmatch(path + "/"))
            ):
                self.headers[normalise(match[2])] = path + "/"

    def entry(self, path: str) -> Entry | None:
        """The entry at a path, None where there is none."""
        return self.inventory.entries.get(path)

    def below(self, folder: str) -> Sequence[str]:
        """The paths of everything in a folder, at any depth, sorted; without the folder itself."""
        return self._paths[bisect_left(self._paths, f"{folder}/") : bisect_left(self._paths, f"{folder}0")]  # "/" < "0"

    @functools.cached_property
    def _paths(self) -> list[str]:
        return sorted(self.inventory.entries)

    def sha256(self, path: str) -> str | None:
        """The hash of the file at a path, 64 hex digits; None where there is no readable file."""
        entry = self.inventory.entries.get(path)
        return entry.sha256 if entry is not None else None

    def report(
        self,
        name: str,
        message: str,
        *,
        severity: Severity | None = None,
        package: str | None = None,
        path: str | None = None,
        expected: str | None = None,
        found: str | None = None,
    ) -> None:
        """Add a finding; `path` is relative to the prefix."""
        shown = None if path is None else printable(self.shown(path) if package is not None else path)
        self.findings.append(
            named(name).finding(
                printable(message), severity=severity, package=package, path=shown, expected=expected, found=found
            )
        )

    def shown(self, path: str) -> str:
        """A package's file as people know it: `numpy/__init__.py`, `bin/f2py`."""
        return path.removeprefix(self.site)

    def own(self, path: str, owner: str) -> None:
        """Note that the owner brought the path; the first owner stays."""
        self.owners.setdefault(path, owner)

    def place(self, path: str, package: str) -> str:
        """Where a manifest's path of a package is on disk."""
        if path.startswith(SITE):
            return self.site + path.removeprefix(SITE)
        if path.startswith(PREFIX):
            rest = path.removeprefix(PREFIX)
            return "lib/" + rest.removeprefix("lib64/") if self.lib64 and rest.startswith("lib64/") else rest
        if path.startswith(INCLUDE):
            name, _, rest = path.removeprefix(INCLUDE).partition("/")
            if normalise(name) == package and package in self.headers:
                return self.headers[package] + rest
            minor = self.inventory.interpreter.minor or (3, 0)
            return f"include/site/python{minor[0]}.{minor[1]}/{name}/{rest}"
        return path

    def manifest_path(self, path: str, package: str, wheel: str) -> str:
        """The manifest's path of what lies at `path` on disk. `wheel` is the wheel's file name."""
        if path.startswith(self.site):
            return SITE + path.removeprefix(self.site)
        if path.startswith(BIN):
            return path
        match = self._includes.match(path)
        if match is not None:
            own = normalise(match[2]) == package
            return f"{INCLUDE}{wheel.partition('-')[0] if own else match[2]}/{path[match.end() :]}"
        return canonical(PREFIX + path)

    def recorded_place(self, row: str) -> str | None:
        """Where a RECORD's row is on disk, relative to the prefix; None where it leaves the environment."""
        path = self.recorded_as(row)
        if path is not None and self.lib64 and path.startswith("lib64/"):
            return "lib/" + path.removeprefix("lib64/")
        return path

    def recorded_as(self, row: str) -> str | None:
        """The same as the row spells it, where `lib64` is a link to `lib`."""
        if row.startswith("/"):
            for prefix in self.prefixes:
                if row.startswith(prefix + "/"):
                    return posixpath.normpath(row.removeprefix(prefix + "/"))
            return None
        plain = "./" not in row and "//" not in row
        path = self.site + row if plain else posixpath.normpath(self.site + row)
        return None if path.startswith("../") or path in ("..", ".") else path
