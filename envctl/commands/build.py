"""Build a target's image from its lockfile, and verify it: the Python API of `envctl build`."""

from __future__ import annotations

import os
import re
import time
from collections.abc import Callable, Mapping
from pathlib import Path

import msgspec

from envctl.commands.check import check
from envctl.commands.dockerfile import differences, render
from envctl.commands.fetched import contexts
from envctl.commands.image_sources import Place
from envctl.commands.locate import is_path, locate
from envctl.commands.trust import ANY, Trust, insist
from envctl.errors import InvalidFile, UsageError
from envctl.image import secrets
from envctl.image.interface import Builder, BuildRequest
from envctl.index.mirrors import configured
from envctl.index.mirrors import credentials as index_credentials
from envctl.model.finding import LockReference, Report, Verdict
from envctl.model.lockfile import Lockfile
from envctl.model.manifest import sha256
from envctl.model.platform import Platform
from envctl.model.target import PROFILES, Target
from envctl.oci.engine import Engine, EngineImage
from envctl.system import files
from envctl.system.credentials import Credentials
from envctl.system.machine import host

SCHEMA = "envctl.build/1"


class BuildOptions(msgspec.Struct, frozen=True, kw_only=True):
    """What the user wants. `output`, `arguments`: in the builder's own words; `source`: a folder of `fetch`.

    `trust`: what is demanded of the lockfile's signature before anything is built from it.
    """

    tags: tuple[str, ...] = ()
    push: bool = False
    platform: str | None = None
    output: str | None = None
    builder: str = "auto"
    no_cache: bool = False
    offline: bool = False
    source: Path | None = None
    trust: Trust = ANY
    arguments: tuple[str, ...] = ()


class BuiltImage(msgspec.Struct, frozen=True, kw_only=True):
    """The image. `id`: as the engine knows it; `digest`: its manifest's; `size`: bytes, as the engine counts.

    What went elsewhere than into the engine (`--output`) has no id and no size.
    """

    id: str | None
    digest: str | None
    size: int | None
    tags: tuple[str, ...]


class BuildResult(msgspec.Struct, frozen=True, kw_only=True):
    """The result of `envctl build`. `verdict`: None where nothing was verified; `pushed`: names with their digests."""

    schema: str = SCHEMA
    target: str
    platform: str
    image: BuiltImage
    package_set: str
    lock: LockReference
    verdict: Verdict | None
    pushed: tuple[str, ...] = ()
    seconds: float


Verify = Callable[[Place], Report]
"""Verifies what was built, in the engine or in a file, against its target."""


def build(
    project: Path,
    name: str,
    options: BuildOptions,
    *,
    builder: Callable[[], Builder],
    verify: Verify | None = None,
    environ: Mapping[str, str] | None = None,
) -> tuple[BuildResult, Report | None]:
    """Build an image from a fresh lockfile and the Dockerfile that it renders to, verify it, push it.

    Args:
        name: the target as users type it.
        builder: makes what builds, when it is needed.
        verify: None: nothing is verified, and what is pushed is pushed as it is.

    Returns:
        The result; and the verification's report, None where there was none.

    Raises:
        UsageError: the options contradict each other, or no platform is meant.
        InvalidFile: the lockfile is missing, invalid, stale or not signed as demanded, or its Dockerfile was edited.
        ToolFailed: there is no engine, or the build failed.
        IndexFailed: the registry refused what was pushed.
    """
    start = time.monotonic()
    environ = os.environ if environ is None else environ
    _check_options(options)
    reviewed = _reviewed(project, name, options.trust)
    lockfile = reviewed.lockfile
    platform = _platform(lockfile, options.platform)
    request = _request(project, reviewed, platform, options, environ)
    tool = builder()
    built = tool.build(request)
    image = BuiltImage(id=None, digest=built.manifest, size=None, tags=request.tags)
    if options.output is None:
        image = _inspected(environ, request.tags, built.manifest)
    report = None
    place = _place(project, request)
    if verify is not None and place is not None:
        report = verify(place)
    pushed: tuple[str, ...] = ()
    if options.push and (report is None or report.verdict is Verdict.OK):
        pushed = tuple(_pushed(tag, tool.push(tag)) for tag in request.tags)
    result = BuildResult(
        target=lockfile.target,
        platform=str(platform),
        image=image,
        package_set=lockfile.envctl.package_set[str(platform)],
        lock=LockReference(file=str(reviewed.target.lockfile), digest=reviewed.digest),
        verdict=None if report is None else report.verdict,
        pushed=pushed,
        seconds=round(time.monotonic() - start, 3),
    )
    return result, report


def _check_options(options: BuildOptions) -> None:
    if options.builder == "oci":
        raise UsageError(
            "this version of envctl has no builder of its own",
            found="--builder oci",
            expected="docker or auto",
            hint="`--builder docker` builds with an engine's BuildKit",
        )
    if options.push and not options.tags:
        raise UsageError("--push needs a name to push to", hint="-t registry.example/team/train:1.4")
    if options.offline and options.source is None:
        raise UsageError(
            "--offline needs a folder to take the wheels from", hint="`envctl fetch TARGET DIR`, then --from DIR"
        )
    if options.push and options.output is not None:
        raise UsageError("--push and --output exclude each other", hint="--push takes the image from the engine")


