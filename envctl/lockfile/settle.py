"""The part of a lockfile that follows from the profile alone, without resolving: pure, for writing and for checking."""

from __future__ import annotations

import re
from collections.abc import Mapping

import msgspec

from envctl.errors import InvalidFile
from envctl.model.lockfile import (
    Image,
    LockedFile,
    LockedIndex,
    PlatformPin,
    Policy,
    Project,
    Python,
    Standalone,
)
from envctl.model.platform import Platform
from envctl.model.profile import ImageTable, Inputs, StandalonePython

_DIGEST = re.compile(r"@(sha256:[0-9a-f]{64})$")
_STANDALONE = re.compile(r"cpython-(\d+\.\d+\.\d+)[+%]")
_PATCH = re.compile(r"\d+\.\d+\.\d+")


class Settled(msgspec.Struct, frozen=True, kw_only=True):
    """Values of `[tool.envctl]` that need no resolver. `python` is X.Y where nothing says the patch release."""

    inputs: str
    python: Python
    requirements: tuple[str, ...]
    constraints: tuple[str, ...]
    overrides: tuple[str, ...]
    exclude: tuple[str, ...]
    cuda: str | None
    indexes: tuple[LockedIndex, ...]
    image: Image | None
    platforms: dict[str, PlatformPin]
    commands: dict[str, tuple[str, ...]]
    policy: Policy
    project: Project | None
    files: tuple[LockedFile, ...]

    def complete(self) -> bool:
        """Whether the patch release of Python is known."""
        return bool(_PATCH.fullmatch(self.python.version))

    @property
    def tagged(self) -> str | None:
        """The base image where it is given by a tag, so that a registry has to say its digests; else None."""
        return self.image.base if self.image is not None and "@" not in self.image.base else None

    @property
    def based(self) -> tuple[str, ...]:
        """The platforms that have an image."""
        return tuple(name for name in self.platforms if self.image is not None and name.startswith("linux/"))


def settle(inputs: Inputs, digests: Mapping[str, str]) -> Settled:
    """Settle a target. `digests` gives each locked file's `sha256:<hex>` by its source.

    A base given by a tag is left open (`tagged`), and with it the patch release of a Python that it brings.

    Raises:
        InvalidFile: the Python's patch release is not said where it must be.
    """
    profile, image = inputs.profile, inputs.profile.image
    digest = _base_digest(image) if image else None
    platforms = sorted(Platform.parse(name) for name in profile.platforms)
    return Settled(
        inputs=inputs.digest,
        python=_python(inputs, image),
        requirements=_unique(requirement.text for requirement in inputs.requirements),
        constraints=_unique(constraint.text for constraint in inputs.constraints),
        overrides=profile.resolver.overrides,
        exclude=profile.resolver.exclude,
        cuda=profile.cuda,
        indexes=tuple(
            LockedIndex(name=index.name, url=index.url, default=not index.packages) for index in profile.resolver.index
        ),
        image=_image(image, digests) if image else None,
        platforms={str(p): PlatformPin(libc=profile.libc, base_digest=digest) for p in platforms},
        commands=dict(sorted(profile.commands.items())),
        policy=Policy(
            startup_hooks=profile.policy.startup_hooks,
            writable=profile.policy.writable,
            allow_seed=profile.policy.allow_seed,
        ),
        project=_project(inputs),
        files=tuple(
            LockedFile(source=f.source, target=f.target, digest=digests[f.source])
            for f in (image.files if image else ())
            if f.locked
        ),
    )


def _unique(texts: object) -> tuple[str, ...]:
    return tuple(sorted(set(texts)))  # type: ignore[call-overload]


def _project(inputs: Inputs) -> Project | None:
    own = inputs.project
    return None if own is None else Project(name=own.name, path=own.path, editable=own.editable)


def _image(image: ImageTable, digests: Mapping[str, str]) -> Image:
    return Image(
        base=image.base,
        packages=tuple(sorted(image.packages)),
        snapshot=_snapshot(image),
        provides=image.provides,
        env=dict(sorted(image.env.items())),
        files=tuple(
            LockedFile(source=f.source, target=f.target, digest=digests[f.source] if f.locked else None)
            for f in image.files
        ),
        workdir=image.workdir,
        user=image.user,
        ports=image.ports,
        command=image.command,
    )


def _snapshot(image: ImageTable) -> str | tuple[str, ...] | None:
    """One address, or several; without a slash at the end."""
    if not image.snapshot:
        return None
    if isinstance(image.snapshot, str):
        return image.snapshot.rstrip("/")
    addresses = tuple(address.rstrip("/") for address in image.snapshot)
    return addresses[0] if len(addresses) == 1 else addresses


def _base_digest(image: ImageTable) -> str | None:
    match = _DIGEST.search(image.base)
    return match[1] if match is not None else None


def _python(inputs: Inputs, image: ImageTable | None) -> Python:
    version = inputs.profile.python
    source, builds = None, {}
    if image is not None:
        source = "image"
        if image.python is not None:
            source = "standalone"
            builds = _builds(inputs, image.python)
            version = _standalone_version(inputs, version, builds)
        elif any(re.match(r"python3(?:\.\d+)?(?:=|$)", package) for package in image.packages):
            source = "os"
        if not _PATCH.fullmatch(version) and (source != "image" or "@" in image.base):
            file, line = inputs.line_of.get("python", (None, None))
            raise InvalidFile(
                "the patch release of Python is not said",
                file=file,
                line=line,
                key="python",
                found=version,
                expected=f"{version}.Z, the one that {image.base.partition('@')[0]} brings",
                hint=f"`docker run --rm {image.base.partition('@')[0]} python3 --version` prints it",
            )
    return Python(version=version, source=source, builds=builds)


def _builds(inputs: Inputs, python: StandalonePython) -> dict[str, Standalone]:
    builds = {}
    for name in sorted(inputs.profile.platforms):
        url = python.url if isinstance(python.url, str) else python.url.get(name)
        digest = python.sha256 if isinstance(python.sha256, str) else python.sha256.get(name)
        if url is None or digest is None or (len(inputs.profile.platforms) > 1 and isinstance(python.url, str)):
            file, line = inputs.line_of.get("image.python", (None, None))
            raise InvalidFile(
                f"no standalone Python is given for {name}",
                file=file,
                line=line,
                key="image.python",
                expected=f'url = {{ "{name}" = "…" }}, sha256 = {{ "{name}" = "…" }}: one for each platform',
            )
        builds[name] = Standalone(url=url, sha256=digest)
    return builds


def _standalone_version(inputs: Inputs, version: str, builds: Mapping[str, Standalone]) -> str:
    found = {match[1] for build in builds.values() if (match := _STANDALONE.search(build.url))}
    if len(found) == 1:
        (told,) = found
        if told == version or (not _PATCH.fullmatch(version) and told.startswith(version + ".")):
            return told
    if found:
        file, line = inputs.line_of.get("image.python", (None, None))
        raise InvalidFile(
            "the standalone Python is another release than the profile's",
            file=file,
            line=line,
            key="image.python.url",
            found=", ".join(sorted(found)),
            expected=version,
        )
    return version
