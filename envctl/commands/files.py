"""The files of a target as bytes: what `lock` writes and `lock --check` compares."""

from __future__ import annotations

from pathlib import Path

from envctl.lockfile.write import write_lockfile
from envctl.model.lockfile import Lockfile
from envctl.model.manifest import sha256
from envctl.model.target import Target
from envctl.render import dockerfile, dockerignore


def render_files(project: Path, target: Target, lockfile: Lockfile, *, resolved: bool) -> dict[Path, bytes]:
    """The target's files by their places, the lockfile first. An unchanged lockfile keeps its bytes on disk."""
    data = write_lockfile(lockfile) if resolved else (project / target.lockfile).read_bytes()
    files = {project / target.lockfile: data}
    if lockfile.envctl.image is not None:
        files[project / target.dockerfile] = dockerfile.render(lockfile, lock_digest=sha256(data)).encode()
        files[project / target.dockerignore] = dockerignore.render(lockfile).encode()
    return files
