"""Layers of base images: a folder, or what changed in it since the layers below, as one gzipped tar.

The same contents give the same bytes: names sorted, numeric owners, and times that come from the packages; what was
generated while the tree was made carries a fixed time.
"""

from __future__ import annotations

import dataclasses
import hashlib
import io
import json
import os
import stat
import tarfile
import zlib
from collections.abc import Iterator, Mapping
from pathlib import Path

from support.engine.place import write_json

EPOCH = 1_700_000_000

# Relative paths whose contents say something of how and when the tree was made, not of what is in it.
EMPTIED = ("dev", "proc", "sys", "run", "tmp", "var/tmp", "var/cache", "var/log", "var/lib/apt", "etc/apt")
MOUNTED = ("dev", "proc", "sys")  # the kernel's while a tree is made, and so are their times and modes
LEFT_OUT = (
    "etc/hostname",
    "etc/resolv.conf",
    "etc/machine-id",
    "etc/dpkg/dpkg.cfg.d/99mmdebstrap",
    "var/lib/dpkg/lock",
    "var/lib/dpkg/lock-frontend",
    "var/lib/dpkg/status-old",
    "var/lib/dpkg/triggers/Lock",
)


@dataclasses.dataclass(frozen=True)
class Layer:
    """A gzipped tar: `diff_id` is the digest of the tar, `digest` and `size` (bytes) are those of the file."""

    diff_id: str
    digest: str
    size: int


def blob(images: Path, digest: str) -> Path:
    """The file of a blob."""
    return images / "blobs" / digest.replace(":", "-")


def read_layer(images: Path, name: str) -> Layer | None:
    """A layer made earlier, where its file is still there."""
    try:
        layer = Layer(**json.loads((images / f"{name}.layer.json").read_text("utf-8")))
    except (OSError, ValueError, TypeError):
        return None
    return layer if blob(images, layer.digest).is_file() else None


def save_layer(images: Path, name: str, layer: Layer) -> Layer:
    """Record it under a name."""
    write_json(images / f"{name}.layer.json", dataclasses.asdict(layer))
    return layer


def layer_of_tree(images: Path, name: str, tree: Path, *, since: float, below: str | None = None) -> Layer:
    """Snapshot a tree: all of it, or what is new, changed or gone since the snapshot `below` of the same tree.

    `since` is when the tree was begun (seconds since the epoch): a later time was not a package's, and becomes EPOCH.
    """
    seen = {path: _identity(info) for path, info in _walk(tree, "")}
    before = json.loads((images / f"{below}.seen.json").read_text("utf-8")) if below else {}
    changed = {path for path, identity in seen.items() if before.get(path) != identity}
    folders = {"", *seen}
    gone = {path for path in before.keys() - seen.keys() if path.rpartition("/")[0] in folders}
    cut = [path.split("/") for path in changed | gone]
    parents = {"/".join(parts[:length]) for parts in cut for length in range(1, len(parts))}
    out = _Squeezed(images, name)
    links: dict[tuple[int, int], str] = {}
    with tarfile.open(fileobj=out, mode="w|", bufsize=1 << 20, format=tarfile.PAX_FORMAT) as tar:
        for path in sorted(changed | parents | gone):
            if path in gone:
                folder, _, base = path.rpartition("/")
                tar.addfile(_info(f"{folder}/.wh.{base}".lstrip("/"), EPOCH))
            else:
                _add(tar, tree, path, since, links)
    write_json(images / f"{name}.seen.json", seen)
    return save_layer(images, name, out.finish())


def layer_of_files(images: Path, name: str, files: Mapping[str, bytes]) -> Layer:
    """A layer of small files by their paths, with the folders above them."""
    parents = {str(above) for path in files for above in list(Path(path).parents)[:-1]}
    out = _Squeezed(images, name)
    with tarfile.open(fileobj=out, mode="w|", format=tarfile.PAX_FORMAT) as tar:
        for path in sorted(parents | files.keys()):
            info = _info(path, EPOCH)
            if path in parents:
                info.type, info.mode = tarfile.DIRTYPE, 0o755
            info.size = len(files.get(path, b""))
            tar.addfile(info, io.BytesIO(files.get(path, b"")))
    return save_layer(images, name, out.finish())


def _walk(tree: Path, folder: str) -> Iterator[tuple[str, os.stat_result]]:
    for entry in sorted(os.scandir(tree / folder), key=lambda entry: entry.name):
        path = f"{folder}/{entry.name}".lstrip("/")
        if path in LEFT_OUT:
            continue
        info = entry.stat(follow_symlinks=False)
        yield path, info
        if stat.S_ISDIR(info.st_mode) and path not in EMPTIED:
            yield from _walk(tree, path)


def _identity(info: os.stat_result) -> list[int]:
    if stat.S_ISDIR(info.st_mode):  # its times change with every entry
        return [info.st_mode, info.st_uid, info.st_gid]
    return [info.st_ino, info.st_ctime_ns]


def _add(tar: tarfile.TarFile, tree: Path, path: str, since: float, links: dict[tuple[int, int], str]) -> None:
    status = os.lstat(tree / path)
    info = tar.gettarinfo(tree / path, path)
    info.name, info.uname, info.gname = path, "", ""
    info.mtime = EPOCH if status.st_mtime >= since else int(status.st_mtime)
    if path in MOUNTED:
        info.mtime, info.mode = EPOCH, 0o755
    key = (status.st_dev, status.st_ino)
    if stat.S_ISREG(status.st_mode):
        # tarfile's own bookkeeping would point at names of an earlier layer's tree
        info.type, info.linkname, info.size = tarfile.REGTYPE, "", status.st_size
        if key in links:
            info.type, info.linkname, info.size = tarfile.LNKTYPE, links[key], 0
            tar.addfile(info)
            return
        links[key] = path
        with (tree / path).open("rb") as file:
            tar.addfile(info, file)
        return
    tar.addfile(info)


def _info(path: str, mtime: int) -> tarfile.TarInfo:
    info = tarfile.TarInfo(path)
    info.mtime = mtime
    return info


class _Squeezed(io.RawIOBase):
    """What is written becomes a gzip file without a time in its header, named after its digest."""

    def __init__(self, images: Path, name: str) -> None:
        self.images = images
        (images / "blobs").mkdir(exist_ok=True)
        self.part = images / f"{name}.{os.getpid()}.part"
        self.file = self.part.open("wb")
        self.plain, self.packed = hashlib.sha256(), hashlib.sha256()
        self.size = 0
        self.squeeze = zlib.compressobj(1, zlib.DEFLATED, 31)

    def write(self, data: bytes) -> int:  # type: ignore[override]
        self.plain.update(data)
        self._put(self.squeeze.compress(data))
        return len(data)

    def finish(self) -> Layer:
        self._put(self.squeeze.flush())
        self.file.close()
        layer = Layer("sha256:" + self.plain.hexdigest(), "sha256:" + self.packed.hexdigest(), self.size)
        self.part.replace(blob(self.images, layer.digest))
        return layer

    def _put(self, data: bytes) -> None:
        self.packed.update(data)
        self.size += self.file.write(data)
