"""A virtual environment on this machine: walked without following links, every file hashed, nothing of it run."""

from __future__ import annotations

import hashlib
import os
import re
import stat
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path

import msgspec

from envctl.errors import UsageError
from envctl.inventory.bytecode import Task, recompile
from envctl.inventory.hashing import hash_files
from envctl.inventory.interpreter import Compiler, inspect, read_config
from envctl.model.inventory import Bytecode, Entry, Interpreter, Inventory, Kind, Problem

# What of the calling process changes from where the interpreter or the loader takes code.
VARIABLES = (
    "PYTHONPATH",
    "PYTHONHOME",
    "PYTHONPLATLIBDIR",
    "PYTHONPYCACHEPREFIX",
    "PYTHONSTARTUP",
    "LD_PRELOAD",
    "LD_AUDIT",
    "LD_LIBRARY_PATH",
    "DYLD_INSERT_LIBRARIES",
    "DYLD_LIBRARY_PATH",
)
_CONFIG = "pyvenv.cfg"
_TEXT = 64 * 2**20
_SCRIPT = 256 * 2**10
_SITE = re.compile(r"lib/python(\d+\.\d+)t?/site-packages")
_NOTES = ("RECORD", "INSTALLER", "direct_url.json", "entry_points.txt")
_CACHED = re.compile(r"(?P<stem>.+)\.(?P<tag>(?:cpython|pypy|graalpy)-?\d+t?)(?:\.opt-(?P<level>[12]))?\.pyc")
_PYTHON = re.compile(r"bin/(?:python|pythonw|pypy|graalpy)[\d.]*t?")


class Venv(msgspec.Struct, frozen=True):
    """Reads the virtual environment at `root`, which messages call `shown`.

    `environ` is that of the process whose imports are meant.
    """

    root: Path
    environ: Mapping[str, str]
    shown: str | None = None

    def take(self) -> Inventory:
        """The inventory; UsageError when there is no virtual environment."""
        root = os.path.abspath(self.root)
        shown = self.shown or self.root
        if not os.path.isdir(root):
            raise UsageError("there is no such folder", file=shown, hint="`envctl sync` makes the environment")
        if not os.path.lexists(os.path.join(root, _CONFIG)):
            raise UsageError(
                "is no virtual environment",
                file=shown,
                found="no pyvenv.cfg",
                hint="name one with `--venv DIR`, or make it with `envctl sync`",
            )
        return _take(root, self.environ)


def _take(root: str, environ: Mapping[str, str]) -> Inventory:
    entries, behind, problems = _walk(root)
    _hash(root, entries, behind, problems)
    texts = _texts(root, entries, problems)
    config, repeated = read_config(texts.get(_CONFIG, b""))
    copied = any(entry.kind is Kind.FILE and _PYTHON.fullmatch(path) for path, entry in entries.items())
    interpreter, compilers = inspect(Path(root), config, copied=copied)
    return Inventory(
        root=root,
        real_root=os.path.realpath(root),
        interpreter=interpreter,
        site=_site(entries, interpreter),
        config=config,
        config_repeated=repeated,
        entries=entries,
        texts=texts,
        bytecode=_bytecode(root, entries, interpreter, compilers),
        problems=tuple(sorted(problems, key=lambda problem: problem.path)),
        mounts=tuple(_mounts(os.path.realpath(root))),
        variables={name: environ[name] for name in VARIABLES if environ.get(name)},
    )


def _walk(root: str) -> tuple[dict[str, Entry], dict[str, tuple[str, int]], list[Problem]]:
    """Every entry below the root; for links to regular files, place and size of what is behind; what was unreadable."""
    entries: dict[str, Entry] = {}
    behind: dict[str, tuple[str, int]] = {}
    problems: list[Problem] = []
    folders = [""]
    while folders:
        folder = folders.pop()
        try:
            with os.scandir(f"{root}/{folder}") as found:
                for item in found:
                    path = folder + item.name
                    entry = _entry(item)
                    entries[path] = entry
                    if entry.kind is Kind.FOLDER:
                        folders.append(path + "/")
                    elif entry.real is not None and os.path.isfile(entry.real) and not _PYTHON.fullmatch(path):
                        behind[path] = entry.real, os.path.getsize(entry.real)
        except OSError as error:
            problems.append(Problem(folder.rstrip("/") or ".", error.strerror or str(error)))
    return entries, behind, problems


def _entry(item: os.DirEntry[str]) -> Entry:
    status = item.stat(follow_symlinks=False)
    kind = stat.S_IFMT(status.st_mode)
    mode = stat.S_IMODE(status.st_mode)
    if kind == stat.S_IFREG:
        return Entry(Kind.FILE, mode, status.st_size)
    if kind == stat.S_IFDIR:
        return Entry(Kind.FOLDER, mode)
    if kind == stat.S_IFLNK:
        real = os.path.realpath(item.path)
        return Entry(Kind.LINK, mode, link=os.readlink(item.path), real=real if os.path.exists(real) else None)
    special = {stat.S_IFIFO: Kind.FIFO, stat.S_IFSOCK: Kind.SOCKET}
    return Entry(special.get(kind, Kind.DEVICE), mode)


