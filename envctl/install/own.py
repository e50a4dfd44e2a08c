"""The team's own package (`project` of the profile): where it is, and whether an environment holds it as it is now."""

from __future__ import annotations

import contextlib
from pathlib import Path

from envctl.errors import UsageError
from envctl.install.build import OwnPackage
from envctl.install.contents import editable_at, installed, source_folder
from envctl.model.lockfile import Lockfile

# Files of which the installed metadata and scripts are made; an editable install follows the sources by itself.
_MADE_OF = ("pyproject.toml", "setup.cfg", "setup.py")


def package(project: Path, lockfile: Lockfile, *, offline: bool, links: Path | None) -> OwnPackage | None:
    """What the lockfile says about it, None where there is none; UsageError when its folder is missing."""
    said = lockfile.envctl.project
    if said is None:
        return None
    folder = (project / said.path).resolve()
    if not any((folder / name).is_file() for name in _MADE_OF):
        raise UsageError(
            f"the project's own package {said.name} is not there",
            file=said.path,
            expected=f"a folder with {_MADE_OF[0]}",
            hint="`--no-project` leaves it out",
        )
    return OwnPackage(project=said, folder=folder, offline=offline, links=links)


def drift(venv: Path, lockfile: Lockfile, own: OwnPackage | None) -> tuple[str, ...]:
    """Why an environment does not hold the package as wanted; nothing where it does, or where it has none to hold."""
    said = lockfile.envctl.project
    if said is None:
        return ()
    there = said.name in installed(venv)
    if own is None:
        return (f"{said.name} is there, and is not wanted",) if there else ()
    info = editable_at(venv, said.name)
    if info is None or source_folder(info) != own.folder:
        return (f"{said.name} is not installed from {said.path}",)
    made = _newest(info, ("METADATA",))
    if made is None or (_newest(own.folder, _MADE_OF) or 0) > made:
        return (f"{said.path} changed since {said.name} was installed",)
    return ()


def _newest(folder: Path, names: tuple[str, ...]) -> int | None:
    times = []
    for name in names:
        with contextlib.suppress(OSError):
            times.append((folder / name).stat().st_mtime_ns)
    return max(times, default=None)
