"""From what a user types to a lockfile. The lockfile alone suffices: the profile is asked only where a name is open."""

from __future__ import annotations

import difflib
from pathlib import Path

import msgspec

from envctl.errors import InvalidFile, UsageError
from envctl.lockfile.read import checked_lockfile, parse_lockfile
from envctl.model.lockfile import Lockfile
from envctl.model.platform import Platform
from envctl.model.target import LOCKED, PROFILES, Target
from envctl.system import files


class Located(msgspec.Struct, frozen=True, kw_only=True):
    """A lockfile: its place, how messages name it, its bytes as they were read once, and what they say."""

    path: Path
    shown: str
    data: bytes
    lockfile: Lockfile


def locate(project: Path, text: str) -> Located:
    """The lockfile of a target, or at a path (anything with a `/` or ending in `.toml`), relative to the project.

    A profile's name alone means its default variant; where the profile is missing, the only variant that is locked.

    Raises:
        UsageError: the text is no target, there is no such target, or it leaves open which variant is meant.
        InvalidFile: the target is not locked, or its lockfile is invalid.
    """
    if is_path(text):
        try:
            return located(project / text, text)
        except FileNotFoundError:
            raise InvalidFile("there is no such lockfile", file=text) from None
    target = find_target(project, text)
    try:
        found = located(project / target.lockfile, str(target.lockfile))
    except FileNotFoundError:
        raise _not_locked(project, target) from None
    lockfile = found.lockfile
    if lockfile.target != str(target):
        raise InvalidFile(
            "the lockfile is another target's",
            file=target.lockfile,
            found=lockfile.target,
            expected=str(target),
            hint=f"`envctl lock {target}` writes it anew",
        )
    return found


def located(path: Path, shown: str) -> Located:
    """The lockfile at a path; FileNotFoundError where there is none, InvalidFile where it is none."""
    data = files.read_bytes(path, shown=shown)
    return Located(path=path, shown=shown, data=data, lockfile=checked_lockfile(data, shown=shown))


def find_lockfile(project: Path, text: str) -> tuple[Path, Lockfile]:
    """Place and content of the lockfile that `locate` finds, with its errors."""
    found = locate(project, text)
    return found.path, found.lockfile


def require_platform(lockfile: Lockfile, platform: Platform) -> None:
    """UsageError where the lockfile was not made for it."""
    if str(platform) not in lockfile.envctl.platforms:
        raise UsageError(
            f"{lockfile.target} is not locked for {platform}",
            expected=f"one of {', '.join(lockfile.envctl.platforms)}",
            hint=f'add "{platform}" to platforms in profiles/{lockfile.envctl.profile}.toml, then `envctl lock`',
        )


def find_target(project: Path, text: str) -> Target:
    """The target that the text means, whether it is locked or not; UsageError where several could be meant."""
    target = Target.parse(text)
    if target.variant is not None:
        return target
    if (project / PROFILES / f"{target.profile}.toml").exists():
        from envctl import profile

        return profile.resolve_name(project, text)
    if (project / target.lockfile).exists():
        return target
    variants = [other for other in locked_targets(project) if other.profile == target.profile]
    if len(variants) > 1:
        raise UsageError(
            f"{target} has several variants",
            expected=f"one of {', '.join(map(str, variants))}",
            hint="name one of them",
        )
    return variants[0] if variants else target


def locked_targets(project: Path) -> list[Target]:
    """Every target that has a readable lockfile in the project, sorted. Names come from inside the files."""
    targets = []
    for path in (project / LOCKED).glob("pylock.*.toml"):
        try:
            lockfile = parse_lockfile(files.read_bytes(path), shown=path.name)
            target = Target.parse(lockfile.target)
        except (InvalidFile, UsageError, FileNotFoundError):
            continue  # what is wrong with a file is said when it is the one that was asked for
        if target.lockfile.name == path.name:
            targets.append(target)
    return sorted(targets, key=str)


def is_path(text: str) -> bool:
    """Whether the text names a file and not a target."""
    return "/" in text or "\\" in text or text.endswith(".toml")


def _not_locked(project: Path, target: Target) -> InvalidFile | UsageError:
    if (project / PROFILES / f"{target.profile}.toml").exists():
        from envctl import profile

        profile.resolve_name(project, str(target))  # UsageError where it has no such variant
        return InvalidFile(f"{target} is not locked", file=target.lockfile, hint=f"`envctl lock {target}`")
    known = [str(other) for other in locked_targets(project)]
    near = difflib.get_close_matches(str(target), known, n=1, cutoff=0.5)
    return (UsageError if known else InvalidFile)(
        f"{target} is not locked, and there is no profile of that name",
        file=target.lockfile,
        expected=f"one of {', '.join(known)}" if known else None,
        hint=f"did you mean {near[0]}?" if near else f"`envctl lock {target}`, in the project's folder or with -C",
    )
