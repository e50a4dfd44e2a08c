"""Where the keys of a TOML text stand: key path -> line. Parsers give values without places; messages need both.

The text is known to be valid (the parser read it); this reads its structure only, and understands TOML 1.0 and the
multi-line inline tables of TOML 1.1. Key paths are spelled as people write them: `image.user`, `dependencies[2]`,
`resolver.index[0].url`, `image.env."A B"`.
"""

from __future__ import annotations

import json
import re
from bisect import bisect_right
from collections.abc import Sequence

_BARE = re.compile(r"[A-Za-z0-9_-]+")
_SPACE = re.compile(r"[ \t]*")
_GAP = re.compile(r"(?:[ \t\r\n]|#[^\n]*)*")
_REST = re.compile(r"[^\n]*")
_SCALAR = re.compile(r"[^,\]}\r\n#]*")
_STRINGS = (
    re.compile(r'"""(?:[^"\\]|\\.|"{1,2}(?!"))*"{3,5}', re.DOTALL),
    re.compile(r"'''(?:[^']|'{1,2}(?!'))*'{3,5}", re.DOTALL),
    re.compile(r'"(?:[^"\\\n]|\\.)*"'),
    re.compile(r"'[^'\n]*'"),
)


def spell(parts: Sequence[str | int]) -> str:
    """A key path as text: names joined by dots, quoted where TOML wants quotes, list indices in brackets."""
    out = ""
    for part in parts:
        if isinstance(part, int):
            out += f"[{part}]"
        else:
            name = part if _BARE.fullmatch(part) else json.dumps(part)
            out += f".{name}" if out else name
    return out


def parts(path: str) -> tuple[str, ...]:
    """The names of a dotted key as people write it; ValueError when it is none. List indices are not understood."""
    import tomli

    text = f"{path} = 0"
    try:
        tomli.loads(text)
    except RecursionError as error:
        raise ValueError("too many parts") from error
    scanner = _Scanner(text)
    names = scanner.key() if "\n" not in path and not path.lstrip().startswith("[") else []
    if not names or scanner.at != len(path) + 1:
        raise ValueError(f"{path!r} is not a key")
    return tuple(names)


def positions(text: str) -> dict[str, int]:
    """The line (from 1) of every key, table and list entry of a valid TOML text.

    A table that headers and dotted keys make piece by piece stands where it is first named.
    """
    return _Scanner(text).scan()


class _Scanner:
    """Reads the text once, from left to right."""

    def __init__(self, text: str) -> None:
        self.text = text
        self.at = 0
        self.starts = [0, *(match.end() for match in re.finditer("\n", text))]
        self.lines: dict[str, int] = {}
        self.counts: dict[tuple[str | int, ...], int] = {}

    def scan(self) -> dict[str, int]:
        table: tuple[str | int, ...] = ()
        while self._skip(_GAP) < len(self.text):
            if self.text[self.at] == "[":
                table = self._header()
            else:
                self._pair(table)
            self._skip(_SPACE)
            if self.text.startswith("#", self.at):
                self._skip(_REST)
        return self.lines

    def _skip(self, pattern: re.Pattern[str]) -> int:
        match = pattern.match(self.text, self.at)
        if match is not None:
            self.at = match.end()
        return self.at

    def _note(self, path: tuple[str | int, ...], at: int) -> None:
        self.lines.setdefault(spell(path), bisect_right(self.starts, at))

    def key(self) -> list[str]:
        """A dotted key; `at` ends behind it."""
        names = []
        while True:
            self._skip(_SPACE)
            start = self.at
            if self.text[start] in "\"'":
                self._string()
                names.append(_unquote(self.text[start : self.at]))
            else:
                names.append(self.text[start : self._skip(_BARE)])
            self._skip(_SPACE)
            if not self.text.startswith(".", self.at):
                return names
            self.at += 1

    def _header(self) -> tuple[str | int, ...]:
        start = self.at
        array = self.text.startswith("[[", start)
        self.at += 2 if array else 1
        names = self.key()
        self.at += 2 if array else 1
        path: tuple[str | int, ...] = ()
        for number, name in enumerate(names):
            path = (*path, name)
            self._note(path, start)
            last = number == len(names) - 1
            if last and array:
                self.counts[path] = self.counts.get(path, 0) + 1
            if path in self.counts:
                path = (*path, self.counts[path] - 1)
                self._note(path, start)
        return path

    def _pair(self, table: tuple[str | int, ...]) -> None:
        """`key = value`; `at` ends behind the value."""
        start, path = self.at, table
        for name in self.key():
            path = (*path, name)
            self._note(path, start)
        self.at += 1  # the equals sign
        self._skip(_SPACE)
        self._value(path)

    def _string(self) -> None:
        for pattern in _STRINGS:
            match = pattern.match(self.text, self.at)
            if match is not None:
                self.at = match.end()
                return
        raise ValueError("the text is not valid TOML")

    def _value(self, path: tuple[str | int, ...]) -> None:
        first = self.text[self.at]
        if first in "\"'":
            self._string()
        elif first == "[":
            self.at += 1
            index = 0
            while self.text[self._skip(_GAP)] != "]":
                self._note((*path, index), self.at)
                self._value((*path, index))
                index += 1
                if self.text[self._skip(_GAP)] == ",":
                    self.at += 1
            self.at += 1
        elif first == "{":
            self.at += 1
            while self.text[self._skip(_GAP)] != "}":
                self._pair(path)
                if self.text[self._skip(_GAP)] == ",":
                    self.at += 1
            self.at += 1
        else:
            self._skip(_SCALAR)


def _unquote(quoted: str) -> str:
    import tomli

    name = tomli.loads(f"k = {quoted}")["k"]
    if not isinstance(name, str):
        raise TypeError("a quoted key is a string")
    return name
