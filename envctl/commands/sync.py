"""Make a virtual environment hold exactly a lockfile: beside its place, verified, then swapped in.

Whatever happens on the way (an error, Ctrl-C, kill -9, a full disk), the environment that stood there stands there
still, or the new one does, whole.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Protocol

import msgspec

from envctl.commands.locate import find_target, is_path, locate, located, locked_targets, require_platform
from envctl.commands.trust import ANY, Trust, insist
from envctl.errors import InvalidFile, ToolFailed, UsageError
from envctl.install import contents, own
from envctl.install.build import WHEELS, OwnPackage, Pinned, build
from envctl.install.contents import Moved, Named
from envctl.install.place import Place, alone, check_replaceable, examine, recover, swap, work_folder
from envctl.model.finding import Finding, Severity, Verdict, Verification
from envctl.model.lockfile import Lockfile, Package, Wheel
from envctl.model.platform import Platform
from envctl.model.target import LOCKED
from envctl.system import pythons
from envctl.system.machine import host
from envctl.system.pythons import Interpreter

SCHEMA = "envctl.sync/1"
Pair = tuple[Package, Wheel]


class SyncOptions(msgspec.Struct, frozen=True, kw_only=True):
    """What the user wants.

    Attributes:
        venv: the environment's folder, absolute or relative to the project folder.
        python: the interpreter to build on; None: found by its version.
        offline: no network at all.
        project: whether the team's own package is installed.
    """

    venv: Path = Path(".venv")
    python: Path | None = None
    offline: bool = False
    project: bool = True
    compile_bytecode: bool = False
    dry_run: bool = False


class PythonUsed(msgspec.Struct, frozen=True, kw_only=True):
    """The interpreter's version, the locked one, and where the base interpreter is."""

    version: str
    locked: str
    path: str | None = None


class SyncResult(msgspec.Struct, frozen=True, kw_only=True):
    """The result of `envctl sync`; as JSON it is what docs/how-to/sync.md describes.

    Attributes:
        action: `none` (it was exact already), `created`, or `replaced`; with `dry_run`, what would be done.
        drift: why an existing environment was not exact, one line each.
        repaired: distributions whose version stays and whose files differed.
        packages: how many distributions are locked here. `bytes` of their wheels; `downloaded`: bytes that came over
            the network.
    """

    schema: str
    target: str
    platform: str
    venv: str
    action: str
    dry_run: bool
    python: PythonUsed
    packages: int
    bytes: int
    downloaded: int
    package_set: str
    project: str | None
    added: tuple[Named, ...] = ()
    removed: tuple[Named, ...] = ()
    changed: tuple[Moved, ...] = ()
    repaired: tuple[str, ...] = ()
    drift: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()
    seconds: float = 0.0


class Ports(Protocol):
    """What syncing needs of the other rooms."""

    def wheels(self, lockfile: Lockfile, pairs: Sequence[Pair], folder: Path) -> int:
        """Put every wheel into a folder, by its name, checked against its sha256 and its content digest.

        Returns:
            How many bytes came over the network.

        Raises:
            IndexFailed: one cannot be had, or is not the locked one.
        """
        ...

    def verify(self, lockfile: Lockfile, platform: Platform, venv: Path, project: Path | None) -> Verification:
        """Compare an environment with the lockfile, whatever process asks. `project`: the team's own folder."""
        ...

    def build_links(self) -> Path | None:
        """A folder in which build backends may lie, None: only indexes."""
        ...

    def step(self, what: str) -> None:
        """Say what is being done now."""
        ...


def find(
    project: Path,
    text: str | None,
    fetched: Path | None = None,
    *,
    trust: Trust = ANY,
    warn: Callable[[str], None] = lambda _: None,
) -> Lockfile:
    """The lockfile that the user means; without a text the only one, or the default variant of the only profile.

    Args:
        fetched: a folder that `envctl fetch` made: its copy serves where the project has no such lockfile.
        trust: what is demanded of its signature; `warn` is told what weakens that.

    Raises:
        UsageError: several could be meant.
        InvalidFile: there is none, or it is invalid, or not signed as demanded.
    """
    if text is None:
        known = locked_targets(project)
        profiles = sorted({target.profile for target in known})
        if len(profiles) > 1:
            raise UsageError("several targets are locked", expected=f"one of {', '.join(map(str, known))}")
        if not profiles:
            raise InvalidFile("no target is locked here", file=LOCKED, hint="`envctl lock`")
        text = str(known[0]) if len(known) == 1 else profiles[0]
    if fetched is not None and not is_path(text):
        target = find_target(project, text)
        copy = fetched / target.lockfile.name
        if not (project / target.lockfile).exists() and copy.is_file():
            lock = located(copy, str(copy))
            insist(project, lock, trust, warn)
            return lock.lockfile
    lock = locate(project, text)
    insist(project, lock, trust, warn)
    return lock.lockfile


