"""Worker processes that neither the caller's variables nor anything in an environment can sway.

They are isolated interpreters that run one standard-library-only script each. All share three files: the listing of the
work (standard input, read with pread), the numbers of its batches (each worker takes the next four bytes, since they
share the position), and the answers (standard output).
"""

from __future__ import annotations

import contextlib
import os
import subprocess
import sys
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import IO

# -I: no PYTHON* variables, no user site, no script folder on the path; -S: no site module, so no .pth files.
FLAGS = ("-I", "-S", "-B", "-W", "ignore")


def own_interpreter() -> str:
    """The interpreter that runs this process, without the virtual environment around it."""
    base: str = getattr(sys, "_base_executable", "") or sys.executable
    return base


def clean_environment() -> dict[str, str]:
    """The whole environment of an isolated interpreter."""
    return {"LC_ALL": "C.UTF-8", "PATH": os.defpath}


def processors() -> int:
    """The processors that this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def share(
    script: Path,
    listing: bytes,
    batches: int,
    *,
    workers: int,
    arguments: Sequence[str] = (),
    interpreter: str | None = None,
    meanwhile: Callable[[int], None] | None = None,
) -> bytes:
    """Let workers share a listing; what they answered, in no order.

    A worker that dies, or cannot be started, leaves its batch unanswered: the caller looks for what is missing.

    Args:
        batches: how many batches the listing has; workers take their numbers from 0.
        meanwhile: called with the descriptor of the numbers, to work on them in this process too.
    """
    command = [interpreter or own_interpreter(), *FLAGS, str(script)]
    running: list[subprocess.Popen[bytes]] = []
    with (
        tempfile.TemporaryFile() as work,
        tempfile.TemporaryFile() as numbers,
        tempfile.TemporaryFile() as answers,
    ):
        work.write(listing)
        work.flush()
        numbers.write(b"".join(number.to_bytes(4, "little") for number in range(batches)))
        numbers.flush()
        os.lseek(numbers.fileno(), 0, os.SEEK_SET)
        try:
            with contextlib.suppress(OSError):  # no such interpreter, no more processes: nothing is answered
                for _ in range(workers):
                    running.append(_start([*command, str(numbers.fileno()), *arguments], work, numbers, answers))
            if meanwhile is not None:
                meanwhile(numbers.fileno())
            for worker in running:
                worker.wait()
        finally:
            for worker in running:
                if worker.poll() is None:
                    worker.kill()
                    worker.wait()
        return os.pread(answers.fileno(), os.fstat(answers.fileno()).st_size, 0)


def _start(command: Sequence[str], work: IO[bytes], numbers: IO[bytes], answers: IO[bytes]) -> subprocess.Popen[bytes]:
    return subprocess.Popen(
        command,
        env=clean_environment(),
        pass_fds=(numbers.fileno(),),
        stdin=work,
        stdout=answers,
        stderr=subprocess.DEVNULL,
    )
