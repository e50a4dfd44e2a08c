"""The report as SARIF 2.1.0 (OASIS), within what GitHub code scanning takes: docs/reference/report.md.

A result points to the line of the lockfile that pins the package, or of the profile that says the setting: files of
the repository, which an environment's own files are not.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from typing import Any
from urllib.parse import quote

import msgspec

from envctl import __version__
from envctl.model.codes import CODES, Code
from envctl.model.finding import Finding, Report, Severity, Verdict
from envctl.model.printable import printable, shortened
from envctl.report.groups import by_kind, counts_as_error
from envctl.report.interface import Place, Places, cleaned

MOST_RESULTS = 5_000  # code scanning keeps no more of a run, the worst first, and refuses more than 25,000
MOST_BYTES = 9_000_000  # of results; it refuses files above 10 MB
_LONGEST = 1_000  # characters of a message or a path
_ROOT = "%SRCROOT%"
_DESCRIBED = 1_024  # characters of a rule's description
_SCHEMA = "https://docs.oasis-open.org/sarif/sarif/v2.1.0/errata01/os/schemas/sarif-schema-2.1.0.json"
_RULES = {code: number for number, code in enumerate(CODES)}


def render(report: Report, places: Places | None = None) -> str:
    """The report, on one line, without a final newline."""
    places = places or Places(lock=Place(report.lock.file))
    report = cleaned(report)
    results: list[msgspec.Raw] = []
    size = 0
    for result in _results(report, places):
        size += len(encoded := msgspec.json.encode(result))
        if len(results) == MOST_RESULTS or size > MOST_BYTES:
            break
        results.append(msgspec.Raw(encoded))
    left = report.findings[len(results) :]
    run = {
        "tool": {
            "driver": {"name": "envctl", "version": __version__, "rules": [_rule(code) for code in CODES.values()]}
        },
        "automationDetails": {"id": f"envctl/{report.target}/{report.platform}/{report.subject.kind}/"},
        "invocations": [_invocation(report, left)],
        "originalUriBaseIds": {_ROOT: {"description": {"text": "The root of the repository."}}},
        "columnKind": "unicodeCodePoints",
        "results": results,
        "properties": {
            "verdict": report.verdict,
            "strict": report.strict,
            "scope": report.scope,
            "platform": report.platform,
            "subject": report.subject,
            "lock": report.lock,
            "packageSet": report.package_set,
            "counts": report.counts,
            "signature": report.signature,
            "findings": len(report.findings),
        },
    }
    return msgspec.json.encode({"$schema": _SCHEMA, "version": "2.1.0", "runs": [run]}).decode()


def _rule(code: Code) -> dict[str, Any]:
    return {
        "id": code.code,
        "name": code.name,
        "shortDescription": {"text": f"{code.title}."},
        "fullDescription": {"text": shortened(code.meaning, _DESCRIBED)},
        "help": {
            "text": f"{code.meaning}\n\nWhat to do: {code.action}",
            "markdown": f"{code.meaning}\n\n**What to do:** {code.action}",
        },
        "defaultConfiguration": {"level": code.severity.value},
        "properties": {"tags": ["security", "supply-chain"], "precision": "very-high", "verdict": code.asks.value},
    }


def _invocation(report: Report, left: tuple[Finding, ...]) -> dict[str, Any]:
    notes = []
    if left:
        text = f"{len(left):,} of {len(report.findings):,} findings are left out, the mildest: {by_kind(left)}."
        notes.append({"level": "warning", "message": {"text": f"{text} `--format json` has all."}})
    unsaid = report.verdict is not Verdict.OK and not any(counts_as_error(f, report) for f in report.findings)
    if unsaid:
        why = "The verifier runs inside of what it verified" if "self" in report.scope else "See the scope"
        notes.append({"level": "error", "message": {"text": f"The verdict is {report.verdict.value}. {why}."}})
    return {"executionSuccessful": not unsaid, "toolExecutionNotifications": notes}


def _results(report: Report, places: Places) -> Iterator[dict[str, Any]]:
    seen: dict[str, int] = {}
    for finding in report.findings:
        mark = _fingerprint(finding)
        seen[mark] = seen.get(mark, 0) + 1
        fingerprint = f"{mark}:{seen[mark]}"
        yield {
            "ruleId": finding.code,
            "ruleIndex": _RULES[finding.code],
            "level": _level(finding, report),
            "message": {"text": shortened(_message(finding), _LONGEST)},
            "locations": [_location(finding, places.of(finding))],
            "partialFingerprints": {"primaryLocationLineHash": fingerprint, "envctlFinding/v1": fingerprint},
            "properties": {
                "package": finding.package,
                "path": None if finding.path is None else shortened(finding.path, _LONGEST),
                "expected": finding.expected,
                "found": None if finding.found is None else shortened(finding.found, _LONGEST),
            },
        }


def _fingerprint(finding: Finding) -> str:
    """What makes a finding the same in the next run: not what was found, which may change again."""
    what = finding.path if finding.path is not None else finding.message
    said = "\0".join((finding.code, finding.package or "", what))
    return hashlib.sha256(said.encode()).hexdigest()[:16]


def _level(finding: Finding, report: Report) -> str:
    return Severity.ERROR.value if counts_as_error(finding, report) else finding.severity.value


def _message(finding: Finding) -> str:
    subject = " ".join(part for part in (finding.package, finding.path) if part)
    return f"{subject}: {finding.message}" if subject else finding.message


def _location(finding: Finding, place: Place) -> dict[str, Any]:
    file = printable(place.file)
    artifact = {"uri": f"file://{quote(file)}"} if file.startswith("/") else {"uri": quote(file), "uriBaseId": _ROOT}
    found: dict[str, Any] = {"physicalLocation": {"artifactLocation": artifact, "region": {"startLine": place.line}}}
    if finding.package or finding.path:
        name = shortened("/".join(part for part in (finding.package, finding.path) if part), _LONGEST)
        found["logicalLocations"] = [{"fullyQualifiedName": name, "kind": "resource" if finding.path else "package"}]
    return found
