"""What decides, outside of the environment, which code is loaded and with whose rights: the loader's caches, set-id
files, and folders that anyone may write. Pure.

Sources: ld.so(8), capabilities(7); glibc's `sysdeps/generic/dl-cache.h` for the form of `/etc/ld.so.cache`.
"""

from __future__ import annotations

import posixpath
import re
import struct
from collections.abc import Callable, Container, Iterator

from envctl.model.image import Root
from envctl.model.inventory import Kind
from envctl.verify.world import World

CACHE, ICONV = "etc/ld.so.cache", "/gconv-modules.cache"
_OLD, _NEW = b"ld.so-1.7.0\0", b"glibc-ld.so.cache1.1"
_OLD_HEAD, _OLD_ENTRY = 16, 12
_NEW_HEAD, _NEW_ENTRY = struct.Struct("<20sII20x"), struct.Struct("<iIIIQ")
_ABSOLUTE = re.compile(rb"(?<![^\0])/[^\0/][^\0]*")
_SET_ID, _ANYONE, _STICKY = 0o6000, 0o002, 0o1000
_LISTED = 20
_LONGEST = 4096  # PATH_MAX

IsCode = Callable[[str], bool]
"""Whether a path is a place of code, at which everything is compared with the base."""


class Unknown(Exception):
    """The cache has a form that is not known."""


def check_caches(world: World, root: Root, is_code: IsCode) -> None:
    """The loader's caches are made anew by package managers: they may name nothing but what is compared."""
    for path, text in root.texts.items():
        if path != CACHE and not path.endswith(ICONV):
            continue
        if root.anchored(path):
            continue
        try:
            places = set(libraries(text)) if path == CACHE else {match[0] for match in _ABSOLUTE.finditer(text)}
        except Unknown:
            world.report("base-file-changed", "has a form that is not known", path=f"/{path}")
            continue
        for place in sorted(map(_text, places)):
            plain = posixpath.normpath(place).lstrip("/")
            if not is_code(plain) and not root.anchored(plain):
                world.report("base-file-changed", f"names {place}, which nothing vouches for", path=f"/{path}")


def libraries(data: bytes) -> Iterator[bytes]:
    """The path of each library that `/etc/ld.so.cache` names; Unknown where it is none."""
    start = 0
    if data.startswith(_OLD):  # both forms in one file, as glibc before 2.32 writes it
        count = int.from_bytes(data[len(_OLD) : _OLD_HEAD], "little")
        start = -(-(_OLD_HEAD + count * _OLD_ENTRY) // 8) * 8
    if data[start : start + len(_NEW)] != _NEW or len(data) < start + _NEW_HEAD.size:
        raise Unknown
    _, count, _ = _NEW_HEAD.unpack_from(data, start)
    table = start + _NEW_HEAD.size
    if table + count * _NEW_ENTRY.size > len(data):
        raise Unknown
    for at in range(table, table + count * _NEW_ENTRY.size, _NEW_ENTRY.size):
        _, _, value, _, _ = _NEW_ENTRY.unpack_from(data, at)
        end = data.find(b"\0", start + value, start + value + _LONGEST)
        if end < 0:  # with as long a text for each entry as the file is, a file of 10 MB would name terabytes
            raise Unknown
        yield data[start + value : end]


def check_rights(world: World, root: Root, prefix: str | None, is_code: IsCode, known: Container[str]) -> None:
    """Set-id files, and folders of code that anyone may write, that the base does not have so.

    Args:
        prefix: of the environment, in which `closed` looks.
        known: paths that were reported already, or that OS packages brought.
    """
    own = f"{prefix}/" if prefix is not None else None
    above = set() if prefix is None else {prefix.rsplit("/", n)[0] for n in range(prefix.count("/") + 1)}
    writable = []
    for path, entry in root.entries.items():
        mode = entry.mode
        if not mode & (_SET_ID | _ANYONE) or entry.kind is Kind.LINK or (own is not None and path.startswith(own)):
            continue
        if path in known or root.anchored(path):
            continue
        if entry.kind is Kind.FILE and mode & _SET_ID:
            world.report("setuid", f"has mode {mode:04o}", path=f"/{path}", found=f"{mode:04o}")
        elif mode & _ANYONE and (path in above or is_code(path)) and not (entry.kind is Kind.FOLDER and mode & _STICKY):
            writable.append(path)
    for path in sorted(writable)[:_LISTED]:
        found = f"{root.entries[path].mode:04o}"
        world.report("world-writable", "any user may write to it", path=f"/{path}", found=found)
    if len(writable) > _LISTED:
        count = len(writable) - _LISTED
        world.report("world-writable", f"any user may write to {count:,} more files and folders", path="/")


def _text(place: bytes) -> str:
    return place.decode("utf-8", "surrogateescape")
