"""`envctl dockerfile`: a target's Dockerfile, from its lockfile alone."""

from __future__ import annotations

import difflib
from pathlib import Path

import msgspec

from envctl.commands.locate import locate
from envctl.errors import InvalidFile, UsageError
from envctl.lockfile.read import read_lockfile
from envctl.model.manifest import sha256
from envctl.model.target import LOCKED, Target
from envctl.render import dockerfile, dockerignore
from envctl.system import files


class Rendered(msgspec.Struct, frozen=True, kw_only=True):
    """The two texts, and the places where `lock` writes them (relative to the project folder)."""

    target: str
    dockerfile: str
    dockerignore: str
    dockerfile_place: str
    dockerignore_place: str


def render(project: Path, name: str) -> Rendered:
    """Render a target, or the lockfile at a path.

    Raises:
        UsageError: no target is meant by the name, or several.
        InvalidFile: it is not locked, its lockfile is invalid or has no image.
    """
    found = locate(project, name)
    lockfile = found.lockfile
    target = Target(lockfile.envctl.profile, lockfile.envctl.variant)
    return Rendered(
        target=str(target),
        dockerfile=dockerfile.render(lockfile, lock_digest=sha256(found.data)),
        dockerignore=dockerignore.render(lockfile),
        dockerfile_place=str(target.dockerfile),
        dockerignore_place=str(target.dockerignore),
    )


def imaged(project: Path) -> list[str]:
    """The locked targets that have an image.

    Raises:
        InvalidFile: no target is locked, or a lockfile is invalid.
    """
    found = []
    for path in sorted((project / LOCKED).glob("pylock.*.toml")):
        lockfile = read_lockfile(path, shown=LOCKED / path.name)
        if lockfile.envctl.image is not None:
            found.append(lockfile.target)
    if not any((project / LOCKED).glob("pylock.*.toml")):
        raise InvalidFile("no target is locked here", file=LOCKED, hint="`envctl lock TARGET` writes the lockfile")
    return found


def differences(project: Path, rendered: Rendered) -> dict[str, list[str]]:
    """Each written file that is not what the lockfile renders to, with the lines that differ (a unified diff)."""
    found = {}
    for place, text in (
        (rendered.dockerfile_place, rendered.dockerfile),
        (rendered.dockerignore_place, rendered.dockerignore),
    ):
        try:
            written = files.read_text(project / place, shown=place)
        except FileNotFoundError:
            found[place] = ["is missing"]
            continue
        except InvalidFile as error:
            found[place] = [error.what]
            continue
        if written != text:
            lines = difflib.unified_diff(
                written.splitlines(), text.splitlines(), f"{place} (written)", f"{place} (rendered)", lineterm="", n=1
            )
            found[place] = list(lines) or ["differs in its line ends"]
    return found


def write(path: Path, rendered: Rendered) -> None:
    """Write the Dockerfile, and beside it the ignore file that BuildKit takes with it.

    Raises:
        UsageError: something else than a file stands there (it would be replaced: think of /dev/stdout).
        ToolFailed: it cannot be written.
    """
    if path.exists() and not path.resolve().is_file():
        raise UsageError("there is no file to write", file=path, expected="a new file, or one to replace")
    path = path.resolve()
    ignore = path.with_name(path.name + ".dockerignore")
    files.write_atomically({path: rendered.dockerfile.encode(), ignore: rendered.dockerignore.encode()})
