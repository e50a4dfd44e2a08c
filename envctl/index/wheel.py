"""What a wheel installs, read from the wheel itself: by ranges while locking, whole before installing.

The one function in the middle, `_content`, knows neither files nor servers: it takes an archive and says what
installing it creates (docs/reference/digests.md; binary-distribution-format; recording-installed-packages).
"""

from __future__ import annotations

import hashlib
import io
import re
import tempfile
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import BinaryIO

import msgspec

from envctl.errors import EnvctlError, IndexFailed, ToolFailed
from envctl.index import agreement
from envctl.index.archive import TOTAL_LIMIT, Archive, FileSource, Malformed, Member, head_end
from envctl.index.metadata import Metadata, check_wheel_version, parse_metadata
from envctl.index.remote import NoRanges, RemoteSource, other_size
from envctl.model.manifest import SITE, Manifest
from envctl.model.record import (
    SIGNATURES,
    RecordEntry,
    entry_point_scripts,
    installed_paths,
    is_python_script,
    parse_record,
)
from envctl.model.wheel_name import parse_wheel_name
from envctl.system.credentials import redact
from envctl.system.http import Client

TEXT_LIMIT = 64 * 2**20
SCRIPT_LIMIT = 512 * 2**20
_SCRIPT_HEAD = 64
_ORIGIN = "direct_url.json"
_HOOK = re.compile(r"[^/]+\.pth|(?:sitecustomize|usercustomize)(?:/__init__)?\.(?:[^/]+\.)?(?:py|pyc|so|pyd)")


class WheelContent(msgspec.Struct, frozen=True, kw_only=True):
    """What a wheel installs and asks for.

    Attributes:
        filename: of the wheel.
        manifest: the files that installing it must create; its digest is the content digest.
        requires: Requires-Dist, verbatim.
        provides_extra: Provides-Extra, verbatim.
        hooks: code that runs at every start of Python: path under the site directory -> sha256 (64 hex digits).
        whole: whether every byte was hashed. False: the digests are what RECORD says, checked where they were read.
    """

    filename: str
    manifest: Manifest
    requires: tuple[str, ...] = ()
    requires_python: str | None = None
    provides_extra: tuple[str, ...] = ()
    hooks: dict[str, str] = {}
    whole: bool = False


class ReadWheel(msgspec.Struct, frozen=True, kw_only=True):
    """A wheel that was read: its content, the sha256 (64 hex digits) and size in bytes of its file."""

    content: WheelContent
    sha256: str
    size: int


def read_file(path: Path, *, filename: str | None = None, shown: object = None) -> WheelContent:
    """Read a whole wheel: every member hashed and compared with RECORD, every header with the archive's directory.

    Args:
        filename: its name on the index, where the file has another.
        shown: how messages name it.

    Raises:
        IndexFailed: it is not a wheel that all installers install alike; with the member, found and expected.
    """
    filename = filename or path.name
    try:
        with path.open("rb") as file:
            return _read_whole(file, filename)
    except Malformed as error:
        raise _failed(error, filename, path if shown is None else shown) from error
    except OSError as error:
        raise IndexFailed("cannot be read", file=path if shown is None else shown, found=error.strerror) from error


def read_remote(
    client: Client, url: str, *, filename: str, sha256: str | None = None, size: int | None = None
) -> ReadWheel:
    """Read a wheel on a server, by ranges where that tells everything, else whole through a temporary file.

    Args:
        sha256, size: what the index says of the file, None where it says nothing. Without a sha256 the file is read
            whole, so that it can be told.

    Raises:
        IndexFailed: the server failed, or the wheel is malformed or not the one that the index means.
        ToolFailed: the temporary file could not be written.
    """
    shown = redact(url)
    try:
        if sha256 is not None:
            try:
                return _read_ranges(RemoteSource(client, url, size), filename, sha256)
            except NoRanges:
                pass
        with tempfile.TemporaryFile(prefix="envctl-") as file:
            got = client.stream_to(url, file, limit=TOTAL_LIMIT)
            check_file(got.sha256, got.size, sha256=sha256, size=size)
            return ReadWheel(content=_read_whole(file, filename), sha256=got.sha256, size=got.size)
    except Malformed as error:
        raise _failed(error, filename, shown) from error
    except OSError as error:
        hint = "the whole wheel is needed, in the folder that TMPDIR names"
        raise ToolFailed("could not be kept for reading", file=shown, found=error.strerror, hint=hint) from error


def read_tail(client: Client, url: str, *, filename: str) -> ReadWheel | None:
    """Read a wheel by ranges alone, before anybody said its sha256; None where that does not tell everything.

    Its `sha256` is empty, unless the wheel was small enough to arrive whole. Nothing is raised: who then asks for the
    wheel with `read_remote` is told what is wrong with it.
    """
    try:
        return _read_ranges(RemoteSource(client, url), filename, None)
    except (NoRanges, Malformed, EnvctlError):
        return None


