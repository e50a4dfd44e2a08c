"""What a build takes from a folder that `envctl fetch` filled, as named contexts of the builder.

    wheels   the wheels, and the installer's                      wheels/
    archive  the archive of a standalone Python                   python/
    base     the base image, as an OCI layout                     base/

A context stands in the place of the Dockerfile's stage of that name; the digests that stand in the Dockerfile are
checked all the same.
"""

from __future__ import annotations

from pathlib import Path
from urllib.parse import unquote, urlsplit

from envctl.errors import InvalidFile, UsageError
from envctl.install import wheelhouse
from envctl.install.wheelhouse import WHEELS
from envctl.model.lockfile import Lockfile
from envctl.model.platform import Platform

PYTHON = "python"
BASE = "base"


def contexts(folder: Path, lockfile: Lockfile, digest: str, platform: Platform) -> dict[str, str]:
    """Named contexts: name -> folder, or `oci-layout://FOLDER@DIGEST`.

    Args:
        digest: `sha256:<hex>` of the lockfile's bytes.

    Raises:
        UsageError: it is no folder, or the target was not fetched into it for this platform.
        InvalidFile: something is missing that was fetched, or the target was fetched as another lockfile has it.
    """
    hint = f"`envctl fetch {lockfile.target} {folder}`"
    if not folder.is_dir():
        raise UsageError("there is no such folder", file=folder, hint=hint)
    index = wheelhouse.read_index(folder)
    entry = index.targets.get(lockfile.target)
    if entry is None or str(platform) not in entry.platforms:
        held = ", ".join(f"{name} for {', '.join(one.platforms)}" for name, one in index.targets.items())
        raise UsageError(
            f"{lockfile.target} was not fetched for {platform}", file=folder, found=held or "nothing", hint=hint
        )
    if entry.digest != digest:
        raise InvalidFile(
            f"holds {lockfile.target} as another lockfile has it", file=folder / entry.lockfile, hint=f"{hint} again"
        )
    names = [wheel.name for _, wheel in lockfile.select(platform)]
    missing = [name for name in (*names, *entry.installer) if not (folder / WHEELS / name).is_file()]
    if missing or not entry.installer:
        raise InvalidFile(
            f"lacks {missing[0] if missing else 'the installer'}, which was fetched", file=folder, hint=f"{hint} again"
        )
    found = {"wheels": str((folder / WHEELS).absolute())}
    if lockfile.envctl.python.source == "standalone":
        found["archive"] = str(_archive(folder, lockfile, platform).absolute())
    if (folder / BASE / "oci-layout").is_file():
        found["base"] = f"oci-layout://{(folder / BASE).absolute()}@{_base_digest(lockfile, platform)}"
    return found


def archive_name(url: str) -> str:
    """The name of a standalone Python's archive in the folder: the last part of its address."""
    return unquote(urlsplit(url).path).rpartition("/")[2]


def _archive(folder: Path, lockfile: Lockfile, platform: Platform) -> Path:
    """The folder that holds the archive."""
    url = lockfile.envctl.python.builds[str(platform)].url
    name = archive_name(url)
    if not (folder / PYTHON / name).is_file():
        raise InvalidFile("lacks the archive of Python", file=folder, expected=f"{PYTHON}/{name}, from {url}")
    return folder / PYTHON


def _base_digest(lockfile: Lockfile, platform: Platform) -> str:
    image = lockfile.envctl.image
    said = "" if image is None else image.base.partition("@")[2]
    return said or lockfile.envctl.platforms[str(platform)].base_digest or ""
