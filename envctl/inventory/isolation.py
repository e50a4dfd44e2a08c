"""Start interpreters that nothing of the caller or of an environment can sway."""

from __future__ import annotations

import os
import sys
from pathlib import Path

# -I: no PYTHON* variables, no user site, no script folder on the path; -S: no site module, so no .pth files.
FLAGS = ("-I", "-S", "-B", "-W", "ignore")


def own_interpreter() -> str:
    """The interpreter that runs this process, without the virtual environment around it."""
    base: str = getattr(sys, "_base_executable", "") or sys.executable
    return base


def isolated(script: Path, interpreter: str | None = None) -> tuple[list[str], dict[str, str]]:
    """Command line and whole environment that run a standard-library-only script."""
    environment = {"LC_ALL": "C.UTF-8", "PATH": os.defpath}
    return [interpreter or own_interpreter(), *FLAGS, str(script)], environment


def processors() -> int:
    """The processors that this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1
