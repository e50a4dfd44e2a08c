"""Bytecode against its source, as the worker compares it."""

from __future__ import annotations

import hashlib
import importlib.util
import marshal
import os
import py_compile
import sys
from pathlib import Path

import pytest

from envctl.inventory.bytecode import Task, recompile
from envctl.inventory.recompiler import Learned, compare
from envctl.inventory.workers import own_interpreter
from envctl.model.inventory import Bytecode

HEADER = importlib.util.MAGIC_NUMBER + bytes(12)
SOURCE = (
    b'"""Doc."""\nX = {"a", "b", 1.0, -0.0}\ndef f(a, *, b=2, **c):\n    assert a\n    return lambda: (a, b, f"{c}")\n'
)


def pyc(source: bytes = SOURCE, name: str = "/src/x.py", level: int = 0, flags: int = 0) -> bytes:
    code = compile(source, name, "exec", dont_inherit=True, optimize=level)
    return HEADER[:4] + flags.to_bytes(4, "little") + HEADER[8:] + marshal.dumps(code)


def status(data: bytes, source: bytes = SOURCE, level: int = 0) -> str:
    return compare(data, source, "/src/x.py", level)[0]


@pytest.mark.parametrize("level", [0, 1, 2])
def test_honest_bytecode_is_equal_at_every_level(level: int) -> None:
    assert status(pyc(level=level), level=level) == "equal"
    assert status(pyc(level=level, flags=3), level=level) == "equal"


def test_a_level_is_not_anothers() -> None:
    assert status(pyc(level=0), level=1) == "foreign"
    assert status(pyc(level=2), level=0) == "foreign"


def test_another_place_is_no_difference() -> None:
    found, name = compare(pyc(name="/elsewhere/x.py"), SOURCE, "/src/x.py", 0)
    assert (found, name) == ("equal", "/elsewhere/x.py")


def test_the_form_of_the_marshalled_data_is_no_difference() -> None:
    code = compile(SOURCE, "/src/x.py", "exec", dont_inherit=True)
    for version in (2, 3, 4):
        assert status(HEADER + marshal.dumps(code, version)) == "equal"


@pytest.mark.parametrize(
    "other",
    [
        SOURCE.replace(b"-0.0", b"0.0"),
        SOURCE.replace(b"1.0", b"1"),
        SOURCE.replace(b"b=2", b"b=3"),
        SOURCE.replace(b"assert a", b"assert b"),
        SOURCE.replace(b"Doc", b"doc"),
        SOURCE.replace(b"{c}", b"{b}"),
        SOURCE.replace(b"def f", b"def g"),
        SOURCE.replace(b"*, b", b"b"),
        b"\n" + SOURCE,
        SOURCE + b"import os\n",
        b"",
    ],
)
def test_other_code_is_foreign(other: bytes) -> None:
    assert status(pyc(other)) == "foreign"


def test_headers_decide_too() -> None:
    assert status(pyc(flags=1)) == "unchecked"
    assert status(pyc(flags=2)) == "foreign"
    assert status(pyc(flags=7)) == "foreign"
    assert status(b"\0\0\r\n" + pyc()[4:]) == "foreign"
    assert status(HEADER[:12]) == "foreign"


def test_what_is_no_code_is_foreign() -> None:
    assert status(HEADER + marshal.dumps("evil")) == "foreign"
    assert status(pyc() + b"trailing bytes are never read") == "equal"


def test_a_place_is_learned_once() -> None:
    learned = Learned()
    assert learned.guess("/env/lib/a/x.py") == "/env/lib/a/x.py"
    learned.learn("/env/lib/a/x.py", "/build/lib/a/x.py")
    assert learned.guess("/env/lib/b/y.py") == "/build/lib/b/y.py"
    learned.learn("/env/lib/a/x.py", "x.py")
    assert learned.guess("/env/lib/a/z.py") == "z.py"


def task(folder: Path, source: bytes, data: bytes, number: int = 0) -> Task:
    place, cached = folder / f"m{number}.py", folder / f"m{number}.pyc"
    place.write_bytes(source)
    cached.write_bytes(data)
    digests = [hashlib.sha256(content).hexdigest() for content in (data, source)]
    return Task(os.fsencode(cached), os.fsencode(place), digests[0], digests[1], len(source), 0)


def test_a_worker_that_dies_takes_no_other_task_with_it(tmp_path: Path) -> None:
    """A task that kills its reader (here by its appetite) is unknown; the others of its batch are compared."""
    tasks = [task(tmp_path, SOURCE, pyc(name=str(tmp_path / f"m{n}.py")), n) for n in range(20)]
    bomb = HEADER + b"[" + (2**31 - 1).to_bytes(4, "little")
    tasks[7] = task(tmp_path, SOURCE, bomb, 7)
    killer = HEADER + (b"(\x01\x00\x00\x00" * 3_000_000)
    tasks[8] = task(tmp_path, SOURCE, killer, 8)
    found = recompile(tasks, own_interpreter(), workers=2)
    assert len(found) == 20
    assert all(found[tasks[n].pyc] is Bytecode.EQUAL for n in range(20) if n not in (7, 8))
    assert found[tasks[7].pyc] in (Bytecode.FOREIGN, Bytecode.UNKNOWN)
    assert found[tasks[8].pyc] in (Bytecode.FOREIGN, Bytecode.UNKNOWN)


def test_a_process_that_is_killed_leaves_its_task_unknown(tmp_path: Path) -> None:
    fatal = tmp_path / "python"
    fatal.write_text("#!/bin/sh\nkill -9 $$\n")
    fatal.chmod(0o755)
    tasks = [task(tmp_path, SOURCE, pyc(), n) for n in range(3)]
    assert set(recompile(tasks, str(fatal), workers=1).values()) == {Bytecode.UNKNOWN}
    assert set(recompile(tasks, str(tmp_path / "none"), workers=1).values()) == {Bytecode.UNKNOWN}


def test_a_file_that_is_not_the_hashed_one_is_unreadable(tmp_path: Path) -> None:
    one = task(tmp_path, SOURCE, pyc())
    (tmp_path / "m0.py").write_bytes(b"changed = 1\n")
    assert recompile([one], own_interpreter()) == {one.pyc: Bytecode.UNREADABLE}
    (tmp_path / "m0.py").unlink()
    assert recompile([one], own_interpreter()) == {one.pyc: Bytecode.UNREADABLE}


def test_a_source_that_does_not_compile_has_no_bytecode(tmp_path: Path) -> None:
    one = task(tmp_path, b"print 'two'\n", pyc())
    assert recompile([one], own_interpreter()) == {one.pyc: Bytecode.FOREIGN}


def test_bytecode_that_the_real_compiler_wrote_is_equal(tmp_path: Path) -> None:
    """Modules of the standard library, compiled in this process, which holds many other constants."""
    library = Path(os.__file__).parent
    tasks = []
    for name in ("ast.py", "argparse.py", "dataclasses.py", "enum.py", "typing.py", "decimal.py", "inspect.py"):
        source = (library / name).read_bytes()
        place = tmp_path / name
        place.write_bytes(source)
        cached = Path(py_compile.compile(str(place), cfile=str(tmp_path / f"{name}c"), doraise=True))
        data = cached.read_bytes()
        digests = [hashlib.sha256(content).hexdigest() for content in (data, source)]
        tasks.append(Task(os.fsencode(cached), os.fsencode(place), digests[0], digests[1], len(source), 0))
    assert set(recompile(tasks, own_interpreter()).values()) == {Bytecode.EQUAL}
    assert sys.version_info >= (3, 10)
