"""Verify an image, a container or an archive against its lockfile: the Python API of `envctl verify --image`."""

from __future__ import annotations

import contextlib
import os
import time
from collections.abc import Callable, Mapping
from pathlib import Path

from envctl.commands.builds import locked_build
from envctl.commands.image_sources import Opened, Place, Sources
from envctl.commands.manifests import ManifestSources
from envctl.commands.pictures import ask_inside, disagreements, taken, told
from envctl.commands.trust import ANY, Judged, Trust, judge, refused, with_signature
from envctl.commands.verify import find, lock_reference, own_word, report_of
from envctl.errors import InvalidFile
from envctl.inventory.probed import NoAnswer
from envctl.model.finding import LockReference, Report, Subject, Verification
from envctl.model.image import Picture
from envctl.model.lockfile import Lockfile
from envctl.model.platform import Platform


def verify_image(
    project: Path,
    target: str | None,
    place: Place,
    *,
    fetched: Path | None = None,
    strict: bool = False,
    offline: bool = False,
    reader: str = "outside",
    accept_self: bool = False,
    trust: Trust = ANY,
    environ: Mapping[str, str] | None = None,
    step: Callable[[str], None] = lambda _: None,
) -> Report:
    """Read an image from outside, hash what is installed in it, and compare. Nothing of it is run.

    Args:
        target: as users type it, or the path of a lockfile; None: the only one that is locked.
        fetched: a folder that `envctl fetch` filled.
        strict: warnings count as errors.
        offline: ask no registry and no index.
        reader: `outside`; `inside`, an isolated interpreter of the image itself, whose word alone vouches for nothing;
            or `both`, compared with each other.
        accept_self: accept the word of the reader inside.
        trust: what is demanded of the lockfile's signature; with one that is not right nothing is compared.
        environ: where the engine, logins and certificates are found; None: this process's.
        step: told what is being done.

    Raises:
        UsageError: there is no such container, or the reference is none.
        InvalidFile: the lockfile is missing or invalid, or the image is damaged.
        ToolFailed: the engine failed, or is needed and there is none.
        IndexFailed: the registry could not be asked, or answered what cannot be right.
    """
    start = time.monotonic()
    held = find(project, target)
    lockfile, lock = held.lockfile, lock_reference(project, held)
    judged = judge(project, held, trust, environ, offline=offline)
    with Sources(project, os.environ if environ is None else environ, offline=offline, fetched=fetched) as sources:
        step(f"finding {place.name}")
        opened = sources.open(place, tuple(lockfile.envctl.platforms))
        if judged is not None and judged.signature is None:
            found = refused(lockfile, opened.platform, judged, strict=strict)
            return _report(lockfile, place, opened, found, lock=lock, start=start)
        platform = _locked(lockfile, opened.platform)
        if platform is None:
            found = with_signature(_foreign(lockfile, opened, lock.digest, strict=strict), judged, strict=strict)
            return _report(lockfile, place, opened, found, lock=lock, start=start, judged=judged)
        base = sources.base(lockfile, str(platform))
        step(f"reading {place.name}")
        compiler = sources.compiler(lockfile, str(platform))
        build = locked_build(lockfile, platform, fetched=fetched, offline=offline)
        reading = (
            told(opened, place, base)
            if reader == "inside"
            else taken(
                opened,
                place,
                base,
                base_layers=lambda: sources.base_layers(lockfile, str(platform)),
                compiler=compiler,
                build=build,
            )
        )
        with reading as picture:
            step("comparing")
            found = _compared(
                lockfile, platform, picture, build, lock=lock, fetched=fetched, strict=strict, offline=offline
            )
            if reader == "both" and picture.inventory is not None:
                step("asking inside")
                found = _both(found, opened, place, picture, strict=strict)
        found = with_signature(found, judged, strict=strict)
        if reader == "inside":
            found = own_word(found, accepted=accept_self)
    return _report(lockfile, place, opened, found, lock=lock, start=start, digest=picture.digest, judged=judged)


def _locked(lockfile: Lockfile, said: str) -> Platform | None:
    """The locked platform of that name; a variant counts only where the lockfile says one."""
    for name in (said, "/".join(said.split("/")[:2])):
        if name in lockfile.envctl.platforms:
            with contextlib.suppress(ValueError):
                return Platform.parse(name)
    return None


def _foreign(lockfile: Lockfile, opened: Opened, digest: str, *, strict: bool) -> Verification:
    from envctl.model.image import Settings
    from envctl.verify.compare import absent

    picture = Picture(
        platform=opened.platform,
        digest=None,
        settings=Settings(),
        diff_ids=(),
        base=None,
        root=None,
        environment=None,
        inventory=None,
    )
    return absent(lockfile, None, picture, lock_digest=digest, strict=strict)


def _compared(
    lockfile: Lockfile,
    platform: Platform,
    picture: Picture,
    build: Mapping[str, str] | None,
    *,
    lock: LockReference,
    fetched: Path | None,
    strict: bool,
    offline: bool,
) -> Verification:
    from envctl.verify.compare import absent, compare

    inventory = picture.inventory
    if inventory is None:
        return absent(lockfile, platform, picture, lock_digest=lock.digest, strict=strict)
    with ManifestSources(lockfile, inventory, fetched=fetched, offline=offline) as manifests:
        try:
            return compare(
                lockfile,
                platform,
                inventory,
                manifests=manifests.manifest,
                seeds=manifests.seed,
                picture=picture,
                build=build,
                debs=manifests.debs(platform),
                lock_digest=lock.digest,
                strict=strict,
            )
        except ValueError as error:
            raise InvalidFile("the lockfile contradicts itself", file=lock.file, found=str(error)) from error


def _both(found: Verification, opened: Opened, place: Place, picture: Picture, *, strict: bool) -> Verification:
    """The verification with what the interpreter inside sees otherwise."""
    from envctl.verify.compare import with_findings

    inventory, environment = picture.inventory, picture.environment
    if inventory is None or environment is None or environment.executable is None:
        return found
    try:
        seen = ask_inside(opened, place, environment)
    except NoAnswer:
        seen = None
    other = [("bin/python", "an interpreter", None)] if seen is None else list(disagreements(inventory, seen))
    return with_findings(found, "readers-disagree", other, strict=strict)


def _report(
    lockfile: Lockfile,
    place: Place,
    opened: Opened,
    found: Verification,
    *,
    lock: LockReference,
    start: float,
    digest: str | None = None,
    judged: Judged | None = None,
) -> Report:
    if digest is None and opened.source is not None:
        digest = opened.source.digest or opened.source.config_digest
    subject = Subject(kind=place.kind, name=place.name, digest=digest)
    signature = None if judged is None else judged.signature
    return report_of(found, lockfile, opened.platform, subject, lock=lock, start=start, signature=signature)
