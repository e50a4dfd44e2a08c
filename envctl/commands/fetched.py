"""What a build takes from a folder that `envctl fetch` filled, as named contexts of the builder.

    wheels   the wheels, and the installer's        wheels/
    archive  the archive of a standalone Python     python/
    base     the base image, as an OCI layout       images/sha256-<hex>/
    debs     locked OS packages                     os-packages/

A context stands in the place of the Dockerfile's stage of that name; the digests that stand in the Dockerfile are
checked all the same.
"""

from __future__ import annotations

import shlex
from pathlib import Path

from envctl.commands.builds import archive_name
from envctl.commands.image_parts import base_reference, debs, held_base, unlocked_packages
from envctl.errors import InvalidFile, UsageError
from envctl.install import wheelhouse
from envctl.install.wheelhouse import DEBS, PYTHON, WHEELS
from envctl.model.lockfile import Lockfile
from envctl.model.platform import Platform
from envctl.oci import shelf


def contexts(folder: Path, lockfile: Lockfile, digest: str, platform: Platform) -> dict[str, str]:
    """Named contexts: name -> folder, or `oci-layout://FOLDER@DIGEST`.

    Args:
        digest: `sha256:<hex>` of the lockfile's bytes.

    Raises:
        UsageError: it is no folder, or the target was not fetched into it for this platform.
        InvalidFile: something is missing that was fetched, or the target was fetched as another lockfile has it.
    """
    hint = f"`envctl fetch {lockfile.target} {shlex.quote(str(folder))}`"
    packages = unlocked_packages(lockfile)
    if packages:
        raise InvalidFile(
            f"{lockfile.target} cannot be built without a network: it has OS packages that are not locked",
            key="image.packages",
            found=", ".join(packages),
            hint="pin them with `image.snapshot`, or name a base image in image.base that has them",
        )
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
        found["archive"] = str(_archive(folder, lockfile, platform, hint).absolute())
    found["base"] = _base(folder, lockfile, platform, hint)
    for name in debs(lockfile, [platform]):
        if not (folder / DEBS / name).is_file():
            raise InvalidFile(f"lacks the OS package {name}", file=folder, hint=f"{hint} again")
        found["debs"] = str((folder / DEBS).absolute())
    return found


def _archive(folder: Path, lockfile: Lockfile, platform: Platform, hint: str) -> Path:
    """The folder that holds the archive."""
    url = lockfile.envctl.python.builds[str(platform)].url
    name = archive_name(url)
    if not (folder / PYTHON / name).is_file():
        raise InvalidFile(
            "lacks the archive of Python", file=folder, expected=f"{PYTHON}/{name}, from {url}", hint=f"{hint} again"
        )
    return folder / PYTHON


def _base(folder: Path, lockfile: Lockfile, platform: Platform, hint: str) -> str:
    """The base image's layout, by its manifest's digest."""
    try:
        held = held_base(lockfile, str(platform), folder)
        if held is not None:
            shelf.check(held)  # engines tell damage in words that nobody understands
    except InvalidFile as error:
        error.hint = f"{hint} again"
        raise
    if held is None:
        reference = base_reference(lockfile, str(platform))
        raise InvalidFile(
            f"lacks the base image for {platform}",
            file=folder,
            expected=None if reference is None else reference.familiar(),
            hint=f"{hint} without --no-image",
        )
    return f"oci-layout://{held.place.absolute()}@{held.digest}"
