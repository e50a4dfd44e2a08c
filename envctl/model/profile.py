"""The profile of one target, merged from its chain of files, as values. Keys are spelled as in the file (kebab-case).

`envctl.profile` reads, merges and checks; its JSON Schema is generated from these classes, so what is written here in
`Meta` is what an editor shows. Syntax that a pattern cannot say is checked in `envctl.profile.checks`.
"""

from __future__ import annotations

from typing import Annotated, TypeAlias

import msgspec
from msgspec import Meta

from envctl.model.platform import NAMES
from envctl.model.target import Target

Name: TypeAlias = Annotated[str, Meta(extra_json_schema={"pattern": "^[a-z0-9][a-z0-9_-]{0,99}$"})]
PlatformName: TypeAlias = Annotated[
    str, Meta(extra_json_schema={"anyOf": [{"enum": list(NAMES)}, {"enum": ["!" + name for name in NAMES]}]})
]
Cutoff: TypeAlias = Annotated[
    str, Meta(extra_json_schema={"examples": ["2026-11-01T00:00:00Z", "2026-11-01", "7 days", "P7D"]})
]

Moment: TypeAlias = Annotated[str, Meta(extra_json_schema={"examples": ["2026-11-01T00:00:00Z", "2026-11-01"]})]


class Index(msgspec.Struct, frozen=True, kw_only=True, rename="kebab", forbid_unknown_fields=True):
    """A package index (simple API). With `packages` (names and globs), those come from it and from nowhere else.

    `packages` are normalised (PEP 503), `*` and `?` kept. An index without them replaces the default index.
    """

    name: Annotated[
        Name, Meta(description="Its name in messages; unique. A later file's index of that name replaces it.")
    ]
    url: Annotated[
        str,
        Meta(
            description="The simple API's address, without credentials: those come from netrc or the environment.",
            extra_json_schema={"pattern": "^https?://", "examples": ["https://index.example/simple"]},
        ),
    ]
    packages: Annotated[
        tuple[str, ...],
        Meta(
            description="Distributions that come from this index and from nowhere else: names, with * and ?. "
            "Without it the index replaces the default one.",
            extra_json_schema={"examples": [["acme-*"], ["torch", "torchvision"]]},
        ),
    ] = ()
    exclude_newer: Annotated[
        bool | Moment,
        Meta(
            description="false: this index tells no upload times, so the cutoff does not apply to it. "
            "A moment or a date: a cutoff of its own."
        ),
    ] = True


class ResolverTable(msgspec.Struct, frozen=True, kw_only=True, rename="kebab", forbid_unknown_fields=True):
    """How the dependencies are resolved."""

    backend: Annotated[str, Meta(description="The resolver.", extra_json_schema={"enum": ["uv", "pip-tools"]})] = "uv"
    exclude_newer: Annotated[
        Cutoff | None,
        Meta(
            description="The cutoff: nothing uploaded after this moment. An RFC 3339 time, a date (its first moment in "
            "UTC), or a span back from now such as '7 days'; the lockfile records the moment that it meant."
        ),
    ] = None
    sdists: Annotated[tuple[str, ...], Meta(description="The only distributions that may be built from source.")] = ()
    overrides: Annotated[
        tuple[str, ...],
        Meta(description="PEP 508 requirements that replace what packages ask for."),
    ] = ()
    exclude: Annotated[
        tuple[str, ...], Meta(description="Distributions that are never installed, though something asks for them.")
    ] = ()
    index: Annotated[
        tuple[Index, ...], Meta(description="Package indexes; each binds the packages that it names.")
    ] = ()


class CondaTable(msgspec.Struct, frozen=True, kw_only=True, rename="kebab", forbid_unknown_fields=True):
    """Conda packages. This version of envctl cannot lock them and refuses the table."""

    channels: Annotated[tuple[str, ...], Meta(description="Channels, the most important first.")] = ()
    dependencies: Annotated[tuple[str, ...], Meta(description="Conda match specifications.")] = ()
    virtual: Annotated[dict[str, str], Meta(description="Virtual packages such as __glibc, and their versions.")] = {}


