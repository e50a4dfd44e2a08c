"""Worker processes that neither the caller's variables nor anything in an environment can sway.

They are isolated interpreters that run one standard-library-only script each. All share three files, passed as
descriptors: the listing of the work (read with pread), the numbers of its batches (each worker takes the next four
bytes, since they share the position), and standard output for the answers. Standard input says when to begin: it ends.
"""

from __future__ import annotations

import contextlib
import os
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from types import TracebackType

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


class Workers:
    """Workers that start at once, so that they are there when the work is known.

    A worker that dies, or cannot be started, leaves its batch unanswered: the caller looks for what is missing.
    """

    def __init__(
        self, script: Path, count: int, *, arguments: Sequence[str] = (), interpreter: str | None = None
    ) -> None:
        self._listing, self._numbers, self._answers = (tempfile.TemporaryFile() for _ in range(3))
        self._running: list[subprocess.Popen[bytes]] = []
        descriptors = (self._listing.fileno(), self._numbers.fileno())
        command = [interpreter or own_interpreter(), *FLAGS, str(script), *map(str, descriptors), *arguments]
        with contextlib.suppress(OSError):  # no such interpreter, no more processes: nothing is answered
            for _ in range(count):
                self._running.append(
                    subprocess.Popen(
                        command,
                        env=clean_environment(),
                        pass_fds=descriptors,
                        stdin=subprocess.PIPE,
                        stdout=self._answers,
                        stderr=subprocess.DEVNULL,
                    )
                )

    def begin(self, listing: bytes, batches: int) -> None:
        """Let them share the listing; they take the numbers of its batches, from 0."""
        self._listing.write(listing)
        self._listing.flush()
        self._numbers.write(b"".join(number.to_bytes(4, "little") for number in range(batches)))
        self._numbers.flush()
        os.lseek(self._numbers.fileno(), 0, os.SEEK_SET)
        for worker in self._running:
            if worker.stdin is not None:
                worker.stdin.close()

    def answers(self) -> bytes:
        """Wait for all; what they answered, in no order."""
        for worker in self._running:
            worker.wait()
        return os.pread(self._answers.fileno(), os.fstat(self._answers.fileno()).st_size, 0)

    def __enter__(self) -> Workers:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """End those that still run."""
        for worker in self._running:
            if worker.stdin is not None:
                worker.stdin.close()
            if worker.poll() is None:
                worker.kill()
                worker.wait()
        for file in (self._listing, self._numbers, self._answers):
            file.close()
