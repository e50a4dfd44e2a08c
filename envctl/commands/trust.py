"""Whether the lockfile that is about to be used is signed by somebody who is trusted: asked before it is used."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from envctl.errors import InvalidFile, UsageError
from envctl.model.codes import named, verdict_of
from envctl.model.finding import Counts, Finding, PackageSet, Severity, Signature, Verification
from envctl.model.lockfile import Lockfile
from envctl.model.manifest import environment_digest
from envctl.system.files import read_bytes
from envctl.trust.judgement import LIMIT, SIGSTORE, SSH, Refused, Trusted
from envctl.trust.signers import preferences, signers

if TYPE_CHECKING:
    from envctl.commands.locate import Located


class Trust(msgspec.Struct, frozen=True, kw_only=True):
    """What is demanded of a lockfile's signature, beside what the user's configuration demands.

    Attributes:
        required: without one nothing is done. The configuration can require it too.
        allowed_signers: keys that are trusted, relative to the project folder; None: as configured.
        identity: who must have signed; None: any of the allowed signers.
        issuer: who vouches for the identity: a sigstore bundle counts, and no SSH signature.
    """

    required: bool = False
    allowed_signers: Path | None = None
    identity: str | None = None
    issuer: str | None = None


ANY = Trust()
"""Nothing is demanded but what the user's configuration demands."""


class Judged(msgspec.Struct, frozen=True, kw_only=True):
    """A signature that was required: the right one, or None; and findings, an error where it is None."""

    signature: Signature | None
    findings: tuple[Finding, ...] = ()


def judge(
    project: Path, lock: Located, trust: Trust, environ: Mapping[str, str] | None = None, *, offline: bool = False
) -> Judged | None:
    """Judge the signature beside a lockfile, of exactly the bytes that were read; None where none is required.

    Args:
        offline: sigstore's keys are not fetched, but taken as they were last.

    Raises:
        UsageError: it is not said who is trusted.
        InvalidFile: the list of signers or the configuration cannot be read.
        ToolFailed: ssh-keygen or the library sigstore is missing.
        IndexFailed: sigstore's keys could not be fetched.
    """
    environ = os.environ if environ is None else environ
    trust = _settled(trust, environ)
    if not trust.required:
        return None
    if trust.issuer is not None:
        return _sigstore(lock, trust, offline=offline)
    return _ssh(project, lock, trust, environ)


def insist(project: Path, lock: Located, trust: Trust, warn: Callable[[str], None] = lambda _: None) -> None:
    """InvalidFile where a signature is required and there is no right one. For those who make no report."""
    judged = judge(project, lock, trust)
    for finding in () if judged is None else judged.findings:
        if finding.severity is Severity.ERROR:
            raise InvalidFile(
                f"the lockfile is not to be trusted: {finding.message}",
                file=finding.path,
                found=finding.found,
                expected=finding.expected,
                hint=f"`envctl explain {finding.code}`",
            )
        warn(f"warning: {finding.path}: {finding.message}")


def refused(lockfile: Lockfile, platform: str, judged: Judged, *, strict: bool) -> Verification:
    """The verification that did not take place, because the lockfile is not to be trusted."""
    locked = lockfile.envctl.package_set
    return Verification(
        verdict=verdict_of(judged.findings, strict=strict),
        scope=("signature",),
        package_set=PackageSet(
            expected=locked.get(platform, next(iter(locked.values()))), found=environment_digest([])
        ),
        findings=judged.findings,
        counts=Counts(packages=0, files=0, bytes=0),
        strict=strict,
    )


def with_signature(found: Verification, judged: Judged | None, *, strict: bool) -> Verification:
    """The verification, which covers the lockfile's signature too where one was required."""
    from envctl.verify.compare import added

    if judged is None:
        return found
    return added(msgspec.structs.replace(found, scope=(*found.scope, "signature")), judged.findings, strict=strict)


def _settled(trust: Trust, environ: Mapping[str, str]) -> Trust:
    """With what the configuration says; what is named on the command line comes before it, and as a whole."""
    wanted = preferences(environ)
    named = trust.allowed_signers is not None or trust.identity is not None or trust.issuer is not None
    settled = Trust(
        required=trust.required or wanted.require,
        allowed_signers=trust.allowed_signers,
        identity=trust.identity if named else wanted.identity,
        issuer=trust.issuer if named else wanted.issuer,
    )
    if settled.issuer is not None and settled.allowed_signers is not None:
        raise UsageError("--issuer and --allowed-signers exclude each other", hint="one is sigstore's, one is SSH's")
    if settled.issuer is not None and settled.identity is None:
        raise UsageError(
            "an issuer vouches for many identities, and none is named", hint="--identity alice@example.com"
        )
    return settled


def _ssh(project: Path, lock: Located, trust: Trust, environ: Mapping[str, str]) -> Judged:
    from envctl.trust import ssh

    trusted = signers(project, trust.allowed_signers, environ)
    read = _signature(lock, SSH, other=SIGSTORE, way="--identity and --issuer ask for that")
    if isinstance(read, Judged):
        return read
    found = ssh.judge(
        lock.data, read, signers=trusted.data, revoked=trusted.revoked, identity=trust.identity, environ=environ
    )
    judged = _judged(lock, SSH, "ssh", found)
    if judged.signature is None or not trusted.inside:
        return judged
    message = "lies in the project: whoever can change the lockfile can change it too"
    warning = named("signers-in-project").finding(message, path=_shown(trusted.place))
    return msgspec.structs.replace(judged, findings=(warning,))


def _sigstore(lock: Located, trust: Trust, *, offline: bool) -> Judged:
    from envctl.trust import sigstore

    read = _signature(lock, SIGSTORE, other=SSH, way="without --issuer that is asked for")
    if isinstance(read, Judged):
        return read
    found = sigstore.judge(lock.data, read, identity=trust.identity or "", issuer=trust.issuer or "", offline=offline)
    return _judged(lock, SIGSTORE, "sigstore", found)


def _signature(lock: Located, suffix: str, *, other: str, way: str) -> bytes | Judged:
    """The bytes of a signature, read once; or what is to be said of its absence."""
    shown = lock.shown + suffix
    try:
        return read_bytes(_beside(lock.path, suffix), shown=shown, limit=LIMIT)
    except FileNotFoundError:
        message = "there is no such signature"
        if _beside(lock.path, other).is_file():
            message += f"; there is {Path(lock.shown).name}{other}, and {way}"
        code = "lockfile-unsigned"
    except InvalidFile as error:
        message, code = f"is no signature: {error.what}" + (f" ({error.found})" if error.found else ""), ""
    return Judged(
        signature=None, findings=(named(code or "lockfile-signer-untrusted").finding(message, path=_shown(shown)),)
    )


def _judged(lock: Located, suffix: str, kind: str, found: Trusted | Refused) -> Judged:
    place = lock.shown + suffix
    if isinstance(found, Trusted):
        signature = Signature(
            kind=kind,
            file=_shown(place),
            identity=_shown(found.identity),
            issuer=found.issuer,
            key=found.key,
        )
        return Judged(signature=signature)
    code = named("lockfile-signature-other" if found.edited else "lockfile-signer-untrusted")
    finding = code.finding(
        _shown(found.why),
        path=_shown(place),
        expected=None if found.expected is None else _shown(found.expected),
        found=None if found.found is None else _shown(found.found),
    )
    return Judged(signature=None, findings=(finding,))


def _beside(path: Path, suffix: str) -> Path:
    return path.with_name(path.name + suffix)


def _shown(text: str) -> str:
    from envctl.model.printable import printable  # while files are hashed, and not before

    return printable(text)
