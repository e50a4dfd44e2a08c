"""The set of packages: what is installed against what is locked."""

from __future__ import annotations

import posixpath
from collections import defaultdict

import msgspec

from envctl.model.inventory import Kind
from envctl.model.lockfile import Package, Wheel
from envctl.model.names import normalise
from envctl.model.record import INSTALLER_FILES, SIGNATURES, RecordEntry, is_bytecode, parse_record
from envctl.verify.world import World

_METADATA = (".dist-info", ".egg-info", ".egg-link", ".egg")


class Installed(msgspec.Struct, frozen=True):
    """A distribution by the metadata that stands in the site directory.

    Attributes:
        name: normalised; `version` as the folder's name spells it, empty where it says none.
        folder: path of the metadata, relative to the prefix.
    """

    name: str
    version: str
    folder: str

    @property
    def is_wheel(self) -> bool:
        """Whether a wheel was installed."""
        return self.folder.endswith(".dist-info")

    @property
    def notes(self) -> frozenset[str]:
        """The paths of what installers write in their own way."""
        return frozenset(f"{self.folder}/{name}" for name in INSTALLER_FILES | SIGNATURES)


class Pairing(msgspec.Struct, frozen=True):
    """A locked package and what is installed of it."""

    package: Package
    wheel: Wheel
    installed: Installed


class Split(msgspec.Struct, frozen=True):
    """Everything installed, by what is to be done with it.

    Attributes:
        locked: the locked version is there. `other`: locked, another version is there.
        extra: not locked, or there a second time.
        project: the team's own package.
    """

    locked: tuple[Pairing, ...]
    other: tuple[Pairing, ...]
    extra: tuple[Installed, ...]
    project: Installed | None


def installed(world: World) -> list[Installed]:
    """Every distribution of the site directory, sorted by name and folder."""
    found = []
    for path in world.top:
        top = path.removeprefix(world.site)
        ending = posixpath.splitext(top)[1]
        if ending not in _METADATA or (ending == ".dist-info" and world.inventory.entries[path].kind is Kind.FILE):
            continue
        stem = top.removesuffix(ending)
        name, _, version = (stem, "", "") if ending == ".egg-link" else stem.partition("-")
        if ending in (".egg-info", ".egg"):
            version = version.partition("-py")[0]
        found.append(Installed(normalise(name), version, path))
    return sorted(found, key=lambda item: (item.name, item.folder))


def split(world: World, pairs: tuple[tuple[Package, Wheel], ...]) -> Split:
    """Sort what is installed, and report what is missing, in another version, or there twice."""
    by_name: dict[str, list[Installed]] = defaultdict(list)
    for item in installed(world):
        by_name[item.name].append(item)
    locked, other, extra = [], [], []
    for package, wheel in pairs:
        items = by_name.pop(package.name, [])
        best = next((item for item in items if item.is_wheel and _same_version(item.version, package.version)), None)
        best = best or next((item for item in items if item.is_wheel), None) or (items[0] if items else None)
        if best is None:
            world.report(
                "package-missing", "is locked and not installed", package=package.name, expected=package.version
            )
            continue
        for item in items:
            if item is not best:
                _twice(world, item, best)
                extra.append(item)
        pairing = Pairing(package, wheel, best)
        if best.is_wheel and _same_version(best.version, package.version):
            locked.append(pairing)
        else:
            other.append(pairing)
            world.report(
                "package-version",
                f"{best.version or 'an unknown version'} is installed, {package.version} is locked",
                package=package.name,
                expected=package.version,
                found=best.version or None,
            )
    project = _project(world, by_name, extra)
    for items in by_name.values():
        extra.extend(items)
        for item in items[1:]:
            _twice(world, item, items[0])
    return Split(tuple(locked), tuple(other), tuple(extra), project)


def _project(world: World, by_name: dict[str, list[Installed]], extra: list[Installed]) -> Installed | None:
    project = world.lockfile.envctl.project
    if project is None:
        return None
    items = by_name.pop(normalise(project.name), [])
    if not items:
        world.report("project-missing", f"the project's own package {project.name} is not installed")
        return None
    for item in items[1:]:
        _twice(world, item, items[0])
        extra.append(item)
    return items[0]


def _twice(world: World, item: Installed, other: Installed) -> None:
    world.report(
        "package-duplicate",
        f"is there a second time, beside {world.shown(other.folder)}",
        package=item.name,
        path=item.folder,
        found=item.version or None,
    )


def _same_version(one: str, other: str) -> bool:
    if one == other:
        return True
    from packaging.version import Version

    try:
        return Version(one.replace("_", "-")) == Version(other)
    except ValueError:  # InvalidVersion, and of int() for numbers of 5,000 digits
        return False


def record(world: World, item: Installed) -> tuple[RecordEntry, ...] | None:
    """The rows of a package's RECORD; None where it is missing or none."""
    data = world.inventory.texts.get(f"{item.folder}/RECORD")
    if data is None:
        return None
    try:
        # what the wheel brought and pip writes anew (its notes, bytecode) pip lists twice
        own = item.folder.rpartition("/")[2]
        notes = frozenset(f"{own}/{name}" for name in INSTALLER_FILES)
        return parse_record(data, repeatable=lambda path: path in notes or is_bytecode(path))
    except ValueError:
        return None


def claim(world: World, item: Installed) -> int:
    """Let a package that is no locked one own what it lists, so that one finding speaks for all; how many files.

    Startup hooks and what a locked package owns stay what they are.
    """
    entries = world.inventory.entries
    claimed = [item.folder, *world.below(item.folder)]
    for row in record(world, item) or ():
        place = world.recorded_place(row.path)
        if place is not None and place in entries:
            claimed.append(place)
    claimed += [f"{world.site}{item.folder.rpartition('/')[2].removesuffix('.dist-info')}.virtualenv"]
    count = 0
    for path in claimed:
        entry = entries.get(path)
        if entry is not None and entry.kind is not Kind.FOLDER and path not in world.owners:
            world.own(path, item.name)
            count += 1
    return count
