"""Read a lockfile: bytes -> values, with one clear message for what is wrong (PEP 751; docs/reference/lockfile.md)."""

from __future__ import annotations

import re
from pathlib import Path

import msgspec
import tomli

from envctl.errors import InvalidFile
from envctl.lockfile.rules import problems
from envctl.model.lockfile import Lockfile
from envctl.system import files

SCHEMA = 1
_CONFLICT = re.compile(rb"^(?:<{7}|>{7}|\|{7}) |^={7}$", re.MULTILINE)
_LONGEST = 160
_AT = re.compile(r" - at `(key in )?\$\.?(?P<key>.*)`$")


def read_lockfile(path: Path, *, shown: object = None) -> Lockfile:
    """The lockfile at `path`; `shown` is the name that messages use for it.

    Raises:
        FileNotFoundError: there is none.
        InvalidFile: it is no valid lockfile of envctl, or contradicts itself.
    """
    return checked_lockfile(files.read_bytes(path, shown=shown), shown=path if shown is None else shown)


def checked_lockfile(data: bytes, *, shown: object) -> Lockfile:
    """Values of a lockfile's bytes, checked for form and for sense; InvalidFile otherwise."""
    lockfile = parse_lockfile(data, shown=shown)
    found = problems(lockfile)
    if found:
        raise InvalidFile(
            "the lockfile contradicts itself",
            file=shown,
            details=[_short(sentence) for sentence in found[:5]],
            hint=f"it was edited by hand or badly merged; `envctl lock {lockfile.target}` writes it anew",
        )
    return lockfile


def parse_lockfile(data: bytes, *, shown: object) -> Lockfile:
    """Values of a lockfile's bytes, checked for form but not for sense (see `problems`); InvalidFile otherwise."""
    conflict = _CONFLICT.search(data)
    if conflict is not None and b"\n=======" in data:
        raise InvalidFile(
            "the lockfile holds git's conflict markers",
            file=shown,
            line=data.count(b"\n", 0, conflict.start()) + 1,
            hint=f"take one side with `git checkout --ours {shown}` (or --theirs), then `envctl lock`: "
            "pins that still fit are kept",
        )
    document = _toml(data, shown)
    tool = document.get("tool")
    table = tool.get("envctl") if isinstance(tool, dict) else None
    if not isinstance(table, dict):
        raise InvalidFile(
            "this is not a lockfile of envctl",
            file=shown,
            expected="a [tool.envctl] table",
            hint="`envctl lock` makes one",
        )
    schema = table.get("schema")
    if type(schema) is int and schema != SCHEMA:
        newer = schema > SCHEMA
        raise InvalidFile(
            "the lockfile was written by a newer envctl" if newer else "the lockfile has a schema that never was",
            file=shown,
            key="tool.envctl.schema",
            found=_short(str(schema)),
            expected=str(SCHEMA),
            hint="upgrade envctl-ml" if newer else _restore(shown),
        )
    try:
        return msgspec.convert(document, Lockfile)
    except msgspec.ValidationError as error:
        message = str(error)
        at = _AT.search(message)
        raise InvalidFile(
            "the lockfile is malformed" + (f" at {at['key']}" if at and at["key"] else ""),
            file=shown,
            key=at["key"] if at else None,
            found=_short(_AT.sub("", message)),
            hint=_restore(shown),
        ) from error


def _toml(data: bytes, shown: object) -> dict[str, object]:
    try:
        return tomli.loads(data.decode("utf-8"))
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        raise InvalidFile("the lockfile is not UTF-8", file=shown, line=line, hint=_restore(shown)) from error
    except tomli.TOMLDecodeError as error:
        line = min(error.lineno, data.count(b"\n") + 1)
        raise InvalidFile(
            "the lockfile is not TOML", file=shown, line=line, found=_short(error.msg), hint=_restore(shown)
        ) from error
    except (RecursionError, ValueError) as error:
        # tomli lets these through for hostile nesting and numbers
        raise InvalidFile(
            "the lockfile is not TOML", file=shown, found=_short(str(error)), hint=_restore(shown)
        ) from error


def _restore(shown: object) -> str:
    return f"`git checkout {shown}` brings the last one back; where it is deleted, `envctl lock` chooses every pin anew"


def _short(text: str) -> str:
    """A text that quotes the file, as messages show it: on one line, cut, with nothing that cannot be seen."""
    cut = text if len(text) <= _LONGEST else text[: _LONGEST - 1] + "…"
    return "".join(char if char.isprintable() else repr(char)[1:-1] for char in cut)
