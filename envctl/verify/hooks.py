"""Startup hooks: what the interpreter runs or reads before any program. Source: CPython's `site` module."""

from __future__ import annotations

import re
from collections.abc import Iterator

from envctl.model.inventory import Entry, Kind
from envctl.model.printable import printable
from envctl.verify.makers import OWNER
from envctl.verify.world import BASE, NOBODY, World

_CUSTOMIZE = re.compile(r"(?:sitecustomize|usercustomize)(?:/__init__)?(?:\.[^/]+)?\.(?:py|pyc|so)")
_ENDINGS = (".pth", ".py", ".pyc", ".so")
_SHOWN = 60


def is_hook(name: str) -> bool:
    """Whether a path, relative to a site directory, runs at every start."""
    if name.endswith(".pth"):
        return "/" not in name
    return "customize" in name and _CUSTOMIZE.fullmatch(name) is not None


def check(world: World, allowed: frozenset[str]) -> None:
    """Report hooks that nothing locked brought, and those of wheels that the lockfile does not allow.

    Args:
        allowed: owners that are no locked packages and may bring hooks: equal seeds, the project.
    """
    envctl = world.lockfile.envctl
    recorded = {(hook.path, hook.digest.removeprefix("sha256:")) for hook in envctl.hooks}
    policy = envctl.policy.startup_hooks
    locked = {package.name for package in world.lockfile.packages}
    for path, entry in sorted(_hooks(world), key=lambda item: item[0]):
        name = path.removeprefix(world.site)
        owner = world.owners.get(path)
        if owner in (OWNER, BASE) or owner in allowed:
            continue
        digest = entry.sha256
        if owner not in locked or digest is None:
            world.report("startup-hook-added", _what(world, path), path=path, found=_sha256(digest))
            world.owners[path] = owner or NOBODY
        elif (name, digest) not in recorded or (policy is not None and name not in policy):
            world.report(
                "startup-hook-unlisted",
                f"{_what(world, path)}; the lockfile does not allow it",
                package=owner,
                path=path,
                found=_sha256(digest),
            )


def _hooks(world: World) -> Iterator[tuple[str, Entry]]:
    end = len(world.site)
    entries = world.inventory.entries
    for top in world.top:
        if top.endswith(_ENDINGS) and is_hook(top[end:]) and entries[top].kind is not Kind.FOLDER:
            yield top, entries[top]
        elif top[end:] in ("sitecustomize", "usercustomize"):
            yield from ((path, entries[path]) for path in world.below(top) if is_hook(path[end:]))


def _sha256(digest: str | None) -> str | None:
    return None if digest is None else f"sha256:{digest}"


def _what(world: World, path: str) -> str:
    """What the hook does, in one line."""
    text = world.inventory.texts.get(path)
    if text is None or not path.endswith(".pth"):
        return "runs at every start of Python"
    lines = [line.strip() for line in text.decode("utf-8", "replace").splitlines()]
    code = [line for line in lines if line.startswith(("import ", "import\t"))]
    places = [line for line in lines if line and not line.startswith("#") and line not in code]
    if code:
        shown = printable(code[0])
        return f"runs at every start of Python: {shown[:_SHOWN]}{'…' if len(shown) > _SHOWN else ''}"
    if places:
        return f"adds a place to import from at every start of Python: {printable(places[0])[:_SHOWN]}"
    return "is read at every start of Python"
