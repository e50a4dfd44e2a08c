"""Which folders `[policy] writable` may name: under the environment's prefix, and none from which code is taken."""

from __future__ import annotations

import re

RUNTIME = "share/jupyter/runtime"
_ANY = re.compile(r"[*?\[\]{}~$]")
_PROGRAMS = frozenset(("bin", "sbin", "libexec", "scripts", "include", "etc"))
_LIBRARIES = frozenset(("lib", "lib32", "lib64", "libx32"))
_IMPORTED = re.compile(r"(?:python|pypy|graalpy)\d*(?:\.\d+)?t?")
_SITES = frozenset(("site-packages", "dist-packages"))


def unfit(place: str) -> str | None:
    """Why a relative path (its parts joined by `/`, none of them `.` or `..`) may not be named; None where it may.

    Both who reads a profile and who verifies ask this, so a lockfile that was edited by hand allows no more.
    """
    parts = place.split("/")
    if place.startswith("/") or any(part in ("", ".", "..") for part in parts) or "\\" in place:
        return "is not a path under the environment"
    if _ANY.search(place):
        return "is a pattern, which nothing expands here"
    top = parts[0].lower()
    if top in _PROGRAMS:
        return f"is in {parts[0]}, which holds programs, headers or configuration"
    if top in _LIBRARIES:
        return _of_library(parts)
    if parts[:2] == ["share", "jupyter"] and not f"{place}/".startswith(f"{RUNTIME}/"):
        return "holds Jupyter's kernels, extensions and templates, which are code and configuration"
    return None


def _of_library(parts: list[str]) -> str | None:
    if parts[0] != "lib":
        return f"is in {parts[0]}, which holds libraries"
    if len(parts) == 1:
        return "holds the modules that Python imports"
    if not _IMPORTED.fullmatch(parts[1]):
        return None
    inside = len(parts) > 4 and parts[2] in _SITES and not parts[3].endswith((".dist-info", ".egg-info", ".egg"))
    return None if inside else "holds modules that Python imports"
