"""Which key somebody signs with, where none is named: git's, else the one in the agent."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from envctl.errors import ToolFailed, UsageError
from envctl.system.process import run, unswayed
from envctl.trust.ssh import LITERAL

_HINT = "`--key FILE` names one: a private key, or a public one whose private key is in the agent"


def signing_key(project: Path, environ: Mapping[str, str]) -> str:
    """A file, or a public key itself: git's user.signingkey where git signs with SSH, else the agent's only key.

    Raises:
        UsageError: there is none, or the agent holds several.
    """
    if _git(project, "gpg.format", environ) == "ssh":
        key = _git(project, "user.signingkey", environ)
        if key:
            return _expanded(key, project, environ)
    held = _agent(environ)
    if len(held) > 1:
        raise UsageError(
            "it is not said which key signs",
            found=f"{len(held)} keys in the agent: {', '.join(line.partition(' ')[2][-40:] for line in held[:5])}",
            hint=_HINT,
        )
    if not held:
        raise UsageError(
            "there is no key to sign with",
            expected="--key FILE, git's user.signingkey with gpg.format = ssh, or one key in the SSH agent",
            hint=_HINT,
        )
    return f"key::{held[0]}"


def _expanded(key: str, project: Path, environ: Mapping[str, str]) -> str:
    if key.startswith(LITERAL):
        return key
    home = environ.get("HOME")
    return str(Path(home, key[2:])) if key.startswith("~/") and home else str(project / key)


def _git(project: Path, key: str, environ: Mapping[str, str]) -> str | None:
    try:
        done = run(["git", "config", "-z", "--get", key], cwd=project, env=unswayed(environ), timeout=30)
    except ToolFailed:
        return None
    return done.stdout.partition("\0")[0] if done.status == 0 else None


def _agent(environ: Mapping[str, str]) -> list[str]:
    """The public keys that the agent holds, one line each."""
    if not environ.get("SSH_AUTH_SOCK"):
        return []
    try:
        done = run(["ssh-add", "-L"], env=unswayed(environ), timeout=30)
    except ToolFailed:
        return []
    return [line for line in done.stdout.splitlines() if line] if done.status == 0 else []
