"""Write a lockfile: values -> canonical bytes (PEP 751). The same values give the same bytes, everywhere.

A writer of our own and not a TOML library: the layout is what people review in a diff (one wheel a line, one
package a block, keys in a fixed order), and no library keeps inline tables and arrays where we want them.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from datetime import datetime, timezone
from typing import Any

import msgspec

from envctl.lockfile.seal import sealed
from envctl.model.lockfile import Lockfile, Package

_BARE = re.compile(r"[A-Za-z0-9_-]+")
_WIDTH = 110
_SHORT = {"\b": "\\b", "\t": "\\t", "\n": "\\n", "\f": "\\f", "\r": "\\r", '"': '\\"', "\\": "\\\\"}


def write_lockfile(lockfile: Lockfile) -> bytes:
    """The file's bytes: UTF-8, LF, one final newline."""
    lines = [
        f"# Written by envctl: change profiles/{lockfile.envctl.profile}.toml and run `envctl lock {lockfile.target}`.",
        f"lock-version = {_value(lockfile.lock_version)}",
        f"environments = {_list(lockfile.environments)}",
        f"requires-python = {_value(lockfile.requires_python)}",
        f"created-by = {_value(lockfile.created_by)}",
    ]
    if not lockfile.packages:
        lines.append("packages = []")
    for package in lockfile.packages:
        lines += ["", *_package(package)]
    lines += ["", "[tool.envctl]", *_table(msgspec.to_builtins(lockfile.envctl, builtin_types=(datetime,)))]
    return sealed(("\n".join(lines) + "\n").encode())


def _package(package: Package) -> list[str]:
    lines = ["[[packages]]", f"name = {_value(package.name)}", f"version = {_value(package.version)}"]
    if package.marker is not None:
        lines.append(f"marker = {_value(package.marker)}")
    if package.requires_python is not None:
        lines.append(f"requires-python = {_value(package.requires_python)}")
    if package.dependencies:
        lines.append(f"dependencies = {_list([msgspec.to_builtins(d) for d in package.dependencies])}")
    if package.index is not None:
        lines.append(f"index = {_value(package.index)}")
    wheels = [msgspec.to_builtins(wheel, builtin_types=(datetime,)) for wheel in package.wheels]
    lines += ["wheels = [", *(f"    {_value(_wheel_order(w))}," for w in wheels), "]", ""]
    lines += ["[packages.tool.envctl]", "content = " + _value(package.content)]
    return lines


def _wheel_order(wheel: dict[str, Any]) -> dict[str, Any]:
    order = ("name", "url", "upload-time", "size", "hashes")
    return {key: wheel[key] for key in order if key in wheel}


def _table(table: Mapping[str, Any]) -> list[str]:
    return [
        f"{_key(key)} = {_list(value) if isinstance(value, list | tuple) else _value(value)}"
        for key, value in table.items()
        if value is not None
    ]


def _list(values: Sequence[Any]) -> str:
    items = [_value(value) for value in values]
    line = "[" + ", ".join(items) + "]"
    if len(line) <= _WIDTH or not items:
        return line
    return "[\n" + "".join(f"    {item},\n" for item in items) + "]"


def _key(key: str) -> str:
    return key if _BARE.fullmatch(key) else _string(key)


def _value(value: Any) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int):
        return str(value)
    if isinstance(value, str):
        return _string(value)
    if isinstance(value, datetime):
        return moment(value)
    if isinstance(value, Mapping):
        inner = ", ".join(f"{_key(str(k))} = {_value(v)}" for k, v in value.items() if v is not None)
        return "{ " + inner + " }" if inner else "{}"
    if isinstance(value, list | tuple):
        return "[" + ", ".join(_value(v) for v in value) + "]"
    raise TypeError(f"a lockfile holds no {type(value).__name__}")


def _string(text: str) -> str:
    out = [_SHORT.get(c) or (f"\\u{ord(c):04X}" if ord(c) < 0x20 or c == "\x7f" else c) for c in text]
    return '"' + "".join(out) + '"'


def moment(value: datetime) -> str:
    """RFC 3339 in UTC, with fractions of a second only where there are some."""
    utc = value.astimezone(timezone.utc)
    return utc.isoformat(timespec="auto").replace("+00:00", "Z")
