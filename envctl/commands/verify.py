"""Verify an environment against its lockfile: the Python API of `envctl verify`."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

import envctl
from envctl.commands.trust import ANY, Trust, judge, refused, with_signature
from envctl.errors import InvalidFile, UsageError
from envctl.inventory.venv import Reading, Venv
from envctl.model.finding import LockReference, Report, Severity, Signature, Subject, Verdict, Verification
from envctl.model.inventory import Inventory
from envctl.model.lockfile import Lockfile
from envctl.model.manifest import sha256
from envctl.model.platform import Platform
from envctl.model.target import LOCKED
from envctl.system.machine import host

if TYPE_CHECKING:
    from envctl.commands.locate import Located
    from envctl.verify.listing import Listing

_VENV = Path(".venv")
# Where the generated Dockerfile puts the lockfile and the environment.
_IMAGE_LOCK, _IMAGE_VENV = Path("/opt/envctl/pylock.toml"), Path("/opt/venv")
_EXIT = {Verdict.OK: 0, Verdict.CHANGED: 1, Verdict.UNTRUSTED: 1, Verdict.UNVERIFIABLE: 7}


def verify(
    project: Path,
    target: str | None = None,
    *,
    venv: Path | None = None,
    fetched: Path | None = None,
    strict: bool = False,
    accept_self: bool = False,
    offline: bool = False,
    trust: Trust = ANY,
    environ: Mapping[str, str] | None = None,
    step: Callable[[str], None] = lambda _: None,
) -> Report:
    """Compare a virtual environment with a target's lockfile. Nothing of the environment is run.

    Args:
        target: as users type it, or the path of a lockfile; None: the only one that is locked.
        venv: relative to the project folder; None: the active one, else `.venv`, else, inside of an image, the image's
            own, else the one that envctl runs in.
        fetched: a folder that `envctl fetch` filled; its wheels say which file it is that differs.
        strict: warnings count as errors.
        accept_self: the word of a verifier that runs inside of what it verifies is enough.
        offline: never ask an index which file it is that differs.
        trust: what is demanded of the lockfile's signature; with one that is not right nothing is compared.
        environ: the variables whose effect on imports is looked at; None: this process's.
        step: told what is being done.

    Raises:
        UsageError: there is no such environment, it is not locked for this platform, or several targets could be
            meant.
        InvalidFile: the lockfile is missing or invalid, or the list of those who are trusted.
        ToolFailed: what checks signatures is missing.
    """
    start = time.monotonic()
    environ = os.environ if environ is None else environ
    step("reading the environment")
    try:
        root, name = _locate(project, venv, environ)
        reading = Reading(Venv(root, environ, name))
    except UsageError:
        find(project, target)  # where the lockfile is missing too, that is said first
        raise
    with reading:
        # Other processes hash: what takes this one's time comes now.
        lock = find(project, target)
        lockfile = lock.lockfile
        reference, subject = lock_reference(project, lock), Subject(kind="venv", name=name)
        judged = judge(project, lock, trust, environ, offline=offline)
        if judged is not None and judged.signature is None:
            here = str(host())
            found = refused(lockfile, here, judged, strict=strict)
            return report_of(found, lockfile, here, subject, lock=reference, start=start)
        platform = _platform(lockfile)
        prepared = _prepared(lockfile, platform, reading, reference.file)
        inventory = reading.finish()
    step("comparing")
    from envctl.commands.manifests import ManifestSources
    from envctl.verify.compare import compare

    with ManifestSources(lockfile, inventory, fetched=fetched, offline=offline) as sources:
        found = compare(
            lockfile,
            platform,
            inventory,
            manifests=sources.manifest,
            seeds=sources.seed,
            project_folder=_project_folder(project, lockfile),
            prepared=prepared,
            strict=strict,
        )
    found = with_signature(found, judged, strict=strict)
    if _is_self(inventory, lock.path):
        found = own_word(found, accepted=accept_self)
    signature = None if judged is None else judged.signature
    return report_of(found, lockfile, str(platform), subject, lock=reference, start=start, signature=signature)


def report_of(
    found: Verification,
    lockfile: Lockfile,
    platform: str,
    subject: Subject,
    *,
    lock: LockReference,
    start: float,
    signature: Signature | None = None,
) -> Report:
    """The report on a verification that began at `start`, by the monotonic clock."""
    pin = lockfile.envctl.platforms.get(platform)
    base = None if pin is None else pin.base_digest
    return Report(
        verdict=found.verdict,
        scope=found.scope,
        target=lockfile.target,
        platform=platform,
        subject=msgspec.structs.replace(subject, name=_text(subject.name)),
        lock=msgspec.structs.replace(lock, file=_text(lock.file), base=base),
        package_set=found.package_set,
        findings=found.findings,
        counts=found.counts,
        packages=found.packages,
        strict=found.strict,
        seconds=round(time.monotonic() - start, 3),
        signature=signature,
    )


def _text(name: str) -> str:
    """A name as text: bytes of it that are none are escaped."""
    return name.encode("utf-8", "backslashreplace").decode()


def lock_reference(project: Path, lock: Located) -> LockReference:
    """The lockfile as reports name it."""
    return LockReference(file=shown(project, lock.path), digest=sha256(lock.data))


def _prepared(lockfile: Lockfile, platform: Platform, reading: Reading, name: str) -> dict[str, Listing]:
    from envctl.verify.listing import prepare

    try:
        return prepare(lockfile, platform, reading.draft())
    except ValueError as error:
        raise InvalidFile("the lockfile contradicts itself", file=name, found=str(error)) from error


def exit_code(report: Report) -> int:
    """0 ok, 1 changed or untrusted, 7 unverifiable."""
    return _EXIT[report.verdict]


def _platform(lockfile: Lockfile) -> Platform:
    """This machine's; UsageError where the lockfile is not for it."""
    from envctl.commands.locate import require_platform

    platform = host()
    require_platform(lockfile, platform)
    return platform


