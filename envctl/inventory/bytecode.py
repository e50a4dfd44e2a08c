"""Compare every `.pyc` of an environment with its source, on all processors, in processes that may die."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import msgspec

from envctl.inventory import recompiler
from envctl.inventory.workers import Workers, processors
from envctl.model.inventory import Bytecode

_BATCH = 8
_MOST_WORKERS = 16
_ATTEMPTS = 3


class Task(msgspec.Struct, frozen=True, gc=False):
    """One `.pyc` with its source: absolute paths, the sha256 (hex) of each, sizes, optimisation level."""

    pyc: bytes
    source: bytes
    pyc_sha256: str
    source_sha256: str
    size: int
    level: int

    def fields(self) -> bytes:
        """The form that `recompiler.py` reads."""
        parts = (self.pyc, self.source, self.pyc_sha256.encode(), self.source_sha256.encode(), b"%d" % self.level)
        return b"".join(part + b"\0" for part in parts)


def recompile(tasks: Sequence[Task], interpreter: str, *, workers: int | None = None) -> dict[bytes, Bytecode]:
    """How each task's `.pyc` compares, by its path; UNKNOWN where no process survived the comparison.

    `interpreter` is the one that compiles; it must be of the version that the bytecode is for.
    """
    ordered = sorted(tasks, key=lambda task: task.size, reverse=True)
    if workers is None:
        workers = max(1, min(processors(), _MOST_WORKERS, len(ordered) // _BATCH))
    found = _round(ordered, interpreter, workers, _BATCH)
    for _ in range(_ATTEMPTS):
        left = [task for task in ordered if task.pyc not in found]
        if not left:
            break
        # A process died, and with it what it had taken: again, one task at a time.
        again = _round(left, interpreter, min(workers, len(left)), 1)
        found.update(again)
        if len(again) == 0:
            break
    return {task.pyc: found.get(task.pyc, Bytecode.UNKNOWN) for task in ordered}


def _round(tasks: Sequence[Task], interpreter: str, workers: int, size: int) -> dict[bytes, Bytecode]:
    with Workers(Path(recompiler.__file__), workers, interpreter=interpreter) as running:
        running.give(b"".join(task.fields() for task in tasks[at : at + size]) for at in range(0, len(tasks), size))
        output = b"".join(running.answers())
    known = {status.value: status for status in Bytecode}
    found = {}
    for line in output.decode("ascii", "replace").split("\n")[:-1]:
        batch, _, rest = line.partition(" ")
        task, _, status = rest.partition(" ")
        if status in known and batch.isdecimal() and task.isdecimal():
            at = int(batch) * size + int(task)
            if int(task) < size and at < len(tasks):
                found[tasks[at].pyc] = known[status]
    return found
