"""The file system that an image's layers make: whiteouts and replacements applied, links followed inside of it.

Source: OCI image specification 1.1, layer.md; in what it leaves open, containerd's `archive.Apply`.
"""

from __future__ import annotations

import posixpath
from collections.abc import Iterable, Sequence

import msgspec

from envctl.model.inventory import Entry, Kind
from envctl.oci.layers import Layer
from envctl.oci.tar import Malformed

_MOST_LINKS = 40  # as Linux (MAXSYMLINKS)


class Tree(msgspec.Struct, kw_only=True):
    """A file system, from its root; paths have no slash at their start.

    Attributes:
        entries: path -> entry. Folders that no layer names, but whose content is there, are in it too.
        origins: path -> number of the layer (from 0, the lowest) that brought the entry.
        texts: contents that were asked for. `packed`: path -> offset and size in the pack.
    """

    entries: dict[str, Entry]
    origins: dict[str, int]
    texts: dict[str, bytes]
    packed: dict[str, tuple[int, int]]

    def resolve(self, path: str) -> str | None:
        """The place behind a path, with every link followed inside of the tree; None where it leads nowhere."""
        left = [part for part in reversed(path.split("/")) if part]
        done: list[str] = []
        links = 0
        while left:
            part = left.pop()
            if part == ".":
                continue
            if part == "..":
                if done:
                    done.pop()
                continue
            here = "/".join((*done, part))
            entry = self.entries.get(here)
            if entry is None:
                return None
            if entry.kind is not Kind.LINK:
                if left and entry.kind is not Kind.FOLDER:
                    return None
                done.append(part)
                continue
            links += 1
            target = entry.link or ""
            if links > _MOST_LINKS or not target:
                return None
            if target.startswith("/"):
                done = []
            left += [item for item in reversed(target.split("/")) if item]
        return "/".join(done)

    def behind(self, path: str) -> Entry | None:
        """The entry behind a path, with every link followed."""
        place = self.resolve(path)
        return None if place is None else self.entries.get(place)

    def below(self, folder: str) -> Iterable[str]:
        """Every path below a folder."""
        start = f"{folder}/" if folder else ""
        return (path for path in self.entries if path.startswith(start))


class _Merge:
    def __init__(self) -> None:
        self.tree = Tree(entries={}, origins={}, texts={}, packed={})
        self._children: dict[str, set[str]] = {"": set()}
        self._folders: dict[str, str] = {}

    def apply(self, number: int, layer: Layer) -> None:
        self._folders = {}
        for folder in layer.opaque:
            place = self._placed(f"{folder}/x")[:-2] if folder else ""
            for child in tuple(self._children.get(place, ())):
                self._remove(f"{place}/{child}" if place else child)
        for path in layer.whiteouts:
            self._remove(self._placed(path))
        for path, entry in layer.entries.items():
            place = self._set(path, entry, number)
            if path in layer.texts:
                self.tree.texts[place] = layer.texts[path]
            if path in layer.packed:
                self.tree.packed[place] = layer.packed[path]
        for path, target in layer.hardlinks.items():
            source = self._placed(target)
            linked = self.tree.entries.get(source)
            if linked is None or linked.kind is Kind.FOLDER:
                raise Malformed("the layer has a hard link to a file that is not there", found=ascii(path)[:200])
            place = self._set(path, linked, number)
            if source in self.tree.texts:
                self.tree.texts[place] = self.tree.texts[source]
            if source in self.tree.packed:
                self.tree.packed[place] = self.tree.packed[source]

    def _placed(self, path: str) -> str:
        """Where an engine puts a path: links among its folders are followed."""
        folder, _, name = path.rpartition("/")
        if not folder:
            return path
        place = self._folders.get(folder)
        if place is None:
            resolved = self.tree.resolve(folder)
            place = self._folders[folder] = folder if resolved is None else resolved
        return f"{place}/{name}" if place else name

    def _set(self, path: str, entry: Entry, number: int) -> str:
        place = self._placed(path)
        entries = self.tree.entries
        known = entries.get(place)
        if known is not None and not (known.kind is Kind.FOLDER and entry.kind is Kind.FOLDER):
            self._remove(place)
        if known is None or known.kind is not Kind.FOLDER or entry.kind is not Kind.FOLDER:
            self._parents(place, number)
        if entry.kind is Kind.LINK or (known is not None and known.kind is Kind.LINK):
            self._folders = {}
        if entry.kind is Kind.FOLDER:
            self._children.setdefault(place, set())
        entries[place] = entry
        self.tree.origins[place] = number
        return place

    def _parents(self, place: str, number: int) -> None:
        folder, _, name = place.rpartition("/")
        children = self._children.get(folder)
        if children is None:
            known = self.tree.entries.get(folder)
            if known is not None and known.kind is not Kind.FOLDER:
                raise Malformed("the layer has a file in what is no folder", found=ascii(place)[:200])
            self._set(folder, Entry(Kind.FOLDER, 0o755), number)
            children = self._children[folder]
        children.add(name)

    def _remove(self, place: str) -> None:
        entry = self.tree.entries.pop(place, None)
        if entry is None:
            return
        if entry.kind is Kind.LINK:
            self._folders = {}
        self.tree.origins.pop(place, None)
        self.tree.texts.pop(place, None)
        self.tree.packed.pop(place, None)
        folder, _, name = place.rpartition("/")
        if folder in self._children:
            self._children[folder].discard(name)
        for child in self._children.pop(place, ()):
            self._remove_child(f"{place}/{child}")

    def _remove_child(self, place: str) -> None:
        pending = [place]
        while pending:
            here = pending.pop()
            self.tree.entries.pop(here, None)
            self.tree.origins.pop(here, None)
            self.tree.texts.pop(here, None)
            self.tree.packed.pop(here, None)
            pending += [f"{here}/{child}" for child in self._children.pop(here, ())]


def merge(layers: Sequence[Layer]) -> Tree:
    """The file system of layers, the lowest first.

    Raises:
        Malformed: they contradict each other in a way that engines refuse.
    """
    merging = _Merge()
    for number, layer in enumerate(layers):
        merging.apply(number, layer)
    return merging.tree


def real_path(tree: Tree, path: str) -> str | None:
    """Absolute form of `Tree.resolve`."""
    place = tree.resolve(path)
    return None if place is None else posixpath.join("/", place)
