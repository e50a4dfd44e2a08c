"""Ctrl-C and SIGTERM: all programs that envctl started are ended, and `Interrupted` is raised in the first thread.

A signal that arrives in the moment before the first thread begins to wait for another one does not wake it (CPython
runs handlers between instructions of that thread, and a lock is one instruction). So a thread of its own hears of each
signal through a pipe, and wakes the first one until the handler has run.
"""

from __future__ import annotations

import os
import signal
import sys
import threading
from types import FrameType
from typing import NoReturn


class Interrupted(BaseException):
    """A signal that asks this process to end."""

    def __init__(self, number: int) -> None:
        super().__init__(number)
        self.number = number


_heard = threading.Event()
_PAUSE = 0.05


def listen() -> None:
    """From now on the signals end this process in good order; those that were set to be ignored stay ignored."""
    unset = {signal.SIGINT: signal.default_int_handler, signal.SIGTERM: signal.SIG_DFL}
    ours = [number for number, handler in unset.items() if signal.getsignal(number) is handler]
    for number in ours:
        signal.signal(number, _end)
    if not ours or not hasattr(signal, "pthread_kill"):  # Windows
        return
    signal.signal(signal.SIGURG, _wake)
    reading, writing = os.pipe()
    os.set_blocking(writing, False)
    signal.set_wakeup_fd(writing, warn_on_full_buffer=False)
    waking = (reading, frozenset(ours), threading.get_ident())
    threading.Thread(target=_watch, args=waking, name="envctl-signals", daemon=True).start()


def _end(number: int, _: FrameType | None) -> NoReturn:
    _heard.set()
    # Threads wait for programs that know nothing of a signal that came to this process alone.
    process = sys.modules.get("envctl.system.process")
    if process is not None:
        process.end_all()
    raise Interrupted(number)


def _wake(_number: int, _frame: FrameType | None) -> None:
    """That it is called is all."""


def _watch(reading: int, ours: frozenset[int], first: int) -> None:
    while os.read(reading, 1)[0] not in ours:
        pass
    while not _heard.wait(_PAUSE):
        signal.pthread_kill(first, signal.SIGURG)