def check_file(found_sha256: str, found_size: int, *, sha256: str | None, size: int | None) -> None:
    """Compare a downloaded file with what an index or lockfile says of it; Malformed when it differs."""
    if sha256 is not None and found_sha256 != sha256:
        raise Malformed("is another file than the one that was asked for", found=found_sha256, expected=sha256)
    if size is not None and found_size != size:
        raise other_size(found_size, size)


def _failed(error: Malformed, filename: str, shown: object) -> IndexFailed:
    where = f"{filename}: {error.member}" if error.member is not None else filename
    return IndexFailed(f"{where} {error.what}", file=shown, found=error.found, expected=error.expected)


def _read_whole(file: BinaryIO, filename: str) -> WheelContent:
    archive = Archive(FileSource(file))
    archive.check_layout()
    digests = {name: archive.digest(member) for name, member in archive.members.items()}
    return _content(archive, filename, digests)


def _read_ranges(source: RemoteSource, filename: str, sha256: str | None) -> ReadWheel:
    if (data := source.whole) is not None:
        found = hashlib.sha256(data).hexdigest()
        check_file(found, len(data), sha256=sha256, size=None)
        return ReadWheel(content=_read_whole(io.BytesIO(data), filename), sha256=found, size=len(data))
    archive = Archive(source)
    info = _dist_info(archive.members)
    scripts = _scripts(archive, info)
    needed = [archive.members[name] for name in _texts(archive, info)]
    source.fetch([(m.offset, m.end) for m in needed] + [(m.offset, head_end(m, _SCRIPT_HEAD)) for m in scripts])
    source.fetch((m.offset, m.end) for m in scripts if is_python_script(archive.head(m, _SCRIPT_HEAD)))
    return ReadWheel(content=_content(archive, filename, None), sha256=sha256 or "", size=source.size)


def _content(archive: Archive, filename: str, digests: Mapping[str, str] | None) -> WheelContent:
    """What the wheel installs. `digests`: sha256 of every member, where all were read; else RECORD's are taken.

    Raises:
        Malformed: the wheel's parts disagree.
        NoRanges: RECORD does not tell what was not read.
    """
    members = archive.members
    info = _dist_info(members)
    agreement.check_names(members, info)
    texts = {name.rpartition("/")[2]: archive.read(members[name], TEXT_LIMIT) for name in _texts(archive, info)}
    for needed in ("METADATA", "WHEEL", "RECORD"):
        if needed not in texts:
            raise Malformed(f"has no {needed}", member=info)
    name, metadata = _check_identity(filename, info, parse_metadata(texts["METADATA"]))
    check_wheel_version(texts["WHEEL"])
    known = _digests(members, info, _record(texts["RECORD"], info), digests)
    agreement.check_origin(texts.get(_ORIGIN, b""), info)
    for text, data in texts.items():
        if text != "RECORD":
            _same(f"{info}/{text}", hashlib.sha256(data).hexdigest(), known)
    rewritten = _rewritten(archive, info, known, every=digests is None)
    files = _places(members, info, name, {**known, **rewritten})
    try:
        entry_points = entry_point_scripts(texts.get("entry_points.txt", b""))
    except ValueError as error:
        raise Malformed("is malformed", member=f"{info}/entry_points.txt", found=str(error)) from error
    for place, target in entry_points.items():
        if place in files:
            raise Malformed("is installed twice: as a file and as an entry point", member=place)
        files[place] = hashlib.sha256(target.encode()).hexdigest()
    agreement.check_places(files, info, entry_points)
    _check_folders(files)
    return WheelContent(
        filename=filename,
        manifest=Manifest.of(files),
        requires=metadata.requires,
        requires_python=metadata.requires_python,
        provides_extra=metadata.provides_extra,
        hooks=_hooks(files),
        whole=digests is not None,
    )


def _dist_info(members: Iterable[str]) -> str:
    """The one `.dist-info` folder at the top level."""
    found = {top for top in {name.partition("/")[0] for name in members} if top.lower().endswith(".dist-info")}
    if len(found) != 1:
        raise Malformed("has not one .dist-info folder", found=", ".join(sorted(found)[:5]) or "none", expected="one")
    (info,) = found
    if not info.endswith(".dist-info"):
        raise Malformed("has a .dist-info folder in a spelling of its own", found=info)
    return info


def _texts(archive: Archive, info: str) -> list[str]:
    names = (f"{info}/{name}" for name in ("METADATA", "WHEEL", "RECORD", "entry_points.txt", _ORIGIN))
    return [name for name in names if name in archive.members]


def _scripts(archive: Archive, info: str) -> list[Member]:
    prefix = info.removesuffix(".dist-info") + ".data/scripts/"
    return [member for name, member in archive.members.items() if name.startswith(prefix)]


