"""What the RECORD of an installed package lists, reduced to what a manifest counts. No hash is needed for that."""

from __future__ import annotations

import re
from collections.abc import Mapping

import msgspec

from envctl.model.inventory import Inventory
from envctl.model.lockfile import Lockfile
from envctl.model.manifest import BIN, Manifest
from envctl.model.platform import Platform
from envctl.model.record import RecordEntry, bytecode_source, entry_point_scripts
from envctl.verify.packages import Installed, installed, record
from envctl.verify.scripts import Script
from envctl.verify.world import World

_VERSIONED_OF = frozenset(("bin/pip", "bin/easy_install"))
_VERSIONED = re.compile(r"bin/(?:pip|easy_install)-?\d+(?:\.\d+)?")


class Listing(msgspec.Struct, frozen=True, kw_only=True):
    """One package's list.

    Attributes:
        text: RECORD itself.
        places: manifest path -> place on disk, in the order of a manifest. `scripts`: those of them that are in `bin`.
        rows: place -> RECORD's row. `outside`: how many rows leave the environment.
        entry_points: `bin/NAME` -> `module:function`.
        variants: further names of pip's own script, which installers add.
    """

    text: bytes
    places: Mapping[str, str]
    scripts: tuple[tuple[str, str], ...]
    rows: Mapping[str, RecordEntry]
    entry_points: Mapping[str, str]
    variants: tuple[str, ...]
    outside: int


def prepare(lockfile: Lockfile, platform: Platform, draft: Inventory) -> dict[str, Listing]:
    """The listing of every installed package by its metadata's folder, from an inventory that has no hashes yet."""
    world = World(lockfile, platform, draft)
    wheels = {package.name: wheel.name for package, wheel in lockfile.select(platform)}
    found = {}
    for item in installed(world):
        listing = listing_of(world, item, wheels.get(item.name, unlocked(item)))
        if listing is not None:
            found[item.folder] = listing
    return found


def unlocked(item: Installed) -> str:
    """What stands for the wheel's file name where no wheel is locked."""
    return f"{item.name}-0"


def listing_of(world: World, item: Installed, wheel: str) -> Listing | None:
    """Reduce a package's RECORD; None where there is none. `wheel` is the wheel's file name."""
    text = world.inventory.texts.get(f"{item.folder}/RECORD", b"")
    prepared = world.prepared.get(item.folder)
    if prepared is not None and prepared.text is text:
        return prepared
    rows = record(world, item)
    if rows is None:
        return None
    entry_points = entry_points_of(world, item)
    notes = item.notes
    placed = {place: row for row in rows if (place := world.recorded_place(row.path)) is not None}
    variants = _variants(world, entry_points)
    places = {}
    for place, row in placed.items():
        if place in notes or bytecode_source(place) in placed or (place in variants and place not in entry_points):
            continue
        # A wheel's data for lib64 stays that in its manifest, though it lies in lib.
        spelled = world.recorded_as(row.path) if world.lib64 and "lib64/" in row.path else None
        places[world.manifest_path(spelled or place, item.name, wheel)] = place
    for path in entry_points:
        if path not in placed and _VERSIONED.fullmatch(path) and placed.keys() & variants:
            places[path] = min(placed.keys() & variants)
    return Listing(
        text=text,
        places=Manifest.of(places).files,
        scripts=tuple((path, place) for path, place in places.items() if place.startswith(BIN)),
        rows=placed,
        entry_points=entry_points,
        variants=tuple(variants),
        outside=len(rows) - len(placed),
    )


def entry_points_of(world: World, item: Installed) -> dict[str, str]:
    """The scripts that its entry_points.txt asks for: `bin/NAME` -> `module:function`."""
    try:
        return entry_point_scripts(world.inventory.texts.get(f"{item.folder}/entry_points.txt", b""))
    except ValueError:
        return {}


def _variants(world: World, entry_points: Mapping[str, str]) -> frozenset[str]:
    """Scripts under names of pip (and of old setuptools) that installers make for the Python they install for.

    The wheel may name others in their place, those of the Python it was built with: installers leave these out.
    """
    minor = world.inventory.interpreter.minor
    if minor is None or not _VERSIONED_OF & entry_points.keys():
        return frozenset()
    found = set()
    for name in _VERSIONED_OF & entry_points.keys():
        for mark in ("", "-"):
            for version in (f"{minor[0]}", f"{minor[0]}.{minor[1]}"):
                place = f"{name}{mark}{version}"
                script = Script.of(world.inventory.texts.get(place, b""))
                if script is not None and script.starter in world.starters and script.target() == entry_points[name]:
                    found.add(place)
    return frozenset(found)
