"""What a code says of a kind of finding, and the words that several of them share."""

from __future__ import annotations

import msgspec

from envctl.model.finding import Finding, Severity, Verdict

ERROR, WARNING, NOTE = Severity.ERROR, Severity.WARNING, Severity.NOTE
CHANGED, UNTRUSTED, UNVERIFIABLE = Verdict.CHANGED, Verdict.UNTRUSTED, Verdict.UNVERIFIABLE

RESTORE = "`envctl sync TARGET` makes the environment exact again."
WHO = (
    "Find out who or what did it, before anything is repaired: an update by hand, a debugging session, a faulty disk,"
    " or an attack."
)


class Code(msgspec.Struct, frozen=True, kw_only=True):
    """One kind of finding.

    Attributes:
        asks: the verdict it asks for where it counts (errors always, warnings with --strict, notes never).
        title: one line; `meaning`: what was found, and what it can come from; `action`: what to do.
    """

    code: str
    name: str
    severity: Severity
    asks: Verdict
    title: str
    meaning: str
    action: str

    def finding(
        self,
        message: str,
        *,
        severity: Severity | None = None,
        package: str | None = None,
        path: str | None = None,
        expected: str | None = None,
        found: str | None = None,
    ) -> Finding:
        """A finding of this kind; `severity` where it is milder than usual."""
        return Finding(
            code=self.code,
            name=self.name,
            severity=severity or self.severity,
            message=message,
            package=package,
            path=path,
            expected=expected,
            found=found,
        )
