"""Merging layers into one profile, each value with its file and line (docs/reference/profile.md, "Merging").

Tables merge, scalars replace, lists add; `unset` and "!NAME" take away. Pure: layers in, a tree out.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import msgspec

from envctl.errors import InvalidFile
from envctl.profile.positions import parts, spell
from envctl.profile.rules import KEYED, VECTORS, identity, removal
from envctl.profile.show import did_you_mean, show
from envctl.profile.source import Path_, Source


class Node(msgspec.Struct, frozen=True):
    """A value with its origin. `value` is a scalar, a tuple of nodes, or a dict of nodes."""

    value: Any
    file: str
    line: int | None = None

    def plain(self) -> Any:
        """The value without origins, as a TOML parser would give it."""
        if isinstance(self.value, tuple):
            return [item.plain() for item in self.value]
        if isinstance(self.value, dict):
            return {key: item.plain() for key, item in self.value.items()}
        return self.value

    def walk(self, path: Path_ = ()) -> Iterator[tuple[Path_, Node]]:
        """This node and all below it, with their key paths."""
        yield path, self
        if isinstance(self.value, tuple):
            for index, item in enumerate(self.value):
                yield from item.walk((*path, index))
        elif isinstance(self.value, dict):
            for key, item in self.value.items():
                yield from item.walk((*path, key))


class Layer(msgspec.Struct, frozen=True):
    """One part of a file that is merged: all of a profile's plain keys, or one variant's table."""

    root: Node
    unset: tuple[Node, ...] = ()


def layer(table: Mapping[str, Any], path: Path_, source: Source) -> Layer:
    """The layer of a checked table that stands at a key path of a file; `unset` is split off."""
    root = {key: tag(value, (*path, key), source) for key, value in table.items() if key != "unset"}
    unset = tag(table.get("unset", []), (*path, "unset"), source)
    return Layer(Node(root, source.file, source.line(path)), unset.value)


def tag(value: Any, path: Path_, source: Source) -> Node:
    """A parsed value as nodes."""
    line = source.line(path)
    if isinstance(value, list):
        return Node(tuple(tag(item, (*path, index), source) for index, item in enumerate(value)), source.file, line)
    if isinstance(value, dict):
        return Node({key: tag(item, (*path, key), source) for key, item in value.items()}, source.file, line)
    return Node(value, source.file, line)


def merge(base: Node, over: Layer) -> Node:
    """One layer on top of what was merged before it; InvalidFile when it takes away what is not there."""
    for entry in over.unset:
        base = _without(base, entry)
    return _table(base, over.root, "")


def _table(base: Node, over: Node, generic: str) -> Node:
    merged = dict(base.value)
    for key, node in over.value.items():
        inner = f"{generic}.{key}" if generic else key
        merged[key] = _value(merged.get(key), node, "commands{}" if generic == "commands" else inner)
    return Node(merged, over.file, over.line)


def _value(base: Node | None, over: Node, generic: str) -> Node:
    if isinstance(over.value, dict):
        known = base if base is not None and isinstance(base.value, dict) else Node({}, over.file, over.line)
        return _table(known, over, generic)
    if isinstance(over.value, tuple) and generic not in VECTORS:
        known = base if base is not None and isinstance(base.value, tuple) else Node((), over.file, over.line)
        return _list(known, over, generic)
    return over


def _list(base: Node, over: Node, generic: str) -> Node:
    entries: list[Node] = list(base.value)
    added = []
    for node in over.value:
        taken = removal(generic, node.value)
        if taken is None:
            added.append(node)
            continue
        same = identity(generic, taken)
        kept = [entry for entry in entries if identity(generic, entry.value) != same]
        if len(kept) == len(entries):
            raise _nothing_there(
                f"{generic} takes away what no earlier file added", node, taken, _names(entries, generic)
            )
        entries = kept
    key = KEYED.get(generic)
    for node in added:
        place = _place(entries, node, key)
        if place is None:
            entries.append(node)
        elif key is not None:
            entries[place] = node
    return Node(tuple(entries), over.file, over.line)


def _place(entries: list[Node], node: Node, key: str | None) -> int | None:
    """Where an entry that is the same stands already."""
    for index, entry in enumerate(entries):
        if entry.value[key].value == node.value[key].value if key else entry.plain() == node.plain():
            return index
    return None


def _names(entries: list[Node], generic: str) -> list[str]:
    key = KEYED.get(generic)
    if key:
        return [str(entry.value[key].value) for entry in entries]
    return [str(identity(generic, entry.value)) for entry in entries]


def _without(base: Node, entry: Node) -> Node:
    """The tree without the value that an entry of `unset` names."""
    try:
        names = parts(entry.value)
    except ValueError as error:
        raise _nothing_there("unset has an entry that is no key", entry, entry.value, []) from error
    return _remove(base, names, "", entry)


def _remove(node: Node, names: tuple[str, ...], generic: str, entry: Node) -> Node:
    first, rest = names[0], names[1:]
    key = KEYED.get(generic)
    if key is not None and isinstance(node.value, tuple):
        wanted = ".".join(names)
        kept = tuple(item for item in node.value if item.value[key].value != wanted)
        if len(kept) < len(node.value):
            return Node(kept, node.file, node.line)
    elif isinstance(node.value, dict) and first in node.value:
        inner = f"{generic}.{first}" if generic else first
        below = dict(node.value)
        if rest:
            below[first] = _remove(below[first], rest, inner, entry)
        else:
            del below[first]
        return Node(below, node.file, node.line)
    raise _nothing_there("unset names what no earlier file says", entry, entry.value, _known(node, generic))


def _known(node: Node, generic: str) -> list[str]:
    if isinstance(node.value, dict):
        return [spell((*generic.split("."), key) if generic else (key,)) for key in node.value]
    if isinstance(node.value, tuple) and generic in KEYED:
        return [f"{generic}.{name}" for name in _names(list(node.value), generic)]
    return []


def _nothing_there(what: str, node: Node, wanted: str, known: list[str]) -> InvalidFile:
    choices = ", ".join(dict.fromkeys(known))
    return InvalidFile(
        what,
        file=node.file,
        line=node.line,
        found=show(node.value),
        expected=f"one of {choices}" if choices else "something inherited",
        hint=did_you_mean(wanted, known),
    )
