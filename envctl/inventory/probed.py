"""The second reader: an isolated interpreter inside of an image or container says what it sees.

Nothing of the environment is run: `-I -S` keeps out its variables, `.pth` files and customisations. But the interpreter
itself is the image's, so its word alone vouches for nothing; it is worth something beside what is seen from outside.
"""

from __future__ import annotations

import base64
import json
import os
from collections.abc import Iterator, Mapping
from typing import Any

import msgspec

from envctl.errors import ToolFailed
from envctl.inventory import kept, mountinfo, probe
from envctl.inventory.workers import FLAGS
from envctl.model.inventory import Entry, Kind, Problem
from envctl.oci.tree import Tree
from envctl.system.sources import source_of

_BOOT = """
import sys
names = {{"__name__": "kept"}}
exec(compile({kept!r}, "kept.py", "exec"), names)
names.update(__name__="probe")
exec(compile({probe!r}, "probe.py", "exec"), names)
names["main"]()
"""
_KINDS = {kind.value: kind for kind in Kind}


class NoAnswer(ToolFailed):
    """The interpreter inside said nothing, or what it cannot have been asked."""


class Seen(msgspec.Struct, frozen=True, kw_only=True):
    """What the interpreter said: the files as a tree, the prefix, X.Y.Z, its variables, where something is mounted."""

    tree: Tree
    prefix: str
    version: str
    implementation: str
    variables: Mapping[str, str]
    mounts: tuple[str, ...]
    problems: tuple[Problem, ...]


def arguments() -> list[str]:
    """What the interpreter is started with."""
    sources = {name: source_of(module) for name, module in _MODULES.items()}
    return [*FLAGS, "-c", _BOOT.format(**sources)]


_MODULES = {"kept": kept, "probe": probe}


def question(prefix: str) -> Iterator[bytes]:
    """What is written to its standard input."""
    yield f"{prefix}\n".encode("utf-8", "surrogateescape")


def parse(answer: bytes) -> Seen:
    """Its answer; NoAnswer where it is none, or not whole."""
    tree = Tree(entries={}, origins={}, texts={}, packed={})
    problems = []
    lines = answer.splitlines()
    try:
        about, *items, end = [json.loads(line) for line in lines]  # msgspec refuses names that are no UTF-8
        if end["end"] != len(items):
            raise ValueError
        for item in items:
            path = item["path"].lstrip("/")
            if item["kind"] == "unread":
                problems.append(Problem(path, str(item["reason"])))
                tree.entries[path] = Entry(Kind.FILE, 0)
                continue
            tree.entries[path] = _entry(item)
            if "text" in item:
                tree.texts[path] = base64.b64decode(item["text"])
        return Seen(
            tree=_with_folders(tree),
            prefix=str(about["prefix"]),
            version=str(about["version"]),
            implementation=str(about["implementation"]),
            variables={str(name): str(value) for name, value in about["variables"].items()},
            mounts=tuple(mountinfo.unescaped(os.fsencode(str(place))) for place in about["mounts"]),
            problems=tuple(problems),
        )
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError, OverflowError) as error:
        raise NoAnswer(
            "the interpreter inside did not answer as it should",
            found=lines[-1][:200].decode("utf-8", "replace") if lines else "nothing",
        ) from error


def _entry(item: dict[str, Any]) -> Entry:
    digest = item.get("sha256")
    return Entry(
        _KINDS[item["kind"]],
        int(item["mode"]) if item["kind"] != "link" else 0o777,
        int(item.get("size", 0)),
        None if digest is None else str(digest),
        str(item["link"]) if item["kind"] == "link" else None,
        start=bytes.fromhex(item.get("start", "")),
    )


def _with_folders(tree: Tree) -> Tree:
    """The folders above what was looked at, so that links can be followed."""
    for path in list(tree.entries):
        while path := path.rpartition("/")[0]:
            if path in tree.entries:
                break
            tree.entries[path] = Entry(Kind.FOLDER, 0o755)
    return tree
