"""The files of each installed package against its manifest.

Files whose hashes give the locked content digest need no further word. Where they do not, a manifest that hashes to
the locked digest names the file: reduced from the RECORD that stands there, else from the provider.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Mapping

from envctl.model.finding import Severity
from envctl.model.inventory import Kind
from envctl.model.manifest import BIN, INCLUDE, Manifest
from envctl.model.record import is_bytecode
from envctl.verify.listing import Listing, entry_points_of, listing_of, unlocked
from envctl.verify.packages import Installed, Pairing, claim
from envctl.verify.scripts import Script, entry_point_digest
from envctl.verify.world import Manifests, World

Strip = Callable[[World, Script], bool]
# Which scripts count without their first line: those that start this environment's interpreter. Where that does not
# give the locked digest, the first line may have been edited: then those that start some Python, then all.
STRIP: tuple[Strip, ...] = (
    lambda world, script: script.starter in world.starters,
    lambda _, script: b"python" in script.starter.lower(),
    lambda _, __: True,
)


def check(world: World, pairing: Pairing, manifests: Manifests) -> str:
    """Compare one package's files with the locked content digest; the content digest of what was found."""
    package, wheel, item = pairing.package, pairing.wheel, pairing.installed
    locked = package.content[wheel.name]
    for path in item.notes:
        if path in world.inventory.entries:
            world.own(path, package.name)
    listing = listing_of(world, item, wheel.name)
    if listing is not None:
        for strip in STRIP:
            found = _actual(world, listing, strip)
            if found.digest() == locked:
                _take(world, package.name, listing)
                _check_scripts(world, package.name, found, listing.scripts, listing.entry_points)
                _check_record(world, package.name, item, listing)
                return locked
    reduced = _recorded(world, listing, locked) if listing is not None else None
    manifest = reduced or manifests(package, wheel)
    if manifest is not None and manifest.digest() != locked:
        manifest = None  # a provider that answers something else is no provider
    if reduced is None:
        world.report(
            "record-changed",
            _record_state(world, item, listing),
            package=package.name,
            path=f"{item.folder}/RECORD",
        )
    if manifest is None:
        if listing is not None:
            _take(world, package.name, listing)
        claim(world, item)
        found = _actual(world, listing, STRIP[0]) if listing is not None else Manifest({})
        world.report(
            "package-contents",
            "its files are not the locked wheel's; which ones cannot be said",
            package=package.name,
            expected=locked,
            found=found.digest(),
        )
        return found.digest()
    return _name(world, pairing, manifest, listing, agreed=reduced is None)


def found_digest(world: World, item: Installed, wheel: str) -> str:
    """The content digest of a package that is no locked one, by what it lists."""
    listing = listing_of(world, item, wheel)
    return (_actual(world, listing, STRIP[0]) if listing is not None else Manifest({})).digest()


def equals(world: World, item: Installed, manifest: Manifest) -> bool:
    """Whether an installed package is, file for file, what a manifest lists; then its files are its own."""
    listing = listing_of(world, item, unlocked(item))
    if listing is None:
        return False
    for strip in STRIP:
        found = _actual(world, listing, strip)
        if found.files == manifest.files:
            _take(world, item.name, listing)
            _check_scripts(world, item.name, found, listing.scripts, listing.entry_points)
            for path in item.notes:
                if path in world.inventory.entries:
                    world.own(path, item.name)
            return True
    return False


def _entry_point_digest(script: Script | None) -> str | None:
    """What a manifest counts for a script that is, as a whole, what an installer writes for an entry point."""
    target = script.target() if script is not None else None
    return None if target is None else entry_point_digest(target)


def _script_digest(world: World, place: str, strip: Strip) -> str | None:
    """What a manifest counts for a script of the wheel as it stands there; None where there is no file."""
    script = Script.of(world.inventory.texts.get(place, b""))
    if script is not None and strip(world, script):
        return hashlib.sha256(script.body).hexdigest()
    return world.sha256(place)


def _actual(world: World, listing: Listing, strip: Strip) -> Manifest:
    """The manifest of the files as they stand there; missing ones are left out."""
    entries = world.inventory.entries
    files = {
        path: entry.sha256
        for path, place in listing.places.items()
        if (entry := entries.get(place)) is not None and entry.sha256 is not None
    }
    for path, place in listing.scripts:
        if path not in files:
            continue
        if path in listing.entry_points:
            digest = _entry_point_digest(Script.of(world.inventory.texts.get(place, b"")))
        else:
            digest = _script_digest(world, place, strip)
        files[path] = digest or files[path]
    return Manifest(files)


def _recorded(world: World, listing: Listing, locked: str) -> Manifest | None:
    """The manifest that RECORD tells, where it hashes to the locked digest.

    RECORD has the digests of scripts as installers wrote them: for those that agree with it, the file tells the rest.
    """
    for strip in STRIP:
        files = {}
        for path, place in listing.places.items():
            digest = listing.rows[place].sha256 or world.sha256(place)
            if path in listing.entry_points:
                digest = entry_point_digest(listing.entry_points[path])
            elif place.startswith(BIN) and digest == world.sha256(place):
                digest = _script_digest(world, place, strip)
            if digest is not None:
                files[path] = digest
        manifest = Manifest.of(files)
        if manifest.digest() == locked:
            return manifest
    return None


