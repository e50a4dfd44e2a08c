"""The programs that stay: the engine's daemon with its containerd, and the registry.

They are nobody's children and hold no descriptor of whoever started them: a caller that reads a pipe to its end, or
waits for a lock, does not wait for them.
"""

from __future__ import annotations

import http.client
import json
import os
import signal
import socket
import subprocess
import time
from collections.abc import Callable, Sequence
from pathlib import Path

from support.engine import jobs, registry
from support.engine.place import Failed, Place, Unavailable

PATIENCE = 60.0  # seconds; a daemon that was killed beside running containers takes some 14 to come back


class Answer:
    """What an engine says of itself: `buildkit` whether it builds with BuildKit, `version` of its daemon."""

    def __init__(self, *, buildkit: bool, version: str, system: str) -> None:
        self.buildkit, self.version, self.system = buildkit, version, system


def ask(host: str, patience: float = 5.0) -> Answer | None:
    """Ask the engine at unix://PATH or tcp://HOST:PORT; None where nobody answers."""
    scheme, _, address = host.partition("://")
    connection: http.client.HTTPConnection
    if scheme == "unix":
        connection = _UnixConnection(address, patience)
    elif scheme in {"tcp", "http"}:
        connection = http.client.HTTPConnection(address.rstrip("/"), timeout=patience)
    else:
        return None
    try:
        connection.request("GET", "/_ping")
        ping = connection.getresponse()
        ping.read()
        buildkit = ping.headers.get("Builder-Version") == "2"
        connection.request("GET", "/version")
        told = json.loads(connection.getresponse().read())
        return Answer(buildkit=buildkit, version=str(told["Version"]), system=f"{told['Os']}/{told['Arch']}")
    except (OSError, http.client.HTTPException, ValueError, KeyError, TypeError):
        return None
    finally:
        connection.close()


def start_registry(place: Place) -> str:
    """Have a registry run; returns 127.0.0.1:PORT, the same port as before where it is free."""
    kept = place.work / "port"
    port = int(kept.read_text()) if kept.is_file() else 0
    if _alive(place.run / "registry.pid", place.program("docker-registry")) and registry.answers(f"127.0.0.1:{port}"):
        return f"127.0.0.1:{port}"
    _stop(place.run / "registry.pid", place.program("docker-registry"))
    port = _free_port(port)
    kept.write_text(str(port))
    storage = (
        f"{{filesystem: {{rootdirectory: {json.dumps(str(place.work / 'registry'))}}}, delete: {{enabled: true}}}}"
    )
    (place.work / "registry.yml").write_text(
        "version: 0.1\n"
        "log: {level: error, accesslog: {disabled: true}}\n"
        f"storage: {storage}\n"
        f'http: {{addr: "127.0.0.1:{port}"}}\n'
    )
    log = place.log / "registry.log"
    pid = _start(place, [place.program("docker-registry"), "serve", place.work / "registry.yml"], log)
    (place.run / "registry.pid").write_text(str(pid))
    _wait_for(lambda: registry.answers(f"127.0.0.1:{port}"), "the registry", log, pid)
    return f"127.0.0.1:{port}"


def start_engine(place: Place) -> None:
    """Have the engine's daemon start; `wait_for_engine` says when it answers."""
    if _alive(place.run / "docker.pid", place.program("dockerd")):
        return
    (place.run / "docker.pid").unlink(missing_ok=True)
    # The containerd of a daemon that was killed may live on.
    _stop(place.run / "exec/containerd/containerd.pid", place.program("containerd"))
    place.socket.unlink(missing_ok=True)
    # Without the containerd image store there is no `--output type=oci`.
    (place.work / "daemon.json").write_text('{"features": {"containerd-snapshotter": true}, "shutdown-timeout": 5}\n')
    # No bridge, no rules, no sysctl: another daemon's network stays as it is.
    network = ("--bridge=none", "--iptables=false", "--ip6tables=false", "--ip-forward=false")
    files = (f"--config-file={place.work}/daemon.json", f"--data-root={place.data}", f"--exec-root={place.run}/exec")
    named = (f"--pidfile={place.run}/docker.pid", f"--host={place.host}", "--group=root")
    pid = _start(place, [place.program("dockerd"), *files, *named, *network], place.log / "dockerd.log")
    (place.run / "docker.pid.started").write_text(str(pid))


def wait_for_engine(place: Place) -> Answer:
    """Wait until it answers; Failed with its log when it ends or takes too long."""
    pid = int((place.run / "docker.pid.started").read_text())
    _wait_for(lambda: ask(place.host, 1.0) is not None, "dockerd", place.log / "dockerd.log", pid)
    answer = ask(place.host)
    if answer is None:
        raise Failed("dockerd stopped answering")
    return answer


