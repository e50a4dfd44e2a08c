"""The team's own package, installed editable: its metadata, and the .pth file that leads to its sources.

It is not locked, and its code lies outside of the environment: `scope` leaves it out. What is checked is that its
installation is nothing else than that. Sources: PEP 610 (direct_url.json), PEP 660 (editable installs).
"""

from __future__ import annotations

import json
import os
from urllib.parse import unquote, urlsplit

from envctl.model.inventory import Kind
from envctl.verify import finder
from envctl.verify.listing import entry_points_of
from envctl.verify.packages import Installed, Split, claim, record
from envctl.verify.scripts import Script
from envctl.verify.world import World

_CODE = (".py", ".pyc", ".pyo", ".so", ".pth", ".egg-link")


def check(world: World, split: Split, folder: str | None) -> None:
    """Report editable installs of anything but the project, and a project that is installed in another way.

    `folder` is the project's, absolute, with links followed; None where it is not known.
    """
    for item in [*(pairing.installed for pairing in (*split.locked, *split.other)), *split.extra]:
        place = editable_from(world, item)
        if place is not None:
            path = f"{item.folder}/direct_url.json"
            world.report("package-editable", f"says that its code is in {place}", package=item.name, path=path)
    if split.project is not None:
        _check_own(world, split.project, folder)


def editable_from(world: World, item: Installed) -> str | None:
    """The folder that an editable install says it was made from; None where it is no editable install."""
    try:
        said = json.loads(world.inventory.texts.get(f"{item.folder}/direct_url.json", b"{}"))
        if said.get("dir_info", {}).get("editable") is not True:
            return None
        url = urlsplit(said["url"])
        return unquote(url.path, errors="surrogateescape") if url.scheme == "file" else str(said["url"])
    except (ValueError, KeyError, AttributeError, TypeError, RecursionError):
        return "an unknown place" if b"editable" in world.inventory.texts[f"{item.folder}/direct_url.json"] else None


def _check_own(world: World, item: Installed, folder: str | None) -> None:
    project = world.lockfile.envctl.project
    place = editable_from(world, item)
    if place is None and world.picture is not None:
        claim(world, item)  # in an image it is a wheel, built from the project; scope leaves it out
        return
    if place is None:
        if project is not None and not project.editable:
            count = claim(world, item)
            world.report("project-copied", f"its {count:,} files are not locked", package=item.name, path=item.folder)
        else:
            claim(world, item)
            world.report(
                "package-editable",
                "is installed, but not editable from its folder",
                package=item.name,
                path=item.folder,
            )
        return
    if folder is not None and os.path.normpath(place) != folder:
        world.report(
            "package-editable", f"says that its code is in {place}", package=item.name, expected=folder, found=place
        )
    _own_metadata(world, item)
    _own_scripts(world, item)
    _own_paths(world, item, os.path.normpath(place))


def _own_metadata(world: World, item: Installed) -> None:
    for path in world.below(item.folder):
        if world.inventory.entries[path].kind is Kind.FILE and not path.endswith(_CODE):
            world.own(path, item.name)


def _own_scripts(world: World, item: Installed) -> None:
    for path, target in entry_points_of(world, item).items():
        script = Script.of(world.inventory.texts.get(path, b""))
        if script is not None and script.target() == target and script.starter in world.starters:
            world.own(path, item.name)


def _own_paths(world: World, item: Installed, folder: str) -> None:
    """The .pth files that its RECORD lists: only folders of the project, or a known build backend's finder."""
    for row in record(world, item) or ():
        path = world.recorded_place(row.path)
        if path is None or not path.startswith(world.site) or "/" in path.removeprefix(world.site):
            continue
        if path == f"{world.site}.gitignore":  # pdm-backend
            world.own(path, item.name)
        text = world.inventory.texts.get(path)
        if text is None or not path.endswith(".pth"):
            continue
        lines = [line.strip() for line in text.decode("utf-8", "surrogateescape").splitlines() if line.strip()]
        world.own(path, item.name)
        if all(finder.inside(line, folder) for line in lines):
            continue
        module = f"{world.site}{finder.module_of(lines)}.py"
        world.own(module, item.name)
        if not finder.is_known(world.inventory.texts.get(module, b""), folder):
            world.report("editable-hook", "runs code that is no known build backend's", package=item.name, path=path)
