"""A project folder, and the command line run on it in this process."""

from __future__ import annotations

import contextlib
import io
import json
from pathlib import Path
from typing import Any, NamedTuple

from support.server import IndexServer
from support.wheels import build_wheel

from envctl.cli.main import invoke
from envctl.lockfile.read import read_lockfile
from envctl.model.lockfile import Lockfile

BASE = "python:3.11.9-slim-bookworm@sha256:" + "8f" * 32


class Ran(NamedTuple):
    """How a command ended."""

    status: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        """Standard output as JSON."""
        return json.loads(self.out)


def envctl(*args: object) -> Ran:
    """Run the command line in this process."""
    out, err = io.StringIO(), io.StringIO()
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        status = invoke([str(arg) for arg in args])
    return Ran(status, out.getvalue(), err.getvalue())


class Project:
    """A folder with profiles, beside an index that serves wheels made on the spot."""

    def __init__(self, folder: Path, index: IndexServer) -> None:
        self.folder = folder
        self.index = index
        self.wheels = folder.parent / "wheels"
        (folder / "profiles").mkdir(parents=True)
        self.wheels.mkdir()

    def profile(self, text: str, name: str = "train") -> Path:
        """Write profiles/NAME.toml."""
        path = self.folder / "profiles" / f"{name}.toml"
        path.write_text(text, "utf-8")
        return path

    def wheel(self, name: str, version: str = "1.0", **kind: Any) -> Path:
        """Build a wheel and put it on the index; keywords of `build_wheel` and of `IndexServer.add`."""
        offered = {k: kind.pop(k) for k in ("upload_time", "hashed", "yanked") if k in kind}
        kind.setdefault("files", {f"{name.replace('-', '_')}/__init__.py": f"version = {version!r}\n".encode()})
        path = build_wheel(self.wheels, name, version, **kind)
        self.index.add(path, **offered)
        return path

    def run(self, *args: object) -> Ran:
        """Run envctl in the folder."""
        return envctl("-C", self.folder, *args)

    def lockfile(self, slug: str = "train") -> Lockfile:
        """The lockfile of a target."""
        return read_lockfile(self.lock_path(slug))

    def lock_path(self, slug: str = "train") -> Path:
        """Its place."""
        return self.folder / "profiles" / "locked" / f"pylock.{slug}.toml"

    def pins(self, slug: str = "train") -> dict[str, str]:
        """Name -> version."""
        return {package.name: package.version for package in self.lockfile(slug).packages}

    def snapshot(self) -> dict[str, bytes]:
        """Every locked file's bytes."""
        folder = self.folder / "profiles" / "locked"
        return {path.name: path.read_bytes() for path in sorted(folder.glob("*"))}