class StandalonePython(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A python-build-standalone archive, for a base image that has no Python."""

    url: Annotated[str | dict[str, str], Meta(description="Its address, or one for each platform.")]
    sha256: Annotated[str | dict[str, str], Meta(description="Its sha256 (64 hex digits), or one for each platform.")]


class ImageFile(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A file or folder that the image carries."""

    source: Annotated[str, Meta(description="File or folder, relative to the project folder and inside it.")]
    target: Annotated[str, Meta(description="Its absolute path in the image.", extra_json_schema={"pattern": "^/[^/]"})]
    locked: Annotated[
        bool, Meta(description="true: its digest is in the lockfile and is verified. false: code of the application.")
    ] = False


class ImageTable(msgspec.Struct, frozen=True, kw_only=True, rename="kebab", forbid_unknown_fields=True):
    """The container image. Without it a target has no Dockerfile and is for virtual environments only."""

    base: Annotated[
        str,
        Meta(
            description="The base image, NAME[:TAG][@sha256:DIGEST]. `lock` pins a tag; with a digest, `python` is "
            "X.Y.Z.",
            extra_json_schema={"examples": ["python:3.11.9-slim-bookworm@sha256:8fb099199b9f…"]},
        ),
    ]
    python: Annotated[
        StandalonePython | None, Meta(description="A standalone Python build, where the base image has no Python.")
    ] = None
    packages: Annotated[
        tuple[str, ...],
        Meta(description="OS packages, as NAME or NAME=VERSION.", extra_json_schema={"examples": [["libgomp1"]]}),
    ] = ()
    snapshot: Annotated[
        str | tuple[str, ...] | None,
        Meta(
            description="Where the OS packages are pinned from: the address of a dated archive of Debian's kind, or "
            'several; "base": the archives that the base image names. Without it they are not pinned.',
            extra_json_schema={"examples": ["https://snapshot.example/archive/debian/20260101T000000Z"]},
        ),
    ] = None
    provides: Annotated[tuple[str, ...], Meta(description="Distributions that the base image brings.")] = ()
    env: Annotated[dict[str, str], Meta(description="Environment variables of the image.")] = {}
    files: Annotated[tuple[ImageFile, ...], Meta(description="Files and folders copied from the project folder.")] = ()
    workdir: Annotated[str | None, Meta(description="The working folder, an absolute path.")] = None
    user: Annotated[
        Annotated[int, Meta(ge=0, le=4294967294)] | str | None,
        Meta(description="Who runs the command: a user id, or a name that the base image knows."),
    ] = None
    ports: Annotated[
        tuple[Annotated[int, Meta(ge=1, le=65535)], ...], Meta(description="Ports that the image serves on.")
    ] = ()
    command: Annotated[
        tuple[str, ...], Meta(description="What a container runs, as an argument vector. Replaced as a whole.")
    ] = ()


class PolicyTable(msgspec.Struct, frozen=True, kw_only=True, rename="kebab", forbid_unknown_fields=True):
    """What the verifier tolerates."""

    startup_hooks: Annotated[
        tuple[str, ...] | None,
        Meta(
            description="The only files that may run at every start of Python, by file name. "
            "Without this key the first lock records what there is."
        ),
    ] = None
    writable: Annotated[
        tuple[str, ...],
        Meta(description="Folders under the environment where programs write data; never code or configuration."),
    ] = ()
    allow_seed: Annotated[
        bool, Meta(description="Whether the pip that a virtual environment was seeded with is no warning.")
    ] = False


class ProjectTable(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The team's own package: a folder with a pyproject.toml. Its dependencies are read live."""

    path: Annotated[str, Meta(description="Its folder, relative to the project folder.")]
    extras: Annotated[tuple[str, ...], Meta(description="Its extras that are installed too.")] = ()
    groups: Annotated[tuple[str, ...], Meta(description="Its dependency groups that are installed too (PEP 735).")] = ()
    editable: Annotated[bool, Meta(description="Whether a virtual environment has it editable.")] = True


class Profile(msgspec.Struct, frozen=True, kw_only=True, rename="kebab", forbid_unknown_fields=True):
    """One target's merged profile. `extends`, `variants` and `default-variant` are used up by merging."""

    python: Annotated[
        str,
        Meta(
            description="The Python version, X.Y or X.Y.Z. The lockfile always pins X.Y.Z.",
            extra_json_schema={"pattern": r"^3\.[0-9]+(\.[0-9]+)?$", "examples": ["3.11", "3.11.9"]},
        ),
    ]
    description: Annotated[str, Meta(description="One line for people.")] = ""
    libc: Annotated[
        str,
        Meta(
            description="The oldest C library that wheels may need: 'glibc 2.28', or 'musl 1.2' for Alpine.",
            extra_json_schema={"pattern": r"^(glibc|musl) [0-9]+\.[0-9]+$"},
        ),
    ] = "glibc 2.28"
    platforms: Annotated[
        tuple[PlatformName, ...],
        Meta(description="The platforms that are locked, by their OCI names; the same default on every machine."),
    ] = ("linux/amd64",)
    dependencies: Annotated[
        tuple[str, ...],
        Meta(
            description="PEP 508 requirements. Lists of several files add; '!NAME' takes an inherited entry away.",
            extra_json_schema={"examples": [["numpy>=2", "scikit-learn"]]},
        ),
    ] = ()
    constraints: Annotated[
        tuple[str, ...], Meta(description="PEP 508 requirements that only narrow what something else asks for.")
    ] = ()
    requirements: Annotated[
        tuple[str, ...],
        Meta(
            description="Files read live: requirements files, pyproject.toml, or pyproject.toml#NAME for one extra or "
            "dependency group.",
            extra_json_schema={"examples": [["requirements.in", "pyproject.toml#serve"]]},
        ),
    ] = ()
    project: ProjectTable | None = None
    cuda: Annotated[
        str | None,
        Meta(
            description="The CUDA version that the nvidia-* pins must agree with.",
            extra_json_schema={"pattern": r"^[0-9]+\.[0-9]+$", "examples": ["12.8"]},
        ),
    ] = None
    resolver: ResolverTable = ResolverTable()
    conda: CondaTable | None = None
    image: ImageTable | None = None
    commands: Annotated[
        dict[str, tuple[str, ...]],
        Meta(description="Commands of `envctl run`, by name, as argument vectors. Each is replaced as a whole."),
    ] = {}
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
