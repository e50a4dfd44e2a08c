"""Random layers of images, and a second, simple way to unpack them."""

from __future__ import annotations

import hashlib
import io
import tarfile
from collections.abc import Sequence

from hypothesis import strategies as st
from support.layouts import member, tar

from envctl.model.inventory import Entry, Kind
from envctl.oci.tree import Tree

NAMES = st.sampled_from(["a", "b", "c", "d.py", "ü", "x" * 120, "\udcff", "n\nl"])
PATHS = st.lists(NAMES, min_size=1, max_size=4).map("/".join)


@st.composite
def layers(draw: st.DrawFn) -> bytes:
    """A layer without contradictions in itself: each path once, nothing below a file, no removal of what it brings."""
    known: dict[str, str] = {}
    members = []
    for path in draw(st.lists(PATHS, max_size=8, unique=True)):
        above = ["/".join(path.split("/")[:n]) for n in range(1, path.count("/") + 1)]
        below = any(other.startswith(path + "/") for other in known)
        if any(known.get(item, "folder") != "folder" for item in above):
            continue
        kind = draw(st.sampled_from(["folder"] if below else ["file", "folder", "link", "whiteout", "opaque", "hard"]))
        files = [item for item, what in known.items() if what == "file"]
        folder, _, name = path.rpartition("/")
        start = f"{folder}/" if folder else ""
        if kind == "whiteout":
            members.append(member(f"{start}.wh.{name}"))
        elif kind == "opaque":
            members.append(member(f"{path}/.wh..wh..opq"))
            members.append(member(path, type=tarfile.DIRTYPE, mode=0o755))
        elif kind == "hard" and files:
            members.append(member(path, type=tarfile.LNKTYPE, linkname=draw(st.sampled_from(files))))
        elif kind == "link":
            members.append(
                member(path, type=tarfile.SYMTYPE, linkname=draw(st.sampled_from(["/nowhere", "../x", path])))
            )
        elif kind == "folder":
            members.append(member(path, type=tarfile.DIRTYPE, mode=0o755))
        else:
            kind = "file"
            members.append(member(path, draw(st.binary(max_size=1100)), mode=draw(st.sampled_from([0o644, 0o4755]))))
        known[path] = {"opaque": "folder", "hard": "file"}.get(kind, kind)
        for item in above:
            known.setdefault(item, "folder")
    form = draw(st.sampled_from([tarfile.PAX_FORMAT, tarfile.GNU_FORMAT]))
    return tar(*members, form=form)


def naive(archives: Sequence[bytes]) -> dict[str, tuple[str, object, bytes]]:
    """Unpacking as it is described, one member after the other: path -> kind, digest and mode or target, content."""
    found: dict[str, tuple[str, object, bytes]] = {}

    def remove(path: str, *, itself: bool = True) -> None:
        for other in [o for o in found if o.startswith(path + "/") or (itself and o == path)]:
            del found[other]

    for data in archives:
        with tarfile.open(fileobj=io.BytesIO(data), encoding="utf-8", errors="surrogateescape") as archive:
            members = archive.getmembers()
            for info in members:
                folder, _, name = info.name.rpartition("/")
                if name == ".wh..wh..opq":
                    remove(folder, itself=False)
                elif name.startswith(".wh."):
                    remove(f"{folder}/{name[4:]}".lstrip("/"))
            for info in members:
                if info.name.rpartition("/")[2].startswith(".wh."):
                    continue
                if not (info.isdir() and found.get(info.name, ("",))[0] == "folder"):
                    remove(info.name)
                for n in range(1, info.name.count("/") + 1):
                    found.setdefault("/".join(info.name.split("/")[:n]), ("folder", None, b""))
                if info.issym():
                    found[info.name] = ("link", info.linkname, b"")
                elif info.isdir():
                    found[info.name] = ("folder", None, b"")
                elif info.islnk():
                    found[info.name] = found[info.linkname]
                else:
                    file = archive.extractfile(info)
                    assert file is not None
                    content = file.read()
                    found[info.name] = ("file", (hashlib.sha256(content).hexdigest(), info.mode), content)
    return found


def plain(tree: Tree) -> dict[str, tuple[str, object]]:
    def value(entry: Entry) -> object:
        if entry.kind is Kind.FILE:
            return entry.sha256, entry.mode
        return entry.link if entry.kind is Kind.LINK else None

    return {path: (entry.kind.value, value(entry)) for path, entry in tree.entries.items()}
