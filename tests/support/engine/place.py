"""Where an engine's files lie, who may change them, and who is using them."""

from __future__ import annotations

import contextlib
import dataclasses
import fcntl
import hashlib
import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

PASSED = ("http_proxy", "https_proxy", "no_proxy", "ssl_cert_file", "ssl_cert_dir")
LONGEST_WORK = 50  # a Unix socket's path ends at 108 bytes, and containerd nests folders of its own


class Unavailable(Exception):
    """This machine cannot run the engine; the message is the reason."""


class Failed(Exception):
    """A step failed on a machine that should be able to do it; the message ends with its log."""


@dataclasses.dataclass(frozen=True)
class State:
    """What runs, as `up` left it.

    `bases` is name -> NAME@sha256:…; `private` says whether the engine is ours or was there before; `kept` that it
    stays when the tests end; `recipe` is what the base images were made by.
    """

    host: str
    docker: str
    config: str
    bin: str
    registry: str
    bases: dict[str, str]
    standalone: str
    version: str
    private: bool
    kept: bool
    recipe: str


class Place:
    """The work folder. All that an engine has lies in it, sockets of a long path and kernel objects aside."""

    def __init__(self, work: Path) -> None:
        self.work = work.resolve()
        self.root = self.work / "root"  # the extracted packages: nothing is installed
        self.log = self.work / "log"
        self.images = self.work / "images"
        self.data = self.work / "data"
        self.tmp = self.work / "tmp"
        self.bin = self.work / "bin"  # what a user's PATH would have
        self.config = self.work / "docker-config"
        self.run = self.work / "run"
        if len(str(self.work)) > LONGEST_WORK:
            self.run = Path("/run/envctl-engine-" + hashlib.sha256(os.fsencode(self.work)).hexdigest()[:12])
        self.socket = self.run / "docker.sock"
        self.host = f"unix://{self.socket}"

    def environment(self, **more: str) -> dict[str, str]:
        """For daemons and tools: the extracted programs first, the way to the network, and nothing else from here."""
        found = {key: value for key, value in os.environ.items() if key.lower() in PASSED}
        ours = f"{self.root}/usr/bin:{self.root}/usr/sbin"
        path = f"{ours}:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
        return found | {"PATH": path, "HOME": str(self.work), "LC_ALL": "C.UTF-8", "TMPDIR": str(self.tmp)} | more

    def program(self, name: str) -> Path:
        """A program of the extracted packages."""
        for folder in ("usr/bin", "usr/sbin", "usr/libexec/docker/cli-plugins"):
            if (self.root / folder / name).exists():
                return self.root / folder / name
        return self.root / "usr/bin" / name

    def make(self) -> None:
        """Make the folders."""
        try:
            for folder in (self.log, self.images, self.data, self.tmp, self.bin, self.config / "cli-plugins", self.run):
                folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise Unavailable(f"cannot write in {self.work}: {error.strerror}") from error

    @contextlib.contextmanager
    def locked(self) -> Iterator[None]:
        """One at a time: a second `up` waits, then finds all there. Children do not inherit the descriptor."""
        try:
            self.work.mkdir(parents=True, exist_ok=True)
            lock = os.open(self.work / "lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
        except OSError as error:
            raise Unavailable(f"cannot write in {self.work}: {error.strerror}") from error
        try:
            fcntl.flock(lock, fcntl.LOCK_EX)
            yield
        finally:
            os.close(lock)

    def read(self) -> State | None:
        """What `up` left, or nothing."""
        try:
            return State(**json.loads((self.work / "state.json").read_text("utf-8")))
        except (OSError, ValueError, TypeError):
            return None

    def write(self, state: State) -> None:
        """Leave it for the next."""
        write_json(self.work / "state.json", dataclasses.asdict(state))

    def forget(self) -> None:
        """Nothing runs any more."""
        (self.work / "state.json").unlink(missing_ok=True)


def write_json(path: Path, value: Any) -> None:
    """Whole or not at all."""
    part = path.with_name(f"{path.name}.{os.getpid()}.part")
    part.write_text(json.dumps(value, indent=1, sort_keys=True) + "\n", "utf-8")
    part.replace(path)
