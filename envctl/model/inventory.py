"""What stands in an environment: every file with its hash, and what the interpreter of it is.

Paths are relative to the environment's prefix, with `/`, and as the file system spells them: bytes that are no UTF-8
are kept as surrogate escapes. Nothing here says whether a file is right; `envctl.verify` does.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from enum import Enum

import msgspec

_MINOR = re.compile(r"([0-9]{1,3})\.([0-9]{1,3})(?:\.|\Z)")


class Kind(str, Enum):
    """What a directory entry is."""

    FILE = "file"
    LINK = "link"
    FOLDER = "folder"
    FIFO = "fifo"
    SOCKET = "socket"
    DEVICE = "device"


class Entry(msgspec.Struct, frozen=True, gc=False):
    """One directory entry, as `lstat` sees it.

    Attributes:
        mode: permission bits, with setuid, setgid and sticky.
        size: bytes.
        sha256: 64 hex digits of a regular file's content, and of the regular file behind a link; None where it is
            neither, or could not be read (then `Inventory.problems` says why).
        link: a link's target as it is written.
        real: the place behind a link, absolute, with every link followed; None where it leads nowhere.
        start: the first four bytes of a regular file, which say what kind of content it has.
    """

    kind: Kind
    mode: int
    size: int = 0
    sha256: str | None = None
    link: str | None = None
    real: str | None = None
    start: bytes = b""


class Problem(msgspec.Struct, frozen=True):
    """A place that could not be read, or that changed while it was."""

    path: str
    reason: str


class Interpreter(msgspec.Struct, frozen=True, kw_only=True):
    """The interpreter that an environment starts, as far as it can be known without running the environment.

    Attributes:
        version: X.Y.Z; None where nothing says it.
        asked: whether the interpreter itself said so (isolated, from outside); otherwise it is pyvenv.cfg's word.
        implementation: `cpython`, in lower case; None where nothing says it.
        home: the folder of the base interpreter, as pyvenv.cfg says it.
        executables: real path of each interpreter in `home` -> its sha256 (64 hex digits), which a copy must have;
            empty where there is none.
        scripts: those of them that are no programs but scripts, which hand over to who knows what.
        activators: templates of activation scripts in its `venv` module, by file name.
        bundled: wheels in its `ensurepip` module (absolute paths), with which it seeds environments.
    """

    version: str | None = None
    asked: bool = False
    implementation: str | None = None
    home: str | None = None
    executables: Mapping[str, str] = {}
    scripts: tuple[str, ...] = ()
    activators: Mapping[str, bytes] = {}
    bundled: tuple[str, ...] = ()

    @property
    def minor(self) -> tuple[int, int] | None:
        """(3, 11) of 3.11.9."""
        match = _MINOR.match(self.version or "")
        return (int(match[1]), int(match[2])) if match else None


class Bytecode(str, Enum):
    """How a `.pyc` compares with its source."""

    EQUAL = "equal"
    FOREIGN = "foreign"
    UNCHECKED = "unchecked"
    SOURCELESS = "sourceless"
    OTHER_PYTHON = "other-python"
    UNREADABLE = "unreadable"
    UNKNOWN = "unknown"


class Inventory(msgspec.Struct, frozen=True, kw_only=True):
    """A whole environment.

    Attributes:
        root: the prefix, absolute, as the user named it.
        real_root: the same with every link followed.
        site: the site directory of the interpreter (`lib/python3.11/site-packages`); None where there is none.
        config: pyvenv.cfg, key (lower case) -> value; `config_repeated`: keys that stand there twice.
        entries: path -> entry, folders included; the prefix itself is not in it.
        texts: content of the small files that comparing reads: RECORD, entry_points.txt, scripts, `.pth` files and
            the like. Each is the content that was hashed.
        bytecode: path of each `.pyc` in a `__pycache__` folder -> how it compares.
        mounts: places below the prefix where another file system is mounted.
        variables: variables of the calling process that change what is imported or loaded.
        venv: whether it is a virtual environment; else it is an installed interpreter's own, without pyvenv.cfg.
        anchored: paths for which the layers of the pinned base image vouch; none on a machine.
    """

    root: str
    real_root: str
    interpreter: Interpreter
    site: str | None
    config: Mapping[str, str]
    entries: Mapping[str, Entry]
    texts: Mapping[str, bytes]
    config_repeated: tuple[str, ...] = ()
    bytecode: Mapping[str, Bytecode] = {}
    problems: tuple[Problem, ...] = ()
    mounts: tuple[str, ...] = ()
    variables: Mapping[str, str] = {}
    venv: bool = True
    anchored: frozenset[str] = frozenset()

    def measure(self) -> tuple[int, int]:
        """How many regular files there are, and their bytes."""
        sizes = [entry.size for entry in self.entries.values() if entry.kind is Kind.FILE]
        return len(sizes), sum(sizes)
