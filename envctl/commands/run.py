"""Run a command in a target's image, or in its virtual environment: the Python API of `envctl run`.

Containers are run by the docker command and not by the SDK: it knows terminals (raw mode, sizes, detached streams) and
passes signals on, on every way to an engine. What the SDK does better, it does: finding the image, and cleaning up.
"""

from __future__ import annotations

import contextlib
import os
import secrets
import shutil
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import NoReturn

import msgspec

from envctl.commands.locate import locate
from envctl.errors import ToolFailed, UsageError
from envctl.image.container import Access, Place, arguments, hidden, workdir
from envctl.model import cuda
from envctl.model.finding import Report, Verdict
from envctl.model.lockfile import Lockfile
from envctl.model.manifest import sha256
from envctl.model.platform import Platform
from envctl.oci.engine import Engine, EngineImage, EngineInfo
from envctl.system import docker, foreground, gpu

LABEL = "envctl.lockfile.digest"
_FAILED = 125  # docker's status for a container that was never started
_FOREIGN = ("PYTHON", "LD_PRELOAD", "VIRTUAL_ENV", "CONDA_", "__PYVENV_LAUNCHER__")

Say = Callable[[str], None]
Verify = Callable[[str], Report]
"""Verifies an image of the engine, by its id, against the target that is run."""


class Locked(msgspec.Struct, frozen=True, kw_only=True):
    """A target's lockfile, and the digest by which its images are known."""

    lockfile: Lockfile
    digest: str


class Ran(msgspec.Struct, frozen=True, kw_only=True):
    """How a run ended.

    Attributes:
        status: the command's exit status.
        report: why nothing was run: what the verification found.
        words: the docker command that would have been run.
    """

    status: int = 0
    report: Report | None = None
    words: tuple[str, ...] = ()


def find(project: Path, target: str) -> Locked:
    """The lockfile of a target; UsageError or InvalidFile as `locate`."""
    found = locate(project, target)
    return Locked(lockfile=found.lockfile, digest=sha256(found.data))


def command_of(lockfile: Lockfile, name: str | None, words: Sequence[str]) -> tuple[str, ...]:
    """What to run: a command of the profile with `words` after it, else `words`; () for what the image runs by itself.

    Raises:
        UsageError: the profile has no such command.
    """
    if name is None:
        return tuple(words)
    known = lockfile.envctl.commands
    if name not in known:
        near = ", ".join(sorted(known))
        raise UsageError(
            f"{lockfile.target} has no command {name!a}",
            expected=f"one of {near}" if near else f"[commands] in profiles/{lockfile.envctl.profile}.toml",
            hint=f"`envctl run {lockfile.target} -- {name} …` runs a program",
        )
    return (*known[name], *words)


def run_image(
    project: Path,
    locked: Locked,
    command: tuple[str, ...],
    access: Access,
    *,
    image: str | None = None,
    verify: Verify | None = None,
    dry_run: bool = False,
    say: Say = lambda _: None,
    environ: Mapping[str, str] | None = None,
) -> Ran:
    """Run a command in a container that is gone afterwards.

    Args:
        image: a reference or id of the engine; None: the newest image with the label of this lockfile.
        verify: asked before anything runs; only what it calls ok does.
        dry_run: run nothing.

    Raises:
        UsageError: there is no such image, or an option makes no sense.
        ToolFailed: there is no engine, or it cannot run the container.
    """
    environ = os.environ if environ is None else environ
    _check_variables(access, environ)
    client = docker.client(environ)
    if client is None:
        raise ToolFailed("there is no docker command", expected="docker on PATH", hint="`envctl run --venv` needs none")
    with Engine(environ) as engine:
        info = engine.info()
        found = _image(engine, info, locked, image, say)
    if verify is not None and (report := verify(found.id)).verdict is not Verdict.OK:
        return Ran(report=report)
    if not command and not (found.config.get("Cmd") or found.config.get("Entrypoint")):
        target = locked.lockfile.target
        raise UsageError(f"the image of {target} runs nothing by itself", hint=f"`envctl run {target} -- python`")
    place = _place(project, locked, found, info=info, access=access, say=say)
    words = (str(client), *arguments(place, access, command))
    return Ran(words=words) if dry_run else Ran(status=_run(words, place.name, environ))


def _run(words: Sequence[str], name: str, environ: Mapping[str, str]) -> int:
    since = time.time()
    try:
        status = foreground.run(words, env=environ)
        if status == _FAILED and not _started(name, since, environ):
            raise ToolFailed("the engine could not run the image", hint="the lines above say why; `envctl doctor`")
    finally:
        _clean(name, environ)
    return status


def _started(name: str, since: float, environ: Mapping[str, str]) -> bool:
    with Engine(environ) as engine:
        return engine.started(name, since)


def _clean(name: str, environ: Mapping[str, str]) -> None:
    """Leave no container behind, whatever ended the docker command."""
    with Engine(environ) as engine:  # a new connection: the old one may have been idle for hours
        if engine.container(name) is not None:
            with contextlib.suppress(ToolFailed):  # the engine is at it already (--rm)
                engine.remove(name)


def _check_variables(access: Access, environ: Mapping[str, str]) -> None:
    for item in access.env:
        if "=" not in item and item not in environ:
            raise UsageError("the variable is not set here", found=item, expected="NAME=VALUE, or a NAME that is set")


