"""RECORD and entry points of a wheel, reduced to the places that installing it creates.

Sources: the recording-installed-packages and binary-distribution-format specifications, and the entry-points
specification (packaging.python.org).
"""

from __future__ import annotations

import base64
import configparser
import csv
import io
import re
from collections.abc import Callable, Collection, Container
from pathlib import PurePosixPath

import msgspec

# Files of a wheel's own dist-info that installers write in their own way (design: content digest).
INSTALLER_FILES = frozenset({"RECORD", "INSTALLER", "REQUESTED", "direct_url.json", "uv_cache.json", "uv_build.json"})
SIGNATURES = frozenset({"RECORD.jws", "RECORD.p7s"})
_SCHEMES = {"purelib": "site/", "platlib": "site/", "scripts": "bin/", "data": "prefix/"}
_PREFIX_SITE = re.compile(r"prefix/(?:lib|lib64)/python\d+\.\d+/(?:site|dist)-packages/(?=.)")
_PREFIX_INCLUDE = re.compile(r"prefix/include/site/python\d+\.\d+/(?=.)")
_DIGEST = re.compile(r"sha256=([A-Za-z0-9_-]{43})")
_BASE64 = re.compile(r"[A-Za-z0-9_-]*")
_DIGITS = re.compile(r"[0-9]*")
_LEAVES = re.compile(r"(?:^|/)\.{0,2}(?:/|$)|[\\\0]|^[A-Za-z]:")
_DOTTED = r"\w+(?:\.\w+)*"
_ENTRY_POINT = re.compile(rf"({_DOTTED}):({_DOTTED})\s*(?:\[\s*[\w-]+(?:\s*,\s*\w+)*\s*\])?")
_SCRIPT_NAME = re.compile(r"[^\s\[\]/\0=;#][^\s\[\]/\0=]*")


class RecordEntry(msgspec.Struct, frozen=True, gc=False):
    """One row of a RECORD: path as written, sha256 as 64 hex digits where it says one, size in bytes where it does."""

    path: str
    sha256: str | None
    size: int | None


def parse_record(data: bytes, *, repeatable: Callable[[str], bool] = lambda _: False) -> tuple[RecordEntry, ...]:
    """Read a RECORD; ValueError for what is none. A digest other than unpadded base64 sha256 counts as absent.

    `repeatable`: whether a path may have several rows, of which the first counts.
    """
    text = data.decode("utf-8", "surrogateescape")
    if "\0" in text:
        raise ValueError("RECORD holds a NUL character")
    entries = _plain_entries(text) or _csv_entries(text)
    if len({entry.path for entry in entries}) == len(entries):
        return entries
    first: dict[str, RecordEntry] = {}
    for entry in entries:
        if first.setdefault(entry.path, entry) is not entry and not repeatable(entry.path):
            raise ValueError(f"RECORD names a path twice: {entry.path!r}")
    return tuple(first.values())


def _plain_entries(text: str) -> tuple[RecordEntry, ...]:
    """The rows of a RECORD as nearly every tool writes it, many at once (a stack of packages has 100,000); or none."""
    text = text.replace("\r\n", "\n").removesuffix("\n")
    if '"' in text or "\r" in text or any(line.count(",") != 2 for line in text.split("\n")):
        return ()
    fields = text.replace("\n", ",").split(",")
    paths, digests, sizes = fields[0::3], fields[1::3], fields[2::3]
    values = [digest[7:] for digest in digests if digest]
    regular = all(len(digest) == 50 and digest.startswith("sha256=") for digest in digests if digest)
    if not (regular and all(paths) and _BASE64.fullmatch("".join(values)) and _DIGITS.fullmatch("".join(sizes))):
        return ()
    # A digest is 43 characters, 258 bits; with one more that is 33 bytes, the last of which is not wanted.
    hexes = base64.urlsafe_b64decode("A".join([*values, ""])).hex()
    following = iter([hexes[place : place + 64] for place in range(0, len(hexes), 66)])
    found = [next(following) if digest else None for digest in digests]
    return tuple(map(RecordEntry, paths, found, [int(size) if size else None for size in sizes]))


def _csv_entries(text: str) -> tuple[RecordEntry, ...]:
    entries = []
    try:
        for number, row in enumerate(csv.reader(io.StringIO(text, newline=""), strict=True), 1):
            if not row:
                continue
            path, digest, size = (*row, "", "")[:3]
            if not path or len(row) > 3:
                raise ValueError(f"RECORD line {number} is malformed")
            number_said = int(size) if size.isdecimal() and size.isascii() and len(size) < 20 else None
            entries.append(RecordEntry(path, _hex(digest), number_said))
    except csv.Error as error:
        raise ValueError(f"RECORD is not CSV: {error}") from error
    return tuple(entries)


def _hex(digest: str) -> str | None:
    match = _DIGEST.fullmatch(digest)
    return None if match is None else base64.urlsafe_b64decode(match[1] + "=").hex()


