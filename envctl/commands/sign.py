"""Sign lockfiles, and statements on what was verified: the Python API of `envctl sign`."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from pathlib import Path

import msgspec

from envctl.commands.locate import locate
from envctl.errors import InvalidFile
from envctl.lockfile.seal import intact
from envctl.model.manifest import sha256
from envctl.system.files import read_bytes, write_atomically
from envctl.trust import ssh
from envctl.trust.judgement import SIGSTORE, SSH
from envctl.trust.keys import signing_key

SCHEMA = "envctl.sign/1"


class Signed(msgspec.Struct, frozen=True, kw_only=True):
    """One signed file: `target` of a lockfile (None: a statement), the digest of its bytes, where the signature is.

    `kind`: ssh or sigstore; `identity`: as sigstore knows who signed; `key`: such as `ED25519 SHA256:…`.
    """

    target: str | None
    file: str
    digest: str
    signature: str
    kind: str
    identity: str | None = None
    key: str | None = None


class SignResult(msgspec.Struct, frozen=True, kw_only=True):
    """The result of `envctl sign`."""

    schema: str = SCHEMA
    signed: tuple[Signed, ...]


class _Job(msgspec.Struct, frozen=True, kw_only=True):
    target: str | None
    path: Path
    shown: str
    data: bytes
    namespace: str


def sign(
    project: Path,
    names: Sequence[str],
    *,
    key: Path | None = None,
    attestation: Path | None = None,
    sigstore: bool = False,
    terminal: bool = False,
    environ: Mapping[str, str] | None = None,
) -> SignResult:
    """Write a detached signature beside each lockfile: all of them, or none.

    Args:
        names: targets as users type them, or paths of lockfiles.
        key: an SSH key, relative to the project folder; None: git's, else the agent's only one.
        attestation: a statement to sign as well, relative to the project folder.
        sigstore: with an identity of sigstore's and not with a key.
        terminal: whether somebody can be asked for a passphrase, a finger or a login.

    Raises:
        UsageError: a target or the key is not there, or it is not said which key signs.
        InvalidFile: a lockfile is invalid, or not as envctl wrote it.
        ToolFailed: ssh-keygen or the library sigstore is missing, or could not sign, or the signature not be written.
        IndexFailed: sigstore could not be reached.
    """
    environ = os.environ if environ is None else environ
    jobs = [_lockfile(project, name) for name in names]
    if attestation is not None:
        jobs.append(_statement(project, attestation))
    signed, files = [], {}
    for job, (data, done) in zip(
        jobs, _made(project, jobs, key, environ, sigstore=sigstore, terminal=terminal), strict=True
    ):
        files[job.path.with_name(job.path.name + (SIGSTORE if sigstore else SSH))] = data
        signed.append(done)
    write_atomically(files)
    return SignResult(signed=tuple(signed))


def _made(
    project: Path, jobs: Sequence[_Job], key: Path | None, environ: Mapping[str, str], *, sigstore: bool, terminal: bool
) -> list[tuple[bytes, Signed]]:
    if sigstore:
        from envctl.trust import sigstore as bundles

        identity, made = bundles.sign([job.data for job in jobs], terminal=terminal)
        return [
            (data, _signed(job, SIGSTORE, kind="sigstore", identity=identity))
            for job, data in zip(jobs, made, strict=True)
        ]
    chosen = signing_key(project, environ) if key is None else str(project / key)
    found = []
    for job in jobs:
        data = ssh.sign(job.data, chosen, namespace=job.namespace, terminal=terminal, environ=environ)
        used = ssh.key_of(job.data, data, namespace=job.namespace)
        found.append((data, _signed(job, SSH, kind="ssh", key=used)))
    return found


def _signed(job: _Job, suffix: str, *, kind: str, identity: str | None = None, key: str | None = None) -> Signed:
    return Signed(
        target=job.target,
        file=job.shown,
        digest=sha256(job.data),
        signature=job.shown + suffix,
        kind=kind,
        identity=identity,
        key=key,
    )


def _lockfile(project: Path, name: str) -> _Job:
    lock = locate(project, name)
    target = lock.lockfile.target
    if not intact(lock.data):
        raise InvalidFile(
            "was edited since an envctl wrote it, so it is not signed",
            file=lock.shown,
            hint=f"`envctl lock {target}` writes it anew; review what changes",
        )
    return _Job(target=target, path=lock.path, shown=lock.shown, data=lock.data, namespace=ssh.LOCKFILE)


def _statement(project: Path, place: Path) -> _Job:
    try:
        data = read_bytes(project / place, shown=place)
    except FileNotFoundError:
        raise InvalidFile("there is no such statement", file=place, hint="`envctl verify --attestation FILE`") from None
    try:
        kind = msgspec.json.decode(data, type=dict).get("_type")
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
        raise InvalidFile("is no statement", file=place, found=str(error)[:200]) from error
    if kind != "https://in-toto.io/Statement/v1":
        raise InvalidFile("is no statement", file=place, found=ascii(kind)[:80], expected="an in-toto statement")
    return _Job(target=None, path=project / place, shown=str(place), data=data, namespace=ssh.STATEMENT)
