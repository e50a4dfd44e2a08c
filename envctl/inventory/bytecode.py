"""Compare every `.pyc` of an environment with its source, on all processors, in processes that may die."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping, Sequence

import msgspec

from envctl.inventory import recompiler
from envctl.inventory.interpreter import Compiler
from envctl.inventory.workers import Workers, processors
from envctl.model.inventory import Bytecode, Entry, Interpreter, Kind

_BATCH = 8
_MOST_WORKERS = 16
_ATTEMPTS = 3
_CACHED = re.compile(r"(?P<stem>.+)\.(?P<tag>(?:cpython|pypy|graalpy)-?\d+t?)(?:\.opt-(?P<level>[12]))?\.pyc")


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


def recompile(
    tasks: Sequence[Task], interpreter: str, *, workers: int | None = None, pass_fds: Sequence[int] = ()
) -> dict[bytes, Bytecode]:
    """How each task's `.pyc` compares, by its path; UNKNOWN where no process survived the comparison.

    `interpreter` is the one that compiles; it must be of the version that the bytecode is for. `pass_fds` are the
    descriptors in which tasks' places lie.
    """
    ordered = sorted(tasks, key=lambda task: task.size, reverse=True)
    if workers is None:
        workers = max(1, min(processors(), _MOST_WORKERS, len(ordered) // _BATCH))
    found = _round(ordered, interpreter, workers, _BATCH, pass_fds)
    for _ in range(_ATTEMPTS):
        left = [task for task in ordered if task.pyc not in found]
        if not left:
            break
        # A process died, and with it what it had taken: again, one task at a time.
        again = _round(left, interpreter, min(workers, len(left)), 1, pass_fds)
        found.update(again)
        if len(again) == 0:
            break
    return {task.pyc: found.get(task.pyc, Bytecode.UNKNOWN) for task in ordered}


def _round(
    tasks: Sequence[Task], interpreter: str, workers: int, size: int, pass_fds: Sequence[int]
) -> dict[bytes, Bytecode]:
    with Workers(recompiler, workers, interpreter=interpreter, pass_fds=pass_fds) as running:
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


def source_of(path: str) -> str:
    """Path of the source of bytecode in a `__pycache__` folder (PEP 3147)."""
    folder, _, name = path.rpartition("/")
    match = _CACHED.fullmatch(name)
    return folder[: -len("__pycache__")] + (match["stem"] if match else "") + ".py"


def level_of(path: str) -> int:
    """The optimisation level that the name of bytecode says (PEP 488)."""
    match = _CACHED.fullmatch(path.rpartition("/")[2])
    return int(match["level"] or 0) if match else 0


def _tag(interpreter: Interpreter) -> str | None:
    """How names of the interpreter's bytecode end, such as cpython-311 (PEP 3147)."""
    minor = interpreter.minor
    return f"{interpreter.implementation or 'cpython'}-{minor[0]}{minor[1]}" if minor else None


def judge(
    entries: Mapping[str, Entry],
    interpreter: Interpreter,
    compilers: Iterable[Compiler],
    place: Callable[[str, Entry], bytes | None],
    *,
    pass_fds: Sequence[int] = (),
) -> dict[str, Bytecode]:
    """How each `.pyc` in a `__pycache__` folder compares with its source.

    Args:
        compilers: the most trusted first; the next one is asked for only where something is left.
        place: where the content of an entry can be read, as `Task` names it; None where it cannot.
    """
    tag = _tag(interpreter)
    found: dict[str, Bytecode] = {}
    tasks: dict[str, Task] = {}
    for path, entry in entries.items():
        folder, _, name = path.rpartition("/")
        if entry.kind is not Kind.FILE or not name.endswith(".pyc") or not f"/{folder}".endswith("/__pycache__"):
            continue
        match = _CACHED.fullmatch(name)
        source = source_of(path)
        origin = entries.get(source)
        if match is None:
            found[path] = Bytecode.FOREIGN
        elif tag is not None and match["tag"] != tag:
            found[path] = Bytecode.OTHER_PYTHON
        elif origin is None or origin.kind not in (Kind.FILE, Kind.LINK):
            found[path] = Bytecode.SOURCELESS
        elif entry.sha256 is None or origin.sha256 is None:
            found[path] = Bytecode.UNREADABLE
        else:
            found[path] = Bytecode.UNKNOWN
            here, there = place(path, entry), place(source, origin)
            if here is not None and there is not None:
                size = origin.size or entry.size
                tasks[path] = Task(here, there, entry.sha256, origin.sha256, size, level_of(path))
    _compare(tasks, found, interpreter, compilers, pass_fds)
    return found


def _compare(
    tasks: Mapping[str, Task],
    found: dict[str, Bytecode],
    interpreter: Interpreter,
    compilers: Iterable[Compiler],
    pass_fds: Sequence[int],
) -> None:
    """Fill in how each task compares; equal under any trusted compiler is equal."""
    left = list(tasks.values())
    for compiler in compilers if left else ():
        results = recompile(left, compiler.executable, pass_fds=pass_fds)
        for path, task in tasks.items():
            result = results.get(task.pyc)
            if result is Bytecode.FOREIGN and compiler.version != interpreter.version:
                continue  # another patch release may compile differently: that it does proves nothing
            if result is not None and not (result is Bytecode.UNKNOWN and found[path] is Bytecode.FOREIGN):
                found[path] = result
        left = [task for path, task in tasks.items() if found[path] in (Bytecode.UNKNOWN, Bytecode.FOREIGN)]
        if not left:
            break
