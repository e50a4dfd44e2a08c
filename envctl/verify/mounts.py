"""What is mounted into a container over places that count: nothing vouches for what a mount brings. Pure."""

from __future__ import annotations

from collections.abc import Mapping

from envctl.model.finding import Severity
from envctl.model.image import Picture
from envctl.model.inventory import Entry
from envctl.verify.places import DRIVER, is_code
from envctl.verify.rootfs import first_places, locked_places
from envctl.verify.world import World


def check(world: World, picture: Picture) -> None:
    """Report mounts over the environment as a whole, over code, and over locked files; those inside are `closed`'s."""
    prefix = picture.environment.prefix if picture.environment is not None else None
    entries: Mapping[str, Entry] = {} if picture.root is None else picture.root.entries
    for mount in picture.mounts:
        place = mount.strip("/")
        if prefix is not None and f"{place}/".startswith(f"{prefix}/") and place != prefix:
            continue
        severity = _severity(world, picture, entries, place)
        if severity is not None:
            world.report("mount", _WHAT[severity], severity=severity, path=mount)


_WHAT = {
    Severity.ERROR: "another file system is mounted here",
    Severity.WARNING: "another file system is mounted here, and what it holds was not verified",
}


def _severity(world: World, picture: Picture, entries: Mapping[str, Entry], place: str) -> Severity | None:
    start = f"{place}/" if place else ""
    prefix = picture.environment.prefix if picture.environment is not None else None
    if DRIVER.fullmatch(place):
        return Severity.WARNING
    over = [*locked_places(world), *([prefix] if prefix is not None else [])]
    if any(f"{path}/".startswith(start) for path in over) or any(start.startswith(f"{path}/") for path in over):
        return Severity.ERROR
    if is_code(place) or any(path.startswith(start) and is_code(path) for path in entries):
        return Severity.ERROR
    if any(f"{path}/".startswith(start) for path in first_places(picture)):
        return Severity.WARNING
    return None
