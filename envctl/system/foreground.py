"""A program that takes the place of this one: the same standard streams, signals passed on, its exit status ours."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import threading
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from types import FrameType

from envctl.errors import ToolFailed

_TERMINAL = (signal.SIGINT, signal.SIGQUIT)
_OTHERS = (signal.SIGTERM, signal.SIGHUP, signal.SIGUSR1, signal.SIGUSR2)
_PAUSE = 0.1


def run(command: Sequence[str | Path], *, env: Mapping[str, str]) -> int:
    """Run a program to its end.

    On a terminal it is in this process's group: the terminal itself sends both the signal of Ctrl-C, and it is not
    passed on once more. Elsewhere it gets a session of its own, and each signal that comes to this process.

    Returns:
        Its exit status; 128 and the signal's number where a signal ended it, as shells have it.

    Raises:
        ToolFailed: it cannot be started.
    """
    shared = _has_terminal()
    arrived: list[int] = []
    with _heard(arrived, _OTHERS if shared else (*_OTHERS, *_TERMINAL), ignored=shared):
        try:
            process = subprocess.Popen([str(part) for part in command], env=dict(env), start_new_session=not shared)
        except OSError as error:
            raise ToolFailed(f"{Path(command[0]).name} could not be started", found=error.strerror) from error
        # A thread waits, and this one looks after signals: one that comes just before a wait would not be heard.
        done = threading.Event()

        def wait() -> None:
            process.wait()
            done.set()

        threading.Thread(target=wait, daemon=True).start()
        while not done.wait(_PAUSE):
            while arrived:
                with contextlib.suppress(ProcessLookupError):
                    process.send_signal(arrived.pop(0))
    return process.returncode if process.returncode >= 0 else 128 - process.returncode


def _has_terminal() -> bool:
    """Whether this process is in the foreground of a terminal, which sends signals to all of its group."""
    for descriptor in (0, 1, 2):
        with contextlib.suppress(OSError):
            return os.tcgetpgrp(descriptor) == os.getpgrp()
    return False


@contextlib.contextmanager
def _heard(arrived: list[int], numbers: Sequence[int], *, ignored: bool) -> Iterator[None]:
    """Collect signals in place of what this process does with them; those that were ignored stay ignored."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return

    def hear(number: int, _frame: FrameType | None) -> None:
        arrived.append(number)

    def leave(number: int, _frame: FrameType | None) -> None:
        """The terminal has told the program as well."""

    handlers = dict.fromkeys(numbers, hear)
    if ignored:  # by a handler, since a program would inherit that they are ignored
        handlers |= dict.fromkeys(_TERMINAL, leave)
    before = {number: signal.getsignal(number) for number in handlers}
    wakeup = signal.set_wakeup_fd(-1)
    for number, handler in handlers.items():
        if before[number] is not signal.SIG_IGN:
            signal.signal(number, handler)
    try:
        yield
    finally:
        for number, old in before.items():
            if old is not None:
                signal.signal(number, old)
        signal.set_wakeup_fd(wakeup)
