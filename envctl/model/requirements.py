"""Requirements files as pip reads them: logical lines, options, comments (pip, "Requirements File Format").

Pure: a text in, lines out. What a line means is for those who read it, `envctl.profile` and `envctl.adopt`.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

import msgspec

_COMMENT = re.compile(r"(?:^|\s)#.*$")
_OPTION = re.compile(r"(--?[A-Za-z][A-Za-z0-9-]*)(?:\s*=\s*|\s+|$)(.*)", re.DOTALL)
_SHORT = re.compile(r"(-[A-Za-z])(\S.*)", re.DOTALL)
_PER_REQUIREMENT = re.compile(r"\s(--[A-Za-z][A-Za-z0-9-]*)(?:\s*=\s*|\s+|$)(\S*)")
_LONG = {
    "-r": "--requirement",
    "-c": "--constraint",
    "-e": "--editable",
    "-i": "--index-url",
    "-f": "--find-links",
}


class Line(msgspec.Struct, frozen=True):
    """One logical line: `number` is where it begins, from 1. Either a requirement or an option.

    Attributes:
        text: the requirement (PEP 508, a path or a URL), without its options; empty for an option.
        option: the option's long name, such as `--index-url`; None for a requirement.
        value: the option's value, unquoted.
        options: the names of options that follow a requirement, such as `--hash`.
    """

    number: int
    text: str = ""
    option: str | None = None
    value: str = ""
    options: tuple[str, ...] = ()


def parse(text: str) -> tuple[Line, ...]:
    """The lines of a requirements file that say something, in order. Never fails: what is odd is a requirement."""
    return tuple(_line(number, content) for number, content in _logical(text))


def _logical(text: str) -> Iterator[tuple[int, str]]:
    """Continuations joined, comments removed, blank lines left out; a comment ends a continued line, as in pip."""
    start, held = 0, ""
    lines = text.replace("\r\n", "\n").replace("\r", "\n").split("\n")
    for number, line in enumerate(lines, 1):
        start = start or number
        comment = line.lstrip().startswith("#")
        if line.endswith("\\") and not comment:
            held += line[:-1]
            continue
        content = _COMMENT.sub("", held + (" " + line if comment else line)).strip()
        if content:
            yield start, content
        start, held = 0, ""
    if held.strip():
        yield start, _COMMENT.sub("", held).strip()


def _line(number: int, content: str) -> Line:
    if content.startswith("-"):
        match = _OPTION.fullmatch(content)
        short = _SHORT.fullmatch(content) if not content.startswith("--") else None
        if short is not None and short[1] in _LONG and (match is None or match[1] != short[1]):
            name, value = short[1], short[2]
        elif match is not None:
            name, value = match[1], match[2]
        else:
            name, value = content.split(maxsplit=1)[0], ""
        return Line(number, option=_LONG.get(name, name), value=value.strip().strip("\"'"))
    options = _PER_REQUIREMENT.findall(content)
    first = _PER_REQUIREMENT.search(content)
    text = content[: first.start()] if first else content
    return Line(number, text.strip(), options=tuple(name for name, _ in options))
