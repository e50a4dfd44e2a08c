"""Random changes to an installed environment, and which of them documentation allows, told without envctl's own code.

A `Mutation` is applied to a folder; `state` says what stands there before and after; `allowed` says for the difference
whether a verifier may call it ok (docs/explanation/allowed-differences.md). Times are in no state: they never count.
"""

from __future__ import annotations

import base64
import contextlib
import csv
import hashlib
import importlib.util
import io
import marshal
import os
import shutil
import stat
import struct
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import NamedTuple

from hypothesis import strategies as st

NOTES = ("INSTALLER", "REQUESTED", "direct_url.json", "uv_cache.json", "uv_build.json")
MAKERS = (
    "bin/activate",
    "bin/deactivate",
    "bin/pydoc.bat",
    ".gitignore",
    "CACHEDIR.TAG",
    ".lock",
    "lib64",
    "bin/python",
)


class State(NamedTuple):
    """What is at a path: kind, permissions, content or target."""

    kind: str
    mode: int
    content: bytes


def state(root: Path) -> dict[str, State]:
    """Every path below the root."""
    found = {}
    for folder, names, others in os.walk(root):
        for name in (*names, *others):
            path = Path(folder, name)
            status = path.lstat()
            kind, mode, content = stat.filemode(status.st_mode)[0], stat.S_IMODE(status.st_mode), b""
            if kind == "l":
                content, mode = os.fsencode(path.readlink()), 0
            elif kind == "-":
                content = path.read_bytes()
            found[str(path.relative_to(root))] = State(kind, mode, content)
    return found


class Mutation(NamedTuple):
    """One change. `place`, `other` and `number` choose what is changed of what is there; `data` is new."""

    what: str
    place: int
    other: int
    number: int
    data: bytes

    def apply(self, root: Path) -> None:
        """Do it; where it cannot be done (no such file to change), nothing is done."""
        with contextlib.suppress(OSError):
            DEEDS[self.what](root, self)

    def pick(self, root: Path, wanted: Callable[[str, State], bool] = lambda _, s: s.kind == "-") -> Path:
        """One of the paths that are wanted; OSError where there is none."""
        return self._pick(root, self.place, wanted)

    def pick_other(self, root: Path, wanted: Callable[[str, State], bool] = lambda _, s: s.kind == "-") -> Path:
        """Another one."""
        return self._pick(root, self.other, wanted)

    def _pick(self, root: Path, number: int, wanted: Callable[[str, State], bool]) -> Path:
        paths = sorted(path for path, what in state(root).items() if wanted(path, what))
        if not paths:
            raise FileNotFoundError
        return root / paths[number % len(paths)]


def _folder(_: str, what: State) -> bool:
    return what.kind == "d"


def _any(_: str, __: State) -> bool:
    return True


def _note(path: str, _: State) -> bool:
    return ".dist-info/" in path and path.rpartition("/")[2] in NOTES


def _record(path: str, _: State) -> bool:
    return path.endswith(".dist-info/RECORD") and path.count("/") == 4


def _script(path: str, what: State) -> bool:
    return path.startswith("bin/") and what.kind == "-" and "activate" not in path


def _source(path: str, what: State) -> bool:
    return path.endswith(".py") and what.kind == "-"


def _flip(root: Path, m: Mutation) -> None:
    path = m.pick(root, lambda _, s: s.kind == "-" and len(s.content) > 0)
    data = bytearray(path.read_bytes())
    data[m.number % len(data)] ^= m.other % 255 + 1
    path.write_bytes(data)


def _truncate(root: Path, m: Mutation) -> None:
    path = m.pick(root)
    path.write_bytes(path.read_bytes()[: m.number % (path.stat().st_size + 1)])


def _append(root: Path, m: Mutation) -> None:
    path = m.pick(root)
    path.write_bytes(path.read_bytes() + m.data)


def _replace(root: Path, m: Mutation) -> None:
    m.pick(root).write_bytes(m.data)


def _delete(root: Path, m: Mutation) -> None:
    path = m.pick(root, _any)
    shutil.rmtree(path) if path.is_dir() and not path.is_symlink() else path.unlink()


NAMES = ["x.py", "x.pth", "x.so", "x.txt", "x", ".x", "sitecustomize.py", "usercustomize.pyc", "__init__.py", "x.pyc"]
NAMES += ["python", "x.dist-info", "x.egg-link", "INSTALLER", "RECORD", "X.PY", "n\nl", "pyvenv.cfg", "\udcff", "lib64"]
NAMES += ["alpha.py", "beta", "activate", "pip", "_virtualenv.py", "_virtualenv.pth", "python3.11", "x.zip", ".lock"]


def _name(m: Mutation) -> str:
    return NAMES[m.number % len(NAMES)]


