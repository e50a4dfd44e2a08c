"""Compare bytecode with its source by compiling again. Standard library only; run by an isolated interpreter.

A script of `worker.py`. A batch is tasks of five fields, each ended by NUL: the `.pyc`, its source, the sha256 of each,
and the optimisation level; the answer to the i-th task is a line `<number of the batch> <i> <status>`. A place that
begins with byte 1 is `descriptor:offset:size:path`: a part of a file that is open here already. Bytecode is what an
attacker may have written: loading it can end the process, which is why it is another one.
"""

from __future__ import annotations

import gc
import hashlib
import marshal
import os
import struct
from importlib.util import MAGIC_NUMBER
from types import CodeType

TYPE_CHECKING = False  # see worker.py
if TYPE_CHECKING:
    from collections.abc import Iterator

_MEMORY = 4 << 30
_SECONDS = 60
_FIELDS = 5
_PACKED = b"\x01"
_FLAGS = os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC | getattr(os, "O_NOFOLLOW", 0)
_PARTS = (
    "co_name",
    "co_qualname",
    "co_argcount",
    "co_posonlyargcount",
    "co_kwonlyargcount",
    "co_nlocals",
    "co_stacksize",
    "co_flags",
    "co_code",
    "_co_code_adaptive",
    "co_names",
    "co_varnames",
    "co_freevars",
    "co_cellvars",
    "co_firstlineno",
    "co_linetable",
    "co_exceptiontable",
)


class Unreadable(Exception):
    """The file cannot be read, or is not the one that was hashed."""


def compare(pyc: bytes, source: bytes, filename: str, level: int) -> tuple[str, str]:
    """Status of bytecode against its source, and the file name that is compiled into it.

    `filename` is where the source stands, which is what compiling it there writes into the bytecode; another name is no
    difference.
    """
    if len(pyc) < 16 or pyc[:4] != MAGIC_NUMBER:
        return "foreign", filename
    flags = int.from_bytes(pyc[4:8], "little")
    if flags not in (0, 1, 3):  # timestamp, unchecked hash, checked hash (PEP 552)
        return "foreign", filename
    status, filename = _compare(pyc[16:], source, filename, level)
    return ("unchecked" if status == "equal" and flags == 1 else status), filename


def _compare(data: bytes, source: bytes, filename: str, level: int) -> tuple[str, str]:
    expected = compile(source, filename, "exec", dont_inherit=True, optimize=level)
    if marshal.dumps(expected) == data:
        return "equal", filename
    found = marshal.loads(data)  # noqa: S302  # this process exists for that, and may die of it
    if not isinstance(found, CodeType):
        return "foreign", filename
    if found.co_filename != filename:
        filename = found.co_filename
        expected = compile(source, filename, "exec", dont_inherit=True, optimize=level)
    # Format 2 has neither back references nor interning flags, which depend on what else the compiling process held.
    same = marshal.dumps(expected, 2) == marshal.dumps(found, 2) and _adaptive(expected) == _adaptive(found)
    return ("equal" if same or _canonical(expected) == _canonical(found) else "foreign"), filename


def _adaptive(code: CodeType) -> list[object]:
    """The instructions as they would run; `co_code` shows specialised ones, which bytecode must not hold, as plain."""
    found: list[object] = [getattr(code, "_co_code_adaptive", None)]
    for constant in code.co_consts:
        if isinstance(constant, CodeType):
            found += _adaptive(constant)
    return found


def _canonical(value: object) -> object:
    """A value that is equal for constants that behave equally: types count, the order inside a frozenset does not."""
    if isinstance(value, CodeType):
        return (
            "code",
            *(getattr(value, name, None) for name in _PARTS),
            *(_canonical(constant) for constant in value.co_consts),
        )
    if type(value) is tuple:
        return ("tuple", *map(_canonical, value))
    if type(value) is frozenset:
        return ("frozenset", frozenset(map(_canonical, value)))
    if type(value) is float:
        return ("float", struct.pack("<d", value))
    if type(value) is complex:
        return ("complex", struct.pack("<dd", value.real, value.imag))
    return (type(value).__name__, value)


def _read(path: bytes, sha256: bytes) -> bytes:
    try:
        if path.startswith(_PACKED):
            descriptor, offset, size, _ = path[1:].split(b":", 3)
            data = os.pread(int(descriptor), int(size), int(offset))
        else:
            with open(os.open(path, _FLAGS), "rb") as file:
                data = file.read()
    except OSError as error:
        raise Unreadable from error
    if hashlib.sha256(data).hexdigest().encode() != sha256:
        raise Unreadable
    return data


class Learned:
    """Where the sources stood when they were compiled, learned from the last bytecode seen."""

    def __init__(self) -> None:
        self.here = self.there = ""

    def guess(self, path: str) -> str:
        """The name that bytecode compiled from the path probably holds."""
        if self.here and path.startswith(self.here):
            return self.there + path[len(self.here) :]
        return path

    def learn(self, path: str, name: str) -> None:
        """Note that the source at `path` was called `name`."""
        here, there = path.split("/"), name.split("/")
        while here and there and here[-1] == there[-1]:
            here.pop()
            there.pop()
        self.here, self.there = "/".join([*here, ""]), "/".join([*there, ""])


def check(task: list[bytes], learned: Learned) -> str:
    """Status of one task."""
    pyc, source, pyc_sha256, source_sha256, level = task
    try:
        path = os.fsdecode(source.split(b":", 3)[3] if source.startswith(_PACKED) else source)
        guess = learned.guess(path)
        status, name = compare(_read(pyc, pyc_sha256), _read(source, source_sha256), guess, int(level))
        if name != guess:
            learned.learn(path, name)
        return status
    except Unreadable:
        return "unreadable"
    except MemoryError:
        return "unknown"
    except (SyntaxError, ValueError, TypeError, EOFError, RecursionError, OverflowError):
        return "foreign"  # the source does not compile, or the bytecode is none


_LEARNED = Learned()


def _prepare() -> None:
    """A minute of processor time for the next batch, and limited memory: what needs more ends this process."""
    gc.disable()  # compiling makes no cycles worth looking for, and looking takes a tenth of the time
    try:
        import resource
    except ImportError:
        return
    usage = resource.getrusage(resource.RUSAGE_SELF)
    seconds = int(usage.ru_utime + usage.ru_stime) + _SECONDS
    for limit, soft in ((resource.RLIMIT_CPU, seconds), (resource.RLIMIT_AS, _MEMORY), (resource.RLIMIT_CORE, 0)):
        hard = resource.getrlimit(limit)[1]
        resource.setrlimit(limit, (soft if hard == resource.RLIM_INFINITY else min(soft, hard), hard))


def work(number: int, batch: bytes) -> Iterator[bytes]:
    """Answer one batch, task by task: what was answered counts, even if the next task ends this process."""
    _prepare()
    fields = batch.split(b"\0")[:-1]
    for task in range(0, len(fields), _FIELDS):
        yield f"{number} {task // _FIELDS} {check(fields[task : task + _FIELDS], _LEARNED)}\n".encode()
