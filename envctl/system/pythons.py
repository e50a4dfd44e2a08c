"""Interpreters on this machine: find the CPython that a lockfile names, ask it what it is, fetch it where uv can."""

from __future__ import annotations

import contextlib
import os
import sys
import time
from collections.abc import Iterable, Iterator
from pathlib import Path

import msgspec

from envctl.errors import ToolFailed, UsageError
from envctl.system import uv
from envctl.system.files import cache_dir, home_dir
from envctl.system.process import run, system_path

FETCH_SECONDS = 15.0
"""How long fetching the exact patch release may take where another one is at hand."""
FETCH_SECONDS_NEEDED = 600.0
"""How long it may take where nothing else would do."""
FETCH_AGAIN_SECONDS = 3600.0
"""How long after a failure it is not tried again where another patch release is at hand."""

# Isolated and without `site`, so that no .pth file and no variable of the caller runs or changes anything.
_PROBE = """
import json, os, sys, sysconfig
base = getattr(sys, "_base_executable", None) or sys.executable
print(json.dumps({
    "version": ".".join(map(str, sys.version_info[:3])) + ("" if sys.version_info[3] == "final" else "pre"),
    "implementation": sys.implementation.name,
    "free_threaded": bool(sysconfig.get_config_var("Py_GIL_DISABLED")),
    "debug": hasattr(sys, "gettotalrefcount"),
    "base": os.path.abspath(base),
    "machine": os.uname().machine,
    "bits": sys.maxsize.bit_length() + 1,
}))
"""


class Interpreter(msgspec.Struct, frozen=True, kw_only=True):
    """A base interpreter (no virtual environment's): its executable and version X.Y.Z."""

    path: Path
    version: str


class _Probe(msgspec.Struct, frozen=True):
    version: str
    implementation: str
    free_threaded: bool
    debug: bool
    base: str
    machine: str
    bits: int


def ask(executable: Path) -> Interpreter:
    """What an executable is; of a virtual environment's, the interpreter below it.

    Raises:
        UsageError: it is no regular 64-bit CPython (free-threaded and debug builds need other wheels).
        ToolFailed: it cannot be run.
    """
    done = run([executable, "-I", "-S", "-c", _PROBE], env=uv.clean_environment(), timeout=60)
    if done.status != 0:
        lines = done.stderr.strip().splitlines()[-3:]
        raise ToolFailed("the interpreter does not run", file=executable, details=lines)
    try:
        probe = msgspec.json.decode(done.stdout.strip().splitlines()[-1].encode(), type=_Probe)
    except (msgspec.MsgspecError, IndexError) as error:
        raise ToolFailed("this is no Python interpreter", file=executable, found=done.stdout[:200] or None) from error
    if probe.implementation != "cpython" or probe.free_threaded or probe.debug or probe.bits != 64:
        kind = "a free-threaded build" if probe.free_threaded else "a debug build" if probe.debug else "32-bit"
        found = kind if probe.implementation == "cpython" else probe.implementation
        raise UsageError("the interpreter needs other wheels than those locked", file=executable, found=found)
    return Interpreter(path=Path(probe.base), version=probe.version)


def given(executable: Path, wanted: str) -> Interpreter:
    """The interpreter that the user named, for a lockfile made for `wanted` (X.Y.Z).

    Raises:
        UsageError: it is missing, or of another X.Y.
    """
    if executable.is_dir():
        executable = executable / "bin" / "python"
    if not executable.exists():
        raise UsageError("--python names no interpreter", found=str(executable))
    interpreter = ask(executable)
    if _minor(interpreter.version) != _minor(wanted):
        raise UsageError(
            "--python is another Python than the locked one", found=interpreter.version, expected=f"{_minor(wanted)}.*"
        )
    return interpreter


def installed(wanted: str) -> Interpreter | None:
    """What is on this machine already: X.Y.Z, else the newest patch release of X.Y, else None."""
    minor = _minor(wanted)
    near = [*_own(), *_kept_by_version_managers()]
    found = _first([item for item in near if item[0] == wanted], minor)
    if found is not None:
        return found
    every = [item for item in (*near, *_known_to_uv(minor)) if _minor(item[0]) == minor]
    return _first(sorted(every, key=lambda item: (item[0] == wanted, _numbers(item[0])), reverse=True), minor)


def _first(candidates: Iterable[tuple[str, Path]], minor: str) -> Interpreter | None:
    """The first that runs, is of this X.Y, and needs no other wheels; the others are as good as absent."""
    for _, path in candidates:
        with contextlib.suppress(ToolFailed, UsageError):
            interpreter = ask(path)
            if _minor(interpreter.version) == minor:
                return interpreter
    return None


def _own() -> Iterator[tuple[str, Path]]:
    """The interpreter below the one that runs envctl."""
    yield ".".join(map(str, sys.version_info[:3])), Path(sys.executable)


