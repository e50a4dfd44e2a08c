"""The docker command: where it is, and what its builder says of itself."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path

import msgspec

from envctl.errors import ToolFailed
from envctl.system.process import program, run

_SECONDS = 30.0
_VERSION = re.compile(r"v?(\d{1,4})\.(\d{1,4})(?:\.(\d{1,4}))?")


class BuilderInfo(msgspec.Struct, frozen=True, kw_only=True):
    """The builder behind `docker build`.

    Attributes:
        docker: the command's version; None without a docker command.
        buildx: the plugin's version; None without it.
        platforms: OCI names of what it builds for, natively or emulated; empty where it does not say.
    """

    docker: str | None = None
    buildx: str | None = None
    platforms: tuple[str, ...] = ()


def client(environ: Mapping[str, str] | None = None) -> Path | None:
    """The docker command on PATH; None where there is none."""
    return program("docker", environ)


def builder(environ: Mapping[str, str] | None = None) -> BuilderInfo:
    """Ask the docker command for its builder. What it does not answer stays empty."""
    docker = client(environ)
    if docker is None:
        return BuilderInfo()
    version = _ask(docker, environ, "version", "--format", "{{.Client.Version}}")
    plugin = _VERSION.search(_ask(docker, environ, "buildx", "version"))
    inspected = _ask(docker, environ, "buildx", "inspect") if plugin is not None else ""
    listed = re.search(r"^Platforms:\s*(.+)$", inspected, re.MULTILINE)
    names = [] if listed is None else [name.strip().rstrip("*") for name in listed[1].split(",")]
    return BuilderInfo(
        docker=version.strip() or "of an unknown version",
        buildx=None if plugin is None else plugin[0].removeprefix("v"),
        platforms=tuple(name for name in names if name.count("/") == 1),  # without variants such as linux/amd64/v3
    )


def numbers(version: str) -> tuple[int, ...]:
    """`26.1.5+dfsg1` as (26, 1, 5); () when it begins with no number."""
    match = _VERSION.match(version)
    return () if match is None else tuple(int(part) for part in match.groups() if part is not None)


def _ask(docker: Path, environ: Mapping[str, str] | None, *words: str) -> str:
    try:
        done = run([docker, *words], env=environ, timeout=_SECONDS)
    except ToolFailed:
        return ""
    return done.stdout if done.status == 0 else ""
