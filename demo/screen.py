"""A terminal for the demonstration: runs real commands, shows them with their output, and records pictures."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

from rich.console import Console
from rich.text import Text

BIN = Path(sys.executable).parent


class Ran(NamedTuple):
    """How a command ended: exit code and lines of output."""

    status: int
    lines: list[str]


class Screen:
    """Shows what runs. `record` keeps it for an SVG."""

    def __init__(self, *, record: bool = False, width: int | None = None) -> None:
        self.console = Console(record=record, width=width, highlight=False, force_terminal=True if record else None)

    def title(self, text: str) -> None:
        """A step's headline."""
        self.console.print()
        self.console.rule(Text(text, style="bold cyan"), align="left", style="cyan")

    def note(self, text: str) -> None:
        """A sentence between commands."""
        self.console.print(text, style="dim", markup=False)

    def run(
        self,
        command: Sequence[str],
        *,
        shown: str | None = None,
        expect: int = 0,
        most: int | None = None,
        cwd: Path | None = None,
        env: Mapping[str, str] | None = None,
    ) -> Ran:
        """Run a real command and show it with what it wrote; the demonstration ends when its exit code is another.

        Args:
            shown: the command line as a person would type it.
            expect: the exit code.
            most: show at most so many lines of output, the first ones; a negative number: the last ones.
        """
        self.console.print(Text.assemble(("$ ", "bold green"), (shown or " ".join(command), "bold")), soft_wrap=True)
        done = subprocess.run(
            command,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            encoding="utf-8",
            errors="replace",
            check=False,
            cwd=cwd,
            env={**clean_environment(), **(env or {})},
        )
        lines = done.stdout.rstrip("\n").split("\n") if done.stdout.strip() else []
        few = lines if most is None else lines[:most] if most > 0 else lines[most:]
        left = len(lines) - len(few)
        if left and most is not None and most < 0:
            self.console.print(f"… {left} lines before", style="dim")
        for line in few:
            self.console.print(Text.from_ansi(line), soft_wrap=True)
        if left and most is not None and most > 0:
            self.console.print(f"… {left} more lines", style="dim")
        if done.returncode != expect:
            self.console.print(
                f"the demonstration expected exit code {expect}, not {done.returncode}", style="bold red"
            )
            sys.exit(1)
        return Ran(done.returncode, lines)


def clean_environment() -> dict[str, str]:
    """The caller's environment without what would sway Python or the tools that are compared."""
    unwanted = ("PIP_", "UV_", "PYTHON")
    kept = {k: v for k, v in os.environ.items() if not k.startswith(unwanted) or k == "UV_CACHE_DIR"}
    kept.pop("VIRTUAL_ENV", None)
    return {**kept, "PATH": f"{BIN}{os.pathsep}{os.environ.get('PATH', '')}"}
