"""Make a virtual environment of verified wheels with uv, at a place from which it is moved afterwards.

uv unpacks the wheels into a cache of its own and links the environment's files to it. The cache here is one for this
run, beside the environment, and goes when the environment is moved: so each byte is written once, no file of an
environment shares its content with a cache (editing one would edit the other), and nothing that an earlier run or
another program left in a cache can get in. Measured on 106 wheels, 500 MB: half the time of a lasting cache with
copies when that is cold, the same when it is warm.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import msgspec

from envctl.errors import ToolFailed
from envctl.model.lockfile import Project
from envctl.system import uv
from envctl.system.files import cache_dir
from envctl.system.process import Finished, run
from envctl.system.pythons import Interpreter

WHEELS = "wheels"
_LINES = 12
# Where the build backend of the team's own package comes from is the user's business: the package is not locked.
_INDEX_SETTINGS = (
    "UV_DEFAULT_INDEX",
    "UV_INDEX",
    "UV_INDEX_URL",
    "UV_EXTRA_INDEX_URL",
    "UV_FIND_LINKS",
    "UV_INDEX_STRATEGY",
    "UV_INSECURE_HOST",
)


class Pinned(msgspec.Struct, frozen=True, kw_only=True):
    """A wheel to install: normalised name, version, and sha256 of the file (64 hex digits)."""

    name: str
    version: str
    sha256: str


class OwnPackage(msgspec.Struct, frozen=True, kw_only=True):
    """The team's own package. `folder` is absolute; `offline`: its build backend may not be fetched, `links` apart."""

    project: Project
    folder: Path
    offline: bool = False
    links: Path | None = None


def build(
    work: Path,
    final: Path,
    interpreter: Interpreter,
    wheels: Sequence[Pinned],
    *,
    prompt: str,
    lock: int,
    own: OwnPackage | None = None,
    compile_bytecode: bool = False,
) -> Path:
    """Make an environment with exactly these wheels, and the team's own package, in a work folder.

    Args:
        work: a folder on the file system where the environment is to stand; its `wheels` holds the checked wheels.
        final: where the environment is to stand.
        prompt: what shells show while the environment is active.
        lock: a descriptor that installers inherit (`envctl.install.place.alone`).

    Returns:
        The environment, `work/new`; it can be moved.

    Raises:
        ToolFailed: uv failed; with what it says.
    """
    new, cache = work / "new", work / "cache"
    make: list[str | Path] = [
        "venv",
        "--relocatable",
        "--no-project",
        "--prompt",
        prompt,
        "--python",
        interpreter.path,
        new,
    ]
    _uv("the virtual environment could not be made", work, cache, make, lock=lock)
    if wheels:
        _install(work, cache, new, wheels, lock=lock)
    if own is not None:
        _install_own(work, new, own, lock=lock)
    if compile_bytecode:
        _compile(interpreter, new, final)
    with contextlib.suppress(FileNotFoundError):
        (new / ".lock").unlink()  # uv's, world-writable, and of no use once uv has ended
    return new


def _install(work: Path, cache: Path, new: Path, wheels: Sequence[Pinned], *, lock: int) -> None:
    listed = work / "requirements.txt"
    listed.write_text("".join(f"{w.name}=={w.version} --hash=sha256:{w.sha256}\n" for w in wheels))
    # Found in a folder and not named as files: uv records in the environment where a file was installed from.
    options: list[str | Path] = ["--no-deps", "--no-index", "--offline", "--require-hashes", "--only-binary", ":all:"]
    options += ["--link-mode", "hardlink", "--no-compile-bytecode"]
    command: list[str | Path] = [
        "pip",
        "install",
        "--python",
        new / "bin/python",
        *options,
        "--find-links",
        work / WHEELS,
        "-r",
        listed,
    ]
    env = {"UV_NO_INSTALLER_METADATA": "1"}
    _uv("the locked wheels could not be installed", work, cache, command, lock=lock, env=env)


def _install_own(work: Path, new: Path, own: OwnPackage, *, lock: int) -> None:
    command: list[str | Path] = ["pip", "install", "--python", new / "bin/python", "--no-deps", "--link-mode", "copy"]
    command += ["--reinstall", "--offline"] if own.offline else ["--reinstall"]
    if own.links is not None:
        command += ["--find-links", own.links]
    command += ["--editable", own.folder] if own.project.editable else [own.folder]
    what = f"the project's own package {own.project.name} could not be installed"
    hint = "`--no-project` leaves it out"
    if own.offline:
        hint = f"building it needs its build backend ([build-system] of its pyproject.toml): without a network {hint}"
    settings = {name: os.environ[name] for name in os.environ if _is_index_setting(name)}
    _uv(what, work, cache_dir("uv"), command, lock=lock, env=settings, hint=hint, user_config=True)


def _is_index_setting(name: str) -> bool:
    return name in _INDEX_SETTINGS or (name.startswith("UV_INDEX_") and name.endswith(("_USERNAME", "_PASSWORD")))


def _compile(interpreter: Interpreter, new: Path, final: Path) -> None:
    """Bytecode as Python itself would cache it, naming the place that the environment is moved to.

    The base interpreter does it, isolated and without `site`: no startup hook of a wheel runs. Sources that do not
    compile (templates, code for other versions) are no failure; they have none.
    """
    command: list[str | Path] = [interpreter.path, "-I", "-S", "-m", "compileall", "-q", "-q", "-j", "0"]
    command += ["--invalidation-mode", "timestamp", "-s", new, "-p", final, new / "lib"]
    run(command, env=uv.clean_environment())


def _uv(
    what: str,
    work: Path,
    cache: Path,
    command: list[str | Path],
    *,
    lock: int,
    env: Mapping[str, str] | None = None,
    hint: str | None = None,
    user_config: bool = False,
) -> None:
    variables = uv.clean_environment() | {"UV_CACHE_DIR": str(cache), "UV_PYTHON_DOWNLOADS": "never"}
    quiet: list[str | Path] = ["--quiet", "--no-progress", "--color", "never"]
    if not user_config:
        quiet.append("--no-config")
    with _nothing_for_everybody_to_write():
        done = run([uv.binary(), *command, *quiet], env=variables | dict(env or {}), pass_fds=(lock,))
    if done.status != 0:
        raise ToolFailed(what, details=_said(done, work), hint=hint)


@contextlib.contextmanager
def _nothing_for_everybody_to_write() -> Iterator[None]:
    """A umask such as 000 would make each file of the environment one that any user of the machine may replace."""
    umask = os.umask(0o077)
    os.umask(umask | 0o002)
    try:
        yield
    finally:
        os.umask(umask)


def _said(done: Finished, work: Path) -> list[str]:
    """What uv says, without the paths of this run and at most a screen of it."""
    lines = [line.rstrip() for line in done.stderr.replace(f"{work}{os.sep}", "").splitlines() if line.strip()]
    if len(lines) > _LINES:
        lines = [*lines[: _LINES // 2], "…", *lines[-_LINES // 2 :]]
    return lines or [f"uv ended with status {done.status}"]
