"""Time commands as whole processes: interleaved, so that both sides meet the same machine; minima and medians."""

from __future__ import annotations

import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path


@dataclass
class Command:
    """One side of a comparison. `before` runs untimed ahead of each run (to empty a cache)."""

    name: str
    argv: Sequence[str]
    cwd: Path | None = None
    env: Mapping[str, str] = field(default_factory=dict)
    before: Callable[[], None] = lambda: None
    expect: tuple[int, ...] = (0,)


@dataclass
class Figures:
    """Wall seconds of each run, and the largest resident set in MB."""

    name: str
    seconds: list[float] = field(default_factory=list)
    peak: float = 0.0

    @property
    def best(self) -> float:
        """The fastest run: what the machine's noise cannot add to."""
        return min(self.seconds)

    @property
    def median(self) -> float:
        """The middle run."""
        return statistics.median(self.seconds)

    def __str__(self) -> str:
        return (
            f"{self.name}: {self.best:.3f} s (median {self.median:.3f}, {len(self.seconds)} runs), {self.peak:.0f} MB"
        )


def environment(extra: Mapping[str, str]) -> dict[str, str]:
    """The caller's environment without what would sway the tools, and with bytecode caching as users have it."""
    kept = {
        k: v for k, v in os.environ.items() if not k.startswith(("PIP_", "UV_", "PYTHON", "ENVCTL_", "VIRTUAL_ENV"))
    }
    binaries = f"{Path(sys.executable).parent}{os.pathsep}{kept.get('PATH', '')}"
    return {**kept, "PATH": binaries, "NO_COLOR": "1", "UV_PYTHON_DOWNLOADS": "never", **extra}


def run_once(command: Command, figures: Figures) -> None:
    """Time one run; ends the benchmark when the command fails."""
    command.before()
    with tempfile.TemporaryFile() as output:
        started = time.perf_counter()
        process = subprocess.Popen(
            command.argv, cwd=command.cwd, env=environment(command.env), stdout=output, stderr=subprocess.STDOUT
        )
        _, status, usage = os.wait4(process.pid, 0)
        seconds = time.perf_counter() - started
        process.returncode = os.waitstatus_to_exitcode(status)
        if process.returncode not in command.expect:
            output.seek(0)
            sys.exit(
                f"{command.name} ended with {process.returncode}:\n{output.read().decode(errors='replace')[-3000:]}"
            )
    figures.seconds.append(seconds)
    figures.peak = max(figures.peak, usage.ru_maxrss / 1000)


def compare(commands: Sequence[Command], runs: int) -> list[Figures]:
    """Run the commands in turn, `runs` times each; the order turns around every time."""
    figures = {command.name: Figures(command.name) for command in commands}
    for turn in range(runs):
        for command in commands if turn % 2 == 0 else reversed(commands):
            run_once(command, figures[command.name])
            print(f"    {figures[command.name].seconds[-1]:8.3f} s  {command.name}", file=sys.stderr)
    return list(figures.values())
