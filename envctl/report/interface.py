"""The seam of reports: a verification becomes text for people or for a program. An adapter is one file behind this."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Protocol

import msgspec

from envctl.model.finding import Finding, Report, Signature
from envctl.model.printable import printable


class Place(msgspec.Struct, frozen=True):
    """A line (from 1) of a file of the repository: a path with `/` from its root, or absolute where it is outside."""

    file: str
    line: int = 1


class Places(msgspec.Struct, frozen=True, kw_only=True):
    """Where what a finding is about was written down.

    Attributes:
        lock: the lockfile.
        packages: package -> where it is locked.
        settings: beginning of a code (`ENV5`) -> where a profile, else the lockfile, says what such findings are about.
    """

    lock: Place
    packages: Mapping[str, Place] = {}
    settings: Mapping[str, Place] = {}

    def of(self, finding: Finding) -> Place:
        """The place to point to."""
        found = self.packages.get(finding.package) if finding.package is not None else None
        return found or self.settings.get(finding.code[:4], self.lock)


class Format(Protocol):
    """An adapter. The same report gives the same text, and whatever stands in it stays data."""

    def __call__(self, report: Report, places: Places | None = None, /) -> str:
        """The report, without a final newline; what a limit leaves out is said in it.

        `places` is for formats that point into the repository; None: they point to the lockfile.
        """
        ...


def cleaned(report: Report) -> Report:
    """The report with no character in it that a terminal obeys or a parser refuses."""
    replace = msgspec.structs.replace
    return replace(
        report,
        target=printable(report.target),
        platform=printable(report.platform),
        subject=replace(report.subject, name=printable(report.subject.name)),
        lock=replace(report.lock, file=printable(report.lock.file)),
        signature=None if report.signature is None else _signature(report.signature),
        findings=tuple(_cleaned(finding) for finding in report.findings),
        packages=tuple(
            replace(state, name=printable(state.name), found=None if state.found is None else printable(state.found))
            for state in report.packages
        ),
    )


def _signature(signature: Signature) -> Signature:
    return msgspec.structs.replace(
        signature,
        file=printable(signature.file),
        identity=printable(signature.identity),
        issuer=None if signature.issuer is None else printable(signature.issuer),
        key=None if signature.key is None else printable(signature.key),
    )


def _cleaned(finding: Finding) -> Finding:
    said = (finding.message, finding.package, finding.path, finding.expected, finding.found)
    if all(text is None or text.isprintable() for text in said):
        return finding
    message, package, path, expected, found = (None if text is None else printable(text) for text in said)
    return msgspec.structs.replace(
        finding, message=message or "", package=package, path=path, expected=expected, found=found
    )
