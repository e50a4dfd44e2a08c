"""Steps that run as processes: with a log, ended together when one of them fails."""

from __future__ import annotations

import contextlib
import subprocess
import threading
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from support.engine.place import Failed

DIES_WITH_US = ("setpriv", "--pdeathsig", "KILL")  # also when this process is killed and can end nothing itself
TAIL = 20  # lines of a log that an error shows
ATTEMPTS = 4
# What apt says of a network or a mirror that has a bad moment.
NETWORK = ("Failed to fetch", "Could not ", "Temporary failure", "timed out", "Unable to fetch", "Hash Sum mismatch")

_ending = threading.Event()
_running: set[subprocess.Popen[bytes]] = set()
_guard = threading.Lock()


def step(what: str, argv: Sequence[object], log: Path, env: Mapping[str, str], cwd: Path | None = None) -> None:
    """Run a process to its end, its output in `log`; Failed ends with the log's last lines."""
    with log.open("ab") as out:
        if _ending.is_set():
            raise Failed(f"{what} was given up")
        process = subprocess.Popen(
            [*DIES_WITH_US, *map(str, argv)], stdin=subprocess.DEVNULL, stdout=out, stderr=out, env=dict(env), cwd=cwd
        )
        with _guard:
            _running.add(process)
        try:
            status = process.wait()
        finally:
            with _guard:
                _running.discard(process)
    if status:
        raise Failed(f"{what} failed (status {status})\n{tail(log)}")


def retried(what: str, argv: Sequence[object], log: Path, env: Mapping[str, str], cwd: Path | None = None) -> None:
    """The same for what needs the network: a few attempts, further and further apart."""
    for attempt in range(1, ATTEMPTS + 1):
        try:
            return step(what, argv, log, env, cwd)
        except Failed as error:
            if attempt == ATTEMPTS or not any(sign in str(error) for sign in NETWORK) or _ending.wait(attempt**2):
                raise
    return None


@contextlib.contextmanager
def ended_together() -> Iterator[None]:
    """What still runs when this is left by an exception is ended, Ctrl-C included."""
    _ending.clear()
    try:
        yield
    except BaseException:
        _ending.set()
        with _guard:
            for process in _running:
                process.kill()
        raise


def tail(log: Path) -> str:
    """The last lines of a log, or what to say without one."""
    try:
        lines = log.read_text("utf-8", "replace").splitlines()
    except OSError as error:
        return f"(no log: {error})"
    return "\n".join([f"the end of {log}:", *lines[-TAIL:]])
