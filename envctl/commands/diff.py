"""`envctl diff`: two lockfiles by target, file, or target at a git revision."""

from __future__ import annotations

import os
import re
from pathlib import Path

import msgspec

from envctl.commands.locate import find_lockfile, find_target, is_path
from envctl.errors import InvalidFile, UsageError
from envctl.lockfile.diff import Diff, diff
from envctl.lockfile.read import parse_lockfile
from envctl.lockfile.rules import problems
from envctl.model.lockfile import Lockfile
from envctl.system import process

# Everything that git's revision syntax allows but a path (`:`), a range or a search text.
_REVISION = re.compile(r"[A-Za-z0-9_@{}^~./+#%=,-]+")
_COMMIT = re.compile(r"[0-9a-f]{40}|[0-9a-f]{64}")


class Comparison(msgspec.Struct, frozen=True, kw_only=True):
    """Two lockfiles under the names that the user gave them, and how they differ."""

    old: str
    new: str
    diff: Diff


def compare(project: Path, old: str, new: str) -> Comparison:
    """Compare two lockfiles.

    Args:
        old, new: a target, a lockfile's path, or either of them with `@REVISION` of git.

    Raises:
        UsageError: no lockfile is meant by one of them, or several.
        InvalidFile: one is not locked, or invalid.
        ToolFailed: git could not be started.
    """
    before, after = _lockfile(project, old), _lockfile(project, new)
    try:
        return Comparison(old=old, new=new, diff=diff(before, after))
    except ValueError as error:
        raise InvalidFile(f"the lockfiles cannot be compared: {error}") from error


def _lockfile(project: Path, text: str) -> Lockfile:
    name, at, revision = text.partition("@")
    if not at or (is_path(text) and (project / text).exists()):
        return find_lockfile(project, text)[1]
    if not name or not _REVISION.fullmatch(revision):
        raise UsageError(
            f"{text!r} is no target at a git revision", expected="TARGET@REVISION, such as demo:cpu@HEAD~1"
        )
    place = name if is_path(name) else str(find_target(project, name).lockfile)
    return _at_revision(project, place, revision, text)


def _at_revision(project: Path, place: str, revision: str, shown: str) -> Lockfile:
    resolved = _git(project, "rev-parse", "--verify", "--quiet", "--end-of-options", f"{revision}^{{commit}}")
    commit = resolved.stdout.strip()
    if resolved.status != 0 or not _COMMIT.fullmatch(commit):
        inside = _git(project, "rev-parse", "--is-inside-work-tree")
        raise UsageError(
            f"git knows no revision {revision}" if inside.status == 0 else "git cannot read a repository here",
            found=shown if inside.status == 0 else inside.stderr.strip().partition("\n")[0],
        )
    blob = _git(project, "cat-file", "blob", f"{commit}:{place if Path(place).is_absolute() else f'./{place}'}")
    if blob.status != 0:
        raise InvalidFile(f"was not there at {revision}", file=place)
    lockfile = parse_lockfile(blob.stdout.encode(), shown=shown)
    found = problems(lockfile)
    if found:
        raise InvalidFile("the lockfile contradicts itself", file=shown, details=found[:5])
    return lockfile


def _git(project: Path, *arguments: str) -> process.Finished:
    """Run git on the project's repository, wherever envctl was started from; nothing is fetched, nobody is asked."""
    places = ("GIT_DIR", "GIT_WORK_TREE", "GIT_INDEX_FILE", "GIT_PREFIX", "GIT_OBJECT_DIRECTORY", "GIT_COMMON_DIR")
    env = {key: value for key, value in os.environ.items() if key not in places}
    env |= {"GIT_NO_LAZY_FETCH": "1", "GIT_TERMINAL_PROMPT": "0", "GIT_OPTIONAL_LOCKS": "0", "LC_ALL": "C"}
    return process.run(["git", "--no-pager", *arguments], cwd=project, env=env)
