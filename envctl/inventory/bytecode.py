"""Compare every `.pyc` of an environment with its source, on all processors, in processes that may die."""

from __future__ import annotations

import os
import subprocess
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path

import msgspec

from envctl.inventory import recompiler
from envctl.inventory.isolation import isolated, processors
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
    if not tasks:
        return {}
    command, environment = isolated(Path(recompiler.__file__), interpreter)
    batches = -(-len(tasks) // size)
    helpers: list[subprocess.Popen[bytes]] = []
    found: dict[bytes, Bytecode] = {}
    with tempfile.TemporaryFile() as listing, tempfile.TemporaryFile() as tokens:
        listing.write(b"".join(task.fields() for task in tasks))
        listing.flush()
        # Numbers lie in a file whose position all workers share, so that any number of them fits.
        tokens.write(b"".join(number.to_bytes(4, "little") for number in range(batches)))
        tokens.flush()
        os.lseek(tokens.fileno(), 0, os.SEEK_SET)
        try:
            for _ in range(workers):
                helpers.append(_start([*command, str(tokens.fileno()), str(size)], environment, listing, tokens))
            for helper in helpers:
                found.update(_answers(helper.communicate()[0], tasks))
        except OSError:
            return found
        finally:
            for helper in helpers:
                if helper.poll() is None:
                    helper.kill()
                    helper.communicate()
    return found
