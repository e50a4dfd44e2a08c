"""Where in the repository what a finding is about was written down: lines of the lockfile, and of the profile."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import TypeVar

from envctl.errors import EnvctlError
from envctl.lockfile.read import parse_lockfile
from envctl.model.finding import Report
from envctl.model.lockfile import Lockfile
from envctl.profile.positions import positions
from envctl.report.interface import Place, Places
from envctl.system.files import read_bytes

_T = TypeVar("_T")
# What findings of a kind are about -> keys that say it, in a profile and in the lockfile, the nearest first.
_PROFILE = {
    "ENV3": ("python",),
    "ENV4": ("policy.startup-hooks", "policy"),
    "ENV5": ("image", "image.base"),
    "ENV6": ("image.files", "image"),
}
_LOCKFILE = {
    "ENV3": ("tool.envctl.python",),
    "ENV4": ("tool.envctl.policy", "tool.envctl.hooks"),
    "ENV5": ("tool.envctl.image",),
    "ENV6": ("tool.envctl.files", "tool.envctl.image.files", "tool.envctl.image"),
}


def places(project: Path, report: Report) -> Places:
    """The lines that findings of a report point to; the lockfile's first line where nothing better can be read."""
    root = _repository(project)
    lock = _from_root(root, project / report.lock.file)
    try:
        data = read_bytes(project / report.lock.file)
        lockfile = parse_lockfile(data, shown=report.lock.file)
        lines = positions(data.decode("utf-8-sig"))
    except (EnvctlError, OSError, UnicodeDecodeError):
        return Places(lock=Place(lock))
    packages: dict[str, Place] = {}
    for number, package in enumerate(lockfile.packages):
        line = lines.get(f"packages[{number}]", 1)
        packages.setdefault(package.name, Place(lock, line))
    written = {kind: Place(lock, line) for kind, line in _nearest(_LOCKFILE, lines).items()}
    return Places(lock=Place(lock), packages=packages, settings={**written, **_profile(project, root, lockfile)})


def _profile(project: Path, root: Path, lockfile: Lockfile) -> dict[str, Place]:
    """What the target's profile says, where there is one and it can be read; the lockfile alone suffices."""
    from envctl.profile import assemble, resolve_name

    try:
        inputs, _, _ = assemble(project, resolve_name(project, lockfile.target))
    except (EnvctlError, OSError):
        return {}
    found = _nearest(_PROFILE, inputs.line_of)
    return {kind: Place(_from_root(root, project / file), line) for kind, (file, line) in found.items()}


def _nearest(wanted: Mapping[str, tuple[str, ...]], known: Mapping[str, _T]) -> dict[str, _T]:
    """Kind -> the value of its first key that is known; a table that is known by its keys alone is its first one."""
    found = {}
    for kind, keys in wanted.items():
        for key in keys:
            place = known.get(key) or next((known[k] for k in known if k.startswith((f"{key}.", f"{key}["))), None)
            if place is not None:
                found[kind] = place
                break
    return found


def _repository(project: Path) -> Path:
    """The folder that has `.git`, from the project's upwards; the project's where there is none."""
    here = Path(os.path.realpath(project))
    return next((folder for folder in (here, *here.parents) if (folder / ".git").exists()), here)


def _from_root(root: Path, path: Path) -> str:
    """A path as a repository spells it; absolute where it lies outside."""
    real = Path(os.path.realpath(path.parent)) / path.name
    return real.relative_to(root).as_posix() if real.is_relative_to(root) else real.as_posix()