def _add(root: Path, m: Mutation) -> None:
    path = m.pick(root, _folder) / _name(m)
    if not os.path.lexists(path):
        path.write_bytes(m.data)


def _add_top(root: Path, m: Mutation) -> None:
    path = root / ("" if m.place % 2 else "bin") / _name(m)
    if not os.path.lexists(path):
        path.write_bytes(m.data)


def _mkdir(root: Path, m: Mutation) -> None:
    (m.pick(root, _folder) / _name(m)).mkdir()


def _link(root: Path, m: Mutation) -> None:
    targets = ["/etc/passwd", "nowhere", ".", "..", "/tmp", _name(m), str(m.pick_other(root)), "/dev/null"]
    (m.pick(root, _folder) / _name(m)).symlink_to(targets[m.other % len(targets)])


def _fifo(root: Path, m: Mutation) -> None:
    os.mkfifo(m.pick(root, _folder) / _name(m))


def _rename(root: Path, m: Mutation) -> None:
    path, to = m.pick(root, _any), m.pick_other(root, _folder) / _name(m)
    if not os.path.lexists(to):
        path.rename(to)


def _swap(root: Path, m: Mutation) -> None:
    one, two = m.pick(root), m.pick_other(root)
    a, b = one.read_bytes(), two.read_bytes()
    one.write_bytes(b)
    two.write_bytes(a)


def _chmod(root: Path, m: Mutation) -> None:
    path = m.pick(root, lambda _, s: s.kind in "-d")
    modes = [0o600, 0o644, 0o755, 0o700, 0o444, 0o777, 0o666, 0o4755, 0o2755, 0o1777, 0o6711, 0o602]
    mode = modes[m.number % len(modes)]
    path.chmod(mode | 0o700 if path.is_dir() else mode | 0o400)


def _copy_info(root: Path, m: Mutation) -> None:
    info = m.pick(root, lambda p, s: s.kind == "d" and p.endswith(".dist-info") and p.count("/") == 3)
    names = [
        "alpha_tools-2.0.dist-info",
        "other-1.dist-info",
        "Alpha.Tools-1.0.dist-info",
        "alpha-1.egg-info",
        "x.dist-info",
    ]
    shutil.copytree(info, info.with_name(names[m.number % len(names)]))


def rows_of(record: Path) -> list[list[str]]:
    """The rows of a RECORD."""
    return list(csv.reader(io.StringIO(record.read_text("utf-8", "surrogateescape"), newline="")))


def write_rows(record: Path, rows: list[list[str]]) -> None:
    """Write them back."""
    text = io.StringIO(newline="")
    csv.writer(text, lineterminator="\n").writerows(rows)
    record.write_text(text.getvalue(), "utf-8", "surrogateescape", newline="")


def _repaired(root: Path, m: Mutation) -> None:
    """A file of a package is changed, and its RECORD made to agree."""
    record = m.pick(root, _record)
    rows = rows_of(record)
    row = rows[m.other % len(rows)]
    path = record.parent.parent / row[0]
    data = path.read_bytes() + m.data
    path.write_bytes(data)
    digest = base64.urlsafe_b64encode(hashlib.sha256(data).digest()).rstrip(b"=").decode()
    row[1:] = [f"sha256={digest}", str(len(data))]
    write_rows(record, rows)


def _adopted(root: Path, m: Mutation) -> None:
    """A new file that RECORD lists."""
    record = m.pick(root, _record)
    name = _name(m)
    _add_to = record.parent.parent / name
    if not os.path.lexists(_add_to):
        _add_to.write_bytes(m.data)
        write_rows(record, [*rows_of(record), [name, "", ""]])


def _row(root: Path, m: Mutation) -> None:
    """RECORD itself is edited."""
    record = m.pick(root, _record)
    rows = rows_of(record)
    at = m.other % len(rows)
    deeds: list[Callable[[], object]] = [
        lambda: rows.pop(at),
        lambda: rows[at].__setitem__(0, rows[at][0] + "x"),
        lambda: rows[at].__setitem__(1, "sha256=" + "A" * 43),
        lambda: rows.append([_name(m), "", ""]),
        lambda: rows.append(["../" * 9 + "etc/passwd", "", ""]),
        lambda: rows.append(list(rows[at])),
        lambda: rows[at].__setitem__(0, "./" + rows[at][0]),
        lambda: rows[at].__setitem__(0, rows[(at + 1) % len(rows)][0]),
    ]
    deeds[m.number % len(deeds)]()
    write_rows(record, rows)


