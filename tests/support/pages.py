"""Pages of documentation as things that can be run: files that a page writes, commands that it shows.

A block ```` ```console ```` holds lines `$ command`; `# exit 1` behind a command says its exit code when it is not 0.
Lines below a command are what it writes, in kind: numbers and digests may be others, and `…` stands for any lines.
A comment `<!-- before: command -->` is run as well: what the reader of that page has done already.
A block ```` ```toml title="profiles/x.toml" ```` (or text, ini, python, …) is a file that the page writes.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from pathlib import Path

_BLOCK = re.compile(
    r"^<!-- before: (?P<before>[^\n]+) -->$|^```(?P<kind>\w+)(?P<info>[^\n]*)\n(?P<body>.*?)^```$",
    re.MULTILINE | re.DOTALL,
)
_TITLE = re.compile(r'title="([^"]+)"')
_EXIT = re.compile(r"\s+# exit (\d+)$")
_COMMENT = re.compile(r"\s{2,}# .*$")


@dataclass(frozen=True)
class File:
    """A file that the page writes."""

    path: str
    text: str
    line: int


@dataclass(frozen=True)
class Command:
    """A command line that the page shows, the exit code that it ends with, and what it is shown to write."""

    text: str
    status: int
    line: int
    output: tuple[str, ...] = ()

    def missing(self, written: str) -> str | None:
        """The first line that the page shows and the command did not write, in that order; None for none."""
        left = iter([in_kind(line) for line in written.splitlines()])
        for line in self.output:
            if line.strip() not in ("", "…") and in_kind(line) not in left:
                return line
        return None


def anchors(page: Path) -> set[str]:
    """What links into a page can name: its headlines, as the usual renderers spell them."""
    heads = re.findall(r"^#+ (.+)$", page.read_text("utf-8"), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", head.lower()).replace(" ", "-") for head in heads}


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
    commands: list[Command] = []
    for number, shown in enumerate(body.split("\n")):
        if shown.startswith("$ "):
            status = _EXIT.search(shown)
            text = _COMMENT.sub("", _EXIT.sub("", shown[2:]))
            commands.append(Command(text, int(status[1]) if status else 0, line + number))
        elif commands:
            last = commands.pop()
            commands.append(replace(last, output=(*last.output, shown)))
    return commands


def in_kind(line: str) -> str:
    """A line of output without what differs between machines and days: numbers, units, digests, folders above."""
    line = re.sub(r"SHA256:[A-Za-z0-9+/]+…?", "SHA256:0", re.sub(r"\x1b\[[0-9;]*m", "", line))
    line = re.sub(r"\b[0-9a-f]{8,64}\b", "0", re.sub(r"sha256:[0-9a-f]+(…[0-9a-f]*)?", "sha256:0", line))
    line = re.sub(r"\b(B|kB|MB|GB)\b", "B", re.sub(r"\d[\d.,]*(?<![.,])", "0", line))
    return " ".join(line.split())
