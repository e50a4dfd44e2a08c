"""The door of this room: names to targets, targets to checked inputs."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import msgspec

from envctl.errors import InvalidFile, UsageError
from envctl.model.profile import Inputs, OwnProject, Profile, Requirement
from envctl.model.target import PROFILES, Target
from envctl.profile.chain import Chain, Profiles
from envctl.profile.live import Reader, written
from envctl.profile.merge import Node
from envctl.profile.positions import spell
from envctl.profile.pyproject import PyProject
from envctl.profile.show import did_you_mean
from envctl.profile.whole import at
from envctl.profile.whole import profile as checked


def load(project: Path, target: Target) -> Inputs:
    """Everything that decides a target's lockfile and that lies in the project folder.

    Raises:
        UsageError: the project has no such target.
        InvalidFile: a file of the chain, or one that it reads live, is not what it must be.
    """
    return assemble(project, target)[0]


def assemble(project: Path, target: Target, unwritten: Mapping[str, str] | None = None) -> tuple[Inputs, Chain, Node]:
    """The same, with the chain of files and the merged tree, for those who show where values come from.

    `unwritten` holds texts of profiles by name, which are checked before they are written.
    """
    chain = Profiles(project, unwritten).existing(target.profile)
    _has_variant(chain, target)
    root = chain.merged(target.variant)
    profile = checked(target, root)
    reader = Reader(project)
    for index, entry in enumerate(_entries(root, "image", "files")):
        source = entry.value["source"]
        key = f"image.files[{index}].source"
        reader.inside(source.value, file=source.file, line=source.line, key=key, what=f"the file of {key}")
    requirements = list(written(at(root, "dependencies"), "dependencies"))
    constraints = list(written(at(root, "constraints"), "constraints"))
    for index, entry in enumerate(_entries(root, "requirements")):
        reader.read(entry, f"requirements[{index}]")
    requirements += reader.requirements
    own = None
    if profile.project is not None:
        own, more = _own_project(reader, root, profile)
        requirements += more
    inputs = Inputs(
        target=target,
        profile=profile,
        requirements=tuple(requirements),
        constraints=tuple(constraints + reader.constraints),
        project=own,
        digest=digest(profile, requirements, constraints + reader.constraints, own),
        line_of={spell(path): (node.file, node.line) for path, node in root.walk() if path and node.line is not None},
    )
    return inputs, chain, root


def targets(project: Path) -> tuple[Target, ...]:
    """All targets of a project, sorted. A profile that says `python` nowhere is only there to be extended.

    Raises:
        UsageError: there is no profile, or none that says `python`.
        InvalidFile: a profile is invalid, or two targets share their files' names.
    """
    profiles = Profiles(project)
    found: list[Target] = []
    files: dict[str, tuple[Target, str]] = {}
    names = profiles.names()
    for name in names:
        chain = profiles.existing(name)
        if not chain.concrete:
            continue
        for target in [Target(name, variant) for variant in chain.variants] or [Target(name)]:
            file = chain.files[-1].file
            other, where = files.setdefault(target.slug, (target, file))
            if other != target:
                raise InvalidFile(
                    f"{target} and {other} would write the same files",
                    file=file,
                    details=[
                        f"{where} makes {other}",
                        f"{file} makes {target}",
                        f"both are locked in {target.lockfile}",
                    ],
                    hint="rename one of the two",
                )
            found.append(target)
    if not found:
        raise UsageError(
            f"no profile in {PROFILES} says which Python it is for",
            found=", ".join(names),
            expected='python = "3.11" in one of them',
        )
    return tuple(sorted(found, key=lambda target: (target.profile, target.variant or "")))


def resolve_name(project: Path, text: str) -> Target:
    """The target that a user means: a profile alone is its default variant, its only one, or the profile itself.

    Raises:
        UsageError: there is no such profile or variant, or the profile has several variants and no default.
        InvalidFile: a file of the profile's chain is invalid.
    """
    target = Target.parse(text)
    chain = Profiles(project).existing(target.profile)
    if target.variant is None and chain.variants:
        if chain.default is not None:
            return Target(target.profile, chain.default.value)
        if len(chain.variants) == 1:
            return Target(target.profile, next(iter(chain.variants)))
    _has_variant(chain, target)
    return target


def _has_variant(chain: Chain, target: Target) -> None:
    if target.variant in chain.variants or (target.variant is None and not chain.variants):
        return
    known = [str(Target(target.profile, variant)) for variant in chain.variants]
    if target.variant is None:
        raise UsageError(
            f"{target} has several variants" if len(known) > 1 else f"{target} has a variant",
            expected=f"one of {', '.join(known)}",
            hint='name one of them, or say default-variant = "…" in the profile',
        )
    raise UsageError(
        f"{target.profile} has no variant {target.variant}",
        expected=f"one of {', '.join(known)}" if known else f"{target.profile}, which has no variants",
        hint=did_you_mean(str(target), known),
    )


def _entries(root: Node, *path: str) -> tuple[Node, ...]:
    node = at(root, *path)
    return () if node is None else node.value


def _own_project(reader: Reader, root: Node, profile: Profile) -> tuple[OwnProject, list[Requirement]]:
    table = profile.project
    place = at(root, "project", "path")
    if table is None or place is None:
        raise AssertionError("a project has a path")
    file = f"{table.path.rstrip('/')}/pyproject.toml".removeprefix("./")
    path = reader.inside(
        file, file=place.file, line=place.line, key="project.path", what="the project's pyproject.toml"
    )
    pyproject = PyProject.read(path, file)
    if not pyproject.name:
        raise InvalidFile("has no project.name", file=file, hint="a project is a package: give it a name and a version")
    if not pyproject.allows(profile.python):
        raise pyproject.source.error(
            "the project does not run on the profile's Python",
            ("project", "requires-python"),
            found=pyproject.requires_python,
            expected=f"one that allows {profile.python}, the profile's python",
        )
    requirements = pyproject.dependencies()
    for extra in table.extras:
        requirements += pyproject.of_extra(extra)
    for group in table.groups:
        requirements += pyproject.of_group(group)
    folder = file.removesuffix("pyproject.toml").rstrip("/") or "."
    return OwnProject(name=pyproject.name, path=folder, editable=table.editable), requirements


def digest(
    profile: Profile,
    requirements: list[Requirement],
    constraints: list[Requirement],
    own: OwnProject | None,
) -> str:
    """`sha256:<hex>` of what decides a lockfile. Values that are defaults count as absent, and places do not count."""
    table = _said(profile)
    table.pop("description", None)
    for name in ("dependencies", "constraints", "requirements"):  # kept as written, but their order means nothing
        if name in table:
            table[name] = sorted(set(table[name]))
    content = {
        "profile": table,
        "requirements": sorted({requirement.text for requirement in requirements}),
        "constraints": sorted({constraint.text for constraint in constraints}),
        "project": None if own is None else msgspec.to_builtins(own),
    }
    text = json.dumps(content, sort_keys=True, separators=(",", ":"))
    return "sha256:" + hashlib.sha256(text.encode()).hexdigest()


def _said(value: Any) -> Any:
    """A struct as plain values, without those that equal their defaults."""
    if isinstance(value, msgspec.Struct):
        found = {}
        for field in msgspec.structs.fields(value):
            item = getattr(value, field.name)
            default = field.default_factory() if field.default_factory is not msgspec.NODEFAULT else field.default
            if item != default:
                found[field.encode_name] = _said(item)
        return found
    if isinstance(value, tuple):
        return [_said(item) for item in value]
    if isinstance(value, dict):
        return {key: _said(item) for key, item in value.items()}
    return value
