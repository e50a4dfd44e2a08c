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


class PackageSet(msgspec.Struct, frozen=True, kw_only=True):
    """Environment digests, `sha256:<hex>`: of the lockfile, and of what was found."""

    expected: str
    found: str


class Counts(msgspec.Struct, frozen=True, kw_only=True):
    """What was looked at: distributions found, regular files, their bytes."""

    packages: int
    files: int
    bytes: int


class PackageState(msgspec.Struct, frozen=True, kw_only=True):
    """A package that is locked, or that is installed all the same.

    Attributes:
        name: normalised.
        expected: the locked version, None where it is not locked; `found`: the installed one, None where there is none.
        verdict: the worst that a finding on the package asks for.
        files, bytes: regular files of the environment that are the package's.
    """

    name: str
    expected: str | None
    found: str | None
    verdict: Verdict
    files: int
    bytes: int


class Verification(msgspec.Struct, frozen=True, kw_only=True):
    """How one environment compares with its lockfile.

    Attributes:
        scope: what the verdict covers, in the words of docs/reference/report.md; what is missing is not covered.
        findings: the worst first, then by package and path.
        packages: by name; without those that are the base image's own, and without the team's project.
        strict: whether warnings counted as errors.
    """

    verdict: Verdict
    scope: tuple[str, ...]
    package_set: PackageSet
    findings: tuple[Finding, ...]
    counts: Counts
    packages: tuple[PackageState, ...] = ()
    strict: bool = False


class Subject(msgspec.Struct, frozen=True, kw_only=True):
    """What was verified: kind (venv, image, container, archive), how the user named it, its digest where it has one."""

    kind: str
    name: str
    digest: str | None = None


class LockReference(msgspec.Struct, frozen=True, kw_only=True):
    """The lockfile that was compared with: its place as the user knows it, `sha256:<hex>` of its bytes.

    `base`: the digest of the base image that it pins for the platform; None without an image.
    """

    file: str
    digest: str
    base: str | None = None


class Signature(msgspec.Struct, frozen=True, kw_only=True):
    """The signature that was found to be right: `kind` (ssh, sigstore), its file, who signed, with which key.

    `issuer`: who vouches for the identity; None for SSH. `key`: None where it was made for this signature alone.
    """

    kind: str
    file: str
    identity: str
    issuer: str | None = None
    key: str | None = None


class Report(msgspec.Struct, frozen=True, kw_only=True):
    """The result of `envctl verify`; as JSON it is what docs/reference/report.md describes.

    `signature`: the lockfile's, where one was required and is right.
    """

    schema: str = "envctl.verify/1"
    verdict: Verdict
    scope: tuple[str, ...]
    target: str
    platform: str
    subject: Subject
    lock: LockReference
    package_set: PackageSet
    findings: tuple[Finding, ...]
    counts: Counts
    seconds: float
    signature: Signature | None = None
    packages: tuple[PackageState, ...] = ()
    strict: bool = False
