"""The file system that an image's layers make: whiteouts and replacements applied, links followed inside of it.

Source: OCI image specification 1.1, layer.md; in what it leaves open, containerd's `archive.Apply`.
"""

from __future__ import annotations

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
        opaque: list[str] = []
        removed: list[str] = []
        for folder in layer.opaque:
            place = self._placed(f"{folder}/x", number)[:-2] if folder else ""
            opaque.append(place)
            for child in tuple(self._children.get(place, ())):
                self._remove(f"{place}/{child}" if place else child)
        for path in layer.whiteouts:
            removed.append(self._placed(path, number))
            self._remove(removed[-1])
        for path, entry in layer.entries.items():
            place = self._set(path, entry, number)
            if path in layer.texts:
                self.tree.texts[place] = layer.texts[path]
            if path in layer.packed:
                self.tree.packed[place] = layer.packed[path]
        self._check(layer, number, removed, opaque)

    def _check(self, layer: Layer, number: int, removed: list[str], opaque: list[str]) -> None:
        """Malformed where a layer removes a folder and makes it: in some engines, what it had comes back.

        So it is where it removes by way of a link that it makes: engines do one after the other.
        """
        self._folders = {}
        for path, place in zip(layer.whiteouts, removed, strict=True):
            entry = self.tree.entries.get(place)
            if self._placed(path, number) != place or (entry is not None and entry.kind is Kind.FOLDER):
                raise Malformed("the layer removes a folder and makes it", found=ascii(path)[:200])
        for folder, place in zip(layer.opaque, opaque, strict=True):
            if folder and self._placed(f"{folder}/x", number)[:-2] != place:
                raise Malformed("the layer empties a folder and makes a link of it", found=ascii(folder)[:200])

    def _placed(self, path: str, number: int) -> str:
        """Where engines put a path: links of the same layer among its folders are followed."""
        folder, _, name = path.rpartition("/")
        if not folder or folder in self._children:
            return path
        place = self._folders.get(folder)
        if place is None:
            place = self._folders[folder] = self._followed(folder, number)
        return f"{place}/{name}" if place else name

    def _followed(self, folder: str, number: int) -> str:
        """Malformed at a link of a lower layer: some engines follow it, others put a folder in its place."""
        done: list[str] = []
        left, links = folder.split("/")[::-1], 0
        while left:
            part = left.pop()
            if part == "..":
                done = done[:-1]
            elif part not in ("", "."):
                here = "/".join((*done, part))
                entry = self.tree.entries.get(here)
                if entry is None or entry.kind is not Kind.LINK:
                    done.append(part)
                    continue
                target, links = entry.link or "", links + 1
                if self.tree.origins[here] != number or links > _MOST_LINKS:
                    raise Malformed("the layer has a file in what is a link of another layer", found=ascii(here)[:200])
                done = [] if target.startswith("/") else done
                left += target.split("/")[::-1]
        return "/".join(done)

    def _set(self, path: str, entry: Entry, number: int) -> str:
        place = self._placed(path, number)
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
        while folder not in self._children:
            if folder in self.tree.entries:
                raise Malformed("the layer has a file in what is no folder", found=ascii(place)[:200])
            self.tree.entries[folder] = Entry(Kind.FOLDER, 0o755)
            self.tree.origins[folder] = number
            self._children[folder] = {name}
            folder, _, name = folder.rpartition("/")
        self._children[folder].add(name)

    def _remove(self, place: str) -> None:
        tree = self.tree
        if place not in tree.entries:
            return
        folder, _, name = place.rpartition("/")
        if folder in self._children:
            self._children[folder].discard(name)
        pending = [place]
        while pending:
            here = pending.pop()
            entry = tree.entries.pop(here, None)
            if entry is not None and entry.kind is Kind.LINK:
                self._folders = {}
            for told in (tree.origins, tree.texts, tree.packed):
                told.pop(here, None)
            pending += [f"{here}/{child}" for child in self._children.pop(here, ())]


def merge(layers: Sequence[Layer]) -> Tree:
    """The file system of layers, the lowest first.

    Raises:
        Malformed: they contradict each other in a way that engines refuse.
    """
    merging = _Merge()
    for number, layer in enumerate(layers):
        try:
            merging.apply(number, layer)
        except Malformed as error:
            raise Malformed(f"layer {number + 1} of {len(layers)}: {error.what}", found=error.found) from error
    return merging.tree
