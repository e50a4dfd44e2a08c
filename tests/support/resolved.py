"""Resolved distributions, inputs and lockfiles, made of few words."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from datetime import datetime, timezone

from envctl.lockfile.assemble import assemble
from envctl.lockfile.settle import settle
from envctl.model.lockfile import Installer, Lockfile, Wheel
from envctl.model.manifest import Manifest
from envctl.model.platform import Platform
from envctl.model.profile import Inputs, Profile, Requirement
from envctl.model.resolution import Resolved
from envctl.model.target import Target

AMD64, ARM64 = Platform.parse("linux/amd64"), Platform.parse("linux/arm64")
UPLOADED = datetime(2026, 1, 2, 3, 4, 5, tzinfo=timezone.utc)
DIGEST = "sha256:" + "a" * 64


def hexdigest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


def resolved(
    name: str,
    version: str = "1.0",
    *,
    tag: str = "py3-none-any",
    requires: Sequence[str] = (),
    files: Mapping[str, str] | None = None,
    hooks: Mapping[str, str] | None = None,
    index: str | None = None,
    upload_time: datetime | None = UPLOADED,
) -> Resolved:
    filename = f"{name.replace('-', '_')}-{version}-{tag}.whl"
    contents = {f"site/{name}/__init__.py": name + version} if files is None else files
    manifest = Manifest.of({path: hexdigest(text) for path, text in contents.items()})
    return Resolved(
        name=name,
        version=version,
        wheel=Wheel(
            name=filename,
            url=f"https://index.example/files/{filename}",
            upload_time=upload_time,
            size=1000,
            hashes={"sha256": hexdigest(filename)},
        ),
        manifest=manifest,
        content=manifest.digest(),
        index=index,
        requires=tuple(requires),
        hooks={path: hexdigest(text) for path, text in (hooks or {}).items()},
    )


def inputs(profile: Profile, *, target: str = "train", lines: Mapping[str, int] | None = None) -> Inputs:
    def asked(texts: Sequence[str], key: str) -> tuple[Requirement, ...]:
        file = f"profiles/{Target.parse(target).profile}.toml"
        return tuple(Requirement(text=t, file=file, line=3 + i, key=f"{key}[{i}]") for i, t in enumerate(texts))

    return Inputs(
        target=Target.parse(target),
        profile=profile,
        requirements=asked(profile.dependencies, "dependencies"),
        constraints=asked(profile.constraints, "constraints"),
        project=None,
        digest=DIGEST,
        line_of={key: (f"profiles/{Target.parse(target).profile}.toml", line) for key, line in (lines or {}).items()},
    )


def locked(
    asked: Inputs, sets: Mapping[Platform, Sequence[Resolved]], *, installer: Installer | None = None
) -> Lockfile:
    return assemble(asked.target, settle(asked, {}), sets, resolver="uv", cutoff=(None, "pins"), installer=installer)