def find(project: Path, target: str | None) -> Located:
    """The lockfile of a target; of the only one that is locked where none is named, or of the image around us."""
    from envctl.commands.locate import locate, located, locked_targets

    if target is not None:
        return locate(project, target)
    known = locked_targets(project)
    if not known and _IMAGE_LOCK.is_file():
        return located(_IMAGE_LOCK, str(_IMAGE_LOCK))
    if not known:
        raise InvalidFile("no target is locked here", file=LOCKED, hint="`envctl lock TARGET` writes the lockfile")
    profiles = sorted({item.profile for item in known})
    if len(profiles) > 1:
        listed = ", ".join(map(str, known))
        raise UsageError("several targets are locked", expected=f"one of {listed}", hint=f"`envctl verify {known[0]}`")
    return locate(project, str(known[0]) if len(known) == 1 else profiles[0])


def _locate(project: Path, venv: Path | None, environ: Mapping[str, str]) -> tuple[Path, str]:
    """The environment's folder, and how messages name it."""
    if venv is not None:
        return project / venv, str(venv)
    active = environ.get("VIRTUAL_ENV")
    if active:
        return Path(active), shown(project, Path(active))
    if (project / _VENV).exists():
        return project / _VENV, str(_VENV)
    if _IMAGE_LOCK.is_file() and (_IMAGE_VENV / "pyvenv.cfg").is_file():
        return _IMAGE_VENV, str(_IMAGE_VENV)
    own = own_environment()
    if own is not None:
        return own, shown(project, own)
    raise UsageError(
        "there is no virtual environment here",
        expected=f"an active one, {_VENV} in the project folder, or --venv DIR",
        hint="`envctl sync` makes it",
    )


def shown(project: Path, path: Path) -> str:
    """A path as the user knows it: relative to the project folder where it lies in it."""
    # links stay as they are: the user named them
    folder, place = os.path.abspath(project), os.path.abspath(path)  # noqa: PTH100
    return os.path.relpath(place, folder) if place.startswith(folder.rstrip("/") + "/") else place


def _project_folder(project: Path, lockfile: Lockfile) -> Path | None:
    own = lockfile.envctl.project
    return None if own is None else Path(os.path.realpath(project / own.path))


def _is_self(inventory: Inventory, lockfile: Path) -> bool:
    """Whether this verifier runs inside of what it verifies: the environment, or the image that it is in."""
    root = inventory.real_root
    if os.path.realpath(lockfile) == os.path.realpath(_IMAGE_LOCK):
        return True
    if root == os.path.realpath(_IMAGE_VENV) and _IMAGE_LOCK.is_file():
        return True
    code, own = os.path.realpath(envctl.__file__), own_environment()
    return (own is not None and os.path.realpath(own) == root) or code.startswith(root + "/")


def own_environment() -> Path | None:
    """The virtual environment that this process runs in (PEP 405), which `sys.prefix` does not tell under `-S`."""
    if sys.prefix != sys.base_prefix:
        return Path(sys.prefix)
    folder = Path(sys.executable).parent
    return next((place for place in (folder, folder.parent) if (place / "pyvenv.cfg").is_file()), None)


def own_word(found: Verification, *, accepted: bool) -> Verification:
    """A verifier inside of the environment can be made to lie: what it calls right is not verified unless accepted."""
    if accepted:
        return msgspec.structs.replace(found, scope=(*found.scope, "self"))
    if found.verdict is not Verdict.OK:
        return found
    kept = tuple(finding for finding in found.findings if finding.severity is not Severity.ERROR)
    packages = tuple(msgspec.structs.replace(state, verdict=Verdict.UNVERIFIABLE) for state in found.packages)
    return msgspec.structs.replace(
        found, verdict=Verdict.UNVERIFIABLE, scope=("self",), findings=kept, packages=packages
    )
