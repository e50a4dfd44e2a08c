"""A target's merged profile, with each value's file and line."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import msgspec

from envctl.model.profile import Inputs, Profile, Requirement
from envctl.profile import assemble, resolve_name, spell
from envctl.profile.merge import Node

SCHEMA = "envctl.profile/1"
_WIDEST = 60  # origins are aligned, but a long value does not push those of the others away
_DEFAULTS = ("libc", "platforms")


class Origin(msgspec.Struct, frozen=True):
    """Where a value was written."""

    file: str
    line: int


class Asked(msgspec.Struct, frozen=True, omit_defaults=True):
    """A requirement, and where it was written."""

    requirement: str
    file: str
    line: int | None = None


class Shown(msgspec.Struct, frozen=True, kw_only=True, rename="kebab"):
    """The result of `envctl profile`; as JSON it is what docs/reference/profile.md describes.

    Attributes:
        files: the chain in the order of merging.
        inputs: the digest that a fresh lockfile records.
        profile: the merged profile as the files say it, without defaults.
        origins: key path -> file and line, for each value.
        requirements, constraints: everything that is asked for, with what is read live.
    """

    schema: str
    target: str
    files: tuple[str, ...]
    inputs: str
    profile: dict[str, Any]
    origins: dict[str, Origin]
    requirements: tuple[Asked, ...]
    constraints: tuple[Asked, ...]


def show(project: Path, name: str) -> tuple[Shown, str]:
    """The merged target as a value, and as TOML with origins in comments.

    Raises:
        UsageError: the project has no such target.
        InvalidFile: its profile is invalid.
    """
    inputs, chain, root = assemble(project, resolve_name(project, name))
    files = tuple(source.file for source in chain.files)
    shown = Shown(
        schema=SCHEMA,
        target=str(inputs.target),
        files=files,
        inputs=inputs.digest,
        profile=root.plain(),
        origins={key: Origin(*place) for key, place in inputs.line_of.items()},
        requirements=_asked(inputs.requirements),
        constraints=_asked(inputs.constraints),
    )
    return shown, _text(inputs, files, root)


def _asked(requirements: tuple[Requirement, ...]) -> tuple[Asked, ...]:
    return tuple(Asked(asked.text, asked.file, asked.line) for asked in requirements)


def _text(inputs: Inputs, files: tuple[str, ...], root: Node) -> str:
    known = [field.encode_name for field in msgspec.structs.fields(Profile)]
    nodes = {key: root.value[key] for key in known if key in root.value}
    tables = {key: node for key, node in nodes.items() if isinstance(node.value, dict)}
    lines: list[tuple[str, str]] = [(f"# {inputs.target}, merged from {', '.join(files)}", "")]
    for key in known:
        if key in nodes and key not in tables:
            lines += _pair(key, nodes[key])
        elif key in _DEFAULTS:
            value = getattr(inputs.profile, key)
            lines.append((f"{key} = {_toml(list(value) if isinstance(value, tuple) else value)}", "default"))
    for key, node in tables.items():
        lines += [("", ""), (f"[{key}]", "")]
        lines += [line for name, item in node.value.items() for line in _pair(spell((name,)), item)]
    own = set(files)
    live = [asked for asked in (*inputs.requirements, *inputs.constraints) if asked.file not in own]
    if live:
        lines += [("", ""), ("# read live:", "")]
        lines += [(f"#   {asked.text}", asked.place) for asked in live]
    return "\n".join(_aligned(lines)) + "\n"


def _pair(key: str, node: Node) -> list[tuple[str, str]]:
    """One key: on one line where it has one origin, else with each part's own."""
    parts = _children(node)
    apart = len({_place(part) for part in parts}) > 1
    if isinstance(node.value, tuple) and parts and (apart or isinstance(parts[0].value, dict)):
        return [(f"{key} = [", ""), *((f"    {_toml(part.plain())},", _place(part)) for part in parts), ("]", "")]
    if isinstance(node.value, dict) and apart:
        return [line for name, part in node.value.items() for line in _pair(f"{key}.{spell((name,))}", part)]
    return [(f"{key} = {_toml(node.plain())}", _place(parts[0] if parts else node))]


def _children(node: Node) -> list[Node]:
    if isinstance(node.value, dict):
        return list(node.value.values())
    return list(node.value) if isinstance(node.value, tuple) else []


def _place(node: Node) -> str:
    return node.file if node.line is None else f"{node.file}:{node.line}"


def _toml(value: Any) -> str:
    """A value as TOML writes it on one line."""
    if isinstance(value, list):
        return "[" + ", ".join(_toml(item) for item in value) + "]"
    if isinstance(value, dict):
        inner = ", ".join(f"{spell((key,))} = {_toml(item)}" for key, item in value.items())
        return f"{{ {inner} }}" if inner else "{}"
    return json.dumps(value, ensure_ascii=False)


def _aligned(lines: list[tuple[str, str]]) -> list[str]:
    width = min(_WIDEST, max(len(text) for text, origin in lines if origin))
    return [f"{text:<{width}}  # {origin}" if origin else text for text, origin in lines]