def stop_all(place: Place) -> None:
    """End what runs from this place: containers first, then the daemons, then whatever is left of a killed one."""
    docker = place.program("docker")
    if _alive(place.run / "docker.pid", place.program("dockerd")):
        _kill_containers(place, docker)
    _stop(place.run / "registry.pid", place.program("docker-registry"))
    _stop(place.run / "docker.pid", place.program("dockerd"))
    _stop(place.run / "exec/containerd/containerd.pid", place.program("containerd"))
    _kill_leftovers(place)
    _unmount(place)


def running(place: Place) -> list[int]:
    """Ids of the processes whose program lies in this place, also one that was deleted meanwhile."""
    return [int(entry.name) for entry in Path("/proc").iterdir() if entry.name.isdigit() and _ours(entry, place)]


def _ours(process: Path, place: Place) -> bool:
    try:
        return str((process / "exe").readlink()).startswith(f"{place.root}/")
    except OSError:
        return False


def _kill_containers(place: Place, docker: Path) -> None:
    # At once: the daemon would wait for those that ignore SIGTERM.
    asked = [str(docker), "-H", place.host]
    try:
        listed = subprocess.run([*asked, "ps", "-q"], check=False, capture_output=True, text=True, timeout=20)
        if listed.stdout:
            subprocess.run([*asked, "kill", *listed.stdout.split()], check=False, capture_output=True, timeout=20)
    except subprocess.TimeoutExpired:
        pass  # their processes are ended below


def _kill_leftovers(place: Place) -> None:
    ours = set(running(place))
    inside = [pid for pid, parent in _parents().items() if parent in ours and pid not in ours]
    for pid in [*inside, *ours]:
        try:
            os.kill(pid, signal.SIGKILL)
        except ProcessLookupError:
            continue
    _until(lambda: not running(place), 5.0)


def _parents() -> dict[int, int]:
    found = {}
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                found[int(entry.name)] = int(
                    (entry / "stat").read_text("utf-8", "replace").rpartition(")")[2].split()[1]
                )
            except OSError:
                continue
    return found


def _unmount(place: Place) -> None:
    lines = Path("/proc/mounts").read_text("utf-8").splitlines()
    points = [line.split()[1].encode().decode("unicode_escape") for line in lines]
    ours = [point for point in points if point.startswith((f"{place.work}/", f"{place.run}/"))]
    for point in sorted(ours, reverse=True):  # the deepest first
        if subprocess.run(["umount", point], check=False, capture_output=True).returncode:
            subprocess.run(["umount", "-l", point], check=False, capture_output=True)


def _start(place: Place, argv: Sequence[object], log: Path) -> int:
    """Start a daemon that outlives its caller; returns its process id."""
    # By way of a shell that ends at once, so that no one here has to wait for it, nor is warned that it runs.
    script = 'log=$1; shift; "$@" >>"$log" 2>&1 </dev/null & echo $!'
    shell_argv = [str(arg) for arg in ("sh", "-c", script, "sh", log, *argv)]
    env = place.environment(GOGC="400")  # these collect less often, and take more memory
    shell = subprocess.run(
        shell_argv,
        check=True,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        env=env,
        cwd="/",
        start_new_session=True,
    )
    return int(shell.stdout)


def _wait_for(condition: Callable[[], bool], what: str, log: Path, pid: int) -> None:
    gone = False
    end = time.monotonic() + PATIENCE
    while time.monotonic() < end and not gone:
        if condition():
            return
        gone = not _program(pid)
        time.sleep(0.1)
    how = "ended" if gone else f"did not answer within {PATIENCE:.0f} s"
    raise Failed(f"{what} {how}\n{jobs.tail(log)}")


def _until(condition: Callable[[], bool], seconds: float) -> bool:
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if condition():
            return True
        time.sleep(0.05)
    return condition()


def _program(pid: int) -> str:
    try:
        return str(Path(f"/proc/{pid}/exe").readlink())  # a zombie has none
    except OSError:
        return ""


def _alive(pidfile: Path, program: Path) -> bool:
    try:
        return _program(int(pidfile.read_text())) == str(program)
    except (OSError, ValueError):
        return False


def _stop(pidfile: Path, program: Path) -> None:
    if _alive(pidfile, program):
        pid = int(pidfile.read_text())
        os.kill(pid, signal.SIGTERM)
        if not _until(lambda: not _alive(pidfile, program), 30.0):
            os.kill(pid, signal.SIGKILL)
            _until(lambda: not _alive(pidfile, program), 5.0)
    pidfile.unlink(missing_ok=True)


def _free_port(wanted: int) -> int:
    for port in (wanted, 0):
        with socket.socket() as sock:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                sock.bind(("127.0.0.1", port))
            except OSError:
                continue
            number: int = sock.getsockname()[1]
            return number
    raise Unavailable("no free port on 127.0.0.1")


class _UnixConnection(http.client.HTTPConnection):
    def __init__(self, path: str, timeout: float) -> None:
        super().__init__("localhost", timeout=timeout)
        self.path = path

    def connect(self) -> None:
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.sock.settimeout(self.timeout)
        self.sock.connect(self.path)