def _image(engine: Engine, info: EngineInfo, locked: Locked, reference: str | None, say: Say) -> EngineImage:
    target = locked.lockfile.target
    if reference is not None:
        found = engine.image(reference)
        if found is None:
            raise UsageError("the engine has no such image", found=reference, hint=f"`docker pull {reference}`")
        if (found.config.get("Labels") or {}).get(LABEL) != locked.digest:
            say(f"note: {reference} says nothing of being built from this lockfile; --verify compares it")
        return found
    images = engine.labelled(LABEL, locked.digest)
    native = [item for item in images if (item.os, item.architecture) == (info.os, info.architecture)]
    if not images:
        raise UsageError(
            f"there is no image of {target} as it is locked now",
            expected=f"an image with the label {LABEL}={locked.digest[:19]}…",
            hint=f"`envctl build {target}`; --image REF takes another one, --venv the virtual environment",
        )
    return (native or list(images))[0]


def _place(project: Path, locked: Locked, found: EngineImage, *, info: EngineInfo, access: Access, say: Say) -> Place:
    lockfile = locked.lockfile
    if access.mount is not None:
        inside = workdir(found.config)
        for file in hidden(lockfile.envctl.image, inside):
            say(f"note: {file} of the image is hidden: {inside} is the project folder now")
    slug = lockfile.target.replace(":", "-")
    return Place(
        name=f"envctl-{slug}-{secrets.token_hex(4)}",
        target=lockfile.target,
        image=found.id,
        config=found.config,
        project=project.resolve(),
        # root of a rootless engine is the user who runs it
        caller="0:0" if info.rootless else f"{os.getuid()}:{os.getgid()}",
        limits=info.limits,
        memory=info.memory,
        gpus=_gpus(lockfile, found, info, access, say),
        interactive=sys.stdin.isatty() and sys.stdout.isatty(),
    )


def _gpus(lockfile: Lockfile, found: EngineImage, info: EngineInfo, access: Access, say: Say) -> tuple[str, ...]:
    if access.gpus == "none":
        return ()
    cdi = any(device.startswith(gpu.CDI_KIND) for device in info.devices)
    able = "nvidia" in info.runtimes or cdi
    if access.gpus is not None:
        return (f"--gpus={access.gpus}",)
    name = f"{found.os}/{found.architecture}"
    try:
        carried = cuda.carried(lockfile, Platform.parse(name))
    except ValueError:
        carried = None
    if carried is None:
        return ()
    if not able:
        say(f"note: no GPU: this engine hands none to containers, though {lockfile.target} carries CUDA {carried}")
        return ()
    return ("--gpus=all",) if "nvidia" in info.runtimes else (f"--device={gpu.CDI_KIND}=all",)


def run_venv(
    project: Path, venv: Path, command: tuple[str, ...], env: Sequence[str], environ: Mapping[str, str] | None = None
) -> NoReturn:
    """Become the command, in a virtual environment and in the project folder. It does not return.

    Args:
        venv: relative to the project folder.
        env: `NAME=VALUE`, or `NAME` for one that is set here.

    Raises:
        UsageError: there is no such environment, or nothing to run.
        ToolFailed: the program is not there, or cannot be executed.
    """
    program, variables = venv_program(project, venv, command, env, os.environ if environ is None else environ)
    sys.stdout.flush()
    sys.stderr.flush()
    os.chdir(project)
    try:
        os.execve(program, list(command), variables)  # noqa: S606  # no shell is wanted
    except OSError as error:
        raise ToolFailed("the program cannot be executed", file=program, found=error.strerror) from error


def venv_program(
    project: Path, venv: Path, command: tuple[str, ...], env: Sequence[str], environ: Mapping[str, str]
) -> tuple[str, dict[str, str]]:
    """The program's place, and its whole environment: without what would sway imports and loading."""
    root = (project / venv).absolute()
    if not (root / "pyvenv.cfg").is_file():
        raise UsageError("this is no virtual environment", file=venv, hint="`envctl sync` makes one")
    if not command:
        raise UsageError("there is nothing to run", expected="a NAME of [commands], or -- COMMAND")
    _check_variables(Access(env=tuple(env)), environ)
    variables = {name: value for name, value in environ.items() if not name.startswith(_FOREIGN)}
    variables["VIRTUAL_ENV"] = str(root)
    variables["PATH"] = os.pathsep.join([str(root / "bin"), environ.get("PATH", os.defpath)])
    for item in env:
        name, equals, value = item.partition("=")
        variables[name] = value if equals else environ[name]
    found = shutil.which(command[0], path=variables["PATH"])
    if "/" in command[0]:
        found = shutil.which(str(project / command[0]))
    if found is None:
        raise ToolFailed("there is no such program", found=ascii(command[0]), expected=f"one in {venv}/bin, or on PATH")
    return found, variables


def image_verifier(project: Path, target: str, step: Callable[[str], None]) -> Verify:
    """What verifies an image of the engine against a target; `step` is told what is being done."""

    def verify(image: str) -> Report:
        from envctl.commands.image_sources import Place as Subject
        from envctl.commands.verify_image import verify_image

        return verify_image(project, target, Subject(image=image), step=step)

    return verify
