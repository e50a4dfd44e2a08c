"""The report as an in-toto statement, for tools that sign and judge (docs/reference/report.md#the-in-toto-statement).

Source: in-toto attestation framework, Statement v1 and ResourceDescriptor v1.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timezone

import msgspec

from envctl.model.finding import Report, Severity

STATEMENT = "https://in-toto.io/Statement/v1"
PREDICATE = "urn:uuid:1aea5d4a-cc64-447d-a8dc-313792fd7ff6"
"""The type of what is said: a name that is nobody else's, and no address. Another meaning gets another one."""
SCHEMA = "envctl.attestation/1"
_IMAGES = ("image", "archive")


def statement(report: Report, *, verified: datetime, version: str, reader: str) -> dict[str, object]:
    """The statement, ready to be written as JSON.

    Args:
        verified: when, with a timezone.
        version: envctl's.
        reader: who read an image: outside, inside, both.
    """
    signature = None if report.signature is None else msgspec.to_builtins(report.signature)
    counts = {str(severity.value): 0 for severity in Severity}
    for finding in report.findings:
        counts[finding.severity.value] += 1
    compared = "packages" in report.scope or report.counts.packages > 0
    return {
        "_type": STATEMENT,
        "subject": [_subject(report, compared=compared)],
        "predicateType": PREDICATE,
        "predicate": {
            "schema": SCHEMA,
            "verdict": report.verdict.value,
            "scope": list(report.scope),
            "target": report.target,
            "platform": report.platform,
            "verified": {
                "kind": report.subject.kind,
                "name": report.subject.name,
                "digest": _digest(report.subject.digest),
            },
            "lockfile": {"name": report.lock.file, "digest": _digest(report.lock.digest)},
            "environment": {
                "expected": _digest(report.package_set.expected),
                "found": _digest(report.package_set.found) if compared else None,
            },
            "base": _digest(report.lock.base),
            "signature": signature,
            "findings": {**counts, "codes": sorted({finding.code for finding in report.findings})},
            "strict": report.strict,
            "reader": reader,
            "verifier": {"name": "envctl", "version": version},
            "timeVerified": verified.astimezone(timezone.utc).strftime("%Y-%m-%dT%H:%M:%SZ"),
        },
    }


def _subject(report: Report, *, compared: bool) -> dict[str, object]:
    """What the statement is about: an image by its digest, else an environment by its; else the lockfile.

    A container may hold other files than its image, so its image is not what was verified.
    """
    digest = report.subject.digest
    if report.subject.kind in _IMAGES and digest is not None:
        return {"name": report.subject.name, "digest": _digest(digest)}
    if compared:
        name = f"environment of {report.subject.name}"
        return {"name": name, "digest": _digest(report.package_set.found)}
    return {"name": report.lock.file, "digest": _digest(report.lock.digest)}


def _digest(digest: str | None) -> Mapping[str, str] | None:
    """A digest as in-toto writes it: `{"sha256": "…"}`."""
    if digest is None:
        return None
    algorithm, _, value = digest.partition(":")
    return {algorithm: value}
