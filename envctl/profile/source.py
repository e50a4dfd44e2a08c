"""One TOML file of the project: parsed, with the line of each key, and errors that name both."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import msgspec

from envctl.errors import InvalidFile
from envctl.profile.positions import positions, spell
from envctl.profile.show import point, show
from envctl.system.files import read_text

LIMIT = 4 * 2**20
_DIRECTIONS = re.compile("[\u202a-\u202e\u2066-\u2069]")
# What no string of a profile needs and a reviewer cannot see: control characters, line and paragraph separators,
# directions of writing, invisible spaces.
_UNSEEN = re.compile("[\x00-\x1f\x7f-\x9f\u061c\u200b\u200e\u200f\u2028-\u202e\u2060-\u2069\ufeff\ud800-\udfff]")

Path_ = tuple[str | int, ...]
"""A key path: names, and indices of list entries."""


class Source(msgspec.Struct, frozen=True):
    """A parsed TOML file. `file` is its path relative to the project folder, as users see it."""

    file: str
    data: dict[str, Any]
    lines: dict[str, int]

    def line(self, path: Path_) -> int | None:
        """The line of a key path, or of the innermost table or list around it that has one."""
        for end in range(len(path), 0, -1):
            line = self.lines.get(spell(path[:end]))
            if line is not None:
                return line
        return None

    def error(  # one place for every message about this file
        self,
        what: str,
        path: Path_,
        *,
        found: object = None,
        expected: str | None = None,
        hint: str | None = None,
        details: Sequence[str] = (),
        caret: int | None = None,
    ) -> InvalidFile:
        """An error about the value at a key path. `found` is that value, shown safely; `caret` a place in it."""
        return InvalidFile(
            what,
            file=self.file,
            line=self.line(path),
            key=spell(path) or None,
            found=None if found is None else show(found) + point(found, caret),
            expected=expected,
            hint=hint,
            details=details,
        )


def read_toml(path: Path, shown: str) -> Source:
    """Read a TOML file.

    Raises:
        FileNotFoundError: it does not exist.
        InvalidFile: it is unreadable, no UTF-8, or no TOML (with the line where that can be said).
    """
    return parse_toml(read_text(path, shown=shown, limit=LIMIT), shown)


def parse_toml(text: str, shown: str) -> Source:
    """The same of a text that is at hand."""
    import tomli

    hidden = _DIRECTIONS.search(text)
    if hidden is not None:
        raise InvalidFile(
            "holds a character that changes the direction of writing",
            file=shown,
            line=text.count("\n", 0, hidden.start()) + 1,
            found=show(hidden[0]),
            hint="such characters make a file read otherwise than it works; remove it",
        )
    try:
        data = tomli.loads(text)
        lines = positions(text)
    except tomli.TOMLDecodeError as error:
        twice = "overwrite" in error.msg or "twice" in error.msg
        raise InvalidFile(
            "says a key or table twice" if twice else "is not valid TOML",
            file=shown,
            line=min(error.lineno, text.count("\n") + 1),
            found=_safe(error.msg),
        ) from error
    except (ValueError, RecursionError) as error:
        raise InvalidFile("is not valid TOML", file=shown, found=_safe(str(error))) from error
    return Source(shown, data, lines)


def unseen(text: str) -> bool:
    """Whether a string holds a control character, or another that a reader cannot see."""
    return _UNSEEN.search(text) is not None


def refuse_unseen(value: object, path: Path_, source: Source) -> None:
    """Raise InvalidFile for a string, or a key of a table, that holds what a reader cannot see."""
    if isinstance(value, str):
        if unseen(value):
            raise source.error(
                f"{spell(path)} holds a control character",
                path,
                found=value,
                expected="text that can be seen, on one line",
            )
    elif isinstance(value, Mapping):
        for key, item in value.items():
            if unseen(key):
                raise source.error("a key holds a control character", (*path, key), found=key)
            refuse_unseen(item, (*path, key), source)


def _safe(text: str) -> str:
    short = text if len(text) <= 120 else text[:119] + "…"
    return "".join(char if char.isprintable() else repr(char)[1:-1] for char in short)
