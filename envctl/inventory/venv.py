"""A virtual environment on this machine: walked without following links, every file hashed, nothing of it run."""

from __future__ import annotations

import hashlib
import os
import re
import stat
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path
from types import TracebackType

import msgspec

from envctl.errors import UsageError
from envctl.inventory import kept, mountinfo
from envctl.inventory.bytecode import judge
from envctl.inventory.hashing import Hashing
from envctl.inventory.interpreter import Compiler, inspect, read_config
from envctl.model.inventory import Entry, Interpreter, Inventory, Kind, Problem

# What of the calling process changes from where the interpreter or the loader takes code.
VARIABLES = (
    "PYTHONPATH",
    "PYTHONHOME",
    "PYTHONPLATLIBDIR",
    "PYTHONUSERBASE",
    "PYTHONPYCACHEPREFIX",
    "PYTHONSTARTUP",
    "LD_PRELOAD",
    "LD_AUDIT",
    "LD_LIBRARY_PATH",
    "DYLD_INSERT_LIBRARIES",
    "DYLD_LIBRARY_PATH",
    "GCONV_PATH",  # from where glibc loads converters between encodings
    "CUDA_INJECTION64_PATH",  # a library that CUDA loads into every program
    "OPENSSL_CONF",  # may name providers and engines, which are libraries
    "OPENSSL_MODULES",
    "OPENSSL_ENGINES",
)
_CONFIG = "pyvenv.cfg"
_FORMAT, _BITS = 0o170000, 0o7777
_SMALL = (".py", ".pyc", ".pyi", ".h", ".txt", ".json", ".md", ".rst", ".js", ".css", ".html", ".yaml", ".typed")
_SITE = re.compile(r"lib/python(\d+\.\d+)t?/site-packages")
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
        with Reading(self) as reading:
            return reading.finish()


class Reading:
    """An environment that is being read: other processes hash its files, this one can do something else meanwhile.

    Raises:
        UsageError: there is no virtual environment.
    """

    def __init__(self, venv: Venv) -> None:
        self._environ = venv.environ
        self._draft: Inventory | None = None
        self._unread: list[Problem] = []
        self._compilers: Callable[[], Iterable[Compiler]] = tuple
        self._root = root = os.path.abspath(venv.root)
        shown = venv.shown or venv.root
        if not os.path.isdir(root):
            raise UsageError("there is no such folder", file=shown, hint="`envctl sync` makes the environment")
        if not os.path.lexists(os.path.join(root, _CONFIG)):
            raise UsageError(
                "is no virtual environment",
                file=shown,
                found="no pyvenv.cfg",
                hint="name one with `--venv DIR`, or make it with `envctl sync`",
            )
        self._hashing = Hashing()
        try:
            self._tree = _walk(root, self._hashing)
        except BaseException:
            self._hashing.__exit__(None, None, None)
            raise

    def __enter__(self) -> Reading:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """End the processes that hash."""
        self._hashing.__exit__(kind, error, trace)

    def draft(self) -> Inventory:
        """The inventory without hashes and without bytecode, while the files are hashed.

        Its entries are all but the regular files; its texts are not yet known to be what is hashed.
        """
        root, tree = self._root, self._tree
        texts, self._unread = _texts(root, tree)
        config, repeated = read_config(texts.get(_CONFIG, b""))
        copied = any(path.startswith("bin/") and _PYTHON.fullmatch(path) for path, _ in tree.files.values())
        interpreter, self._compilers = inspect(Path(root), config, copied=copied)
        self._draft = Inventory(
            root=root,
            real_root=os.path.realpath(root),
            interpreter=interpreter,
            site=_site(tree.others, interpreter),
            config=config,
            config_repeated=repeated,
            entries=tree.others,
            texts=texts,
            mounts=tuple(_mounts(os.path.realpath(root))),
            variables={name: self._environ[name] for name in VARIABLES if self._environ.get(name)},
        )
        return self._draft

    def finish(self) -> Inventory:
        """The inventory, when everything is hashed."""
        draft = self._draft or self.draft()
        entries, problems = _hashed(self._tree, self._hashing.finish())
        texts = {}
        for path, data in draft.texts.items():
            if hashlib.sha256(data).hexdigest() == entries[path].sha256:
                texts[path] = data
            elif entries[path].sha256 is not None:
                problems.append(Problem(path, "it changed while the environment was read"))
        problems += [problem for problem in self._unread if entries[problem.path].sha256 is not None]
        return msgspec.structs.replace(
            draft,
            entries=entries,
            texts=texts,
            bytecode=judge(entries, draft.interpreter, self._compilers(), self._place),
            problems=tuple(sorted(problems, key=lambda problem: problem.path)),
        )

    def _place(self, path: str, entry: Entry) -> bytes:
        return os.fsencode(entry.real or f"{self._root}/{path}")


class _Tree(msgspec.Struct):
    """What a walk found: path and size (0: not asked) of files by place, all else, places behind links, problems."""

    files: dict[bytes, tuple[str, int]]
    others: dict[str, Entry]
    behind: dict[str, bytes]
    problems: list[Problem]


