"""This machine against a target's lockfile: the Python API of `envctl doctor`."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TypeVar

import msgspec

from envctl.commands.locate import find_lockfile
from envctl.doctor import cpu, engine, nvidia, resources
from envctl.doctor.check import Check, Status
from envctl.doctor.needs import Needs, needs_of
from envctl.doctor.reach import Asked, reach
from envctl.errors import EnvctlError, InvalidFile
from envctl.model.lockfile import Lockfile
from envctl.model.platform import Libc, Platform
from envctl.oci.address import address
from envctl.oci.engine import Engine, EngineInfo
from envctl.system import docker, gpu, hardware, machine, pythons
from envctl.system.docker import BuilderInfo
from envctl.system.gpu import Nvidia
from envctl.system.hardware import Disk, Memory, Processor

SCHEMA = "envctl.doctor/1"
T = TypeVar("T")


class Diagnosis(msgspec.Struct, frozen=True, kw_only=True):
    """The result of `envctl doctor`; as JSON it is what docs/how-to/use-a-gpu.md describes."""

    schema: str
    target: str | None
    checks: tuple[Check, ...]

    @property
    def healthy(self) -> bool:
        """Whether no check is a problem."""
        return all(check.status is not Status.PROBLEM for check in self.checks)


class Facts(msgspec.Struct, frozen=True, kw_only=True):
    """What was found out about the machine; None for what could not be."""

    host: str
    engine: EngineInfo | None
    failure: str | None
    builder: BuilderInfo
    processor: Processor | None
    memory: Memory | None
    project: Disk | None
    storage: Disk | None
    elsewhere: str | None
    libc: Libc | None
    python: str | None
    fetchable: bool | None
    emulated: frozenset[str]
    nvidia: Nvidia
    index: tuple[Asked, ...] = ()
    registry: tuple[Asked, ...] = ()
    why_not: str = ""


def doctor(
    project: Path,
    target: str | None = None,
    *,
    offline: bool = False,
    root: Path = Path("/"),
    smi: Path | None = None,
    environ: Mapping[str, str] | None = None,
) -> Diagnosis:
    """Look at this machine, and judge it against a target.

    Args:
        target: as users type it; None: the machine alone.
        offline: ask neither the index nor the registry.
        root: where /proc, /sys and /etc are read. `smi`: the nvidia-smi to ask.

    Raises:
        UsageError: there is no such target.
        InvalidFile: its lockfile is missing or invalid.
    """
    environ = os.environ if environ is None else environ
    host = _platform()
    lockfile, needs = (None, None) if target is None else _needs(project, target, host)
    with ThreadPoolExecutor(1, "envctl-doctor") as pool:
        reached = pool.submit(_reach, lockfile, needs, environ, offline=offline)
        found = gather(project, needs, host, root=root, smi=smi, environ=environ)
        index, registry, why_not = reached.result()
    found = msgspec.structs.replace(found, index=index, registry=registry, why_not=why_not)
    return Diagnosis(schema=SCHEMA, target=None if needs is None else needs.target, checks=judge(found, needs))


def judge(found: Facts, needs: Needs | None) -> tuple[Check, ...]:
    """Every check, in the order in which they are read."""
    return (
        engine.engine(found.engine, found.failure, needs),
        engine.builder(found.builder, needs),
        engine.platform(needs, found.host, found.engine, found.builder.platforms, found.emulated),
        resources.python(found.python, found.fetchable, needs),
        resources.libc(found.libc, needs),
        cpu.cpu(found.processor, needs),
        resources.memory(found.memory, None if found.engine is None else found.engine.memory),
        resources.disk(found.project, found.storage, found.elsewhere, needs),
        nvidia.driver(found.nvidia, needs),
        nvidia.gpus(found.nvidia, needs),
        nvidia.toolkit(found.nvidia, found.engine, needs),
        reach("index", found.index, found.why_not or "no wheel is locked with an address"),
        reach("registry", found.registry, found.why_not or "there is no base image"),
    )


def gather(
    project: Path,
    needs: Needs | None,
    host: Platform | None,
    *,
    root: Path,
    smi: Path | None,
    environ: Mapping[str, str],
) -> Facts:
    """Find out what the checks judge. Programs and the engine are asked at the same time."""
    with ThreadPoolExecutor(4, "envctl-doctor") as pool:
        asked = pool.submit(_engine, environ)
        built = pool.submit(docker.builder, environ)
        seen = pool.submit(gpu.look, root, smi=smi, environ=environ)
        interpreter = pool.submit(_python, needs)
        info, failure = asked.result()
        storage, elsewhere = _storage(info, environ)
        best, fetchable = interpreter.result()
        return Facts(
            host="unknown" if host is None else str(host),
            engine=info,
            failure=failure,
            builder=built.result(),
            processor=hardware.processor(root),
            memory=hardware.memory(root),
            project=hardware.disk(project.resolve()),
            storage=storage,
            elsewhere=elsewhere,
            libc=hardware.libc(),
            python=best,
            fetchable=fetchable,
            emulated=hardware.emulated(root),
            nvidia=seen.result(),
        )


def _platform() -> Platform | None:
    return _or_none(machine.host)


def _or_none(asking: Callable[[], T]) -> T | None:
    try:
        return asking()
    except EnvctlError:
        return None


def _needs(project: Path, target: str, host: Platform | None) -> tuple[Lockfile, Needs]:
    path, lockfile = find_lockfile(project, target)
    try:
        return lockfile, needs_of(lockfile, host)
    except ValueError as error:
        raise InvalidFile("the lockfile contradicts itself", file=path, found=str(error)) from error


def _reach(
    lockfile: Lockfile | None, needs: Needs | None, environ: Mapping[str, str], *, offline: bool
) -> tuple[tuple[Asked, ...], tuple[Asked, ...], str]:
    """What the index and the registry answered, or why neither was asked."""
    if offline:
        return (), (), "--offline"
    if lockfile is None or needs is None:
        return (), (), "no target is named"
    from envctl.commands.reach import indexes, registry

    with ThreadPoolExecutor(1, "envctl-registry") as pool:
        asked = pool.submit(registry, lockfile, needs.platform, environ)
        return indexes(lockfile, needs.platform, environ), asked.result(), ""


def _engine(environ: Mapping[str, str]) -> tuple[EngineInfo | None, str | None]:
    try:
        with Engine(environ) as connected:
            return connected.info(), None
    except EnvctlError as error:
        return None, error.what if error.found is None else f"{error.what}: {error.found}"


def _storage(info: EngineInfo | None, environ: Mapping[str, str]) -> tuple[Disk | None, str | None]:
    """The disk of the engine's data, and why it cannot be seen from here."""
    if info is None:
        return None, "no engine answers"
    if not address(environ).startswith("unix://"):
        return None, "the engine is on another machine"
    if not info.root or not Path(info.root).is_dir():
        return None, "the engine keeps its files in a virtual machine, or where this user does not see them"
    return hardware.disk(Path(info.root)), None


def _python(needs: Needs | None) -> tuple[str | None, bool | None]:
    if needs is None or not needs.here:
        return None, None
    found = _or_none(lambda: pythons.installed(needs.python))
    if found is not None and found.version == needs.python:
        return found.version, None
    return None if found is None else found.version, _or_none(lambda: pythons.fetchable(needs.python))