def sync(project: Path, lockfile: Lockfile, options: SyncOptions, ports: Ports) -> SyncResult:
    """Make the environment of a lockfile, or find that it is exact already.

    Raises:
        UsageError: the place is not to be touched, the platform is not locked, `python` does not fit.
        ToolFailed: no interpreter, uv failed, nothing can be written there, or what was built is not exact.
        IndexFailed: a wheel cannot be had, or is not the locked one.
    """
    start = time.monotonic()
    platform = host()
    pairs = select(lockfile, platform)
    team = None
    if options.project:
        team = own.package(project, lockfile, offline=options.offline, links=ports.build_links())
    place = examine(project / options.venv, shown=options.venv)
    with alone(place, waiting=lambda: ports.step(f"waiting for another sync beside {place.shown}")) as lock:
        job = _Job(lockfile=lockfile, platform=platform, pairs=pairs, options=options, ports=ports, own=team, lock=lock)
        if not options.dry_run:
            recover(place)
        place = examine(project / options.venv, shown=options.venv)
        result = job.bring(place)
    return msgspec.structs.replace(result, seconds=round(time.monotonic() - start, 3))


def select(lockfile: Lockfile, platform: Platform) -> tuple[Pair, ...]:
    """The packages of a platform with their wheels; UsageError when the lockfile was not made for it."""
    require_platform(lockfile, platform)
    return lockfile.select(platform)


