"""The interpreter of a virtual environment: pyvenv.cfg, and what stands where it points. Nothing of it runs.

Sources: PEP 405 (pyvenv.cfg), CPython's `getpath` and `site` modules (which keys count, and how they are read).
"""

from __future__ import annotations

import json
import os
import re
import stat
import subprocess
import sys
from collections.abc import Mapping
from importlib.util import MAGIC_NUMBER
from pathlib import Path

import msgspec

from envctl.inventory import hasher
from envctl.inventory.workers import FLAGS, clean_environment, own_interpreter
from envctl.model.inventory import Interpreter

_NAME = re.compile(r"(?:python|pypy|graalpy)(?:3(?:\.\d+t?)?)?")
_VERSION = re.compile(r"(\d+)\.(\d+)(?:\.(\d+))?")
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


def inspect(root: Path, config: Mapping[str, str], *, copied: bool) -> tuple[Interpreter, tuple[Compiler, ...]]:
    """The base interpreter of an environment, and those interpreters that may compile for it, the most trusted first.

    The interpreter that runs envctl is trusted. The environment's base interpreter is asked for its version, isolated
    and never through the environment, unless it lies inside the environment or anyone may write it.
    With `copied` the interpreters in `home` are hashed, for comparison with copies of them.
    """
    home = config.get("home")
    folder = Path(home) if home and home.startswith("/") else None
    executables = _executables(folder) if folder is not None else []
    claimed = _claimed(config)
    own = Compiler(own_interpreter(), "{}.{}.{}".format(*sys.version_info), MAGIC_NUMBER)
    version, implementation, asked = claimed, config.get("implementation", "").lower() or None, False
    compilers = []
    if os.path.realpath(own.executable) in executables:
        version, implementation, asked = own.version, sys.implementation.name, True
        compilers.append(own)
    else:
        base = _ask(root, executables)
        if base is not None:
            version, implementation, asked = base[0].version, base[1], True
        minor = ".".join((version or "").split(".")[:2])
        if minor == "{}.{}".format(*sys.version_info) and implementation in (None, sys.implementation.name):
            compilers.append(own)
        if base is not None:
            compilers.append(base[0])
    library = _library(folder, version)
    interpreter = Interpreter(
        version=version,
        asked=asked,
        implementation=implementation,
        home=home,
        executables={path: _hash(path) if copied else "" for path in executables},
        activators=_activators(library),
        bundled=_bundled(library),
    )
    return interpreter, tuple(compilers)


def compilers_for(interpreter: Interpreter) -> tuple[Compiler, ...]:
    """Interpreters of this machine that may compile for one of another file system: of the same minor version."""
    if interpreter.minor is None or interpreter.implementation not in (None, "cpython"):
        return ()
    if sys.implementation.name == "cpython" and interpreter.minor == sys.version_info[:2]:
        return (Compiler(own_interpreter(), "{}.{}.{}".format(*sys.version_info), MAGIC_NUMBER),)
    from envctl.system import pythons

    found = pythons.installed("{}.{}".format(*interpreter.minor))
    if found is None:
        return ()
    asked = _ask(Path("/nonexistent"), [str(found.path)])
    return () if asked is None else (asked[0],)


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


def _ask(root: Path, executables: list[str]) -> tuple[Compiler, str] | None:
    for executable in executables:
        if not _may_run(root, executable):
            continue
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


def _may_run(root: Path, executable: str) -> bool:
    """Whether running the file gives an environment's author no power that the user did not already give."""
    status = os.stat(executable)
    inside = executable.startswith(os.path.realpath(root) + "/")
    return not inside and status.st_uid in (0, os.getuid()) and not status.st_mode & stat.S_IWOTH


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
