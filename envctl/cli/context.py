"""What the global options say, and how results and messages are shown."""

from __future__ import annotations

import contextlib
import os
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import click

from envctl.errors import UsageError

Progress = Callable[[str, int, int], None]


class Settings(NamedTuple):
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

    def colored(self) -> bool:
        """Whether results are coloured: as `--color` says, else on a terminal, unless NO_COLOR is set."""
        if self.color != "auto":
            return self.color == "always"
        return sys.stdout.isatty() and not os.environ.get("NO_COLOR") and os.environ.get("TERM") != "dumb"

    @contextlib.contextmanager
    def working(self, what: str) -> Iterator[Progress]:
        """One line that moves while something takes longer than half a second; nothing is left of it afterwards.

        Yields:
            A function to call with what is being done, how much of how much (0 of 0 where unknown).
        """
        if not self.progress:
            yield lambda *_: None
            return
        from rich.console import Console
        from rich.status import Status

        plain = self.color == "never" or (self.color == "auto" and bool(os.environ.get("NO_COLOR")))
        console = Console(stderr=True, no_color=plain, highlight=False)
        status = Status(f"{what} …", console=console)
        timer = threading.Timer(0.5, status.start)
        timer.daemon = True
        timer.start()
        try:
            yield lambda text, done, total: status.update(f"{text} {done:,} of {total:,}" if total else f"{text} …")
        finally:
            timer.cancel()
            timer.join()
            status.stop()

    def say(self, text: str) -> None:
        """A message for people, on standard error; nothing with --quiet."""
        if not self.quiet:
            click.echo(visible(text), err=True)


def visible(text: str) -> str:
    """A message with every character escaped that a terminal would obey: parts of it come from files and indexes."""
    if text.isprintable():
        return text
    shown = (char if char.isprintable() or char == "\n" else repr(char)[1:-1] for char in text)
    return "".join(shown)


pass_settings = click.make_pass_decorator(Settings)


def print_json(value: Any) -> None:
    """A result for programs: JSON on standard output, keys as the docs say, one final newline."""
    import msgspec

    try:
        data = msgspec.json.format(msgspec.json.encode(value), indent=2).decode()
    except UnicodeEncodeError:  # names of files can be bytes that are no text
        import json

        data = json.dumps(msgspec.to_builtins(value), indent=2)
    click.echo(data)