def _check_identity(filename: str, info: str, metadata: Metadata) -> tuple[str, Metadata]:
    """The distribution's name as the file name spells it; file name, folder and METADATA must mean the same."""
    from packaging.utils import canonicalize_name
    from packaging.version import Version

    try:
        name, version, _, _ = parse_wheel_name(filename)
        folder, _, folder_version = info.removesuffix(".dist-info").rpartition("-")
        said = ((folder, folder_version, info), (metadata.name, metadata.version, f"{info}/METADATA"))
        for other, other_version, member in said:
            if canonicalize_name(other) != name or Version(other_version) != version:
                raise Malformed(
                    "is of another distribution than its file name",
                    member=member,
                    found=f"{other} {other_version}",
                    expected=f"{name} {version}",
                )
    except Malformed:
        raise
    except ValueError as error:  # InvalidVersion, InvalidWheelFilename, and of int() for numbers of 5,000 digits
        raise Malformed("has a name or version that is none", found=str(error)[:200]) from error
    return filename.partition("-")[0], metadata


def _record(data: bytes, info: str) -> dict[str, RecordEntry]:
    try:
        entries = parse_record(data)
    except ValueError as error:
        raise Malformed("is malformed", member=f"{info}/RECORD", found=str(error)) from error
    return {entry.path: entry for entry in entries if not entry.path.endswith("/")}


def _digests(
    members: Mapping[str, Member], info: str, record: Mapping[str, RecordEntry], real: Mapping[str, str] | None
) -> dict[str, str]:
    """The sha256 of every member but RECORD and its signatures; RECORD must list exactly these, with these digests."""
    own = {f"{info}/RECORD", *(f"{info}/{name}" for name in SIGNATURES)}
    if record.keys() != members.keys():
        listed, held = record.keys() - own, members.keys() - own
        for name in sorted(held - listed)[:1]:
            raise Malformed("is in the wheel, but not in its RECORD", member=name, expected="a row for each file")
        for name in sorted(listed - held)[:1]:
            raise Malformed("is in the wheel's RECORD, but not in the wheel", member=name)
    found: dict[str, str] = {}
    for name, member in members.items():
        if name in own:
            continue
        entry = record[name]
        if entry.size is not None and entry.size != member.size:
            raise Malformed(
                "has another size than its RECORD says",
                member=name,
                found=f"{member.size:,} bytes",
                expected=f"{entry.size:,} bytes",
            )
        if real is None:
            if entry.sha256 is None:
                raise NoRanges
            found[name] = entry.sha256
        else:
            if entry.sha256 is not None and entry.sha256 != real[name]:
                raise _other(name, real[name], entry.sha256)
            found[name] = real[name]
    return found


def _same(name: str, digest: str, known: Mapping[str, str]) -> None:
    if known[name] != digest:
        raise _other(name, digest, known[name])


def _other(name: str, found: str, expected: str) -> Malformed:
    return Malformed("differs from its RECORD", member=name, found=f"sha256 {found}", expected=f"sha256 {expected}")


def _rewritten(archive: Archive, info: str, known: Mapping[str, str], *, every: bool) -> dict[str, str]:
    """Scripts whose first line installers write anew: the digest of the rest. `every`: check the whole script too."""
    found = {}
    for member in _scripts(archive, info):
        if not is_python_script(archive.head(member, _SCRIPT_HEAD)):
            continue
        data = archive.read(member, SCRIPT_LIMIT)
        agreement.check_script(member.name, data)
        if every:
            _same(member.name, hashlib.sha256(data).hexdigest(), known)
        found[member.name] = hashlib.sha256(data.partition(b"\n")[2]).hexdigest()
    return found


def _places(members: Mapping[str, Member], info: str, name: str, digests: Mapping[str, str]) -> dict[str, str]:
    """Manifest path -> digest of every member that the manifest counts."""
    try:
        places = installed_paths(members, dist_info=info, name=name)
    except ValueError as error:
        raise Malformed("has a member without a place to be installed in", member=info, found=str(error)) from error
    agreement.check_own(places, info)
    files = {place: digests[member] for member, place in places.items()}
    if len(files) != len(places):
        first = {place: member for member, place in reversed(places.items())}
        twice = next(member for member, place in places.items() if first[place] != member)
        raise Malformed("is installed to a place that another member has", member=twice, found=first[places[twice]])
    return files


def _check_folders(files: Mapping[str, str]) -> None:
    """No file may be where others need a folder."""
    folders: set[str] = set()
    for place in files:
        parent = place.rpartition("/")[0]
        while parent and parent not in folders:
            folders.add(parent)
            parent = parent.rpartition("/")[0]
    for place in sorted(folders & files.keys())[:1]:
        raise Malformed("is a file and a folder", member=place)


def _hooks(files: Mapping[str, str]) -> dict[str, str]:
    """Files that the interpreter runs when it starts: only those directly in a site directory count."""
    near = [place for place in files if place.count("/") <= 2 and place.startswith(SITE)]
    return {place[len(SITE) :]: files[place] for place in sorted(near) if _HOOK.fullmatch(place, len(SITE))}
