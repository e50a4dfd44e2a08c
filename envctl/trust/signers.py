"""Whom a user trusts: where the list of allowed signers comes from, and whether others can change it.

Whoever can change a lockfile in a repository can change every other file of it. So nothing that lies in the project is
trusted unless it is named on the command line, and then it is said.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path

import msgspec

from envctl.errors import InvalidFile, ToolFailed, UsageError
from envctl.system.files import read_bytes
from envctl.system.process import run, unswayed
from envctl.system.user_config import user_table
from envctl.trust.judgement import LIMIT

VARIABLE = "ENVCTL_ALLOWED_SIGNERS"
_EXPECTED = 'require = true or false, allowed-signers = "FILE", revoked-keys = "FILE", identity = "…", issuer = "URL"'


class Preferences(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, rename="kebab"):
    """`[signatures]` of the user's configuration. `issuer`: sigstore bundles count, and no SSH signatures."""

    require: bool = False
    allowed_signers: str | None = None
    revoked_keys: str | None = None
    identity: str | None = None
    issuer: str | None = None


class Signers(msgspec.Struct, frozen=True, kw_only=True):
    """A list of allowed signers as it was read once, and of revoked keys. `inside`: it lies in the project."""

    place: str
    data: bytes
    revoked: bytes | None = None
    inside: bool = False


def preferences(environ: Mapping[str, str]) -> Preferences:
    """What the user's configuration says of signatures; InvalidFile where it is malformed."""
    _, table = user_table("signatures", Preferences, expected=_EXPECTED, environ=environ)
    return table or Preferences()


def signers(project: Path, named: Path | None, environ: Mapping[str, str]) -> Signers:
    """The list of signers: the one named on the command line, else the variable's, the configuration's, git's.

    Args:
        named: relative to the project folder.

    Raises:
        UsageError: there is none, or it lies in the project without being named on the command line.
        InvalidFile: it cannot be read, or the configuration is malformed.
    """
    wanted = preferences(environ)
    revoked = _absolute(wanted.revoked_keys, "signatures.revoked-keys", environ)
    if revoked is None:
        revoked = _of_git(project, "gpg.ssh.revocationFile", environ)
    held = None if revoked is None else _read(revoked, revoked)
    if named is not None:
        return Signers(
            place=str(named), data=_read(project / named, named), revoked=held, inside=_inside(project, project / named)
        )
    place = _absolute(environ.get(VARIABLE) or None, VARIABLE, environ)
    if place is None:
        place = _absolute(wanted.allowed_signers, "signatures.allowed-signers", environ)
    if place is None:
        place = _of_git(project, "gpg.ssh.allowedSignersFile", environ)
    if place is None:
        raise UsageError(
            "nobody is said to be trusted, so no signature can be required",
            expected=f"--allowed-signers FILE, {VARIABLE}, allowed-signers in [signatures] of envctl/config.toml, or"
            " git's global gpg.ssh.allowedSignersFile; for sigstore --identity and --issuer",
            hint="a line of the file is `alice@example.com ssh-ed25519 AAAA…`",
        )
    if _inside(project, place):
        raise UsageError(
            "the list of signers lies in the project, where whoever changes the lockfile can change it",
            file=place,
            hint="keep it elsewhere, or name it with --allowed-signers, and the report says where it lies",
        )
    return Signers(place=str(place), data=_read(place, place), revoked=held)


def _read(place: Path, shown: Path) -> bytes:
    try:
        return read_bytes(place, shown=shown, limit=LIMIT)
    except FileNotFoundError:
        raise InvalidFile("there is no such file", file=shown, expected="keys of those who are trusted") from None


def _absolute(said: str | None, key: str, environ: Mapping[str, str]) -> Path | None:
    """A path that a variable or a configuration names; UsageError where it depends on the folder."""
    if said is None:
        return None
    home = environ.get("HOME")
    place = Path(home, said[2:]) if said.startswith("~/") and home else Path(said)
    if not place.is_absolute():
        raise UsageError(f"{key} is not an absolute path", found=ascii(said))
    return place


def _of_git(project: Path, key: str, environ: Mapping[str, str]) -> Path | None:
    """A path of git's global or system configuration. The repository's own is not asked: it may come with it."""
    for scope in ("--global", "--system"):
        try:
            asked = ["git", "config", scope, "--includes", "--type=path", "-z", "--get", key]
            done = run(asked, cwd=project, env=unswayed(environ), timeout=30)
        except ToolFailed:
            return None
        if done.status == 0:
            return _absolute(done.stdout.partition("\0")[0] or None, f"git's {key}", environ)
    return None


def _inside(project: Path, place: Path) -> bool:
    """Whether a path lies in the project's repository, as it is written or as it is resolved."""
    # links stay as they are in the first: one in the project can be made to lead elsewhere
    roots = {_top(os.path.abspath(project)), _top(os.path.realpath(project))}  # noqa: PTH100
    places = (Path(os.path.abspath(place)), Path(os.path.realpath(place)))  # noqa: PTH100
    return any(path.is_relative_to(root) for root in roots for path in places)


def _top(folder: str) -> str:
    """The folder of the repository around the project; the project's own where there is none."""
    for parent in (Path(folder), *Path(folder).parents):
        if (parent / ".git").exists():
            return str(parent)
    return folder
