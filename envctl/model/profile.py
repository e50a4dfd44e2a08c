"""The profile of one target, merged from its chain of files, as values. Keys are spelled as in the file (kebab-case).

`envctl.profile` reads, merges and checks; its JSON Schema is generated from these classes.
"""

from __future__ import annotations

from typing import Annotated

import msgspec

from envctl.model.target import Target


class Index(msgspec.Struct, frozen=True, kw_only=True, rename="kebab", forbid_unknown_fields=True):
    """A package index (simple API). With `packages` (names and globs), those come from it and from nowhere else."""

    name: str
    url: str
    packages: tuple[str, ...] = ()
    exclude_newer: bool | str = True
    """False: this index has no upload times, so the cutoff does not apply to it. A string: a cutoff of its own."""


class ResolverTable(msgspec.Struct, frozen=True, kw_only=True, rename="kebab", forbid_unknown_fields=True):
    """`[resolver]`."""

    backend: str = "uv"
    exclude_newer: str | None = None
    sdists: tuple[str, ...] = ()
    overrides: tuple[str, ...] = ()
    exclude: tuple[str, ...] = ()
    index: tuple[Index, ...] = ()


class CondaTable(msgspec.Struct, frozen=True, kw_only=True, rename="kebab", forbid_unknown_fields=True):
    """`[conda]`."""

    channels: tuple[str, ...] = ()
    dependencies: tuple[str, ...] = ()
    virtual: dict[str, str] = {}


class StandalonePython(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """`image.python`: a python-build-standalone archive; `url` and `sha256`, or a table of them by platform."""

    url: str | dict[str, str]
    sha256: str | dict[str, str]


class ImageFile(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One entry of `image.files`."""

    source: str
    target: str
    locked: bool = False


class ImageTable(msgspec.Struct, frozen=True, kw_only=True, rename="kebab", forbid_unknown_fields=True):
    """`[image]`."""

    base: str
    python: StandalonePython | None = None
    packages: tuple[str, ...] = ()
    provides: tuple[str, ...] = ()
    env: dict[str, str] = {}
    files: tuple[ImageFile, ...] = ()
    workdir: str | None = None
    user: Annotated[int, msgspec.Meta(ge=0, le=4294967294)] | str | None = None
    ports: tuple[Annotated[int, msgspec.Meta(ge=1, le=65535)], ...] = ()
    command: tuple[str, ...] = ()


class PolicyTable(msgspec.Struct, frozen=True, kw_only=True, rename="kebab", forbid_unknown_fields=True):
    """`[policy]`. Without `startup-hooks`, the hooks of the first lock are recorded and later ones fail."""

    startup_hooks: tuple[str, ...] | None = None
    writable: tuple[str, ...] = ()
    allow_seed: bool = False


class ProjectTable(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """`project`: the team's own package, by its folder relative to the project folder."""

    path: str
    extras: tuple[str, ...] = ()
    groups: tuple[str, ...] = ()
    editable: bool = True


class Profile(msgspec.Struct, frozen=True, kw_only=True, rename="kebab", forbid_unknown_fields=True):
    """One target's merged profile. `extends`, `variants` and `default-variant` are used up by merging."""

    python: str
    description: str = ""
    libc: str = "glibc 2.28"
    platforms: tuple[str, ...] = ("linux/amd64",)
    dependencies: tuple[str, ...] = ()
    constraints: tuple[str, ...] = ()
    requirements: tuple[str, ...] = ()
    project: ProjectTable | None = None
    cuda: str | None = None
    resolver: ResolverTable = ResolverTable()
    conda: CondaTable | None = None
    image: ImageTable | None = None
    commands: dict[str, tuple[str, ...]] = {}
    policy: PolicyTable = PolicyTable()


class Requirement(msgspec.Struct, frozen=True, kw_only=True):
    """A PEP 508 requirement and where it was written: file as shown to users, line from 1, key path."""

    text: str
    file: str
    line: int | None = None
    key: str | None = None

    @property
    def place(self) -> str:
        """`profiles/base.toml:9`."""
        return self.file if self.line is None else f"{self.file}:{self.line}"


class OwnProject(msgspec.Struct, frozen=True, kw_only=True):
    """The team's own package as its pyproject.toml says it: normalised name, folder, whether editable."""

    name: str
    path: str
    editable: bool


class Inputs(msgspec.Struct, frozen=True, kw_only=True):
    """All that decides a target's lockfile and that lies in the project folder.

    Attributes:
        requirements: every direct requirement: `dependencies`, what `requirements` name, and the project's own.
        constraints: `constraints`, and what requirements files constrain with `-c`.
        digest: `sha256:<hex>` of the canonical JSON of the merged profile, the requirements and the project's table.
        line_of: key path -> (file, line) of the merged profile, for messages and `envctl profile`.
    """

    target: Target
    profile: Profile
    requirements: tuple[Requirement, ...]
    constraints: tuple[Requirement, ...]
    project: OwnProject | None
    digest: str
    line_of: dict[str, tuple[str, int]]
