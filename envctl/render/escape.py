"""Values of a profile as words of a Dockerfile or an ignore file: whatever they hold, they stay one value.

Sources: the Dockerfile reference (parser directives, environment replacement, exec form) and BuildKit's word
processing (frontend/dockerfile/shell/lex.go), which also reads the JSON forms of COPY: `\\` escapes, `$` expands,
quotes group. Paths of COPY are patterns of Go's filepath.Match; those of an ignore file are close relatives.
"""

from __future__ import annotations

import json
import re
import unicodedata
from collections.abc import Iterable
from pathlib import PurePosixPath

from envctl.errors import InvalidFile

_PLAIN = re.compile(r"(?!-)[A-Za-z0-9_./:,+@%=-]+")  # a leading `--` would be an instruction's flag
_SPECIAL = re.compile(r"""(["'\\$])""")
_QUOTED = re.compile(r'(["\\$])')
_GLOB = re.compile(r"[*?\[\\]")
_IGNORE = re.compile(r"([*?\[\]\\^+(){}|$])")


def printable(value: str, key: str) -> str:
    """The value itself; InvalidFile where it holds what would end a line or hide in it (categories Cc, Cs, Zl, Zp)."""
    for char in value:
        if unicodedata.category(char) in ("Cc", "Cs", "Zl", "Zp"):
            raise InvalidFile(
                f"{key} holds a control character", key=key, found=ascii(value), expected="printable characters"
            )
    return value


def word(value: str, key: str) -> str:
    """One word of ENV, LABEL, WORKDIR or USER, in double quotes where it needs them; nothing in it expands."""
    printable(value, key)
    if _PLAIN.fullmatch(value):
        return value
    return '"' + _QUOTED.sub(r"\\\1", value) + '"'


def exec_form(values: Iterable[str], key: str) -> str:
    """A JSON array, as CMD and ENTRYPOINT take it: no shell, no expansion."""
    # `<` is written as an escape, so that no reader takes `<<` for the start of a here-document
    return json.dumps([printable(value, key) for value in values], ensure_ascii=False).replace("<", "\\u003c")


def copy_form(source: str, target: str, key: str) -> str:
    """The JSON array of COPY from the build context: one source that is no pattern, and its target."""
    pattern = _GLOB.sub(lambda match: "[\\\\]" if match[0] == "\\" else f"[{match[0]}]", inside(source, key))
    return exec_form([_SPECIAL.sub(r"\\\1", pattern), _SPECIAL.sub(r"\\\1", printable(target, key))], key)


def inside(path: str, key: str) -> str:
    """A path relative to the project folder, as it is; InvalidFile where it would leave the folder."""
    parts = PurePosixPath(printable(path, key)).parts
    if not path or path.startswith("/") or ".." in parts:
        raise InvalidFile(f"{key} leaves the project folder", key=key, found=path, expected="a relative path inside it")
    return path


def absolute(path: str, key: str) -> str:
    """A path in the image, as it is; InvalidFile unless it is absolute and without `..`."""
    if not printable(path, key).startswith("/") or ".." in PurePosixPath(path).parts:
        raise InvalidFile(f"{key} is no place in the image", key=key, found=path, expected="an absolute path")
    return path


def ignore_pattern(path: str, key: str) -> str:
    """A line's pattern of an ignore file that matches this path and what lies under it."""
    clean = str(PurePosixPath(inside(path, key)))
    pattern = _IGNORE.sub(r"\\\1", clean)
    # readers trim lines, so a blank at either end stands in a class of its own
    if pattern.startswith(" "):
        pattern = "[ ]" + pattern[1:]
    return pattern[:-1] + "[ ]" if pattern.endswith(" ") else pattern


def shell(value: str, key: str) -> str:
    """One word for `/bin/sh`, in single quotes where it needs them."""
    printable(value, key)
    return value if _PLAIN.fullmatch(value) else "'" + value.replace("'", "'\"'\"'") + "'"