def fetch(wanted: str, *, timeout: float) -> Interpreter | None:
    """Let uv fetch X.Y.Z (or the newest of X.Y) into its own folder; None where it cannot, or not in time."""
    command: list[str | Path] = [
        uv.binary(),
        "python",
        "install",
        "--no-config",
        "--no-bin",
        "--quiet",
        "--no-progress",
    ]
    # One attempt more, not three: a machine without the way there should not wait for what it can do without.
    env = _environment() | {"UV_HTTP_RETRIES": "1"}
    try:
        done = run([*command, f"cpython@{wanted}"], env=env, timeout=timeout)
    except ToolFailed:
        return None  # not in time: what uv had of it lies in its own temporary folder
    return installed(wanted) if done.status == 0 else None


def fetchable(wanted: str) -> bool:
    """Whether uv knows where to fetch X.Y.Z for this machine. No network is used."""
    command: list[str | Path] = [uv.binary(), "python", "list", "--no-config", "--only-downloads"]
    done = run([*command, "--output-format", "json", f"cpython@{wanted}"], env=_environment(), timeout=60)
    try:
        return any(item.version == wanted for item in msgspec.json.decode(done.stdout, type=list[_Offered]))
    except msgspec.MsgspecError:
        return False


def find(wanted: str, *, downloads: bool) -> Interpreter:
    """The interpreter to build an environment on: X.Y.Z where it can be had, else another patch release of X.Y.

    Args:
        wanted: the locked X.Y.Z.
        downloads: whether uv may fetch it.

    Raises:
        ToolFailed: there is no X.Y at all.
    """
    found = installed(wanted)
    if found is not None and found.version == wanted:
        return found
    if downloads and not (found is not None and _failed_lately(wanted)):
        fetched = fetch(wanted, timeout=FETCH_SECONDS if found else FETCH_SECONDS_NEEDED)
        if fetched is not None:
            return fetched
        _note_failure(wanted)
    if found is None and downloads:
        found = fetch(_minor(wanted), timeout=FETCH_SECONDS_NEEDED)
    if found is None:
        raise ToolFailed(
            f"there is no Python {_minor(wanted)} on this machine",
            expected=f"CPython {wanted}" + ("" if downloads else ", which may not be fetched with --offline"),
            hint=f"install it (`uv python install {wanted}` fetches one), or name one: --python PATH",
        )
    return found


def _failed_lately(wanted: str) -> bool:
    """Whether fetching it failed within the last hour: who can do without should not wait for it every time."""
    try:
        return 0 <= time.time() - _failure(wanted).stat().st_mtime < FETCH_AGAIN_SECONDS
    except OSError:
        return False


def _note_failure(wanted: str) -> None:
    with contextlib.suppress(OSError):
        _failure(wanted).parent.mkdir(parents=True, exist_ok=True)
        _failure(wanted).touch()


def _failure(wanted: str) -> Path:
    return cache_dir("pythons", f"{wanted}.unavailable")


def _known_to_uv(minor: str) -> list[tuple[str, Path]]:
    """Version and path of those that uv finds: its own, and those on PATH."""
    options = ["--no-config", "--only-installed", "--no-python-downloads", "--output-format", "json"]
    with contextlib.suppress(msgspec.MsgspecError):
        try:
            command: list[str | Path] = [uv.binary(), "python", "list", *options, f"cpython@{minor}"]
        except ToolFailed:
            return []  # the verifier in one file has no uv
        done = run(command, env=_environment(), timeout=60)
        return [(item.version, Path(item.path)) for item in msgspec.json.decode(done.stdout, type=list[_Listed])]
    return []


class _Listed(msgspec.Struct, frozen=True):
    version: str
    path: str


class _Offered(msgspec.Struct, frozen=True):
    version: str


def _kept_by_version_managers() -> Iterator[tuple[str, Path]]:
    """Those in the folders of version managers, which uv does not search."""
    for folder in _version_managers():
        with contextlib.suppress(OSError):
            for entry in folder.iterdir():
                if (entry / "bin" / "python").is_file():
                    yield entry.name, entry / "bin" / "python"


def _version_managers() -> Iterator[Path]:
    home = home_dir()
    data = Path(os.environ.get("XDG_DATA_HOME") or home / ".local/share")
    for folder in (
        Path(os.environ.get("PYENV_ROOT") or home / ".pyenv") / "versions",
        Path(os.environ.get("MISE_DATA_DIR") or data / "mise") / "installs/python",
        Path(os.environ.get("ASDF_DATA_DIR") or home / ".asdf") / "installs/python",
    ):
        if folder.is_dir():
            yield folder


def _numbers(version: str) -> tuple[int, ...]:
    return tuple(int(part) if part.isdecimal() else -1 for part in version.split("."))


def _environment() -> dict[str, str]:
    """The caller's, for uv, which runs every interpreter on PATH with its startup hooks: none of an environment's."""
    env = uv.clean_environment(keep=uv.PYTHON_SOURCES) | {"UV_CACHE_DIR": str(cache_dir("uv"))}
    return env | {"PATH": system_path(env.get("PATH", os.defpath))}


def _minor(version: str) -> str:
    return ".".join(version.split(".")[:2])
