"""RECORD and entry points of a wheel, reduced to the places that installing it creates.

Sources: the recording-installed-packages and binary-distribution-format specifications, and the entry-points
specification (packaging.python.org).
"""

from __future__ import annotations

import base64
import binascii
import configparser
import csv
import io
import re
from pathlib import PurePosixPath

import msgspec

# Files of a wheel's own dist-info that installers write in their own way (design: content digest).
INSTALLER_FILES = frozenset({"RECORD", "INSTALLER", "REQUESTED", "direct_url.json", "uv_cache.json", "uv_build.json"})
SIGNATURES = frozenset({"RECORD.jws", "RECORD.p7s"})
_SCHEMES = {"purelib": "site/", "platlib": "site/", "scripts": "bin/", "data": "prefix/"}
_PREFIX_SITE = re.compile(r"prefix/(?:lib|lib64)/python\d+\.\d+/(?:site|dist)-packages/(?=.)")
_ENTRY_POINT = re.compile(r"\s*([\w.]+)\s*:\s*([\w.]+)\s*(?:\[.*\]\s*)?")


class RecordEntry(msgspec.Struct, frozen=True):
    """One row of a RECORD: path as written, sha256 as 64 hex digits where it says one, size in bytes where it does."""

    path: str
    sha256: str | None
    size: int | None


def parse_record(data: bytes) -> tuple[RecordEntry, ...]:
    """Read a RECORD; ValueError for what is none. A digest other than unpadded base64 sha256 counts as absent."""
    text = data.decode("utf-8", "surrogateescape")
    if "\0" in text:
        raise ValueError("RECORD holds a NUL character")
    entries, seen = [], set()
    try:
        for number, row in enumerate(csv.reader(io.StringIO(text, newline=""), strict=True), 1):
            if not row:
                continue
            path, digest, size = (*row, "", "")[:3]
            if not path or len(row) > 3 or path in seen:
                raise ValueError(f"RECORD line {number} is malformed or names a path twice: {path!r}")
            seen.add(path)
            entries.append(RecordEntry(path, _hex(digest), int(size) if size.isdecimal() and size.isascii() else None))
    except csv.Error as error:
        raise ValueError(f"RECORD is not CSV: {error}") from error
    return tuple(entries)


def _hex(digest: str) -> str | None:
    algorithm, _, value = digest.partition("=")
    if algorithm != "sha256" or len(value) != 43:
        return None
    try:
        return binascii.hexlify(base64.b64decode(value + "=", altchars=b"-_", validate=True)).decode()
    except (ValueError, binascii.Error):
        return None


def safe_member(path: str) -> bool:
    """Whether an archive member's path stays in the place it is unpacked to."""
    return (
        bool(path) and "\0" not in path and not path.startswith(("/", "\\")) and ".." not in PurePosixPath(path).parts
    )


def is_bytecode(path: str) -> bool:
    """Whether installers treat the path as bytecode: anything cached, compiled from a source beside it."""
    return path.endswith(".pyc") and PurePosixPath(path).parent.name == "__pycache__"


def installed_path(member: str, *, dist_info: str, name: str) -> str | None:
    """The manifest path of a wheel's member, or None where the manifest does not count it.

    Args:
        member: the path in the archive.
        dist_info: the wheel's own `NAME-VERSION.dist-info`.
        name: the distribution's name as its file name spells it, under which headers are installed.

    Raises:
        ValueError: for an unknown installation scheme or a path that would leave its place.
    """
    if not safe_member(member):
        raise ValueError(f"the member {member!r} would leave the environment")
    own, _, rest = member.partition("/")
    if own == dist_info and (rest in INSTALLER_FILES or rest in SIGNATURES):
        return None
    data = dist_info.removesuffix(".dist-info") + ".data"
    if own == data:
        scheme, _, rest = rest.partition("/")
        if scheme == "headers":
            path = f"include/{name}/{rest}"
        elif scheme in _SCHEMES and rest:
            path = _SCHEMES[scheme] + rest
        else:
            raise ValueError(f"the member {member!r} is in no known installation scheme")
    else:
        path = "site/" + member
    return None if is_bytecode(path) else canonical(path)


def canonical(path: str) -> str:
    """One name for one place: `prefix/bin/x` is `bin/x`, the site directory under the prefix is `site/`."""
    if path.startswith("prefix/bin/"):
        return path.removeprefix("prefix/")
    return _PREFIX_SITE.sub("site/", path, count=1)


def entry_point_scripts(data: bytes) -> dict[str, str]:
    """The scripts that an entry_points.txt asks for: `bin/NAME` -> `module:function`; ValueError when malformed."""
    parser = configparser.ConfigParser(delimiters=("=",), interpolation=None, strict=True)
    parser.optionxform = str  # type: ignore[assignment,method-assign]  # names are case-sensitive
    try:
        parser.read_string(data.decode("utf-8"))
    except (configparser.Error, UnicodeDecodeError) as error:
        raise ValueError(f"entry_points.txt is malformed: {error}") from error
    scripts = {}
    for group in ("console_scripts", "gui_scripts"):
        if not parser.has_section(group):
            continue
        for name, value in parser.items(group):
            match = _ENTRY_POINT.fullmatch(value)
            if match is None or "/" in name or name in ("", ".", "..") or "\0" in name:
                raise ValueError(f"entry_points.txt: {name} = {value} is no script")
            scripts[f"bin/{name}"] = f"{match[1]}:{match[2]}"
    return scripts


def without_interpreter_line(script: bytes) -> bytes | None:
    """A script's bytes without the interpreter line that installers write; None where the first line is no such line.

    Recognised are one line `#!…python…` and the three lines of `#!/bin/sh` that installers write for long or
    relative paths (distlib and uv: `'''exec' … "$0" "$@"` and `' '''`).
    """
    first, newline, rest = script.partition(b"\n")
    if not first.startswith(b"#!"):
        return None
    if first.rstrip() == b"#!/bin/sh" and rest.startswith(b"'''exec' "):
        _, _, rest = rest.partition(b"\n")
        closing, newline, rest = rest.partition(b"\n")
        return rest if closing.rstrip() == b"' '''" else None
    return rest if newline and b"python" in first.lower() else None


def is_python_script(script: bytes) -> bool:
    """Whether installers rewrite the script's first line (binary-distribution-format, "Recommended features")."""
    return script.startswith(b"#!python")
