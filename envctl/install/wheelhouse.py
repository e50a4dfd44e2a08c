"""A folder that carries targets to a machine without a network (docs/how-to/work-offline.md).

`fetch.json` says what `envctl fetch` put there, for every target that was fetched into it; all else in the folder is
somebody else's and stays. It is written last, so that it never names what is not there.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from pathlib import Path

import msgspec

from envctl.errors import InvalidFile, ToolFailed, UsageError
from envctl.system.files import read_bytes, write_atomically

SCHEMA = "envctl.fetch/1"
INDEX = "fetch.json"
WHEELS = "wheels"


class Held(msgspec.Struct, frozen=True, omit_defaults=True):
    """A wheel: sha256 (64 hex digits), bytes, content digest (None for an installer's, which is not in a lockfile)."""

    sha256: str
    size: int
    content: str | None = None


class Entry(msgspec.Struct, frozen=True):
    """A target: the lockfile's copy and the digest of its bytes, platforms, names of wheels."""

    lockfile: str
    digest: str
    platforms: tuple[str, ...]
    wheels: tuple[str, ...]
    installer: tuple[str, ...] = ()


class Index(msgspec.Struct, frozen=True):
    """`fetch.json`: by target, and by file name."""

    schema: str
    targets: dict[str, Entry]
    wheels: dict[str, Held]


def read_index(folder: Path) -> Index:
    """What the folder holds by its own word; empty where nothing was fetched yet.

    Raises:
        UsageError: it is no folder.
        InvalidFile: `fetch.json` is somebody else's, or malformed.
    """
    path = folder / INDEX
    if folder.exists() and not folder.is_dir():
        raise UsageError("is no folder", file=folder, hint="name another one")
    try:
        index = msgspec.json.decode(read_bytes(path), type=Index)
    except FileNotFoundError:
        return Index(SCHEMA, {}, {})
    except (msgspec.MsgspecError, UnicodeDecodeError) as error:
        raise InvalidFile(
            "was not written by `envctl fetch`", file=path, found=str(error), hint="fetch into another folder"
        ) from error
    if index.schema != SCHEMA:
        raise InvalidFile("was written by another envctl", file=path, found=index.schema, expected=SCHEMA)
    return index


def merged(index: Index, target: str, entry: Entry, wheels: Mapping[str, Held]) -> Index:
    """The index with this target as it is now.

    Raises:
        UsageError: another target needs another file of the same name.
    """
    targets = {**index.targets, target: entry}
    needed = {
        name: other for other, one in targets.items() if other != target for name in (*one.wheels, *one.installer)
    }
    kept = {name: held for name, held in index.wheels.items() if name in needed}
    for name, held in wheels.items():
        if name in kept and kept[name].sha256 != held.sha256:
            raise UsageError(
                f"{target} and {needed[name]} need two different files named {name}",
                found=f"sha256 {kept[name].sha256} for {needed[name]}",
                expected=f"sha256 {held.sha256} for {target}",
                hint="fetch them into two folders",
            )
    everything = {**kept, **wheels}
    return Index(SCHEMA, dict(sorted(targets.items())), dict(sorted(everything.items())))


def prepare(folder: Path) -> None:
    """Make the folder, and remove what killed runs left half-written.

    Raises:
        UsageError: something else stands there.
        ToolFailed: it cannot be made.
    """
    try:
        (folder / WHEELS).mkdir(parents=True, exist_ok=True)
        for part in (folder / WHEELS).glob(".envctl-*.part"):
            part.unlink()
    except (FileExistsError, NotADirectoryError) as error:
        raise UsageError("is no folder", file=error.filename, hint="name another one") from error
    except OSError as error:
        raise ToolFailed("cannot be written", file=error.filename, found=error.strerror) from error


def finish(folder: Path, index: Index, lockfile: tuple[str, bytes]) -> None:
    """Write the lockfile's copy and the index."""
    data = msgspec.json.format(msgspec.json.encode(index), indent=2) + b"\n"
    write_atomically({folder / lockfile[0]: lockfile[1], folder / INDEX: data})


def tidy(folder: Path, before: Index, after: Index) -> None:
    """Remove wheels that earlier runs put there, that are still the same, and that no target needs any more."""
    for name, held in before.wheels.items():
        path = folder / WHEELS / name
        if name not in after.wheels and _plain(name) and path.is_file() and sha256_file(path) == held.sha256:
            path.unlink()


def _plain(name: str) -> bool:
    return name == Path(name).name and name.endswith(".whl")


def sha256_file(path: Path) -> str:
    """64 hex digits."""
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while block := file.read(2**20):
            digest.update(block)
    return digest.hexdigest()
