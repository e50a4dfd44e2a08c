"""The verifier in one file, and how it is started."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

from envctl.commands.verifier import verifier

BASE = getattr(sys, "_base_executable", sys.executable)
ISOLATED = ("-I", "-S", "-B", "-X", "utf8")


def write(folder: Path) -> Path:
    """The file, made by this checkout."""
    verifier(folder)
    return folder / "envctl-verify.pyz"


def start(
    *command: object, cwd: Path | None = None, env: Mapping[str, str] | None = None, keep: bool = True
) -> subprocess.CompletedProcess[str]:
    """A program with this environment (or beside it, with `keep`)."""
    return subprocess.run(
        [str(part) for part in command],
        cwd=cwd,
        env={**(os.environ if keep else {}), **(env or {})},
        capture_output=True,
        encoding="utf-8",
        errors="surrogateescape",
        timeout=120,
        check=False,
    )


def pythons() -> list[Path]:
    """The interpreter of these tests, and one of each other X.Y from 3.10 on that this machine has at hand."""
    found = {sys.version_info[1]: Path(BASE)}
    for minor in range(10, 16):
        kept = sorted((Path.home() / ".pyenv/versions").glob(f"3.{minor}.*/bin/python3.{minor}"))
        here = shutil.which(f"python3.{minor}", path="/usr/local/bin:/usr/bin")
        for place in (*kept[-1:], *((Path(here),) if here else ())):
            found.setdefault(minor, place)
    return [found[minor] for minor in sorted(found)]
