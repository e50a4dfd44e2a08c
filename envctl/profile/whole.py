"""What needs several values of a target at once: what must be there, and what must agree."""

from __future__ import annotations

from pathlib import PurePosixPath
from typing import Any, TypeVar

import msgspec

from envctl.errors import InvalidFile
from envctl.model.names import normalise
from envctl.model.profile import ImageTable, Profile, ResolverTable
from envctl.model.target import Target
from envctl.profile.merge import Node
from envctl.profile.positions import spell
from envctl.profile.show import show
from envctl.profile.source import Path_

T = TypeVar("T", bound=msgspec.Struct)

_REQUIRED: dict[Path_, str] = {
    ("python",): 'the Python version, such as python = "3.11"',
    ("image", "base"): 'the base image, such as base = "python:3.11.9-slim-bookworm@sha256:…"',
    ("image", "python", "url"): "the address of the standalone build",
    ("image", "python", "sha256"): "its sha256",
    ("project", "path"): 'the folder of the package, such as path = "."',
}


def at(root: Node, *path: str) -> Node | None:
    """The node at a key path."""
    node: Node | None = root
    for name in path:
        node = node.value.get(name) if node is not None and isinstance(node.value, dict) else None
    return node


def profile(target: Target, root: Node) -> Profile:
    """The merged tree as a profile; InvalidFile where something is missing or two values do not agree."""
    for path, expected in _REQUIRED.items():
        above, name = path[:-1], path[-1]
        table = at(root, *(str(part) for part in above))
        if table is not None and name not in table.value:
            hint = "a profile without python is only there to be extended" if path == ("python",) else None
            raise _error(f"{target} has no {spell(path)}", table, path, expected=expected, hint=hint)
    platforms = at(root, "platforms")
    if platforms is not None and not platforms.value:
        raise _error(f"{target} has no platform left", platforms, ("platforms",), expected="at least one")
    _indexes(root)
    merged: Profile = msgspec.convert(root.plain(), Profile)
    merged = _in_order(
        merged, _SETS, resolver=_in_order(_resolver(merged.resolver), _RESOLVER_SETS), image=_image(merged.image)
    )
    merged = msgspec.structs.replace(merged, policy=_in_order(merged.policy, _POLICY_SETS))
    _standalone(root, merged)
    return merged


# Lists whose order means nothing: sorting one in a profile changes no byte of a lockfile.
_SETS = ("platforms",)
_RESOLVER_SETS = ("overrides", "exclude")
_IMAGE_SETS = ("packages", "provides", "ports")
_POLICY_SETS = ("startup_hooks", "writable")


def _in_order(table: T, names: tuple[str, ...], **more: object) -> T:
    """The table with these lists sorted and each entry once."""
    found = {name: getattr(table, name) for name in names}
    ordered = {name: tuple(sorted(set(value))) for name, value in found.items() if value is not None}
    return msgspec.structs.replace(table, **ordered, **more)


def _indexes(root: Node) -> None:
    """Each pattern is bound to one index, and one index at most replaces the default one."""
    owners: dict[str, str] = {}
    default: Node | None = None
    indexes = at(root, "resolver", "index")
    for position, node in enumerate(indexes.value if indexes else ()):
        path: Path_ = ("resolver", "index", position)
        entry: dict[str, Any] = node.plain()
        if not entry.get("packages"):
            if default is not None:
                raise _error(
                    "two indexes name no packages",
                    node,
                    path,
                    found=show(entry["name"]),
                    expected=f"one index in place of the default one ({default.plain()['name']}); "
                    "any other says which packages come from it",
                    hint='packages = ["acme-*"]',
                )
            default = node
        for number, pattern in enumerate(entry.get("packages", [])):
            name = normalise(pattern)
            owner = owners.setdefault(name, entry["name"])
            if owner != entry["name"]:
                raise _error(
                    f"{name} is bound to two indexes, {owner} and {entry['name']}",
                    node.value["packages"].value[number],
                    (*path, "packages", number),
                    expected="one index for each package",
                )


def _resolver(resolver: ResolverTable) -> ResolverTable:
    """With names and patterns as PEP 503 compares them, so that every reader compares them alike."""
    indexes = [
        msgspec.structs.replace(index, packages=tuple(sorted({normalise(name) for name in index.packages})))
        for index in resolver.index
    ]
    exclude = tuple(dict.fromkeys(normalise(name) for name in resolver.exclude))
    return msgspec.structs.replace(resolver, exclude=exclude, index=tuple(indexes))


def _image(image: ImageTable | None) -> ImageTable | None:
    """With sources in one spelling, without `./` and a `/` at the end."""
    if image is None:
        return None
    files = [msgspec.structs.replace(file, source=str(PurePosixPath(file.source))) for file in image.files]
    return msgspec.structs.replace(_in_order(image, _IMAGE_SETS), files=tuple(files))


def _standalone(root: Node, merged: Profile) -> None:
    """`image.python` says url and sha256 in one form, and for every platform."""
    if merged.image is None or merged.image.python is None:
        return
    build = merged.image.python
    table = at(root, "image", "python") or root
    path: Path_ = ("image", "python")
    if isinstance(build.url, str) or isinstance(build.sha256, str):
        if not (isinstance(build.url, str) and isinstance(build.sha256, str)):
            raise _error(
                "image.python mixes two forms", table, path, expected="url and sha256, both strings or both tables"
            )
        if len(merged.platforms) > 1:
            raise _error(
                "image.python has one build for several platforms",
                table,
                path,
                expected=f"tables with the keys {', '.join(merged.platforms)}",
            )
        return
    for name, values in (("url", build.url), ("sha256", build.sha256)):
        missing = [platform for platform in merged.platforms if platform not in values]
        if missing:
            raise _error(f"image.python.{name} has nothing for {missing[0]}", table, (*path, name))


def _error(what: str, node: Node, path: Path_, **more: Any) -> InvalidFile:
    return InvalidFile(what, file=node.file, line=node.line, key=spell(path), **more)
