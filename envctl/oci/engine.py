"""A container engine, through the Docker SDK for Python: what it is, what it holds, and the bytes of that.

The SDK (extra `containers`) is imported when an engine is first asked. It speaks the Engine API, which Docker, and
Podman in its compatible form, offer on a socket; building with BuildKit is not in it, and is done by the command line.
"""

from __future__ import annotations

import contextlib
import os
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any, TypeVar
from urllib.parse import quote

import msgspec

from envctl.errors import ToolFailed
from envctl.oci.address import SECONDS, address, knock, tls
from envctl.oci.local import download

T = TypeVar("T")

_CHUNK = 2**20
_ANSWER = 2**28
_LIMITS = {"memory": "MemoryLimit", "pids": "PidsLimit", "cpus": "CpuCfsQuota"}


class EngineInfo(msgspec.Struct, frozen=True, kw_only=True):
    """What an engine says of itself.

    Attributes:
        version: of the server, such as 26.1.5. `api`: the newest API version that it speaks.
        os, architecture: OCI names, such as linux and amd64.
        root: the folder in which it keeps its data, on its own machine.
        driver: the storage driver. `containerd_store`: whether images lie in containerd's store.
        memory: bytes. `runtimes`: names, such as runc and nvidia.
        product: Docker or Podman. `rootless`: whether it runs without root's rights.
        limits: which limits its kernel offers, of memory, pids, cpus.
        devices: names of the devices that it found by the Container Device Interface, such as nvidia.com/gpu=all.
    """

    name: str
    version: str
    api: str
    os: str
    architecture: str
    root: str
    driver: str
    containerd_store: bool
    memory: int
    cpus: int
    runtimes: tuple[str, ...]
    product: str = "Docker"
    rootless: bool = False
    limits: frozenset[str] = frozenset({"memory", "pids", "cpus"})
    devices: tuple[str, ...] = ()


class EngineImage(msgspec.Struct, frozen=True, kw_only=True):
    """An image of the engine: its id, names, platform, layers (diff-ids) and configuration as the engine tells them."""

    id: str
    tags: tuple[str, ...]
    digests: tuple[str, ...]
    os: str
    architecture: str
    variant: str
    size: int
    diff_ids: tuple[str, ...]
    config: dict[str, Any]
    created: str = ""


class EngineContainer(msgspec.Struct, frozen=True, kw_only=True):
    """A container: `image` is its image's id; `pid` its first process on the engine's machine, 0 when stopped.

    `mounts`: where something is mounted into it.
    """

    id: str
    name: str
    image: str
    image_name: str
    running: bool
    pid: int
    mounts: tuple[str, ...]
    config: dict[str, Any]