def _walk(root: str, hashing: Hashing) -> _Tree:
    """Every entry below the root; its files are hashed meanwhile."""
    tree = _Tree({}, {}, {}, [])
    folders = [""]
    while folders:
        folder = folders.pop()
        try:
            with os.scandir(f"{root}/{folder}") as found:
                for item in found:
                    path = folder + item.name
                    if item.is_file(follow_symlinks=False):
                        # The process that hashes a file asks for its size anyway; here it only says which come first.
                        size = 0 if path.endswith(_SMALL) else item.stat(follow_symlinks=False).st_size
                        place = item.path.encode("utf-8", "surrogateescape")
                        tree.files[place] = path, size
                        hashing.add(place, size)
                        continue
                    tree.others[path] = entry = _other(item.path, item.stat(follow_symlinks=False).st_mode)
                    if entry.kind is Kind.FOLDER:
                        folders.append(path + "/")
                    elif entry.real is not None and os.path.isfile(entry.real) and not _PYTHON.fullmatch(path):
                        tree.behind[path] = os.fsencode(entry.real)
                        hashing.add(tree.behind[path], os.path.getsize(entry.real))
        except OSError as error:
            tree.problems.append(Problem(folder.rstrip("/") or ".", error.strerror or str(error)))
    hashing.complete()
    return tree


def _other(place: str, status: int) -> Entry:
    kind, mode = status & _FORMAT, status & _BITS
    if kind == stat.S_IFDIR:
        return Entry(Kind.FOLDER, mode)
    if kind == stat.S_IFLNK:
        real = os.path.realpath(place)
        return Entry(Kind.LINK, mode, link=os.readlink(place), real=real if os.path.exists(real) else None)
    special = {stat.S_IFIFO: Kind.FIFO, stat.S_IFSOCK: Kind.SOCKET}
    return Entry(special.get(kind, Kind.DEVICE), mode)


def _hashed(tree: _Tree, answers: Iterable[tuple[bytes, str]]) -> tuple[dict[str, Entry], list[Problem]]:
    """Every entry with its hash; what could not be hashed becomes a problem."""
    entries, problems = dict(tree.others), list(tree.problems)
    behind: dict[bytes, str] = {}
    for place, answer in answers:
        path = tree.files[place][0] if place in tree.files else None
        digest, _, rest = answer.partition(" ")
        if path is None or answer[0] == "!":
            behind[place] = answer
        if path is not None and answer[0] == "!":
            problems.append(Problem(path, answer[1:]))
            entries[path] = Entry(Kind.FILE, 0)
        elif path is not None:
            mode, size, start = rest.split(" ")
            entries[path] = Entry(Kind.FILE, int(mode, 8), int(size), digest, start=bytes.fromhex(start))
    for path, place in tree.behind.items():
        answer = behind.get(place) or entries[tree.files[place][0]].sha256 or "!it could not be read"
        if answer[0] == "!":
            problems.append(Problem(path, answer[1:]))
        else:
            entries[path] = msgspec.structs.replace(entries[path], sha256=answer[:64])
    return entries, problems


def _texts(root: str, tree: _Tree) -> tuple[dict[str, bytes], list[Problem]]:
    """The content of the files that comparing reads, and which of them could not be read."""
    texts, problems = {}, []
    sizes = {path: size for path, size in tree.files.values() if _wanted(path)}
    sizes |= dict.fromkeys((path for path in tree.behind if _wanted(path)), 0)
    for path, size in sizes.items():
        try:
            data = _read(os.fsdecode(tree.behind.get(path, os.fsencode(f"{root}/{path}"))), path, size)
        except OSError as error:
            problems.append(Problem(path, error.strerror or str(error)))
            continue
        if data is not None:
            texts[path] = data
    return texts, problems


def _wanted(path: str) -> bool:
    """Whether the file's content decides: configuration, installers' notes, startup hooks, scripts."""
    if path.startswith("bin/"):
        return "/__pycache__/" not in path and _PYTHON.fullmatch(path) is None
    folder, _, name = path.rpartition("/")
    if name in kept.NOTES:
        return folder.endswith(".dist-info") and _SITE.fullmatch(folder.rpartition("/")[0]) is not None
    if name.endswith(".pth") or name.startswith("__editable__"):
        return _SITE.fullmatch(folder) is not None
    return path == _CONFIG


def _read(place: str, path: str, size: int) -> bytes | None:
    """The file's content; None where it is too large to be read, or a program in `bin` that is no script."""
    if size > kept.TEXT:
        return None
    descriptor = os.open(place, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    with os.fdopen(descriptor, "rb") as file:
        start = file.read(2)
        if path.startswith("bin/") and size > kept.SCRIPT and start != b"#!":
            return None
        return start + file.read(kept.TEXT)


def _site(entries: Mapping[str, Entry], interpreter: Interpreter) -> str | None:
    found = {}
    for path, entry in entries.items():
        match = _SITE.fullmatch(path) if entry.kind is Kind.FOLDER else None
        if match:
            found[match[1]] = path
    wanted = ".".join((interpreter.version or "").split(".")[:2])
    return found.get(wanted) or (next(iter(found.values())) if len(found) == 1 else None)


def _mounts(real_root: str) -> Iterator[str]:
    """Places below the root where something else is mounted (proc(5), mountinfo)."""
    try:
        with open("/proc/self/mountinfo", "rb") as file:
            data = file.read()
    except OSError:
        return
    for place in mountinfo.places(data):
        if place.startswith(real_root + "/"):
            yield place.removeprefix(real_root + "/")
