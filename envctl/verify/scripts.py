"""Scripts that installers write: the whole text of those for entry points, the first lines of all.

Sources: distlib (in pip), pip, uv, pypa/installer; entry-points specification; binary-distribution-format ("#!python").
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable

import msgspec

# pip 20 to 25.1 and others with distlib before 0.4
_DISTLIB = """\
# -*- coding: utf-8 -*-
import re
import sys
from {module} import {name}
if __name__ == '__main__':
    sys.argv[0] = re.sub(r'(-script\\.pyw|\\.exe)?$', '', sys.argv[0])
    sys.exit({function}())
"""
# distlib 0.4, virtualenv's seeds
_DISTLIB_LATE = """\
# -*- coding: utf-8 -*-
import re
import sys
if __name__ == '__main__':
    from {module} import {name}
    sys.argv[0] = re.sub(r'(-script\\.pyw|\\.exe)?$', '', sys.argv[0])
    sys.exit({function}())
"""
# pip 25.2 and 25.3
_PIP_25 = """\
import sys
from {module} import {name}
if __name__ == '__main__':
    if sys.argv[0].endswith('.exe'):
        sys.argv[0] = sys.argv[0][:-4]
    sys.exit({function}())
"""
# pip from 26.0
_PIP_26 = """\
import sys
from {module} import {name}
if __name__ == '__main__':
    sys.argv[0] = sys.argv[0].removesuffix('.exe')
    sys.exit({function}())
"""
# pypa/installer, uv before 0.5.19
_INSTALLER = """\
# -*- coding: utf-8 -*-
import re
import sys
from {module} import {name}
if __name__ == "__main__":
    sys.argv[0] = re.sub(r"(-script\\.pyw|\\.exe)?$", "", sys.argv[0])
    sys.exit({function}())
"""
# uv from 0.5.19
_UV = """\
# -*- coding: utf-8 -*-
import sys
from {module} import {name}
if __name__ == "__main__":
    if sys.argv[0].endswith("-script.pyw"):
        sys.argv[0] = sys.argv[0][:-11]
    elif sys.argv[0].endswith(".exe"):
        sys.argv[0] = sys.argv[0][:-4]
    sys.exit({function}())
"""
_TEMPLATES = (_UV, _DISTLIB, _PIP_26, _PIP_25, _DISTLIB_LATE, _INSTALLER)
# uv's relocatable scripts find the interpreter beside themselves
_BESIDE = ('"$(dirname -- "$(realpath -- "$0")")"/', '"$(CDPATH= cd -- "$(dirname -- "$0")" && echo "$PWD")"/')
_IMPORT = re.compile(rb"^ *from (\S+) import ", re.MULTILINE)
_CALL = re.compile(rb"^ *sys\.exit\((\S+?)\(\)\)$", re.MULTILINE)
# The script's own coding line, said once more by uv in the second place, where Python looks for it (PEP 263)
_SAID_AGAIN = re.compile(rb"# coding: ([-\w.]+)\n")
_CODING = re.compile(rb"[ \t\f]*#.*?coding[:=][ \t]*([-\w.]+)")
_SH, _EXEC, _ARGUMENTS, _END = b"#!/bin/sh\n", b"'''exec' ", b' "$0" "$@"\n', b"' '''\n"


class Script(msgspec.Struct, frozen=True):
    """A script in two: what starts it, as written in its first line or lines, and the rest."""

    starter: bytes
    body: bytes

    @classmethod
    def of(cls, text: bytes) -> Script | None:
        """Split a text; None where it does not begin with `#!`."""
        after, coding = _said_again(text.removeprefix(_SH))
        if text.startswith(_SH) and after.startswith(_EXEC):
            command, arguments, rest = after[len(_EXEC) :].partition(_ARGUMENTS)
            body = rest[len(_END) :]
            if arguments and b"\n" not in command and rest.startswith(_END) and coding in (None, _coding_of(body)):
                return cls(_EXEC + command, body)
        first, newline, rest = text.partition(b"\n")
        return cls(first[2:], rest) if first.startswith(b"#!") and newline else None

    def target(self) -> str | None:
        """`module:function` where the rest is, as a whole, what a known installer writes for it; else None."""
        module = _IMPORT.search(self.body)
        function = _CALL.search(self.body)
        if module is None or function is None:
            return None
        target = f"{module[1].decode()}:{function[1].decode()}"
        return target if self.body in entry_point_bodies(target) else None


def _said_again(text: bytes) -> tuple[bytes, bytes | None]:
    """What follows a line `# coding: NAME` at the start, and NAME; the text and None where there is no such line."""
    match = _SAID_AGAIN.match(text)
    return (text[match.end() :], match[1]) if match else (text, None)


def _coding_of(body: bytes) -> bytes | None:
    """The encoding that a script's first line names (PEP 263); None where it names none."""
    match = _CODING.match(body)
    return match[1] if match else None


def starters(prefixes: Iterable[str], minor: tuple[int, int] | None) -> frozenset[bytes]:
    """Every starter that installers write for the interpreter of an environment at one of the prefixes."""
    names = ["python", "python3"] + ([f"python{minor[0]}.{minor[1]}"] if minor else [])
    found = set()
    for name in names:
        for prefix in prefixes:
            path = f"{prefix}/bin/{name}"
            escaped = path.replace("'", "'\"'\"'")
            found.add(f"'''exec' {_printed(path)}")
            found |= {path, f"'''exec' {path}", f"'''exec' \"{path}\"", f"'''exec' '{escaped}'"}
        found |= {f"'''exec' {beside}{word}" for beside in _BESIDE for word in (f"'{name}'", _printed(name))}
    return frozenset(starter.encode("utf-8", "surrogateescape") for starter in found)


def _printed(path: str) -> str:
    """A word that only the shell spells out: how uv writes a path where the encoding of the script is not its own."""
    codes = " ".join(f"'\\'0{byte:03o}" for byte in path.encode("utf-8", "surrogateescape"))
    return f'"$(printf %b {codes})"'


def entry_point_bodies(target: str) -> frozenset[bytes]:
    """What known installers write after the first line for `module:function`."""
    module, _, function = target.partition(":")
    name = function.partition(".")[0]
    return frozenset(template.format(module=module, name=name, function=function).encode() for template in _TEMPLATES)


def entry_point_digest(target: str) -> str:
    """What a manifest counts for an entry point, 64 hex digits."""
    return hashlib.sha256(target.encode()).hexdigest()
