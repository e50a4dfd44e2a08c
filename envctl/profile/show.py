"""How values of a file and near names appear in messages. What a file says is never printed raw."""

from __future__ import annotations

import difflib
import json
import re
from collections.abc import Iterable

_FOUND = len("  found:    ")  # what stands before the value in a message
_LIMIT = 100
_CUTOFF = 0.6
_USERINFO = re.compile(r"(?<=://)[^/@\s]*@")


def show(value: object) -> str:
    """A value as a message shows it: on one line, cut where it is long, without a URL's credentials."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, str):
        value = _USERINFO.sub("***@", value)
        short = value if len(value) <= _LIMIT else value[: _LIMIT - 1] + "…"
        return quote(short)
    if isinstance(value, dict):
        return "a table"
    if isinstance(value, (list, tuple)):
        return "a list"
    if isinstance(value, (int, float)):
        return repr(value)
    isoformat = getattr(value, "isoformat", None)
    return str(isoformat()) if isoformat else type(value).__name__


def quote(text: str) -> str:
    """A string in double quotes, as JSON and TOML write it, with every character escaped that cannot be seen."""
    return "".join(
        char if char.isprintable() else json.dumps(char)[1:-1] for char in json.dumps(text, ensure_ascii=False)
    )


def point(value: object, at: int | None) -> str:
    """A second line with a caret under a place of a shown string; empty where there is nothing to point at."""
    if at is None or not isinstance(value, str) or at >= _LIMIT:
        return ""
    return "\n" + " " * (_FOUND + len(quote(value[:at])) - 1) + "^"


def nearest(name: str, known: Iterable[str]) -> str | None:
    """The known name that is most like `name`, if one is."""
    found = difflib.get_close_matches(name[:_LIMIT], list(known), n=1, cutoff=_CUTOFF)
    return found[0] if found else None


def did_you_mean(name: str, known: Iterable[str], otherwise: str | None = None) -> str | None:
    """A hint that names the nearest known name; `otherwise` where none is near."""
    near = nearest(name, known)
    return otherwise if near is None else f"did you mean {near}?"
