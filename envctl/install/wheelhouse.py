"""A folder that carries targets to a machine without a network (docs/how-to/work-offline.md).

`fetch.json` says what `envctl fetch` put there, for every target that was fetched into it; all else in the folder is
somebody else's and stays. It is written last, so that it never names what is not there.
"""

from __future__ import annotations

import contextlib
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path

import msgspec

from envctl.errors import InvalidFile, ToolFailed, UsageError
from envctl.oci.shelf import remove, sweep
from envctl.system.digests import sha256_file
from envctl.system.files import exclusive, read_bytes, write_atomically

SCHEMA = "envctl.fetch/1"
INDEX = "fetch.json"
WHEELS = "wheels"
IMAGES = "images"
PYTHON = "python"
DEBS = "os-packages"
_SIGNATURE = re.compile(r"pylock\.[a-z0-9_-]+\.toml\.sig(store\.json)?")


class Held(msgspec.Struct, frozen=True, omit_defaults=True):
    """A file: sha256 (64 hex digits), bytes; a locked wheel's content digest.

    Of an image it is the manifest's sha256, and the bytes of its layers.
    """

    sha256: str
    size: int
    content: str | None = None


class Entry(msgspec.Struct, frozen=True):
    """A target: the lockfile's copy and the digest of its bytes, platforms, names of what it needs in each folder.

    `signatures`: names of the lockfile's signatures, which lie beside its copy.
    """

    lockfile: str
    digest: str
    platforms: tuple[str, ...]
    wheels: tuple[str, ...]
    installer: tuple[str, ...] = ()
    images: tuple[str, ...] = ()
    pythons: tuple[str, ...] = ()
    debs: tuple[str, ...] = ()
    signatures: tuple[str, ...] = ()


class Index(msgspec.Struct, frozen=True):
    """`fetch.json`: by target, and by name in each folder."""

    schema: str
    targets: dict[str, Entry]
    wheels: dict[str, Held]
    images: dict[str, Held] = {}
    pythons: dict[str, Held] = {}
    debs: dict[str, Held] = {}


Files = dict[str, Held]


class Contents(msgspec.Struct, frozen=True, kw_only=True):
    """What a target needs of each folder, by name."""

    wheels: Mapping[str, Held]
    images: Mapping[str, Held] = {}
    pythons: Mapping[str, Held] = {}
    debs: Mapping[str, Held] = {}


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


def merged(index: Index, target: str, entry: Entry, contents: Contents) -> Index:
    """The index with this target as it is now.

    Raises:
        UsageError: another target needs another file of the same name.
    """
    targets = {**index.targets, target: entry}
    others = {name: one for name, one in targets.items() if name != target}

    def joined(before: Mapping[str, Held], now: Mapping[str, Held], names: Callable[[Entry], Iterable[str]]) -> Files:
        return _joined(before, now, target, {name: other for other, one in others.items() for name in names(one)})

    return Index(
        SCHEMA,
        dict(sorted(targets.items())),
        joined(index.wheels, contents.wheels, lambda one: (*one.wheels, *one.installer)),
        joined(index.images, contents.images, lambda one: one.images),
        joined(index.pythons, contents.pythons, lambda one: one.pythons),
        joined(index.debs, contents.debs, lambda one: one.debs),
    )


def _joined(before: Mapping[str, Held], now: Mapping[str, Held], target: str, needed: Mapping[str, str]) -> Files:
    """The files of a folder: this target's, and those that others need (`needed`: name -> one of these targets)."""
    kept = {name: held for name, held in before.items() if name in needed}
    for name, held in now.items():
        if name in kept and kept[name].sha256 != held.sha256:
            raise UsageError(
                f"{target} and {needed[name]} need two different files named {name}",
                found=f"sha256 {kept[name].sha256} for {needed[name]}",
                expected=f"sha256 {held.sha256} for {target}",
                hint="fetch them into two folders",
            )
    return dict(sorted({**kept, **now}.items()))


@contextlib.contextmanager
def alone(folder: Path, waiting: Callable[[], None]) -> Iterator[None]:
    """Make the folder, and let only one process at a time fill it.

    Raises:
        UsageError: something else stands there.
        ToolFailed: it cannot be made.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except (FileExistsError, NotADirectoryError) as error:
        raise UsageError("is no folder", file=error.filename, hint="name another one") from error
    except OSError as error:
        raise ToolFailed("cannot be written", file=error.filename, found=error.strerror) from error
    with exclusive(folder, waiting):
        yield


def prepare(folder: Path, *, image: bool = False) -> None:
    """Make the folders in it, and remove what killed runs left half-written. `image`: also those of an image's parts.

    Raises:
        UsageError: something else stands there.
        ToolFailed: it cannot be made.
    """
    try:
        for name in (WHEELS, IMAGES, PYTHON, DEBS):
            if name == WHEELS or (image and name != DEBS):
                (folder / name).mkdir(parents=True, exist_ok=True)
            for part in (folder / name).glob(".envctl-*.part"):
                part.unlink()
        sweep(folder / IMAGES)
    except (FileExistsError, NotADirectoryError) as error:
        raise UsageError("is no folder", file=error.filename, hint="name another one") from error
    except OSError as error:
        raise ToolFailed("cannot be written", file=error.filename, found=error.strerror) from error


def finish(folder: Path, index: Index, copies: Mapping[str, bytes]) -> None:
    """Write the copies of the lockfile and its signatures, and the index."""
    data = msgspec.json.format(msgspec.json.encode(index), indent=2) + b"\n"
    write_atomically({**{folder / name: content for name, content in copies.items()}, folder / INDEX: data})


def tidy(folder: Path, before: Index, after: Index) -> None:
    """Remove what earlier runs put there, that is still the same, and that no target needs any more.

    A signature of a lockfile that was goes in any case: it is of nothing that is there.
    """
    kept = {name for entry in after.targets.values() for name in entry.signatures}
    for entry in before.targets.values():
        for name in entry.signatures:
            if name not in kept and _SIGNATURE.fullmatch(name) and (folder / name).is_file():
                (folder / name).unlink()
    for name, held in before.wheels.items():
        if name not in after.wheels and name.endswith(".whl"):
            _discard(folder / WHEELS, name, held)
    for place, old, new in ((PYTHON, before.pythons, after.pythons), (DEBS, before.debs, after.debs)):
        for name, held in old.items():
            if name not in new:
                _discard(folder / place, name, held)
    for name in before.images:
        if name not in after.images:
            remove(folder / IMAGES, name)


def _discard(folder: Path, name: str, held: Held) -> None:
    path = folder / name
    if name == Path(name).name and path.is_file() and sha256_file(path) == held.sha256:
        path.unlink()
