"""What an environment holds by its own word (names of dist-info folders, pyvenv.cfg), and how that is to change.

For telling people what a sync changes, never for deciding whether an environment is right: verifying does that.
"""

from __future__ import annotations

import contextlib
import json
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from urllib.parse import unquote, urlsplit

import msgspec

from envctl.errors import InvalidFile
from envctl.model.names import normalise
from envctl.system.files import read_bytes

_SMALL = 2**20


class Named(msgspec.Struct, frozen=True, order=True):
    """A distribution."""

    name: str
    version: str


class Moved(msgspec.Struct, frozen=True, order=True):
    """A distribution that changes its version."""

    name: str
    old: str = msgspec.field(name="from")
    new: str = msgspec.field(name="to")


class Changes(msgspec.Struct, frozen=True):
    """From one set of distributions to another, each sorted by name."""

    added: tuple[Named, ...] = ()
    removed: tuple[Named, ...] = ()
    changed: tuple[Moved, ...] = ()


def changes(old: Mapping[str, str], new: Mapping[str, str]) -> Changes:
    """What differs between two sets of distributions, name -> version."""
    return Changes(
        added=tuple(Named(name, new[name]) for name in sorted(new.keys() - old.keys())),
        removed=tuple(Named(name, old[name]) for name in sorted(old.keys() - new.keys())),
        changed=tuple(
            Moved(name, old[name], new[name]) for name in sorted(new.keys() & old.keys()) if new[name] != old[name]
        ),
    )


def installed(venv: Path) -> dict[str, str]:
    """Normalised name -> version of every distribution that the environment names."""
    return {name: version for name, version, _ in _dist_infos(venv)}


def python_version(venv: Path) -> str | None:
    """X.Y.Z as pyvenv.cfg says it: `version_info` (uv, virtualenv) or `version` (venv); None where it says nothing."""
    with contextlib.suppress(OSError, InvalidFile):
        text = read_bytes(venv / "pyvenv.cfg", limit=_SMALL).decode("utf-8", "replace")
        values = {
            key.strip().lower(): value.strip() for key, _, value in (line.partition("=") for line in text.split("\n"))
        }
        match = re.match(r"\d+\.\d+\.\d+", values.get("version_info") or values.get("version", ""))
        return match[0] if match else None
    return None


def editable_at(venv: Path, name: str) -> Path | None:
    """The dist-info of a package that is installed from a local folder (direct_url.json), None where it is not so."""
    for found, _, folder in _dist_infos(venv):
        if found == name and (folder / "direct_url.json").is_file():
            return folder
    return None


def source_folder(dist_info: Path) -> Path | None:
    """The folder that direct_url.json names (PEP 610), None for anything else."""
    with contextlib.suppress(OSError, InvalidFile, ValueError, KeyError, TypeError, AttributeError):
        url = urlsplit(json.loads(read_bytes(dist_info / "direct_url.json", limit=_SMALL))["url"])
        return Path(unquote(url.path)) if url.scheme == "file" else None
    return None


def _dist_infos(venv: Path) -> Iterator[tuple[str, str, Path]]:
    for site in sorted(venv.glob("lib/python3.*/site-packages")):
        for folder in sorted(site.glob("*.dist-info")):
            name, _, version = folder.name.removesuffix(".dist-info").partition("-")
            if name and version:
                yield normalise(name), version, folder
