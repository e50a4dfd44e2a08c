"""Findings in groups that have a name: each package, and what belongs to none by what it is about."""

from __future__ import annotations

import msgspec

from envctl.model.codes import verdict_of
from envctl.model.finding import Finding, PackageState, Report, Severity, Verdict
from envctl.report.words import distrusted

# The first digit of a code -> what findings without a package are about; the last column: in images only.
ROOMS = {
    "1": ("The set of packages", False),
    "2": ("Files that belong to no package", False),
    "3": ("Interpreter and configuration", False),
    "4": ("Startup code and bytecode", False),
    "5": ("Base image, OS packages and settings", True),
    "6": ("Locked files", True),
    "7": ("Signature of the lockfile", False),
    "9": ("What could not be verified", False),
}
NOT_COVERED = {
    "bytecode": "bytecode could not all be compared with its source",
    "interpreter": "nothing vouches for the interpreter and its standard library",
}


class Group(msgspec.Struct, frozen=True, kw_only=True):
    """A package (then `state` says more, where it is known), or a room of codes; with its findings, the worst first."""

    name: str
    is_package: bool
    verdict: Verdict
    findings: tuple[Finding, ...] = ()
    state: PackageState | None = None


def groups(report: Report) -> list[Group]:
    """Every package of the report, then every room that the subject can have; also those without findings."""
    packages: dict[str, list[Finding]] = {state.name: [] for state in report.packages}
    rooms: dict[str, list[Finding]] = {digit: [] for digit in ROOMS if _has_room(report, digit)}
    for finding in report.findings:
        if finding.package is not None:
            packages.setdefault(finding.package, []).append(finding)
        else:
            rooms.setdefault(finding.code[3], []).append(finding)
    states = {state.name: state for state in report.packages}
    made = [
        Group(
            name=name,
            is_package=True,
            findings=tuple(found),
            verdict=states[name].verdict if name in states else verdict_of(found, strict=report.strict),
            state=states.get(name),
        )
        for name, found in packages.items()
    ]
    return made + [
        Group(
            name=ROOMS[digit][0],
            is_package=False,
            findings=tuple(found),
            verdict=verdict_of(found, strict=report.strict),
        )
        for digit, found in rooms.items()
    ]


def _has_room(report: Report, digit: str) -> bool:
    """Whether a report can have such findings; where a signature is required and is not right, it has no others."""
    if digit == "7":
        return "signature" in report.scope
    return not distrusted(report) and (not ROOMS[digit][1] or report.subject.kind != "venv")


def counts_as_error(finding: Finding, report: Report) -> bool:
    """Whether a finding decides the verdict: errors always, warnings with --strict, notes never."""
    return finding.severity is Severity.ERROR or (report.strict and finding.severity is Severity.WARNING)


def uncovered(report: Report) -> dict[str, str]:
    """What a verification can cover and this one did not: word of the scope -> why. Empty on its own word alone."""
    if "self" in report.scope or not report.counts.files:
        return {}
    return {word: why for word, why in NOT_COVERED.items() if word not in report.scope}


def by_kind(findings: tuple[Finding, ...]) -> str:
    """`3 file-changed, 1 file-added`, in the order of the findings."""
    kinds: dict[str, int] = {}
    for finding in findings:
        kinds[finding.name] = kinds.get(finding.name, 0) + 1
    return ", ".join(f"{count:,} {name}" for name, count in kinds.items())
