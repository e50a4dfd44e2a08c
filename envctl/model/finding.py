"""Findings: how an environment differs from its lockfile (docs/findings/, one page a code)."""

from __future__ import annotations

from enum import Enum

import msgspec


class Severity(str, Enum):
    """Errors and (with --strict) warnings decide the exit code; notes never do."""

    ERROR = "error"
    WARNING = "warning"
    NOTE = "note"


class Verdict(str, Enum):
    """From worst to best; the worst that any finding asks for wins."""

    CHANGED = "changed"
    UNTRUSTED = "untrusted"
    UNVERIFIABLE = "unverifiable"
    OK = "ok"


class Finding(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One difference. `code` is stable for ever (ENV201), `name` its short name (file-changed)."""

    code: str
    name: str
    severity: Severity
    message: str
    package: str | None = None
    path: str | None = None
    expected: str | None = None
    found: str | None = None