def _bytecode(root: Path, m: Mutation) -> None:
    """Bytecode beside a source: of its own code or other code, with any kind of header."""
    source = m.pick(root, _source)
    code = source.read_bytes() if m.number % 2 else m.data
    with contextlib.suppress(SyntaxError, ValueError):
        compiled = marshal.dumps(compile(code, str(source), "exec", dont_inherit=True))
        flags = (0, 1, 3)[m.other % 3]
        status = source.stat()
        if flags:
            rest = importlib.util.source_hash(source.read_bytes())
        else:
            rest = struct.pack("<II", int(status.st_mtime), status.st_size)
        cached = Path(importlib.util.cache_from_source(str(source)))
        cached.parent.mkdir(exist_ok=True)
        cached.write_bytes(importlib.util.MAGIC_NUMBER + struct.pack("<I", flags) + rest + compiled)


def _sourceless(root: Path, m: Mutation) -> None:
    source = m.pick(root, _source)
    code = marshal.dumps(compile(b"X = 1\n", "x", "exec"))
    source.with_suffix(".pyc").write_bytes(importlib.util.MAGIC_NUMBER + bytes(12) + code)


def _to_link(root: Path, m: Mutation) -> None:
    """A file becomes a link to an equal copy, outside or inside."""
    path = m.pick(root)
    copy = (root.parent / f"outside-{root.name}") if m.number % 2 else m.pick_other(root, _folder) / "copied.py"
    shutil.copy2(path, copy)
    path.unlink()
    path.symlink_to(copy)


def _to_folder(root: Path, m: Mutation) -> None:
    """A file becomes a link to a folder, or to nothing."""
    path = m.pick(root)
    path.unlink()
    path.symlink_to([".", "..", str(m.pick_other(root, _folder)), "nowhere", "/tmp"][m.number % 5])


def _to_hard_link(root: Path, m: Mutation) -> None:
    """A file becomes a hard link to a file outside, equal or another."""
    path, copy = m.pick(root), root.parent / f"hard-{root.name}"
    copy.unlink(missing_ok=True)
    copy.write_bytes(path.read_bytes() if m.number % 2 else m.data)
    copy.chmod(stat.S_IMODE(path.stat().st_mode))
    path.unlink()
    os.link(copy, path)


LINES = ["include-system-site-packages = true", "home = /tmp", "HOME = /tmp", "x = y", "# comment", "", "garbage"]
LINES += [
    "include-system-site-packages=false",
    "version = 3.11.99",
    "prompt = x",
    "home = relative",
    "implementation = PyPy",
]
LINES += ["Include-System-Site-Packages = True", "base-prefix = /tmp", "  home=/tmp", "\x00"]


def _config(root: Path, m: Mutation) -> None:
    path = root / "pyvenv.cfg"
    lines = path.read_text().splitlines()
    line = LINES[m.number % len(LINES)]
    if m.other % 3 == 0:
        lines.append(line)
    elif m.other % 3 == 1:
        lines[m.place % len(lines)] = line
    else:
        lines.insert(0, line)
    path.write_text("\n".join(lines) + "\n")