class Reviewed(msgspec.Struct, frozen=True, kw_only=True):
    """A lockfile that is fresh, as is the Dockerfile beside it; `digest`: `sha256:<hex>` of its bytes."""

    lockfile: Lockfile
    target: Target
    digest: str


def _reviewed(project: Path, name: str, trust: Trust) -> Reviewed:
    """The lockfile, where it and its Dockerfile are what their profile asks for, and somebody trusted signed it."""
    lock = locate(project, name)
    path, lockfile = lock.path, lock.lockfile
    target = Target(lockfile.envctl.profile, lockfile.envctl.variant)
    if is_path(name) and path.resolve() != (project / target.lockfile).resolve():
        raise UsageError("an image is built from the project's own lockfile", file=name, expected=str(target.lockfile))
    insist(project, lock, trust)
    if (project / PROFILES / f"{target.profile}.toml").exists():
        (found,) = check(project, [str(target)], signatures=False).targets
        if not found.fresh:
            raise InvalidFile(
                "the lockfile is stale, so the image would be another one than the profile asks for",
                file=target.lockfile,
                details=[f"{reason.place}  {reason.message}" for reason in found.reasons[:5]],
                hint=f"`envctl lock {target}`, and review what changes",
            )
    rendered = render(project, str(target))
    if not (project / PROFILES / f"{target.profile}.toml").exists():
        for place in differences(project, rendered):
            raise InvalidFile(
                "is not what the lockfile renders to",
                file=place,
                hint=f"`envctl dockerfile {target} --check` shows how",
            )
    if files.read_bytes(path) != lock.data:
        raise InvalidFile("was changed while it was read", file=target.lockfile, hint="build again")
    return Reviewed(lockfile=lockfile, target=target, digest=sha256(lock.data))


def _platform(lockfile: Lockfile, asked: str | None) -> Platform:
    """The platform to build for: the one asked for, else this machine's kind, else the first."""
    platforms = [platform for platform in lockfile.platforms() if platform.os == "linux"]
    if asked is None:
        here = host()
        same = [platform for platform in platforms if platform.machine == here.machine]
        if not platforms:
            raise InvalidFile(f"{lockfile.target} has no Linux platform, so it has no image")
        return (same or platforms)[0]
    try:
        platform = Platform.parse(asked)
    except ValueError as error:
        raise UsageError("--platform names no platform", found=asked, expected=str(error)) from error
    if platform not in platforms:
        raise UsageError(
            f"{lockfile.target} is not locked for {platform}",
            expected=f"one of {', '.join(map(str, platforms))}",
            hint=f'add "{platform}" to platforms in profiles/{lockfile.envctl.profile}.toml, then `envctl lock`',
        )
    return platform


def _tag(target: Target) -> str:
    """The name of an image that got none: the target's, as far as image names admit."""
    return re.sub(r"[_-]+", "-", target.slug).strip("-")


def _request(
    project: Path, reviewed: Reviewed, platform: Platform, options: BuildOptions, environ: Mapping[str, str]
) -> BuildRequest:
    lockfile, target = reviewed.lockfile, reviewed.target
    request = BuildRequest(
        context=project.absolute(),
        dockerfile=str(target.dockerfile),
        platform=str(platform),
        tags=options.tags or ((_tag(target),) if options.output is None else ()),
        epoch=lockfile.envctl.source_date_epoch,
        no_cache=options.no_cache,
        output=options.output,
        arguments=options.arguments,
    )
    if options.source is not None:
        found = contexts(options.source, lockfile, reviewed.digest, platform)
        return msgspec.structs.replace(request, contexts=found, network="none")
    mirror = configured(environ)
    if any(index.default for index in lockfile.envctl.indexes):
        mirror = None  # the profile's own stands for the default one, and so does a mirror
    indexes = {index.name: index.url for index in lockfile.envctl.indexes}
    urls = [*indexes.values(), *(wheel.url for _, wheel in lockfile.select(platform) if wheel.url)]
    names = secrets.proxies(environ)
    known = Credentials(index_credentials(indexes, environ), environ)
    asked = [*urls, *([mirror] if mirror else []), *(environ[name] for name in names if "NO_" not in name.upper())]
    return msgspec.structs.replace(
        request,
        secrets=secrets.secrets(urls, mirror=mirror, credentials=known, environ=environ),
        proxies=names,
        network="host" if secrets.on_loopback(asked) else None,
    )


def _place(project: Path, request: BuildRequest) -> Place | None:
    """Where the image is now, as far as it can be read there: in the engine, or in a file."""
    if request.output is None:
        return Place(image=request.tags[0])
    said = dict(part.partition("=")[::2] for part in request.output.split(","))
    if said.get("type") in ("oci", "docker") and said.get("dest", "-") != "-":
        return Place(archive=str(project / said["dest"]))
    return None


def _inspected(environ: Mapping[str, str], tags: tuple[str, ...], manifest: str | None) -> BuiltImage:
    with Engine(environ) as engine:
        found: EngineImage | None = engine.image(tags[0])
    if found is None:
        raise UsageError(
            "the image did not reach the engine",
            found=tags[0],
            hint="leave out what sends it elsewhere, or say so with --output",
        )
    return BuiltImage(id=found.id, digest=manifest, size=found.size, tags=tags)


def _pushed(tag: str, digest: str | None) -> str:
    return tag if digest is None else f"{tag}@{digest}"
