"""Worker processes that neither the caller's variables nor anything in an environment can sway.

They are isolated interpreters that run `worker.py` with one standard-library-only script each.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import struct
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterable, Iterator, Sequence
from types import ModuleType, TracebackType
from typing import IO

from envctl.inventory import worker
from envctl.system.sources import source_of

# -I: no PYTHON* variables, no user site, no script folder on the path; -S: no site module, so no .pth files.
FLAGS = ("-I", "-S", "-B", "-W", "ignore")
_PAUSE = 0.005
_TOKEN = struct.Struct("<IIQ")  # as in worker.py


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
    """Workers that start at once, and take batches as soon as there are any.

    A worker that dies, or cannot be started, leaves its batch unanswered: the caller looks for what is missing.
    """

    def __init__(
        self,
        script: ModuleType,
        count: int,
        *,
        interpreter: str | None = None,
        pass_fds: Sequence[int] = (),
    ) -> None:
        self._files = [_shared() for _ in range(3)]
        self._listing, self._tokens, self._answers = (file.fileno() for file in self._files)
        # Else what two workers write at once to a file in memory takes the same place there: one answer is lost.
        fcntl.fcntl(self._answers, fcntl.F_SETFL, fcntl.fcntl(self._answers, fcntl.F_GETFL) | os.O_APPEND)
        self._place = self._given = 0
        self._running: list[subprocess.Popen[bytes]] = []
        own = [interpreter or own_interpreter(), *FLAGS, "-c", source_of(worker)]
        own += [str(self._listing), str(self._tokens), source_of(script)]
        with contextlib.suppress(OSError):  # no such interpreter, no more processes: nothing is answered
            for _ in range(count):
                self._running.append(
                    subprocess.Popen(
                        own,
                        env=clean_environment(),
                        pass_fds=(self._listing, self._tokens, *pass_fds),
                        stdin=subprocess.PIPE,
                        stdout=self._answers,
                        stderr=subprocess.DEVNULL,
                    )
                )

    def give(self, batches: Iterable[bytes]) -> None:
        """More work; batches are numbered in the order in which they are given, from 0."""
        content: list[bytes] = []
        tokens: list[bytes] = []
        start = self._place
        for batch in batches:
            tokens.append(_TOKEN.pack(self._given + len(tokens), len(batch), self._place))
            content.append(batch)
            self._place += len(batch)
        # The content first: a token is taken the moment it is there.
        _write(self._listing, b"".join(content), start)
        _write(self._tokens, b"".join(tokens), self._given * _TOKEN.size)
        self._given += len(tokens)

    def answers(self) -> Iterator[bytes]:
        """What is answered, in pieces and in no order, until all is worked on."""
        for process in self._running:
            if process.stdin is not None:
                process.stdin.close()
        place = 0
        while True:
            working = any(process.poll() is None for process in self._running)
            size = os.fstat(self._answers).st_size
            if size > place:
                yield os.pread(self._answers, size - place, place)
                place = size
            elif working:
                time.sleep(_PAUSE)
            else:
                return

    def __enter__(self) -> Workers:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """End those that still run."""
        for process in self._running:
            if process.stdin is not None:
                process.stdin.close()
            if process.poll() is None:
                process.kill()
                process.wait()
        for file in self._files:
            file.close()


def _shared() -> IO[bytes]:
    """A file without a name: in memory, since nothing may be writable here; else among the temporary ones."""
    if hasattr(os, "memfd_create"):
        with contextlib.suppress(OSError):  # a kernel or a sandbox that knows none
            return os.fdopen(os.memfd_create("envctl"), "w+b")
    return tempfile.TemporaryFile()


def _write(descriptor: int, data: bytes, place: int) -> None:
    """pwrite, which leaves the position alone that the workers share, until everything is written."""
    view = memoryview(data)
    while view:
        written = os.pwrite(descriptor, view, place)
        view, place = view[written:], place + written