class Engine:
    """A connection to an engine.

    Raises:
        ToolFailed: there is no engine, it does not answer, or it fails at what it is asked for.
    """

    def __init__(self, environ: Mapping[str, str] | None = None) -> None:
        environ = os.environ if environ is None else environ
        self._api: Any
        self.address = address(environ)
        try:
            import docker
        except ImportError as error:
            raise ToolFailed(
                "the Docker SDK for Python is not installed", hint="pip install 'envctl-ml[containers]'"
            ) from error
        try:
            knock(self.address)
            self._docker = docker.DockerClient(
                base_url=self.address, tls=tls(environ), version="auto", timeout=SECONDS, user_agent="envctl"
            )
        except (docker.errors.DockerException, OSError, ValueError) as error:  # OSError: those of requests too
            raise ToolFailed(
                "no container engine answers",
                found=f"{self.address}: {_reason(error)}",
                expected="Docker or Podman, by DOCKER_HOST or its usual socket",
                hint="start the engine, or join its group (usually docker)"
                if isinstance(error, PermissionError)
                else "start the engine; `envctl doctor` says more",
            ) from error
        self._api = self._docker.api
        self._later = ThreadPoolExecutor(1, "envctl-engine")
        self._removing: list[Future[None]] = []

    def __enter__(self) -> Engine:
        return self

    def __exit__(self, *_: object) -> None:
        try:
            self._later.shutdown()
            for removing in self._removing:
                removing.result()
        finally:
            self._docker.close()

    def info(self) -> EngineInfo:
        """What the engine is."""
        found = self._ask("say what it is", self._docker.info)
        version = self._ask("say its version", self._docker.version)
        status = dict(item for item in found.get("DriverStatus") or () if len(item) == 2)
        return EngineInfo(
            name=str(found.get("Name", "")),
            version=str(version.get("Version", "")),
            api=str(version.get("ApiVersion", "")),
            os=str(version.get("Os", "")),
            architecture=str(version.get("Arch", "")),
            root=str(found.get("DockerRootDir", "")),
            driver=str(found.get("Driver", "")),
            containerd_store=status.get("driver-type") == "io.containerd.snapshotter.v1",
            memory=int(found.get("MemTotal", 0)),
            cpus=int(found.get("NCPU", 0)),
            runtimes=tuple(sorted(found.get("Runtimes") or ())),
            product="Podman" if "podman" in str(version.get("Components")).lower() else "Docker",
            rootless=any("rootless" in str(option) for option in found.get("SecurityOptions") or ()),
            limits=frozenset(name for name, key in _LIMITS.items() if found.get(key, True)),
            devices=tuple(
                sorted(str(device.get("ID", "")) for device in found.get("DiscoveredDevices") or () if "ID" in device)
            ),
        )

    def image(self, reference: str) -> EngineImage | None:
        """The image of that name, digest or id; None where the engine has none."""
        found = self._find("find the image", lambda: self._api.inspect_image(reference))
        if found is None:
            return None
        return EngineImage(
            id=found["Id"],
            tags=tuple(found.get("RepoTags") or ()),
            digests=tuple(found.get("RepoDigests") or ()),
            os=found.get("Os", ""),
            architecture=found.get("Architecture", ""),
            variant=found.get("Variant", ""),
            size=int(found.get("Size", 0)),
            diff_ids=tuple((found.get("RootFS") or {}).get("Layers") or ()),
            config=found.get("Config") or {},
            created=found.get("Created") or "",
        )

    def labelled(self, label: str, value: str) -> tuple[EngineImage, ...]:
        """Every image with that label, the newest first."""
        found = self._ask("list the images", lambda: self._api.images(filters={"label": f"{label}={value}"}))
        ids = sorted({str(item["Id"]) for item in found})
        images = [image for image in map(self.image, ids) if image is not None]
        return tuple(sorted(images, key=lambda image: image.created, reverse=True))

    def started(self, container: str, since: float) -> bool:
        """Whether a container of that name was started since a moment (seconds since 1970), though it is gone now."""
        wanted = {"container": container, "event": "start"}
        until = int(time.time()) + 1
        events = self._ask(
            "tell its events",
            lambda: list(self._api.events(since=int(since), until=until, filters=wanted, decode=True)),
        )
        return bool(events)

    def remove(self, container: str) -> None:
        """End a container, and remove it; nothing where there is none."""
        self._find("remove the container", lambda: self._api.remove_container(container, force=True, v=True))

    def save(self, reference: str) -> Iterator[bytes]:
        """The image as `docker save` writes it: a tar file, in pieces."""
        yield from self._stream(
            "save the image",
            f"images/{quote(reference, safe='')}/get",
            lambda: self._api.get_image(reference, chunk_size=_CHUNK),
        )

    def container(self, name: str) -> EngineContainer | None:
        """The container of that name or id; None where there is none."""
        found = self._find("find the container", lambda: self._api.inspect_container(name))
        if found is None:
            return None
        state = found.get("State") or {}
        mounts = tuple(mount.get("Destination", "") for mount in found.get("Mounts") or ())
        tmpfs = tuple((found.get("HostConfig") or {}).get("Tmpfs") or ())
        return EngineContainer(
            id=found["Id"],
            name=found.get("Name", "").lstrip("/"),
            image=found.get("Image", ""),
            image_name=(found.get("Config") or {}).get("Image", ""),
            running=bool(state.get("Running")),
            pid=int(state.get("Pid") or 0),
            mounts=mounts + tmpfs,
            config=found.get("Config") or {},
        )

    def export(self, container: str) -> Iterator[bytes]:
        """The container's files as `docker export` writes them: one tar file of all layers and what it wrote."""
        yield from self._stream(
            "export the container",
            f"containers/{quote(container, safe='')}/export",
            lambda: self._api.export(container, chunk_size=_CHUNK),
        )

    @contextlib.contextmanager
    def unstarted(self, image: str) -> Iterator[str]:
        """The id of a container of an image that is never started: its files can be exported.

        It is being removed afterwards, which takes an engine half a second, and gone when the connection is closed.
        """
        made = self._ask(
            "make a container",
            lambda: self._api.create_container(image, ["-"], entrypoint=["-"], network_disabled=True),
        )
        try:
            yield made["Id"]
        finally:
            self._removing.append(self._later.submit(self.remove, made["Id"]))

    def processes(self, container: str) -> tuple[int, ...]:
        """Process ids, on the engine's machine, of all that runs in a container."""
        found = self._ask("list the processes", lambda: self._api.top(container, "-eo pid"))
        column = [title.upper() for title in found.get("Titles") or ()].index("PID")
        return tuple(int(row[column]) for row in found.get("Processes") or () if row[column].isdecimal())

    def pull(self, reference: str) -> None:
        """Have the engine fetch an image."""
        self._ask("pull the image", lambda: self._api.pull(reference))

    def converse(
        self,
        image: str,
        executable: str,
        arguments: Sequence[str],
        pieces: Iterator[bytes],
        *,
        user: str = "65534",
    ) -> bytes:
        """Start a program in a container that reaches nothing, write to its standard input, give what it writes.

        The container has no network, no capabilities, nothing to write to, and is gone afterwards.
        """
        from envctl.oci.talk import talk

        limits = self._api.create_host_config(
            network_mode="none",
            read_only=True,
            cap_drop=["ALL"],
            security_opt=["no-new-privileges"],
            pids_limit=64,
            mem_limit=4 * 2**30,
        )
        made = self._ask(
            "make a container",
            lambda: self._api.create_container(
                image, list(arguments), entrypoint=[executable], stdin_open=True, user=user, host_config=limits
            ),
        )
        try:
            where = {"stdin": 1, "stdout": 1, "stderr": 0, "stream": 1}
            socket = self._ask("reach the container", lambda: self._api.attach_socket(made["Id"], params=where))
            self._ask("start the container", lambda: self._api.start(made["Id"]))
            return self._ask("hear the container", lambda: talk(socket, pieces, _ANSWER))
        finally:
            self._ask("remove the container", lambda: self._api.remove_container(made["Id"], force=True))

    def converse_in(self, container: str, command: Sequence[str], pieces: Iterator[bytes]) -> bytes:
        """Start a program in a container that runs, as root there; write to its standard input, give what it writes."""
        from envctl.oci.talk import talk

        made = self._ask(
            "prepare a program in the container",
            lambda: self._api.exec_create(container, list(command), stdin=True, stderr=False, user="0"),
        )
        socket = self._ask("start it in the container", lambda: self._api.exec_start(made["Id"], socket=True))
        answer = self._ask("hear the container", lambda: talk(socket, pieces, _ANSWER))
        status = self._ask("see how it ended", lambda: self._api.exec_inspect(made["Id"])).get("ExitCode")
        if status in (126, 127):
            raise ToolFailed("the program could not be started", found="executable file not found")
        return answer

    def _find(self, what: str, asking: Callable[[], T]) -> T | None:
        from docker.errors import NotFound

        try:
            return self._ask(what, asking)
        except ToolFailed as error:
            if isinstance(error.__cause__, NotFound):
                return None
            raise

    def _stream(self, what: str, target: str, asking: Callable[[], Iterator[bytes]]) -> Iterator[bytes]:
        """What the engine sends: by its local socket where it has one, else as the SDK asks for it."""
        local = self._local()
        chunks = self._ask(what, asking) if local is None else self._downloaded(local, target)
        try:
            while True:
                chunk = self._ask(what, lambda: next(chunks, None))
                if chunk is None:
                    return
                yield chunk
        finally:
            with contextlib.suppress(AttributeError):
                chunks.close()  # type: ignore[attr-defined]

    def _local(self) -> str | None:
        """The path of its socket, where it is on this machine."""
        return self.address.removeprefix("unix://") if self.address.startswith("unix://") else None

    def _downloaded(self, local: str, target: str) -> Iterator[bytes]:
        return download(local, f"/v{self._api.api_version}/{target}", seconds=SECONDS)

    def _ask(self, what: str, asking: Callable[[], T]) -> T:
        import requests
        import urllib3
        from docker.errors import DockerException

        try:
            return asking()
        except (DockerException, requests.RequestException, urllib3.exceptions.HTTPError, OSError) as error:
            raise ToolFailed(f"the engine could not {what}", file=self.address, found=_reason(error)) from error


def _reason(error: BaseException) -> str:
    """The innermost cause in one line: libraries wrap `Connection refused` many times."""
    explanation = getattr(error, "explanation", None)
    if explanation:
        return " ".join(str(explanation).split())
    while (inner := error.__cause__ or error.__context__) is not None:
        error = inner
    if isinstance(error, OSError) and error.strerror:
        return error.strerror
    return " ".join((str(error) or type(error).__name__).split())[:300]
