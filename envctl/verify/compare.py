"""An environment against its lockfile: what is locked, what is found, and every difference as a value."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import msgspec

from envctl.model.codes import CODES, named, verdict_of
from envctl.model.finding import Counts, Finding, PackageSet, Severity, Verdict, Verification
from envctl.model.image import Picture
from envctl.model.inventory import Interpreter, Inventory
from envctl.model.lockfile import Lockfile
from envctl.model.manifest import environment_digest
from envctl.model.platform import Platform
from envctl.model.printable import printable
from envctl.verify import (
    base,
    bytecode,
    closed,
    contents,
    hooks,
    interpreter,
    makers,
    mounts,
    packages,
    project,
    rootfs,
    settings,
)
from envctl.verify.listing import Listing, unlocked
from envctl.verify.os_packages import Debs
from envctl.verify.packages import Installed, Split
from envctl.verify.rootfs import Builds
from envctl.verify.states import states
from envctl.verify.world import BASE, Manifests, Seeds, World

_SEVERITIES = tuple(Severity)
_MOST_DISAGREEMENTS = 20
_VERDICTS = tuple(Verdict)


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
    picture: Picture | None = None,
    build: Builds | None = None,
    debs: Debs | None = None,
    lock_digest: str | None = None,
    strict: bool = False,
) -> Verification:
    """Compare. Nothing is read or run; the two functions answer from what the caller has.

    Args:
        manifests: a package's wheel -> its manifest, None where none is at hand. Called only to name files.
        seeds: normalised name and version -> manifest of the wheel of that name that the interpreter carries.
        project_folder: absolute folder of the team's own package, for its editable install.
        known_as: further prefixes under which the environment is used.
        prepared: what `envctl.verify.listing.prepare` made of a draft of the inventory, for speed.
        picture: the image or container that the environment is in; None on a machine.
        build: the files of the standalone Python that the lockfile pins; None where it was not at hand.
        debs: the files of the locked OS packages, as far as they are at hand.
        lock_digest: `sha256:<hex>` of the lockfile's bytes, for what an image says of it.
        strict: warnings count as errors.

    Raises:
        ValueError: the lockfile has not exactly one wheel for a package on this platform.
    """
    pairs = lockfile.select(platform)
    world = World(lockfile, platform, inventory, known_as, prepared=prepared, picture=picture, lock_digest=lock_digest)
    split = packages.split(world, pairs)
    found = [
        (pairing.package.name, pairing.package.version, contents.check(world, pairing, manifests))
        for pairing in split.locked
    ]
    project.check(world, split, None if project_folder is None else str(project_folder))
    makers.own(world)
    interpreter.check(world)
    unlocked_set, allowed = _others(world, split, seeds)
    found += unlocked_set
    hooks.check(world, allowed)
    bytecode.check(world)
    if picture is not None:
        rootfs.check(world, picture, build, debs)
        mounts.check(world, picture)
        settings.check(world, picture)
        base.check(world, picture)
    closed.check(world)
    findings = _sorted(world.findings)
    files, count = inventory.measure()
    return Verification(
        verdict=verdict_of(findings, strict=strict),
        scope=_scope(world),
        package_set=PackageSet(expected=lockfile.envctl.package_set[str(platform)], found=environment_digest(found)),
        findings=findings,
        counts=Counts(packages=len(split.locked) + len(split.other) + len(split.extra), files=files, bytes=count),
        packages=states(world, (package for package, _ in pairs), split, findings, strict=strict),
        strict=strict,
    )


def _others(world: World, split: Split, seeds: Seeds) -> tuple[list[tuple[str, str, str]], frozenset[str]]:
    """Report what is installed and not locked so: name, version, content digest of each; and who may bring hooks."""
    found: list[tuple[str, str, str]] = []
    allowed = set() if split.project is None else {split.project.name}
    for pairing in split.other:
        digest = contents.found_digest(world, pairing.installed, pairing.wheel.name)
        found.append((pairing.package.name, pairing.installed.version, digest))
        packages.claim(world, pairing.installed)
    for path in world.inventory.anchored:
        world.own(path, BASE)
    for item in split.extra:
        # The base image's own is vouched for by its layers, file by file.
        if f"{item.folder}/RECORD" in world.inventory.anchored or _is_seed(world, item, seeds):
            allowed.add(item.name)
            continue
        found.append((item.name, item.version, contents.found_digest(world, item, unlocked(item))))
        _report_extra(world, item, seeds)
    return found, frozenset(allowed)


def with_findings(
    found: Verification, name: str, differing: Sequence[tuple[str, str | None, str | None]], *, strict: bool
) -> Verification:
    """The verification with a finding for each path that two readers see otherwise: from outside, and from inside."""
    more = [
        named(name).finding(
            f"is {printable(inside or 'nothing')[:80]} from inside", path=printable(path), expected=ours, found=inside
        )
        for path, ours, inside in differing[:_MOST_DISAGREEMENTS]
    ]
    if len(differing) > _MOST_DISAGREEMENTS:
        more.append(named(name).finding(f"and {len(differing) - _MOST_DISAGREEMENTS:,} more", path="."))
    return added(found, more, strict=strict)


def added(found: Verification, more: Sequence[Finding], *, strict: bool) -> Verification:
    """The verification with more findings, in their order, and the verdict that all of them ask for."""
    findings = _sorted([*found.findings, *more])
    return msgspec.structs.replace(found, findings=findings, verdict=verdict_of(findings, strict=strict))


def absent(
    lockfile: Lockfile, platform: Platform | None, picture: Picture, *, lock_digest: str, strict: bool = False
) -> Verification:
    """The verification of an image in which there is no environment to compare, or none for a locked platform."""
    first = next(iter(lockfile.envctl.package_set.values()))
    inventory = Inventory(
        root="/", real_root="/", interpreter=Interpreter(), site=None, config={}, entries={}, texts={}
    )
    world = World(lockfile, platform or lockfile.platforms()[0], inventory, picture=picture, lock_digest=lock_digest)
    if platform is None:
        locked = ", ".join(lockfile.envctl.platforms)
        message = f"is for {picture.platform}, locked is {locked}"
        world.report("platform-other", message, expected=locked, found=picture.platform)
    else:
        python = picture.environment.executable if picture.environment is not None else None
        what = "there is no Python in it" if python is None else f"/{python} has no place for packages"
        world.report("environment-missing", what)
        base.check(world, picture)
        settings.check(world, picture)
        rootfs.check(world, picture, None)
        mounts.check(world, picture)
    findings = _sorted(world.findings)
    return Verification(
        verdict=verdict_of(findings, strict=strict),
        scope=("platform",) if platform is None else ("packages", "image-settings"),
        package_set=PackageSet(
            expected=first if platform is None else lockfile.envctl.package_set[str(platform)],
            found=environment_digest([]),
        ),
        findings=findings,
        counts=Counts(packages=0, files=0, bytes=0),
        strict=strict,
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
    names = {finding.name for finding in world.findings}
    if world.picture is not None:
        scope.append("image-settings")
        if world.picture.root is not None and not names & {"base-changed", "base-unverified"}:
            scope.append("base")
            if "interpreter-unverified" not in names:
                scope.append("interpreter")
    return tuple(scope)


def _sorted(findings: Sequence[Finding]) -> tuple[Finding, ...]:
    """The worst first; then by package, those of no package last; then by path."""

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
