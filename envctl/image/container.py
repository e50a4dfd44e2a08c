"""The words of `docker run` for a hardened container. Pure.

By default a program gets: the root file system read-only, /tmp in memory, no capability, no way to gain one, an init
that reaps and passes signals on, and limits for memory and processes. Each can be opened, one at a time.
"""

from __future__ import annotations

import re
from pathlib import Path, PurePosixPath

import msgspec

from envctl.errors import UsageError
from envctl.model.lockfile import Image

VENV = PurePosixPath("/opt/venv")
WORK = PurePosixPath("/work")
PIDS = 4096
"""Threads count too: of BLAS, of data loaders, on machines with many cores."""
MEMORY_SHARE = 0.9
"""Of the engine's memory: what takes all of it is ended before the machine suffers."""
LOOPBACK = "127.0.0.1"

_PORT = re.compile(
    r"(?:(?P<ip>\[[0-9a-fA-F:.]+\]|[0-9]+(?:\.[0-9]+){3}):)?(?:(?P<host>[0-9]{0,5}):)?(?P<inside>[0-9]{1,5})(?P<kind>/tcp|/udp)?"
)
_VARIABLE = re.compile(r"[^=\0]+")


class Access(msgspec.Struct, frozen=True, kw_only=True):
    """What a container may reach and use; the defaults are those of `envctl run`.

    Attributes:
        mount: the project folder inside: None, `ro` or `rw`. `volumes`: as docker's -v has them.
        env: `NAME=VALUE`, or `NAME` with the value of the caller's environment.
        ports: as docker's -p has them; on loopback alone unless an address is named.
        gpus: docker's --gpus, or `none`; None: all where the target carries CUDA and the engine can.
        network: of the engine; None: its default one.
        user: `UID[:GID]`; None: the image's, or the caller where something of the caller's is mounted.
        memory: as docker has it (`8g`); None: most of the engine's, `0`: all.
        cpus, pids: 0: no limit.
        arguments: further ones for `docker run`, after all others.
    """

    mount: str | None = None
    volumes: tuple[str, ...] = ()
    env: tuple[str, ...] = ()
    ports: tuple[str, ...] = ()
    gpus: str | None = None
    network: str | None = None
    user: str | None = None
    memory: str | None = None
    cpus: float = 0
    pids: int = PIDS
    writable: bool = False
    cap_add: tuple[str, ...] = ()
    arguments: tuple[str, ...] = ()


class Place(msgspec.Struct, frozen=True, kw_only=True):
    """Where a container runs.

    Attributes:
        name: of the container. `image`: its id. `config`: the image's configuration, as the engine tells it.
        project: the project folder, absolute. `caller`: `UID:GID` of who mounts something.
        limits: which limits the engine can set. `memory`: bytes that it has.
        gpus: the words that hand GPUs to the container.
        interactive: whether a person sits at a terminal.
    """

    name: str
    target: str
    image: str
    config: dict[str, object]
    project: Path
    caller: str
    limits: frozenset[str]
    memory: int
    gpus: tuple[str, ...] = ()
    interactive: bool = False


def arguments(place: Place, access: Access, command: tuple[str, ...]) -> list[str]:
    """The words after `docker`.

    Args:
        command: what to run; () for what the image runs by itself.

    Raises:
        UsageError: a port or a variable is malformed.
    """
    words = ["run", "--rm", "--init", "--pull=never", "--log-driver=none", f"--name={place.name}"]
    words += [f"--label=envctl.run={place.target}", "--interactive"]
    words += ["--tty"] if place.interactive else []
    words += _hardening(access)
    words += _limits(place, access)
    words += _reach(place, access)
    words += place.gpus
    for item in _environment(place, access):
        words += ["--env", item]
    words += ["--no-healthcheck", "--entrypoint="] if command else []
    return [*words, *access.arguments, place.image, *command]


