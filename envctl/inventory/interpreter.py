"""The interpreter of a virtual environment: pyvenv.cfg, and what stands where it points. Nothing of it runs.

Sources: PEP 405 (pyvenv.cfg), CPython's `getpath` and `site` modules (which keys count, and how they are read).
"""

from __future__ import annotations

import json
import mmap
import os
import re
import stat
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping
from importlib.util import MAGIC_NUMBER
from pathlib import Path

import msgspec

from envctl.inventory import hasher
from envctl.inventory.workers import FLAGS, clean_environment, own_interpreter
from envctl.model.inventory import Interpreter

_NAME = re.compile(r"(?:python|pypy|graalpy)(?:3(?:\.\d+t?)?)?")
_VERSION = re.compile(r"[0-9]{1,3}\.[0-9]{1,3}(?:\.[0-9]{1,3})?(?![0-9])")
_RELEASE = rb"%s\.(\d{1,3})(?:\+|(?:a|b|rc)\d+)?\0"
_NUMBER = {bytes([character]) for character in b"0123456789."}
_SHARED_WHEELS = Path("/usr/share/python-wheels")  # where Debian and Fedora keep what ensurepip installs
_QUESTION = """
import sys, json, _imp
from importlib.util import MAGIC_NUMBER
print(json.dumps(["%d.%d.%d" % sys.version_info[:3], sys.implementation.name, MAGIC_NUMBER.hex()]))
"""


class Compiler(msgspec.Struct, frozen=True):
    """An interpreter that can compile: executable, X.Y.Z, magic number of its bytecode."""

    executable: str
    version: str
    magic: bytes


def read_config(data: bytes) -> tuple[dict[str, str], tuple[str, ...]]:
    """pyvenv.cfg as `site` reads it: keys in lower case, the last one wins; and the keys that stand there twice."""
    values: dict[str, str] = {}
    repeated = []
    for line in data.decode("utf-8", "surrogateescape").splitlines():
        key, equals, value = line.partition("=")
        if not equals:
            continue
        key = key.strip().lower()
        if key in values:
            repeated.append(key)
        values[key] = value.strip()
    return values, tuple(repeated)


def inspect(
    root: Path, config: Mapping[str, str], *, copied: bool
) -> tuple[Interpreter, Callable[[], Iterator[Compiler]]]:
    """The base interpreter of an environment, and what gives those that may compile for it, the most trusted first.

    `home` in pyvenv.cfg is the environment's word, so what stands there is started only where it is the interpreter
    that runs envctl, or where nobody but root can have put it there; else its version is read from the file.
    With `copied` the interpreters in `home` are hashed, for comparison with copies of them.
    """
    home = config.get("home")
    folder = Path(home) if home and home.startswith("/") else None
    executables = _executables(folder) if folder is not None else []
    scripts = tuple(path for path in executables if _is_script(path))
    claimed = _claimed(config)
    own = _own()
    version, implementation, asked = claimed, config.get("implementation", "").lower() or None, False
    base: Compiler | None = None
    if os.path.realpath(own.executable) in executables:
        version, implementation, asked = own.version, sys.implementation.name, True
    else:
        known = _ask([path for path in executables if path not in scripts and _only_root_writes(path)])
        read = next(filter(None, (_read_version(path, claimed) for path in executables if path not in scripts)), None)
        if known is not None:
            base, version, implementation, asked = known[0], known[0].version, known[1], True
        elif read is not None:
            version, implementation, asked = read, "cpython", True

    def compilers() -> Iterator[Compiler]:
        minor = ".".join((version or "").split(".")[:2])
        if minor == "{}.{}".format(*sys.version_info) and implementation in (None, sys.implementation.name):
            yield own
        if base is not None:
            yield base
        elif version is not None and version != own.version and implementation in (None, "cpython"):
            yield from _of_this_machine(root, version)

    library = _library(folder, version)
    interpreter = Interpreter(
        version=version,
        asked=asked,
        implementation=implementation,
        home=home,
        executables={path: _hash(path) if copied else "" for path in executables},
        scripts=scripts,
        activators=_activators(library),
        bundled=_bundled(library),
    )
    return interpreter, compilers


def compilers_for(interpreter: Interpreter) -> Iterator[Compiler]:
    """Interpreters of this machine that may compile for one of another file system: of the same minor version."""
    if interpreter.minor is None or interpreter.version is None or interpreter.implementation not in (None, "cpython"):
        return
    if sys.implementation.name == "cpython" and interpreter.minor == sys.version_info[:2]:
        yield _own()
        if interpreter.version == _own().version:
            return
    yield from _of_this_machine(None, interpreter.version)


