"""One target's way through `lock`, as values: what was asked, what was locked before, what the user wants changed."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime, timezone
from pathlib import Path

import msgspec

from envctl import profile
from envctl.errors import InvalidFile, UsageError
from envctl.lockfile.read import parse_lockfile
from envctl.lockfile.rules import problems
from envctl.lockfile.seal import intact
from envctl.lockfile.settle import Settled, settle
from envctl.lockfile.stale import Reason, reasons, with_pins
from envctl.model.lockfile import Lockfile
from envctl.model.manifest import sha256
from envctl.model.platform import Libc, Platform
from envctl.model.profile import Inputs
from envctl.model.target import Target
from envctl.profile.moment import EXPECTED
from envctl.system import files
from envctl.system.digests import sha256_file

_LONGEST_VERSION = 100


class LockOptions(msgspec.Struct, frozen=True, kw_only=True):
    """What the user wants beside keeping pins. `exclude_newer` as typed; `upgrade_packages` as typed names."""

    upgrade: bool = False
    upgrade_packages: tuple[str, ...] = ()
    upgrade_base: bool = False
    exclude_newer: str | None = None
    offline: bool = False
    dry_run: bool = False

    @property
    def moves(self) -> bool:
        """Whether pins of packages may move though the profile did not change."""
        return self.upgrade or bool(self.upgrade_packages) or self.exclude_newer is not None

    @property
    def renews_base(self) -> bool:
        """Whether bases given by tags are asked for anew. Without a network the old pins stay."""
        return (self.upgrade or self.upgrade_base) and not self.offline


class Job(msgspec.Struct, frozen=True, kw_only=True):
    """One target. `stale` says why it must be resolved; empty for a fresh one. `cutoff`: moment, and who decided it.

    `intact`: the previous lockfile is as envctl wrote it; of any other the installer and base image are not taken over.
    `bases`: platform -> the base image to ask a registry for; with it comes a Python that is X.Y until then.
    """

    target: Target
    inputs: Inputs
    settled: Settled
    previous: Lockfile | None
    stale: tuple[Reason, ...]
    cutoff: tuple[datetime | None, str]
    intact: bool = True
    bases: dict[str, str] = {}

    @property
    def platforms(self) -> tuple[Platform, ...]:
        """The platforms to resolve for, in order."""
        return tuple(Platform.parse(name) for name in self.settled.platforms)

    @property
    def libc(self) -> Libc:
        """The oldest C library that wheels may need."""
        return Libc.parse(self.inputs.profile.libc)

    def pins(self, platform: Platform) -> dict[str, str]:
        """Name -> version of the previous lockfile on the platform (of any platform where it had not this one)."""
        if self.previous is None:
            return {}
        try:
            pins = {package.name: package.version for package, _ in self.previous.select(platform)}
        except ValueError:
            pins = {package.name: package.version for package in self.previous.packages}
        return {name: version for name, version in pins.items() if _is_pin(name, version)}


def _is_pin(name: str, version: str) -> bool:
    from packaging.utils import InvalidName, canonicalize_name
    from packaging.version import InvalidVersion, Version

    try:
        Version(version if len(version) <= _LONGEST_VERSION else "")
        return canonicalize_name(name, validate=True) == name
    except (InvalidName, InvalidVersion):
        return False


def wanted(project: Path, names: Sequence[str]) -> list[Target]:
    """The targets that the user named, all when none is named; a profile's name alone means all its variants."""
    every = profile.targets(project)
    if not names:
        if not every:
            raise UsageError("there is no profile here", file=project / "profiles", hint="`envctl init` writes one")
        return list(every)
    chosen: list[Target] = []
    for name in names:
        of_profile = [target for target in every if target.profile == name]
        chosen += of_profile or [profile.resolve_name(project, name)]
    return list(dict.fromkeys(chosen))


def prepare(
    project: Path, target: Target, options: LockOptions, *, now: datetime, python_release: Callable[[str], str]
) -> Job:
    """Read everything about a target that lies in the project folder.

    Args:
        now: the moment that spans such as "7 days" count from.
        python_release: newest X.Y.Z of X.Y, asked only where nothing else says it.
    """
    inputs = profile.load(project, target)
    settled = settle(inputs, locked_files(project, inputs))
    data = _read(project, target)
    previous = None if data is None else parse_lockfile(data, shown=target.lockfile)
    whole = data is not None and intact(data)
    stale: tuple[Reason, ...] = (Reason(str(target.lockfile), "is missing"),)
    if previous is not None:
        stale = tuple(reasons(target, previous, inputs, settled, intact=whole))
        whole = whole and not (stale and problems(previous))
    settled, bases = _bases(settled, previous if whole else None, options)
    if not settled.complete() and not (bases and settled.python.source == "image"):
        tagged = settled.tagged is not None and settled.python.source == "image"  # then the base, which stays, has it
        keeps = previous is not None and (tagged or not options.upgrade)
        kept = previous.envctl.python.version if previous is not None and keeps else ""
        version = settled.python.version
        full = kept if kept.startswith(version + ".") else _newest(inputs, version, python_release)
        python = msgspec.structs.replace(settled.python, version=full)
        settled = msgspec.structs.replace(settled, python=python)
    return Job(
        target=target,
        inputs=inputs,
        settled=settled,
        previous=previous,
        stale=stale,
        cutoff=_cutoff(inputs, previous, options, now),
        intact=whole,
        bases=bases,
    )


