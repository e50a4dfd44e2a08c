"""Other programs: started from argument lists, with an environment that is said, never left running."""

from __future__ import annotations

import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path

import msgspec

from envctl.errors import ToolFailed


class Finished(msgspec.Struct, frozen=True):
    """A program that ended: exit status and what it wrote."""

    status: int
    stdout: str
    stderr: str


def run(
    command: Sequence[str | Path],
    *,
    env: Mapping[str, str] | None = None,
    cwd: Path | None = None,
    stdin: str = "",
    timeout: float | None = None,
    pass_fds: Sequence[int] = (),
) -> Finished:
    """Run a program to its end. `env` is its whole environment, None the caller's; `pass_fds` stay open in it.

    Raises:
        ToolFailed: it cannot be started, or ran longer than `timeout` seconds (and was ended).
    """
    name = Path(command[0]).name
    try:
        done = subprocess.run(
            [str(part) for part in command],
            env=None if env is None else dict(env),
            cwd=cwd,
            input=stdin,
            capture_output=True,
            encoding="utf-8",
            errors="replace",
            timeout=timeout,
            pass_fds=tuple(pass_fds),
            check=False,
        )
    except OSError as error:
        raise ToolFailed(f"{name} could not be started", found=error.strerror) from error
    except subprocess.TimeoutExpired as error:
        raise ToolFailed(f"{name} did not end within {timeout:g} s") from error
    return Finished(done.returncode, done.stdout, done.stderr)
