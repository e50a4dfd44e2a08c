"""Pages of documentation as things that can be run: files that a page writes, commands that it shows.

A block ```` ```console ```` holds lines `$ command`; `# exit 1` behind a command says its exit code when it is not 0.
A comment `<!-- before: command -->` is run as well: what the reader of that page has done already.
A block ```` ```toml title="profiles/x.toml" ```` (or text, ini, python, …) is a file that the page writes.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

_BLOCK = re.compile(
    r"^<!-- before: (?P<before>[^\n]+) -->$|^```(?P<kind>\w+)(?P<info>[^\n]*)\n(?P<body>.*?)^```$",
    re.MULTILINE | re.DOTALL,
)
_TITLE = re.compile(r'title="([^"]+)"')
_EXIT = re.compile(r"\s+# exit (\d+)$")


@dataclass(frozen=True)
class File:
    """A file that the page writes."""

    path: str
    text: str
    line: int


@dataclass(frozen=True)
class Command:
    """A command line that the page shows, and the exit code that it ends with."""

    text: str
    status: int
    line: int


def steps(page: Path) -> list[File | Command]:
    """What a reader of the page does, in order."""
    text = page.read_text("utf-8")
    found: list[File | Command] = []
    for block in _BLOCK.finditer(text):
        line = text.count("\n", 0, block.start()) + 2
        if block["before"] is not None:
            found.append(Command(block["before"], 0, line - 1))
            continue
        title = _TITLE.search(block["info"])
        if title is not None:
            found.append(File(title[1], block["body"], line))
        elif block["kind"] == "console":
            found += _commands(block["body"], line)
    return found


def _commands(body: str, line: int) -> list[Command]:
    commands = []
    for number, shown in enumerate(body.split("\n")):
        if shown.startswith("$ "):
            status = _EXIT.search(shown)
            commands.append(Command(_EXIT.sub("", shown[2:]), int(status[1]) if status else 0, line + number))
    return commands
