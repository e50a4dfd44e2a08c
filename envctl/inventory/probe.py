"""What an interpreter sees from inside: hashes every file of the environment. Standard library only, Python 3.8.

Runs in a container as `PYTHON -I -S -B -c BOOT` (see `probed.py`), which defines `keeps` before it. Standard input has
one line, the environment's prefix; standard output gets one JSON object a line.
"""

from __future__ import annotations

import base64
import hashlib
import json
import os
import stat
import sys

TYPE_CHECKING = False  # typing would be imported in the container for nothing
if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import Any

    from envctl.inventory.kept import keeps


def entry(path: str) -> dict[str, Any]:
    """One directory entry, with its content where that is asked for."""
    status = os.lstat(path)
    found: dict[str, Any] = {"path": path, "mode": stat.S_IMODE(status.st_mode)}
    if stat.S_ISLNK(status.st_mode):
        found.update(kind="link", link=os.readlink(path))
    elif stat.S_ISDIR(status.st_mode):
        found["kind"] = "folder"
    elif stat.S_ISREG(status.st_mode):
        descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK)
        with os.fdopen(descriptor, "rb") as file:
            digest, size, parts = hashlib.sha256(), 0, []
            start = b""
            kept = keeps(path.lstrip("/"), status.st_size)
            while True:
                piece = file.read(1 << 20)
                if not piece:
                    break
                digest.update(piece)
                start = start or piece[:4]
                size += len(piece)
                if kept:
                    parts.append(piece)
        found.update(kind="file", size=size, sha256=digest.hexdigest(), start=start.hex())
        if kept:
            found["text"] = base64.b64encode(b"".join(parts)).decode("ascii")
    else:
        found["kind"] = (
            "fifo" if stat.S_ISFIFO(status.st_mode) else "socket" if stat.S_ISSOCK(status.st_mode) else "device"
        )
    return found


def walk(root: str) -> Iterator[str]:
    """Every path below a folder, the folder first."""
    folders = [root]
    while folders:
        folder = folders.pop()
        yield folder
        for item in os.scandir(folder):
            if item.is_dir(follow_symlinks=False):
                folders.append(item.path)
            else:
                yield item.path


def places(prefix: str) -> Iterator[str]:
    """What is looked at: the environment, and what makes its interpreter."""
    yield from walk(prefix)
    library = os.path.dirname(os.__file__)
    home = os.path.dirname(os.path.realpath(sys.executable))
    for name in sorted(os.listdir(home)):
        if name.startswith(("python", "pypy")):
            yield os.path.join(home, name)
    for folder in (os.path.join(library, "venv"), os.path.join(library, "ensurepip")):
        if os.path.isdir(folder):
            yield from walk(folder)
    if os.path.isfile(os.path.join(library, "os.py")):
        yield os.path.join(library, "os.py")


def own_prefix() -> str:
    """The prefix of the environment that was started: `-S` leaves sys.prefix at the base interpreter's."""
    prefix = os.path.dirname(os.path.dirname(os.path.abspath(sys.executable)))
    if os.path.isfile(os.path.join(prefix, "pyvenv.cfg")):
        return prefix
    return os.path.dirname(os.path.dirname(os.path.realpath(sys.executable)))


def main() -> None:
    """Answer."""
    prefix = sys.stdin.readline().rstrip("\n") or own_prefix()
    try:
        with open("/proc/self/mountinfo", encoding="utf-8", errors="surrogateescape") as file:
            mounts = [line.split(" ")[4] for line in file]
    except OSError:
        mounts = []
    version = "{}.{}.{}".format(*sys.version_info)
    about = {
        "prefix": prefix,
        "version": version,
        "implementation": sys.implementation.name,
        "variables": dict(os.environ),
        "mounts": mounts,
    }
    print(json.dumps(about))
    seen = set()
    for path in places(prefix):
        if path in seen:
            continue
        seen.add(path)
        try:
            print(json.dumps(entry(path)))
        except OSError as error:
            print(json.dumps({"path": path, "kind": "unread", "reason": error.strerror or "it could not be read"}))
    print(json.dumps({"end": len(seen)}))
