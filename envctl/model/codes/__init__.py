"""Every code of a finding: what it means and what to do. Codes are stable for ever; docs/findings/ is made from here.

ENV1xx the set of packages, ENV2xx files, ENV3xx the interpreter and its configuration, ENV4xx code that runs by itself
and bytecode, ENV5xx base image, OS packages and image configuration, ENV6xx locked files, ENV7xx the lockfile's own
signature, ENV9xx could not be verified.
"""

from __future__ import annotations

from collections.abc import Sequence

from envctl.model.codes import files, image, interpreter, packages, startup, trust, unverified
from envctl.model.codes.kind import Code
from envctl.model.finding import Finding, Severity, Verdict

__all__ = ["CODES", "Code", "named", "verdict_of"]

CODES: dict[str, Code] = {
    code.code: code for room in (packages, files, interpreter, startup, image, trust, unverified) for code in room.CODES
}


def named(name: str) -> Code:
    """The code of a short name."""
    return _BY_NAME[name]


_BY_NAME: dict[str, Code] = {code.name: code for code in CODES.values()}
_RANK = {verdict: rank for rank, verdict in enumerate(Verdict)}


def verdict_of(findings: Sequence[Finding], *, strict: bool = False) -> Verdict:
    """The worst verdict that a finding asks for: those of errors, with `strict` those of warnings too."""
    counting = (Severity.ERROR, Severity.WARNING) if strict else (Severity.ERROR,)
    asked = [CODES[finding.code].asks for finding in findings if finding.severity in counting]
    return min(asked, key=_RANK.__getitem__, default=Verdict.OK)