def safe_member(path: str) -> bool:
    """Whether an archive member's path stays in the place it is unpacked to, and names it in one way only.

    Refused are absolute paths, `..`, backslashes, drive letters and NUL, and spellings such as `a//b` and `./a`.
    """
    if not path:
        return False
    # Nearly every path passes these cheap tests; the expression decides about the others.
    plain = "./" not in path and "//" not in path and path[0] != "/" and path[-1] not in "./"
    return (plain and "\\" not in path and "\0" not in path and path[1:2] != ":") or _LEAVES.search(path) is None


def is_bytecode(path: str) -> bool:
    """Whether the path is cached bytecode (PEP 3147), which installers write, replace and drop as they like."""
    if not path.endswith(".pyc"):
        return False
    folder = path.rpartition("/")[0]  # nearly every path is spelled plainly
    return folder.endswith("/__pycache__") or PurePosixPath(path).parent.name == "__pycache__"


def bytecode_source(path: str) -> str | None:
    """The source that cached bytecode belongs to: `a/b.py` of `a/__pycache__/b.cpython-311.opt-1.pyc`; else None."""
    if not is_bytecode(path):
        return None
    folder, _, name = path.rpartition("/")
    stem = re.sub(r"\.opt-\w+$", "", name.removesuffix(".pyc")).rpartition(".")[0]
    return f"{folder.removesuffix('__pycache__')}{stem}.py"


def installed_path(member: str, *, dist_info: str, name: str, members: Container[str] = ()) -> str | None:
    """The manifest path of a wheel's member, or None where the manifest does not count it.

    Args:
        member: the path in the archive.
        dist_info: the wheel's own `NAME-VERSION.dist-info`.
        name: the distribution's name as its file name spells it, under which headers are installed.
        members: all members of the wheel. Cached bytecode counts only where its source is not among them, because
            no installer makes it anew then; without `members`, none counts.

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
    if path.endswith(".pyc") and (source := bytecode_source(member)) is not None and (not members or source in members):
        return None
    return canonical(path)


def installed_paths(members: Collection[str], *, dist_info: str, name: str) -> dict[str, str]:
    """Member -> manifest path of all that the manifest counts, as `installed_path` says it; ValueError as there."""
    own, data = dist_info + "/", dist_info.removesuffix(".dist-info") + ".data/"
    found = {}
    for member in members:
        if member.startswith((own, data)) or member.endswith(".pyc") or not safe_member(member):
            path = installed_path(member, dist_info=dist_info, name=name, members=members)
            if path is None:
                continue
            found[member] = path
        else:
            found[member] = "site/" + member  # nearly every member; the same as above, ten times as fast
    return found


def canonical(path: str) -> str:
    """One name for one place: `prefix/bin/x` is `bin/x`; site and include directories lie under the prefix too."""
    if not path.startswith("prefix/"):
        return path
    if path.startswith("prefix/bin/"):
        return path.removeprefix("prefix/")
    if (match := _PREFIX_SITE.match(path)) is not None:
        return "site/" + path[match.end() :]
    if (match := _PREFIX_INCLUDE.match(path)) is not None:
        return "include/" + path[match.end() :]
    return path


def entry_point_scripts(data: bytes) -> dict[str, str]:
    """The scripts that an entry_points.txt asks for: `bin/NAME` -> `module:function`.

    Raises:
        ValueError: it is malformed, or installers would read it differently: uv reads it as `configparser` does, pip as
            `importlib.metadata`; and pip reads each entry once more (distlib), which allows less.
    """
    parser = configparser.ConfigParser(delimiters=("=",), interpolation=None, strict=True)
    parser.optionxform = str  # type: ignore[assignment,method-assign]  # names are case-sensitive
    try:
        text = data.decode("utf-8")
        plain = _plain_entry_points(text)  # first: configparser takes quadratic time over lines that are no entries
        parser.read_string(text)
    except (configparser.Error, UnicodeDecodeError) as error:
        raise ValueError(f"entry_points.txt is malformed: {' '.join(str(error).split())}") from error
    scripts = {}
    for group in ("console_scripts", "gui_scripts"):
        said = dict(parser.items(group)) if parser.has_section(group) else {}
        if said != plain.get(group, {}):
            raise ValueError(f"entry_points.txt: [{group}] is read in two ways by installers")
        for name, value in said.items():
            match = _ENTRY_POINT.fullmatch(value)
            if match is None or _SCRIPT_NAME.fullmatch(name) is None or name in (".", ".."):
                raise ValueError(f"entry_points.txt: {name} = {value} is no script")
            scripts[f"bin/{name}"] = f"{match[1]}:{match[2]}"
    return scripts


def _plain_entry_points(text: str) -> dict[str, dict[str, str]]:
    """Names and values by group as `importlib.metadata` reads them: line by line, without continuations."""
    groups: dict[str, dict[str, str]] = {}
    group: dict[str, str] = {}
    for line in map(str.strip, text.splitlines()):
        if line.startswith("[") and line.endswith("]"):
            group = groups.setdefault(line.strip("[]"), {})
        elif line and not line.startswith("#"):
            name, equals, value = line.partition("=")
            if not equals:
                raise ValueError(f"entry_points.txt: {line[:80]!r} is neither a group nor an entry")
            group[name.strip()] = value.strip()
    return groups


def is_python_script(script: bytes) -> bool:
    """Whether installers rewrite the script's first line (binary-distribution-format, "Recommended features")."""
    return script.startswith(b"#!python")