def workdir(config: dict[str, object]) -> PurePosixPath:
    """Where the project is mounted: the image's working folder, unless the environment would vanish under it."""
    found = PurePosixPath(str(config.get("WorkingDir") or "/"))
    return WORK if VENV.is_relative_to(found) or found.is_relative_to(VENV) else found


def hidden(image: Image | None, place: PurePosixPath) -> tuple[str, ...]:
    """Files of the image that a mount over `place` hides."""
    files = () if image is None else image.files
    return tuple(file.target for file in files if PurePosixPath(file.target).is_relative_to(place))


def _hardening(access: Access) -> list[str]:
    words = ["--security-opt=no-new-privileges", "--cap-drop=ALL"]
    words += [f"--cap-add={name}" for name in access.cap_add]
    # programs that compile while they run (Triton, Numba, Inductor) load what they wrote there
    words.append("--tmpfs=/tmp:rw,exec,nosuid,nodev,mode=1777")
    return words if access.writable else ["--read-only", *words]


def _limits(place: Place, access: Access) -> list[str]:
    words = []
    memory = str(int(place.memory * MEMORY_SHARE)) if access.memory is None else access.memory
    if memory != "0" and "memory" in place.limits:
        words += [f"--memory={memory}", f"--memory-swap={memory}"]
    # shared memory is what data loaders pass batches through; docker's 64 MB end them with a bus error
    words.append(f"--shm-size={place.memory // 2}")
    if access.pids and "pids" in place.limits:
        words.append(f"--pids-limit={access.pids}")
    if access.cpus and "cpus" in place.limits:
        words.append(f"--cpus={access.cpus:g}")
    return words


def _reach(place: Place, access: Access) -> list[str]:
    words = [f"--network={access.network}"] if access.network is not None else []
    if access.ports and access.network == "none":
        raise UsageError("a port needs a network", found="--network none", hint="leave one of them out")
    for port in access.ports:
        words += ["--publish", published(port)]
    if access.mount is not None:
        inside = workdir(place.config)
        source, target = _quoted(f"source={place.project}"), _quoted(f"target={inside}")
        mode = ",readonly" if access.mount == "ro" else ""
        words += ["--mount", f"type=bind,{source},{target}{mode}", f"--workdir={inside}"]
    for volume in access.volumes:
        words += ["--volume", volume]
    user = access.user or (place.caller if access.mount is not None or access.volumes else None)
    return words if user is None else [*words, f"--user={user}"]


def _quoted(item: str) -> str:
    """An item of docker's --mount, which is a line of CSV."""
    return '"' + item.replace('"', '""') + '"' if any(char in item for char in ',"') else item


def published(port: str) -> str:
    """`8000` as `127.0.0.1:8000:8000`: other machines do not reach it unless an address is named.

    Raises:
        UsageError: it is no port.
    """
    match = _PORT.fullmatch(port)
    if match is None or not 0 < int(match["inside"]) < 2**16:
        raise UsageError(
            "this is no port", found=ascii(port), expected="PORT, OUTSIDE:INSIDE or ADDRESS:OUTSIDE:INSIDE, and /udp"
        )
    outside = match["inside"] if match["host"] is None else match["host"]
    return f"{match['ip'] or LOOPBACK}:{outside}:{match['inside']}{match['kind'] or ''}"


def _environment(place: Place, access: Access) -> list[str]:
    for item in access.env:
        name, _, _ = item.partition("=")
        if not _VARIABLE.fullmatch(name):
            raise UsageError("this is no variable", found=ascii(item), expected="NAME=VALUE, or NAME")
    known = {str(item).partition("=")[0] for item in _list(place.config.get("Env"))}
    known |= {item.partition("=")[0] for item in access.env}
    # nothing else is writable, and the user may have no home at all
    home = [] if "HOME" in known else ["HOME=/tmp"]
    return [*home, *access.env]


def _list(value: object) -> list[object]:
    return value if isinstance(value, list) else []