def _hash(root: str, entries: dict[str, Entry], behind: Mapping[str, tuple[str, int]], problems: list[Problem]) -> None:
    """Fill in the hashes; what could not be hashed becomes a problem."""
    places = {os.fsencode(f"{root}/{path}"): entry.size for path, entry in entries.items() if entry.kind is Kind.FILE}
    places.update((os.fsencode(real), size) for real, size in behind.values())
    answers = hash_files(list(places.items()))
    for path, entry in entries.items():
        if entry.kind is Kind.FILE:
            answer = answers[os.fsencode(f"{root}/{path}")]
        elif path in behind:
            answer = answers[os.fsencode(behind[path][0])]
        else:
            continue
        if answer.startswith("!"):
            problems.append(Problem(path, answer[1:]))
        else:
            entries[path] = msgspec.structs.replace(entry, sha256=answer)


def _texts(root: str, entries: Mapping[str, Entry], problems: list[Problem]) -> dict[str, bytes]:
    texts = {}
    for path in _wanted(entries):
        entry = entries[path]
        if entry.sha256 is None:
            continue
        try:
            data = _read(f"{root}/{path}", entry)
        except OSError as error:
            problems.append(Problem(path, error.strerror or str(error)))
            continue
        if data is not None and hashlib.sha256(data).hexdigest() != entry.sha256:
            problems.append(Problem(path, "it changed while the environment was read"))
        elif data is not None:
            texts[path] = data
    return texts


def _wanted(entries: Mapping[str, Entry]) -> Iterator[str]:
    """The files whose content decides: configuration, installers' notes, startup hooks, scripts."""
    for path, entry in entries.items():
        if entry.kind not in (Kind.FILE, Kind.LINK) or entry.size > _TEXT:
            continue
        folder, _, name = path.rpartition("/")
        if not folder:
            if name == _CONFIG:
                yield path
        elif folder.endswith("/site-packages") and _SITE.fullmatch(folder):
            if name.endswith(".pth") or name.startswith("__editable__"):
                yield path
        elif name in _NOTES:
            parent = folder.rpartition("/")[0]
            if folder.endswith(".dist-info") and _SITE.fullmatch(parent):
                yield path
        elif path.startswith("bin/") and not _PYTHON.fullmatch(path) and "__pycache__" not in folder:
            yield path


def _read(place: str, entry: Entry) -> bytes | None:
    """The file's content; None for a large program in `bin` that is no script."""
    descriptor = os.open(entry.real or place, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    with os.fdopen(descriptor, "rb") as file:
        start = file.read(2)
        if "/bin/" in place and entry.size > _SCRIPT and start != b"#!":
            return None
        return start + file.read(_TEXT)


def _site(entries: Mapping[str, Entry], interpreter: Interpreter) -> str | None:
    found = {}
    for path, entry in entries.items():
        match = _SITE.fullmatch(path) if entry.kind is Kind.FOLDER else None
        if match:
            found[match[1]] = path
    wanted = ".".join((interpreter.version or "").split(".")[:2])
    return found.get(wanted) or (next(iter(found.values())) if len(found) == 1 else None)


def _bytecode(
    root: str, entries: Mapping[str, Entry], interpreter: Interpreter, compilers: Iterable[Compiler]
) -> dict[str, Bytecode]:
    """How each `.pyc` in a `__pycache__` folder compares with its source."""
    minor = interpreter.minor
    tag = f"{interpreter.implementation or 'cpython'}-{minor[0]}{minor[1]}" if minor else None
    found: dict[str, Bytecode] = {}
    tasks: dict[str, Task] = {}
    for path, entry in entries.items():
        folder, _, name = path.rpartition("/")
        if entry.kind is not Kind.FILE or not name.endswith(".pyc") or not f"/{folder}".endswith("/__pycache__"):
            continue
        match = _CACHED.fullmatch(name)
        source = folder[: -len("__pycache__")] + (match["stem"] if match else "") + ".py"
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
            place = os.fsencode(f"{root}/{path}")
            where = os.fsencode(origin.real or f"{root}/{source}")
            size, level = origin.size or entry.size, int(match["level"] or 0)
            tasks[path] = Task(place, where, entry.sha256, origin.sha256, size, level)
    for compiler in compilers:
        # Another patch release may compile differently: equal under any trusted compiler is equal.
        left = [task for path, task in tasks.items() if found[path] in (Bytecode.UNKNOWN, Bytecode.FOREIGN)]
        results = recompile(left, compiler.executable) if left else {}
        for path, task in tasks.items():
            result = results.get(task.pyc)
            if result is not None and not (result is Bytecode.UNKNOWN and found[path] is Bytecode.FOREIGN):
                found[path] = result
    return found


def _mounts(real_root: str) -> Iterator[str]:
    """Places below the root where something else is mounted (proc(5), mountinfo)."""
    try:
        with open("/proc/self/mountinfo", "rb") as file:
            lines = file.read().splitlines()
    except OSError:
        return
    for line in lines:
        fields = line.split(b" ")
        if len(fields) > 4:
            place = os.fsdecode(re.sub(rb"\\([0-7]{3})", lambda match: bytes([int(match[1], 8)]), fields[4]))
            if place.startswith(real_root + "/"):
                yield place.removeprefix(real_root + "/")
