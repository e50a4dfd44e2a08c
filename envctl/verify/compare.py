"""An environment against its lockfile: what is locked, what is found, and every difference as a value."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from envctl.model.codes import verdict_of
from envctl.model.finding import Counts, Finding, PackageSet, Severity, Verdict, Verification
from envctl.model.inventory import Inventory
from envctl.model.lockfile import Lockfile
from envctl.model.manifest import environment_digest
from envctl.model.platform import Platform
from envctl.verify import bytecode, closed, contents, hooks, interpreter, makers, packages, project
from envctl.verify.listing import Listing, unlocked
from envctl.verify.packages import Installed
from envctl.verify.world import Manifests, Seeds, World

_SEVERITIES = (Severity.ERROR, Severity.WARNING, Severity.NOTE)
_VERDICTS = (Verdict.CHANGED, Verdict.UNTRUSTED, Verdict.UNVERIFIABLE, Verdict.OK)


def compare(
    lockfile: Lockfile,
    platform: Platform,
    inventory: Inventory,
    *,
    manifests: Manifests,
    seeds: Seeds,
    project_folder: Path | None = None,
    known_as: Sequence[str] = (),
    prepared: Mapping[str, Listing] | None = None,
    strict: bool = False,
) -> Verification:
    """Compare. Nothing is read or run; the two functions answer from what the caller has.

    Args:
        manifests: a package's wheel -> its manifest, None where none is at hand. Called only to name files.
        seeds: normalised name and version -> manifest of the wheel of that name that the interpreter carries.
        project_folder: absolute folder of the team's own package, for its editable install.
        known_as: further prefixes under which the environment is used.
        prepared: what `envctl.verify.listing.prepare` made of a draft of the inventory, for speed.
        strict: warnings count as errors.

    Raises:
        ValueError: the lockfile has not exactly one wheel for a package on this platform.
    """
    pairs = lockfile.select(platform)
    world = World(lockfile, platform, inventory, known_as, prepared)
    split = packages.split(world, pairs)
    found = [
        (pairing.package.name, pairing.package.version, contents.check(world, pairing, manifests))
        for pairing in split.locked
    ]
    project.check(world, split, None if project_folder is None else str(project_folder))
    makers.own(world)
    interpreter.check(world)
    allowed = set()
    for pairing in split.other:
        digest = contents.found_digest(world, pairing.installed, pairing.wheel.name)
        found.append((pairing.package.name, pairing.installed.version, digest))
        packages.claim(world, pairing.installed)
    for item in split.extra:
        if _is_seed(world, item, seeds):
            allowed.add(item.name)
            continue
        found.append((item.name, item.version, contents.found_digest(world, item, unlocked(item))))
        _report_extra(world, item, seeds)
    if split.project is not None:
        allowed.add(split.project.name)
    hooks.check(world, frozenset(allowed))
    bytecode.check(world)
    closed.check(world)
    findings = _sorted(world.findings)
    files, count = inventory.measure()
    return Verification(
        verdict=verdict_of(findings, strict=strict),
        scope=_scope(world),
        package_set=PackageSet(expected=lockfile.envctl.package_set[str(platform)], found=environment_digest(found)),
        findings=findings,
        counts=Counts(packages=len(split.locked) + len(split.other) + len(split.extra), files=files, bytes=count),
    )


def _is_seed(world: World, item: Installed, seeds: Seeds) -> bool:
    """Whether a package that is not locked equals the interpreter's own wheel of it; then a warning at most."""
    manifest = seeds(item.name, item.version) if item.is_wheel else None
    if manifest is None or not contents.equals(world, item, manifest):
        return False
    if not world.lockfile.envctl.policy.allow_seed:
        world.report(
            "package-seeded",
            f"{item.version} is not locked; it equals the wheel that the interpreter seeds environments with",
            package=item.name,
            found=item.version,
        )
    return True


def _report_extra(world: World, item: Installed, seeds: Seeds) -> None:
    count = packages.claim(world, item)
    differs = item.is_wheel and seeds(item.name, item.version) is not None
    message = f"{item.version} is not locked ({count:,} files)"
    if differs:
        message += "; it differs from the wheel that the interpreter seeds environments with"
    world.report("package-extra", message, package=item.name, found=item.version or None)


def _scope(world: World) -> tuple[str, ...]:
    scope = ["packages", "files", "scripts", "startup-hooks", "configuration", "environment"]
    if not any(finding.name == "bytecode-unverified" for finding in world.findings):
        scope.insert(4, "bytecode")
    return tuple(scope)


def _sorted(findings: Sequence[Finding]) -> tuple[Finding, ...]:
    """The worst first; then by package, those of no package last; then by path."""
    from envctl.model.codes import CODES

    def key(finding: Finding) -> tuple[object, ...]:
        return (
            _SEVERITIES.index(finding.severity),
            _VERDICTS.index(CODES[finding.code].asks),
            finding.package is None,
            finding.package or "",
            finding.path or "",
            finding.code,
            finding.message,
        )

    return tuple(sorted(findings, key=key))
