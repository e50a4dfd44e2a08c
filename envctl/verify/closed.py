"""The closed world: links, permissions, kinds of files, and everything that nobody owns."""

from __future__ import annotations

from envctl.model.finding import Severity
from envctl.model.inventory import Entry, Kind
from envctl.verify.makers import OWNER, package_of
from envctl.verify.world import BASE, NOBODY, World
from envctl.verify.writable import Writable, is_code, is_machine_code, reason

_SET_ID = 0o6000
_WORLD_WRITABLE = 0o002
_STICKY = 0o1000
_LISTED = 20


def check(world: World) -> None:
    """Report what is left when every owner has been heard."""
    if world.lib64:
        world.own("lib64", OWNER)
    _check_problems(world)
    writable = Writable(world)
    links, special, risky = _odd(world)
    _check_links(world, writable, links)
    _check_special(world, special)
    _check_permissions(world, risky)
    for mount in world.inventory.mounts:
        _check_mount(world, writable, mount)
    _check_owners(world, writable)


_Entries = list[tuple[str, Entry]]


def _check_mount(world: World, writable: Writable, mount: str) -> None:
    """What is mounted into a container is not read: an error, but over nothing except data that programs write."""
    message, severity = "another file system is mounted here", None
    if world.picture is not None:
        hides = any(path.startswith(f"{mount}/") for path in world.owners)
        severity = Severity.WARNING if writable.over(mount) and not hides else Severity.ERROR
        message += ", and what it holds was not verified"
    world.report("mount", message, severity=severity, path=mount)


def _odd(world: World) -> tuple[_Entries, _Entries, _Entries]:
    """Links; pipes, sockets and devices; files and folders with permissions to look at."""
    links: _Entries = []
    special: _Entries = []
    risky: _Entries = []
    for path, entry in world.inventory.entries.items():
        if entry.kind is Kind.LINK:
            links.append((path, entry))
        elif entry.kind is not Kind.FILE and entry.kind is not Kind.FOLDER:
            special.append((path, entry))
        elif entry.mode & (_SET_ID | _WORLD_WRITABLE):
            risky.append((path, entry))
    return links, special, risky


def _check_problems(world: World) -> None:
    for problem in world.inventory.problems:
        package = _package(world, problem.path)
        world.own(problem.path, NOBODY)
        world.report("unreadable", problem.reason, package=package, path=problem.path)


def _package(world: World, path: str) -> str | None:
    """The package that brought the path."""
    return package_of(world.owners.get(path))


def _check_links(world: World, writable: Writable, links: _Entries) -> None:
    """Links that leave the tree. What an installer linked instead of copying is one warning for all of it."""
    linked: list[str] = []
    for path, entry in links:
        owner = world.owners.get(path)
        if owner in (OWNER, BASE) or (owner is None and writable.allows(path, entry)):
            continue
        inside = entry.real is not None and entry.real.startswith(world.inventory.real_root + "/")
        if owner is not None and entry.sha256 is not None and not inside:
            linked.append(path)
        elif owner is None or not inside:
            _leads_outside(world, writable, path, entry)
    copied = _copied(world, {world.owners[path] for path in linked})
    for path in linked:
        if world.owners[path] in copied:  # no installer links one file of a package and copies another
            _leads_outside(world, writable, path, world.inventory.entries[path])
    linked = [path for path in linked if world.owners[path] not in copied]
    if linked:
        owners = {world.owners[path] for path in linked}
        what = f"{len(linked):,} files of {len(owners):,} packages are links" if len(linked) > 1 else "is a link"
        message = f"{what} to files outside of the environment"
        first = min(linked)
        world.report("link-mode", f"{message}: {first}", found=world.inventory.entries[first].real)


def _leads_outside(world: World, writable: Writable, path: str, entry: Entry) -> None:
    world.own(path, NOBODY)
    where = entry.link or "nowhere"
    message = f"leads to {where}"
    if writable.holds(path) and is_code(path, entry):
        message += " and has the name of code, which `writable` never allows"
    world.report("link-outside", message, path=path, found=where)


def _copied(world: World, owners: set[str]) -> set[str]:
    """Those of the owners of whose modules and data some are regular files."""
    found: set[str] = set()
    for path, owner in world.owners.items() if owners else ():
        if owner in owners and path.startswith(world.site) and ".dist-info/" not in path and not path.endswith(".pyc"):
            entry = world.entry(path)
            if entry is not None and entry.kind is Kind.FILE:
                found.add(owner)
    return found


def _check_special(world: World, special: _Entries) -> None:
    for path, entry in special:
        world.own(path, NOBODY)
        world.report("special-file", f"is a {entry.kind.value}", path=path)


def _check_permissions(world: World, risky: _Entries) -> None:
    writable = []
    for path, entry in risky:
        if world.owners.get(path) == BASE:
            continue
        if entry.kind is Kind.FILE and entry.mode & _SET_ID:
            mode = f"{entry.mode:04o}"
            world.report("setuid", f"has mode {mode}", package=_package(world, path), path=path, found=mode)
        if _anyone_may_write(entry) and not _is_lock(path, entry):
            writable.append(path)
    writable.sort()
    for path in writable[:_LISTED]:
        mode = f"{world.inventory.entries[path].mode:04o}"
        world.report("world-writable", "any user may write to it", package=_package(world, path), path=path, found=mode)
    if len(writable) > _LISTED:
        world.report(
            "world-writable", f"any user may write to {len(writable) - _LISTED:,} more files and folders", path="."
        )


def _anyone_may_write(entry: Entry) -> bool:
    return bool(entry.mode & _WORLD_WRITABLE) and (entry.kind is not Kind.FOLDER or not entry.mode & _STICKY)


def _is_lock(path: str, entry: Entry) -> bool:
    """uv's lock, which it makes empty and open to all, so that users can share an environment."""
    return path == ".lock" and entry.kind is Kind.FILE and entry.size == 0


def _check_owners(world: World, writable: Writable) -> None:
    owners = world.owners
    left = [
        path for path, entry in world.inventory.entries.items() if path not in owners and entry.kind is not Kind.FOLDER
    ]
    for path in sorted(left):
        entry = world.inventory.entries[path]
        if _is_lock(path, entry) or writable.allows(path, entry):
            continue
        digest = None if entry.sha256 is None else f"sha256:{entry.sha256}"
        if path.endswith(".pyc"):
            world.report("bytecode-sourceless", "is loaded without a source", path=path, found=digest)
        else:
            what = reason(path) if writable.holds(path) or is_machine_code(path) else _added(path)
            world.report("file-added", what, path=path, found=digest)


def _added(path: str) -> str:
    if path.startswith("bin/"):
        return "is a program that no locked wheel and no maker of environments known to this version writes"
    return "belongs to no locked wheel"