def release_in(data: bytes | mmap.mmap, minor: str) -> str | None:
    """X.Y.Z as CPython's own text in its executable or library says it (PY_VERSION); `minor` is X.Y."""
    matches = re.finditer(_RELEASE % re.escape(minor).encode(), data)  # begins with what is found fast, so:
    found = {match[1] for match in matches if data[max(0, match.start() - 1) : match.start()] not in _NUMBER}
    return f"{minor}.{found.pop().decode()}" if len(found) == 1 else None


def _own() -> Compiler:
    return Compiler(own_interpreter(), "{}.{}.{}".format(*sys.version_info), MAGIC_NUMBER)


def _of_this_machine(root: Path | None, version: str) -> Iterator[Compiler]:
    """The interpreter of that version that the machine has by itself, not by the word of an environment."""
    from envctl.system import pythons

    found = pythons.installed(version)
    if found is None or (root is not None and os.path.realpath(found.path).startswith(os.path.realpath(root) + "/")):
        return
    asked = _ask([str(found.path)])
    if asked is not None:
        yield asked[0]


def _claimed(config: Mapping[str, str]) -> str | None:
    for key in ("version", "version_info", "python-version"):
        match = _VERSION.match(config.get(key, ""))
        if match:
            return match[0]
    return None


def _executables(home: Path) -> list[str]:
    found: dict[str, None] = {}
    try:
        names = sorted(name for name in os.listdir(home) if _NAME.fullmatch(name))
    except OSError:
        return []
    for name in names:
        real = os.path.realpath(home / name)
        if os.path.isfile(real) and os.access(real, os.X_OK):
            found[real] = None
    return list(found)


def _ask(executables: list[str]) -> tuple[Compiler, str] | None:
    for executable in executables:
        try:
            done = subprocess.run(
                [executable, *FLAGS, "-c", _QUESTION],
                env=clean_environment(),
                stdin=subprocess.DEVNULL,
                capture_output=True,
                timeout=20,
                check=True,
            )
            version, implementation, magic = json.loads(done.stdout)
            return Compiler(executable, version, bytes.fromhex(magic)), implementation
        except (OSError, subprocess.SubprocessError, ValueError, TypeError):
            continue
    return None


def _only_root_writes(path: str) -> bool:
    """Whether nobody but root can have put the file there: not the author of an environment, either."""
    while True:
        status = os.stat(path)
        if status.st_uid != 0 or status.st_mode & (stat.S_IWGRP | stat.S_IWOTH):
            return False
        if path == "/":
            return True
        path = os.path.dirname(path)


def _is_script(path: str) -> bool:
    try:
        with open(path, "rb") as file:
            return file.read(2) == b"#!"
    except OSError:
        return False


def _read_version(executable: str, claimed: str | None) -> str | None:
    """X.Y.Z by the text of the executable, or of the library beside it; None where neither says it."""
    name = re.search(r"python(3\.\d+)t?$", executable)
    minor = name[1] if name else ".".join((claimed or "").split(".")[:2])
    if not minor:
        return None
    prefix = Path(executable).parent.parent
    libraries = [
        str(path) for folder in ("lib", "lib64", "lib/*") for path in prefix.glob(f"{folder}/libpython{minor}*.so*")
    ]
    for path in (executable, *dict.fromkeys(map(os.path.realpath, libraries))):
        try:
            with open(path, "rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as data:
                found = release_in(data, minor)
        except (OSError, ValueError):  # it cannot be read, or is empty
            continue
        if found is not None:
            return found
    return None


def _library(home: Path | None, version: str | None) -> Path | None:
    if home is None or version is None:
        return None
    name = "python" + ".".join(version.split(".")[:2])
    for prefix in (home.parent, Path(os.path.realpath(home / name)).parent.parent):
        for lib in ("lib", "lib64"):
            if (prefix / lib / name / "os.py").is_file():
                return prefix / lib / name
    return None


def _activators(library: Path | None) -> dict[str, bytes]:
    if library is None:
        return {}
    found = {}
    for folder in ("common", "posix"):
        for path in sorted((library / "venv" / "scripts" / folder).glob("[aA]ctivate*")):
            if path.is_file() and path.stat().st_size < 2**20:
                found[path.name] = path.read_bytes()
    return found


def _bundled(library: Path | None) -> tuple[str, ...]:
    if library is None:
        return ()
    own = sorted((library / "ensurepip" / "_bundled").glob("*.whl"))
    return tuple(str(path) for path in own or sorted(_SHARED_WHEELS.glob("*.whl")))


def _hash(path: str) -> str:
    try:
        return hasher.measure(os.fsencode(path))[0]
    except (OSError, hasher.Changed):
        return ""
