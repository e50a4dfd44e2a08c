"""The report as JUnit XML: a test case for each package, and one for each room of what belongs to none.

The elements and attributes are those that Jenkins' xunit plugin accepts (its `junit-10.xsd`), which GitLab and the
reporters of GitHub Actions read too: docs/reference/report.md.
"""

from __future__ import annotations

from collections.abc import Iterable
from xml.etree import ElementTree as ET

from envctl.model.finding import Finding, Report, Verdict
from envctl.model.printable import shortened
from envctl.report.groups import Group, by_kind, counts_as_error, groups, uncovered
from envctl.report.interface import Places, cleaned
from envctl.report.words import NO_NAME, SELF, signer

_LINES, _ALL_LINES = 100, 5_000  # of one case, and of the whole file beyond the first line of each case
_WIDEST = 500  # characters of a line
_FAILED = {Verdict.CHANGED: "failure", Verdict.UNTRUSTED: "failure", Verdict.UNVERIFIABLE: "error"}


def render(report: Report, _: Places | None = None) -> str:
    """The report, with an XML declaration, without a final newline."""
    report = cleaned(report)
    suite = ET.Element("testsuite", name=f"{report.target} {report.platform} {report.subject.name}")
    _add_properties(suite, report)
    room = _ALL_LINES
    for group in groups(report):
        room -= _add_group(suite, report, group, room)
    for word, why in uncovered(report).items():
        if word != "bytecode":  # what could not be compared of it is a finding
            _skip(_case(suite, report, word, package=False), f"not covered: {why}")
    if report.verdict is not Verdict.OK:
        _guard(suite, report)
    return _text(suite, report)


def _guard(suite: ET.Element, report: Report) -> None:
    """A verdict that no case shows must not look like success."""
    if any(case.find(tag) is not None for case in suite.iter("testcase") for tag in ("failure", "error")):
        return
    why = SELF if "self" in report.scope else f"the verdict is {report.verdict.value}"
    ET.SubElement(_case(suite, report, "verdict", package=False), "error", type=report.verdict.value, message=why)


def _add_properties(suite: ET.Element, report: Report) -> None:
    said = {
        "verdict": report.verdict.value,
        "scope": " ".join(report.scope),
        "target": report.target,
        "platform": report.platform,
        "subject.kind": report.subject.kind,
        "subject.name": report.subject.name,
        "subject.digest": report.subject.digest or "",
        "lock.file": report.lock.file,
        "lock.digest": report.lock.digest,
        "package_set.expected": report.package_set.expected,
        "package_set.found": report.package_set.found,
        "lock.signed_by": signer(report.signature) if report.signature else "",
        "strict": "true" if report.strict else "false",
    }
    properties = ET.SubElement(suite, "properties")
    for name, value in said.items():
        ET.SubElement(properties, "property", name=name, value=value)


def _case(suite: ET.Element, report: Report, name: str, *, package: bool) -> ET.Element:
    kind = "packages" if package else "environment"
    return ET.SubElement(suite, "testcase", name=name, classname=f"{report.target}.{kind}", time="0")


def _add_group(suite: ET.Element, report: Report, group: Group, room: int) -> int:
    """Add a group's case; how many lines beyond its first it took of what is left of the file."""
    name = shortened(group.name or NO_NAME, _WIDEST)
    case = _case(suite, report, name, package=group.is_package)
    counting = tuple(finding for finding in group.findings if counts_as_error(finding, report))
    others = tuple(finding for finding in group.findings if not counts_as_error(finding, report))
    taken = 0
    if group.verdict is not Verdict.OK:
        message = f"{group.verdict.value}: {by_kind(counting)}" if counting else f"{group.verdict.value}: {SELF}"
        failed = ET.SubElement(case, _FAILED[group.verdict], type=group.verdict.value, message=message)
        lines = _lines(counting, min(_LINES, room + 1))
        failed.text = "\n".join(lines)
        taken += max(0, len(lines) - 1)
    if others:
        lines = _lines(others, min(_LINES, room - taken + 1))
        ET.SubElement(case, "system-out").text = "\n".join(lines)
        taken += max(0, len(lines) - 1)
    return taken


def _lines(findings: Iterable[Finding], room: int) -> list[str]:
    found = list(findings)
    few = found if len(found) <= room else found[: max(1, room - 1)]
    lines = [shortened(_line(finding), _WIDEST) for finding in few]
    left = tuple(found[len(few) :])
    return [*lines, f"and {by_kind(left)} more"] if left else lines


def _line(finding: Finding) -> str:
    path = f" {finding.path}" if finding.path else ""
    values = ""
    if finding.expected is not None or finding.found is not None:
        values = f" (expected {finding.expected or 'nothing'}, found {finding.found or 'nothing'})"
    return f"{finding.severity.value} {finding.code} {finding.name}{path}: {finding.message}{values}"


def _skip(case: ET.Element, why: str) -> None:
    ET.SubElement(case, "skipped", message=why)


def _text(suite: ET.Element, report: Report) -> str:
    seconds = f"{report.seconds:.3f}"
    cases = suite.findall("testcase")
    numbers = {
        "tests": len(cases),
        "failures": sum(case.find("failure") is not None for case in cases),
        "errors": sum(case.find("error") is not None for case in cases),
    }
    skipped = sum(case.find("skipped") is not None for case in cases)
    for name, value in {**numbers, "skipped": skipped, "time": seconds}.items():
        suite.set(name, str(value))
    root = ET.Element(
        "testsuites", {"name": "envctl verify", "time": seconds, **{k: str(v) for k, v in numbers.items()}}
    )
    root.append(suite)
    ET.indent(root)
    return '<?xml version="1.0" encoding="UTF-8"?>\n' + ET.tostring(root, encoding="unicode")