class _Job(msgspec.Struct, frozen=True, kw_only=True):
    """One run for one place, which it holds."""

    lockfile: Lockfile
    platform: Platform
    pairs: tuple[Pair, ...]
    options: SyncOptions
    ports: Ports
    own: OwnPackage | None
    lock: int

    def bring(self, place: Place) -> SyncResult:
        """Look, and build where what stands there is not exact."""
        drift = self._drift(place) if place.exists() else Drift(("there was none",))
        if not drift.reasons:
            return self._result(place, "none", drift)
        check_replaceable(place)
        action = "replaced" if place.exists() else "created"
        result = self._result(place, action, drift)
        if self.options.dry_run:
            return result
        interpreter = self._interpreter()
        downloaded = self._replace(place, interpreter)
        return msgspec.structs.replace(
            result,
            downloaded=downloaded,
            python=self._python(interpreter.version, interpreter.path),
            notes=_notes(interpreter.version, self.lockfile),
        )

    def _replace(self, place: Place, interpreter: Interpreter) -> int:
        with work_folder(place) as work:
            self.ports.step("fetching wheels")
            downloaded = self.ports.wheels(self.lockfile, self.pairs, work / WHEELS)
            self.ports.step("installing")
            new = build(
                work,
                place.path,
                interpreter,
                [Pinned(name=p.name, version=p.version, sha256=wheel.sha256) for p, wheel in self.pairs],
                prompt=self.lockfile.target,
                lock=self.lock,
                own=self.own,
                compile_bytecode=self.options.compile_bytecode,
            )
            self.ports.step("verifying")
            verified = self._verify(new)
            if verified.verdict is not Verdict.OK:
                wrong = [finding for finding in verified.findings if finding.severity is Severity.ERROR]
                raise ToolFailed(
                    "what was installed is not what is locked; the environment was left as it was",
                    file=place.shown,
                    details=[_line(finding) for finding in wrong[:5]] or [f"the verdict is {verified.verdict.value}"],
                    hint="run it again; if it stays so, please report it with `envctl --version`",
                )
            self.ports.step("swapping")
            swap(place, new)
        return downloaded

    def _drift(self, place: Place) -> Drift:
        self.ports.step("verifying what is there")
        python = contents.python_version(place.path)
        if not (place.path / "bin" / "python").exists():
            return Drift(("its interpreter is gone",))
        if not self._python_is_best(place, python):
            return Drift((f"Python is {python or 'unknown'}",))
        reasons = own.drift(place.path, self.lockfile, self.own)
        verified = self._verify(place.path)
        wrong = [finding for finding in verified.findings if not self._is_tolerable(finding)]
        if verified.verdict is not Verdict.OK and not wrong:
            reasons = (*reasons, f"the verdict is {verified.verdict.value}")
        return Drift(
            reasons=(*reasons, *(_line(finding) for finding in wrong)),
            packages=tuple(sorted({finding.package for finding in wrong if finding.package})),
        )

    def _verify(self, venv: Path) -> Verification:
        return self.ports.verify(self.lockfile, self.platform, venv, self.own.folder if self.own is not None else None)

    def _is_tolerable(self, finding: Finding) -> bool:
        """Exact means nothing that is not locked: warnings count, but for what a new environment would have too."""
        accepted = {"python-patch"}
        if self.own is None:
            accepted.add("project-missing")
        elif not self.own.project.editable:
            accepted.add("project-copied")
        return finding.severity is Severity.NOTE or (finding.severity is Severity.WARNING and finding.name in accepted)

    def _python_is_best(self, place: Place, version: str | None) -> bool:
        """Whether no better interpreter is at hand; an exact one is fetched only when there is something to build."""
        locked = self.lockfile.envctl.python.version
        if self.options.python is not None:
            asked = pythons.given(self.options.python, locked)
            return asked.path.resolve() == (place.path / "bin" / "python").resolve()
        if version == locked or version is None:
            return version is not None
        best = pythons.installed(locked)
        return best is None or best.version == version

    def _interpreter(self) -> Interpreter:
        self.ports.step("looking for Python")
        locked = self.lockfile.envctl.python.version
        if self.options.python is not None:
            return pythons.given(self.options.python, locked)
        return pythons.find(locked, downloads=not self.options.offline)

    def _result(self, place: Place, action: str, drift: Drift) -> SyncResult:
        locked = {package.name: package.version for package, _ in self.pairs}
        old = contents.installed(place.path) if place.exists() else {}
        if self.own is not None:
            old.pop(self.own.project.name, None)
        moved = contents.changes(old, locked)
        version = contents.python_version(place.path) if place.exists() else None
        same = locked.keys() - {one.name for one in moved.added} - {one.name for one in moved.changed}
        return SyncResult(
            schema=SCHEMA,
            target=self.lockfile.target,
            platform=str(self.platform),
            venv=place.shown,
            action=action,
            dry_run=self.options.dry_run,
            python=self._python(version or self.lockfile.envctl.python.version, None),
            packages=len(locked),
            bytes=sum(wheel.size or 0 for _, wheel in self.pairs),
            downloaded=0,
            package_set=self.lockfile.envctl.package_set[str(self.platform)],
            project=self.own.project.name if self.own is not None else None,
            added=moved.added,
            removed=moved.removed,
            changed=moved.changed,
            repaired=tuple(name for name in drift.packages if name in same) if action == "replaced" else (),
            drift=drift.reasons if action == "replaced" else (),
            notes=_notes(version, self.lockfile) if action == "none" else (),
        )

    def _python(self, version: str, path: Path | None) -> PythonUsed:
        return PythonUsed(
            version=version, locked=self.lockfile.envctl.python.version, path=str(path) if path is not None else None
        )


class Drift(msgspec.Struct, frozen=True):
    """Why an environment is not exact; nothing where it is. `packages`: whose files differ."""

    reasons: tuple[str, ...]
    packages: tuple[str, ...] = ()


def _line(finding: Finding) -> str:
    place = " ".join(part for part in (finding.package, finding.path) if part)
    return f"{finding.code} {place + ': ' if place else ''}{finding.message}"


def _notes(version: str | None, lockfile: Lockfile) -> tuple[str, ...]:
    locked = lockfile.envctl.python.version
    if version is None or version == locked:
        return ()
    return (
        f"Python is {version}, not the locked {locked}: the same packages, another patch release"
        f" (`uv python install {locked}` may fetch it)",
    )