def _record_state(world: World, item: Installed, listing: Listing | None) -> str:
    if listing is not None:
        return "RECORD does not give the locked content digest"
    there = f"{item.folder}/RECORD" in world.inventory.entries
    return "RECORD cannot be read as one" if there else "RECORD is missing"


def _name(world: World, pairing: Pairing, manifest: Manifest, listing: Listing | None, *, agreed: bool) -> str:
    """Name every file that differs from the manifest; the content digest of what stands there."""
    package = pairing.package.name
    listed = listing.places if listing is not None else {}
    places = {
        # RECORD may say under which other name a script or the folder of headers stands, where it must then be;
        # it has no say in where other files are.
        path: (listed.get(path) if path.startswith((BIN, INCLUDE)) else None) or world.place(path, package)
        for path in manifest.files
    }
    for place in listing.variants if listing is not None else ():
        world.own(place, package)
    entry_points = entry_points_of(world, pairing.installed)
    found: dict[str, str] = {}
    for path, expected in manifest.files.items():
        place = places[path]
        world.own(place, package)
        digest = world.sha256(place)
        if place.startswith(BIN):
            script = Script.of(world.inventory.texts.get(place, b""))
            options = [_entry_point_digest(script), *(_script_digest(world, place, strip) for strip in STRIP)]
            digest = expected if expected in options else digest
        if digest is not None:
            found[path] = digest
        if digest != expected:
            _report(world, package, place, expected, listing, agreed=agreed)
    scripts = [(path, place) for path, place in places.items() if place.startswith(BIN)]
    _check_scripts(world, package, Manifest.of(found), scripts, entry_points)
    return Manifest.of(found).digest()


def _report(world: World, package: str, place: str, expected: str, listing: Listing | None, *, agreed: bool) -> None:
    entry, digest = world.entry(place), world.sha256(place)
    if entry is None or entry.kind is Kind.FOLDER:
        world.report("file-removed", "is missing", package=package, path=place, expected=f"sha256:{expected}")
        return
    if digest is None:
        # A file that cannot be read is reported as such, a pipe where its kind is looked at, where links out of the
        # tree are reported too; but nobody else says that no file is behind a link to a folder inside.
        if entry.kind is Kind.LINK:
            message = f"is a link to {entry.link}, which is no file"
            world.report("file-removed", message, package=package, path=place, expected=f"sha256:{expected}")
        return
    row = listing.rows.get(place) if listing is not None else None
    disguised = agreed and row is not None and row.sha256 == digest
    tail = ", RECORD was made to agree" if disguised else ""
    if place.startswith(BIN) and place in (listing.entry_points if listing is not None else ()):
        message = "is not what any known installer writes for this entry point" + tail
        world.report("script-changed", message, package=package, path=place, found=f"sha256:{digest}")
        return
    name = "script-changed" if place.startswith(BIN) else "file-changed"
    world.report(
        name,
        "content differs from the wheel's" + tail,
        package=package,
        path=place,
        expected=f"sha256:{expected}",
        found=f"sha256:{digest}",
    )


def _take(world: World, package: str, listing: Listing) -> None:
    world.owners.update(dict.fromkeys(listing.places.values(), package))
    world.owners.update(dict.fromkeys(listing.variants, package))


def _check_scripts(
    world: World,
    package: str,
    found: Manifest,
    scripts: Iterable[tuple[str, str]],
    entry_points: Mapping[str, str],
) -> None:
    """Whether each script starts this environment's interpreter, where installers make it so, and can be executed."""
    for path, place in scripts:
        entry, digest = world.entry(place), found.files.get(path)
        if entry is None or digest is None:
            continue
        script = Script.of(world.inventory.texts.get(place, b""))
        if script is None:
            continue
        made = place in entry_points or digest != world.sha256(place)
        if made and script.starter not in world.starters:
            starter = script.starter.decode("utf-8", "replace")
            world.report(
                "script-interpreter",
                f"starts {starter}",
                package=package,
                path=place,
                expected=f"{world.inventory.root}/bin/python",
                found=starter,
            )
        if not entry.mode & 0o100:
            # pip takes the bit from the wheel's archive for the wheel's own scripts, and sets it for entry points.
            severity = Severity.ERROR if place in entry_points else Severity.WARNING
            message = "its owner may not execute it"
            world.report("script-not-executable", message, severity=severity, package=package, path=place)


def _check_record(world: World, package: str, item: Installed, listing: Listing) -> None:
    """The files are right: RECORD must not say otherwise."""
    entries = world.inventory.entries
    wrong = [
        place
        for place, row in listing.rows.items()
        if row.sha256 is not None
        and ((entry := entries.get(place)) is None or row.sha256 != entry.sha256)
        and not place.startswith(BIN)
        and not is_bytecode(place)
        and place not in item.notes
    ]
    message = None
    if wrong:
        more = f" and {len(wrong) - 1} more" if len(wrong) > 1 else ""
        message = f"RECORD has another digest for {world.shown(wrong[0])}{more}"
    elif listing.outside:
        message = f"RECORD lists {listing.outside} files outside of the environment"
    if message is not None:
        world.report("record-changed", message, package=package, path=f"{item.folder}/RECORD")