def _edit_script(root: Path, m: Mutation) -> None:
    path = m.pick(root, _script)
    lines = path.read_bytes().split(b"\n")
    starts = [b"#!/bin/sh", b"#!/usr/bin/python3", b"#!python", b"import os", b"", b"#!/usr/bin/env python", m.data]
    new = starts[m.number % len(starts)]
    at = m.other % len(lines)
    lines = [*lines[:at], new, *lines[at + (m.place // 7) % 2 :]]
    path.write_bytes(b"\n".join(lines))


def _edit_note(root: Path, m: Mutation) -> None:
    m.pick(root, _note).write_bytes(m.data)


def _drop_note(root: Path, m: Mutation) -> None:
    m.pick(root, _note).unlink()


def _touch(root: Path, m: Mutation) -> None:
    os.utime(m.pick(root, _any), (m.number, m.other), follow_symlinks=False)


def _case(root: Path, m: Mutation) -> None:
    path = m.pick(root, _any)
    path.rename(path.with_name(path.name.swapcase()))


DEEDS: dict[str, Callable[[Path, Mutation], None]] = {
    deed.__name__.strip("_"): deed
    for deed in (
        *(_flip, _truncate, _append, _replace, _delete, _add, _add_top, _mkdir, _link, _fifo, _rename, _swap, _chmod),
        *(_copy_info, _repaired, _adopted, _row, _bytecode, _sourceless, _to_link, _to_folder, _to_hard_link, _config),
        *(_edit_script, _edit_note, _drop_note, _touch, _case),
    )
}
CONTENTS = st.sampled_from([b"", b"x", b"import os\n", b"\x00", b"X = 1\n", b'{"editable": true}', b"\n", b"pip\n"])
NUMBERS = st.integers(0, 2**20)
mutations = st.builds(
    Mutation, st.sampled_from(sorted(DEEDS)), NUMBERS, NUMBERS, NUMBERS, CONTENTS | st.binary(max_size=40)
)


def allowed(before: Mapping[str, State], after: Mapping[str, State]) -> bool | None:
    """Whether what differs may be called ok: True where it must be, False where it must not, None where it may."""
    answers = [
        _allowed(path, before.get(path), after.get(path), after)
        for path in sorted(before.keys() | after.keys())
        if before.get(path) != after.get(path)
    ]
    if False in answers:
        return False
    return None if None in answers else True


def _allowed(path: str, old: State | None, new: State | None, after: Mapping[str, State]) -> bool | None:
    if new is None:
        if old is not None and old.kind == "d":
            return True  # what was in it counts
        return None if path.startswith(MAKERS) else _note(path, old) if old is not None else None
    if new.kind == "-" and new.mode & 0o6000:
        return False
    if new.mode & 0o002 and not (new.kind == "d" and new.mode & 0o1000):
        return None if path == ".lock" else False
    if new.kind == "d" and path.endswith((".dist-info", ".egg-info", ".egg", ".egg-link")):
        return None  # an empty one is a distribution too
    if new.kind == "d":  # what is in it counts, and what stood there is gone
        return True if old is None or old.kind == "d" else _allowed(path, old, None, after)
    if new.kind == "-" and old is not None and old[::2] == new[::2]:
        return None if path.startswith("bin/") else True  # permissions that let nobody else in
    if new.kind == "l" and _note(path, new):
        return None
    if new.kind == "l" and old is not None and old.kind == "-":
        return _behind(path, new, after, old)
    if new.kind != "-" or (old is not None and old.kind != "-"):
        return None if path in ("lib64", "bin/python", "bin/python3", "bin/python3.11") else False
    if path == ".lock":
        return None if not new.content else False
    if path in (".gitignore", "CACHEDIR.TAG"):
        return None  # makers write several
    if _note(path, new):
        return None if b"editable" in new.content or old is None else True
    if path == "pyvenv.cfg":
        return _configured(old, new)
    if "/__pycache__/" in path and path.endswith(".pyc"):
        return _honest(path, new, after)
    if _record(path, new) and old is not None:
        return None
    if path.startswith("bin/"):
        return None if old is None and path.startswith("bin/activate") else False
    return False


def _behind(path: str, new: State, after: Mapping[str, State], old: State) -> bool | None:
    """A link where a file was: a warning where what is behind is equal."""
    target = Path(os.fsdecode(new.content))  # absolute, as `_to_link` writes it
    try:
        equal = target.is_file() and target.read_bytes() == old.content
    except OSError:
        return None
    return None if equal and path != "pyvenv.cfg" else False


def _configured(old: State | None, new: State) -> bool | None:
    """pyvenv.cfg: only what decides must be the same; what else changes may be a warning."""

    def decides(text: bytes) -> list[tuple[str, str]]:
        pairs = [line.partition("=") for line in text.decode("utf-8", "surrogateescape").splitlines() if "=" in line]
        wanted = ("home", "include-system-site-packages")
        return sorted((k.strip().lower(), v.strip()) for k, _, v in pairs if k.strip().lower() in wanted)

    if old is None:
        return False
    same = decides(old.content) == decides(new.content)
    lowered = [(key, value.lower()) for key, value in decides(new.content)]
    return (
        None if same or [(k, v.lower()) for k, v in decides(old.content)] == lowered else _defaulted(old, new, decides)
    )


def _defaulted(old: State, new: State, decides: Callable[[bytes], list[tuple[str, str]]]) -> bool | None:
    """Without its line, system packages are out as before."""
    before, after = dict(decides(old.content)), dict(decides(new.content))
    pairs = decides(new.content)
    closed = after.get("include-system-site-packages", "false").lower() == "false" and len(pairs) == len(after)
    return None if closed and before.get("home") == after.get("home") else False


def _honest(path: str, new: State, after: Mapping[str, State]) -> bool | None:
    folder, _, name = path.rpartition("/")
    source = after.get(f"{folder.removesuffix('__pycache__')}{name.partition('.')[0]}.py")
    if source is None or source.kind != "-" or not name.endswith(".cpython-311.pyc"):
        return None if source is not None else False
    if new.content[:4] != importlib.util.MAGIC_NUMBER or new.content[4:8] not in (bytes(4), b"\3\0\0\0"):
        return False
    try:
        code = compile(source.content, "x", "exec", dont_inherit=True)
    except (SyntaxError, ValueError):
        return False
    with contextlib.suppress(ValueError, EOFError, TypeError):
        found = marshal.loads(new.content[16:])
        if found == code.replace(co_filename=found.co_filename):
            return True
    return None if len(new.content) > 16 else False
