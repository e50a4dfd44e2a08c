"""What the global options say, and how results and messages are shown."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
import msgspec

from envctl.errors import UsageError

if TYPE_CHECKING:
    from rich.console import Console


class Settings(msgspec.Struct, frozen=True):
    """The global options. Results go to standard output, everything else to standard error."""

    directory: Path
    quiet: bool = False
    verbose: bool = False
    progress: bool = True
    color: str = "auto"

    @classmethod
    def of(cls, directory: str, *, quiet: bool, verbose: bool, progress: bool, color: str) -> Settings:
        """Check and combine the options; UsageError when the folder does not exist."""
        folder = Path(directory)
        if not folder.is_dir():
            raise UsageError("the project folder does not exist", file=directory)
        moving = progress and not quiet and sys.stderr.isatty()
        return cls(folder, quiet, verbose, moving, color)

    def console(self, *, stderr: bool = False) -> Console:
        """A rich console for one of the two streams; plain where it is piped or colour is refused."""
        from rich.console import Console

        colored = self.color == "always" or (self.color == "auto" and "NO_COLOR" not in os.environ)
        return Console(
            stderr=stderr,
            force_terminal=True if self.color == "always" else None,
            no_color=not colored,
            highlight=False,
            soft_wrap=True,
            markup=False,
            emoji=False,
        )

    def say(self, text: str) -> None:
        """A message for people, on standard error; nothing with --quiet."""
        if not self.quiet:
            click.echo(text, err=True)


pass_settings = click.make_pass_decorator(Settings)


def print_json(value: Any) -> None:
    """A result for programs: JSON on standard output, keys as the docs say, one final newline."""
    data = msgspec.json.format(msgspec.json.encode(value), indent=2)
    click.echo(data.decode())
