"""Other programs: started from argument lists, with an environment that is said, never left running."""

from __future__ import annotations

import errno
import os
import shutil
import subprocess
import threading
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import IO, Any

import msgspec

from envctl.errors import ToolFailed


class TookTooLong(ToolFailed):
    """A program was ended because its time was over."""


class Finished(msgspec.Struct, frozen=True):
    """A program that ended: exit status and what it wrote."""

    status: int
    stdout: str
    stderr: str


def program(name: str, environ: Mapping[str, str] | None = None) -> Path | None:
    """A program on PATH, beside those of virtual environments: what is looked at must not say what is run.

    Args:
        environ: whose PATH; None: the caller's.
    """
    found = shutil.which(name, path=system_path((os.environ if environ is None else environ).get("PATH", os.defpath)))
    return None if found is None else Path(found)


def _found(name: str | Path, environ: Mapping[str, str] | None) -> str | Path:
    if "/" in str(name):
        return name
    found = program(str(name), environ)
    if found is None:
        raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT))
    return found


def unswayed(environ: Mapping[str, str] | None = None) -> dict[str, str]:
    """An environment without what puts other code into a program whose word counts; None: the caller's."""
    own = os.environ if environ is None else environ
    return {name: value for name, value in own.items() if name not in _SWAYING}


def system_path(path: str) -> str:
    """PATH without the folders that are in a virtual environment."""
    return os.pathsep.join(folder for folder in path.split(os.pathsep) if not _is_environments(folder))


def _is_environments(folder: str) -> bool:
    real = Path(os.path.realpath(folder))
    return any(os.path.lexists(place / "pyvenv.cfg") for place in (real, real.parent))


_SWAYING = frozenset(("LD_PRELOAD", "LD_AUDIT", "LD_LIBRARY_PATH", "GCONV_PATH", "DYLD_INSERT_LIBRARIES"))
_running: set[subprocess.Popen[Any]] = set()
_ending = threading.Event()


def end_all() -> None:
    """End every program that runs, whatever thread waits for it, and start no other: this process is ending.

    Safe to be called by a signal's handler.
    """
    _ending.set()
    for process in list(_running):
        process.terminate()


def run(
    command: Sequence[str | Path],
    *,
    env: Mapping[str, str] | None = None,
    cwd: Path | None = None,
    stdin: str | bytes = "",
    timeout: float | None = None,
    pass_fds: Sequence[int] = (),
    overhear: Callable[[str], bool] | None = None,
    show_stderr: bool = False,
) -> Finished:
    """Run a program to its end; it is ended with whoever waits for it.

    Args:
        command: a name without a folder is looked for as `program` does.
        env: its whole environment, None for the caller's.
        stdin: what it reads; bytes reach it as they are on every system.
        timeout: seconds.
        pass_fds: descriptors that stay open in it.
        overhear: called with each line of its standard error while it runs, in a thread of its own; lines for which it
            returns True do not appear in the result.
        show_stderr: its standard error is this process's own, and not in the result.

    Raises:
        ToolFailed: it cannot be started.
        TookTooLong: it ran longer than `timeout`, and was ended.
    """
    name = Path(command[0]).name
    if _ending.is_set():
        raise ToolFailed(f"{name} was not started, because envctl is ending")
    try:
        process = subprocess.Popen(
            [str(_found(command[0], env)), *map(str, command[1:])],
            env=None if env is None else dict(env),
            cwd=cwd,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=None if show_stderr else subprocess.PIPE,
            encoding=None if isinstance(stdin, bytes) else "utf-8",
            errors=None if isinstance(stdin, bytes) else "replace",
            pass_fds=tuple(pass_fds),
        )
    except OSError as error:
        raise ToolFailed(f"{name} could not be started", found=error.strerror) from error
    with process:
        _running.add(process)
        if _ending.is_set():
            process.terminate()
        try:
            if overhear is None:
                stdout, stderr = process.communicate(stdin, timeout)
            else:
                stdout, stderr = _overheard(process, overhear, timeout)
        except subprocess.TimeoutExpired as error:
            process.kill()
            raise TookTooLong(f"{name} did not end within {timeout:g} s") from error
        except BaseException:
            process.kill()
            raise
        finally:
            _running.discard(process)
    return Finished(process.returncode, _text(stdout), _text(stderr))


def _text(written: str | bytes | None) -> str:
    return written.decode("utf-8", "replace") if isinstance(written, bytes) else written or ""


def _overheard(
    process: subprocess.Popen[str], overhear: Callable[[str], bool], timeout: float | None
) -> tuple[str, str]:
    kept: list[str] = []

    def listen(stream: IO[str]) -> None:
        kept.extend(line for line in stream if not overhear(line.rstrip("\n")))

    stderr, process.stderr = process.stderr, None  # communicate() reads what is left to it
    if stderr is None:
        raise ValueError("the program's standard error is no pipe")
    listener = threading.Thread(target=listen, args=(stderr,), daemon=True)
    listener.start()
    try:
        stdout, _ = process.communicate(timeout=timeout)
    finally:
        if process.poll() is None:
            process.kill()
        listener.join()
        stderr.close()
    return stdout, "".join(kept)