def _bases(settled: Settled, previous: Lockfile | None, options: LockOptions) -> tuple[Settled, dict[str, str]]:
    """Keep what the previous lockfile pins of a base given by the same tag; what is left has to be asked for.

    Where the profile's Python changed, the pinned base is asked for its own.
    """
    tag = settled.tagged
    if tag is None:
        return settled, {}
    image = previous.envctl.image if previous is not None else None
    if previous is None or image is None or image.base != tag or options.renews_base:
        return settled, dict.fromkeys(settled.based, tag)
    pins = {name: pin for name, pin in previous.envctl.platforms.items() if pin.base_digest and pin.diff_ids}
    bases = {name: tag for name in settled.based if name not in pins}
    own = previous.envctl.python
    if settled.python.source == "image" and (
        own.source != "image" or not f"{own.version}.".startswith(f"{settled.python.version}.")
    ):
        bases |= {name: f"{tag}@{pin.base_digest}" for name, pin in pins.items() if name in settled.based}
    return msgspec.structs.replace(settled, platforms=with_pins(settled.platforms, pins)), bases


def _newest(inputs: Inputs, version: str, python_release: Callable[[str], str]) -> str:
    try:
        return python_release(version)
    except InvalidFile as error:
        raise placed(error, inputs) from error


def placed(error: InvalidFile, inputs: Inputs) -> InvalidFile:
    """The error with the place of the key that it names, where it was raised by a room that knows no files."""
    if error.file is None and error.key is not None:
        file, line = inputs.line_of.get(error.key, (f"profiles/{inputs.target.profile}.toml", None))
        error.file, error.line = file, line
    return error


def read_previous(project: Path, target: Target) -> Lockfile | None:
    """The lockfile that stands there now, for its pins; None when there is none, InvalidFile when it is unreadable."""
    data = _read(project, target)
    return None if data is None else parse_lockfile(data, shown=target.lockfile)


def _read(project: Path, target: Target) -> bytes | None:
    try:
        return files.read_bytes(project / target.lockfile, shown=target.lockfile)
    except FileNotFoundError:
        return None


def _cutoff(
    inputs: Inputs, previous: Lockfile | None, options: LockOptions, now: datetime
) -> tuple[datetime | None, str]:
    if options.exclude_newer is not None:
        try:
            return profile.cutoff(options.exclude_newer, now), "command-line"
        except ValueError as error:
            raise UsageError(
                "--exclude-newer is no moment", found=repr(options.exclude_newer), expected=EXPECTED
            ) from error
    recorded = previous.envctl.resolver if previous is not None else None
    text = inputs.profile.resolver.exclude_newer
    if text is not None:
        absolute = profile.cutoff(text, now)
        moves = profile.cutoff(text, datetime(2000, 1, 1, tzinfo=timezone.utc)) != absolute
        if moves and recorded is not None and recorded.cutoff == "profile" and not options.upgrade:
            unchanged = previous is not None and previous.envctl.inputs == inputs.digest
            return (recorded.exclude_newer if unchanged else absolute), "profile"
        return absolute, "profile"
    if recorded is not None and recorded.cutoff == "command-line" and not options.upgrade:
        return recorded.exclude_newer, "command-line"
    return None, "pins"


def locked_files(project: Path, inputs: Inputs) -> dict[str, str]:
    """`sha256:<hex>` of each file that the image must carry unchanged, by its source.

    A folder's digest is that of its lines `<sha256>  <path>`, sorted by path, links refused.
    """
    digests: dict[str, str] = {}
    for entry in inputs.profile.image.files if inputs.profile.image else ():
        if not entry.locked:
            continue
        path = project / entry.source
        if path.is_dir():
            inner: Mapping[str, str] = {
                str(file.relative_to(path)): _file_digest(file, entry.source)
                for file in sorted(path.rglob("*"))
                if not file.is_dir()
            }
            digests[entry.source] = sha256("".join(f"{inner[name]}  {name}\n" for name in sorted(inner)).encode())
        else:
            digests[entry.source] = "sha256:" + _file_digest(path, entry.source)
    return digests


def _file_digest(path: Path, source: str) -> str:
    if path.is_symlink() or not path.is_file():
        raise InvalidFile("is no regular file, so it cannot be locked", file=path, key="image.files", found=source)
    return sha256_file(path)
