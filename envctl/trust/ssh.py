"""SSH signatures, made and judged by ssh-keygen (OpenSSH >= 8.2): its word is the one that counts.

What it judges it is given in files of a private folder, read once by envctl, and the signed bytes by its standard
input: so nothing that changes meanwhile is read again, and no name of a file is an option.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from pathlib import Path

from envctl.errors import ToolFailed, UsageError
from envctl.system.files import scratch_dir
from envctl.system.process import Finished, program, run, unswayed
from envctl.trust.judgement import Refused, Trusted
from envctl.trust.sshsig import namespace_of

LOCKFILE, STATEMENT = "envctl-lockfile", "envctl-statement"
"""Namespaces: what a signature is for, so that one for something else does not count."""

_SECONDS = 60  # a token waits for a finger, an agent for a click
_MOST_PRINCIPALS = 100
_KEY = re.compile(r" with (\S+) key (SHA256:\S+)\s*$")
_LINE = re.compile(r"signers:(\d+): ")
_UNKNOWN, _REFUSED = "No principal matched.", "Could not verify signature."
LITERAL = ("key::", "ssh-", "ecdsa-", "sk-")


def judge(
    data: bytes,
    signature: bytes,
    *,
    signers: bytes,
    revoked: bytes | None = None,
    identity: str | None = None,
    namespace: str = LOCKFILE,
    environ: Mapping[str, str] | None = None,
) -> Trusted | Refused:
    """Whether a signature is one of these bytes, for this purpose, by somebody who is trusted now.

    Args:
        signers: an allowed signers file, as ssh-keygen(1) describes it.
        revoked: keys that are not trusted whatever else says so: a revocation list, or public keys.
        identity: the principal who must have signed; None: any of `signers`.

    Raises:
        ToolFailed: there is no ssh-keygen, or it did not end.
    """
    try:
        purpose = namespace_of(signature)
    except ValueError as error:
        return Refused(why="is no SSH signature", found=str(error))
    if purpose != namespace:
        return Refused(why="was made for something else than a lockfile", found=purpose[:80], expected=namespace)
    with scratch_dir() as folder:
        place, list_ = folder / "signature", folder / "signers"
        place.write_bytes(signature)
        list_.write_bytes(signers if signers.endswith(b"\n") else signers + b"\n")
        revocation: tuple[str | Path, ...] = ()
        if revoked is not None:
            (folder / "revoked").write_bytes(revoked)
            revocation = ("-r", folder / "revoked")

        def ask(what: str, *more: str | Path, about: bytes = b"") -> Finished:
            return _keygen("-Y", what, "-s", place, *more, data=about, environ=environ)

        fits = ask("check-novalidate", "-n", namespace, about=data)
        if fits.status != 0:
            said = _said(fits, folder)
            edited = "incorrect signature" in said
            why = "is of another lockfile: it was edited after it was signed" if edited else "cannot be checked"
            return Refused(why=why, edited=edited, found=said or None)
        last = fits if identity is not None else ask("find-principals", "-f", list_)
        principals = _lines(last) if identity is None else [identity]
        asked = ("-f", list_, "-n", namespace)
        for principal in principals[:_MOST_PRINCIPALS]:
            last = ask("verify", *asked, *revocation, "-I", principal, about=data)
            if last.status == 0:
                return Trusted(identity=principal, key=_key(last))
            if revocation and ask("verify", *asked, "-I", principal, about=data).status == 0:
                return Refused(why="is by a key that is revoked, or the list of revoked keys is none", found=_key(fits))
        why = "is by nobody who is trusted" if identity is None else "is not by the one who is asked for"
        said = _said(last, folder) if principals or last.stderr.count("\n") > 1 else ""
        known = "" if said in ("", _UNKNOWN, _REFUSED) else f": {said}"
        return Refused(why=why + known, expected=identity, found=_key(fits))


def fits(data: bytes, signature: bytes, *, environ: Mapping[str, str] | None = None) -> bool:
    """Whether a signature is one of these bytes for this purpose, whoever made it; ToolFailed without ssh-keygen."""
    try:
        if namespace_of(signature) != LOCKFILE:
            return False
    except ValueError:
        return False
    with scratch_dir() as folder:
        (folder / "signature").write_bytes(signature)
        asked = ("-Y", "check-novalidate", "-n", LOCKFILE, "-s", folder / "signature")
        return _keygen(*asked, data=data, environ=environ).status == 0


def sign(data: bytes, key: str, *, namespace: str, terminal: bool, environ: Mapping[str, str] | None = None) -> bytes:
    """An armoured signature of these bytes.

    Args:
        key: a file with a private key, with a public key whose private one is in the agent, or a public key itself.
        terminal: whether somebody sees standard error, and can be asked for a passphrase or a finger.

    Raises:
        UsageError: there is no such file, or it is none.
        ToolFailed: there is no ssh-keygen, or it could not sign.
    """
    with scratch_dir() as folder:
        place = Path(key)
        if key.startswith(LITERAL):
            place = folder / "key.pub"
            place.write_text(key.removeprefix("key::") + "\n", "utf-8")
        elif not place.is_file():  # what is no file would be waited for
            raise UsageError(
                "there is no such key" if not place.exists() else "is no file", file=key, hint="`--key FILE` names one"
            )
        asked = ("-q", "-Y", "sign", "-n", namespace, "-f", place.absolute())
        done = _keygen(*asked, data=data, environ=environ, terminal=terminal)
        if done.status != 0 or not done.stdout.startswith("-----BEGIN SSH SIGNATURE-----"):
            said = _said(done, folder)
            raise ToolFailed(
                "ssh-keygen could not sign",
                file=None if key.startswith(LITERAL) else key,
                found=said or ("what it said above" if terminal else "no signature"),
                hint="a passphrase is asked for on a terminal only; elsewhere `ssh-add` puts the key into an agent",
            )
    return done.stdout.encode("ascii", "replace")


def key_of(data: bytes, signature: bytes, *, namespace: str) -> str | None:
    """Which key a signature of these bytes was made with, such as `ED25519 SHA256:…`."""
    with scratch_dir() as folder:
        (folder / "signature").write_bytes(signature)
        return _key(_keygen("-Y", "check-novalidate", "-n", namespace, "-s", folder / "signature", data=data))


def _keygen(
    *arguments: str | Path, data: bytes, environ: Mapping[str, str] | None = None, terminal: bool = False
) -> Finished:
    keygen = program("ssh-keygen", environ)
    if keygen is None:
        raise ToolFailed(
            "SSH signatures need ssh-keygen, which is not on PATH",
            hint="install OpenSSH's client: the package openssh-client, openssh-clients or openssh",
        )
    timeout = None if terminal else _SECONDS
    done = run([keygen, *arguments], stdin=data, env=unswayed(environ), timeout=timeout, show_stderr=terminal)
    if "unknown option" in done.stderr or "Unsupported operation" in done.stderr or "illegal option" in done.stderr:
        raise ToolFailed("ssh-keygen is too old for signatures", found=_first(done.stderr), expected="OpenSSH 8.2")
    return done


def _lines(done: Finished) -> Sequence[str]:
    return [line for line in done.stdout.splitlines() if line] if done.status == 0 else []


def _key(done: Finished) -> str | None:
    match = _KEY.search(done.stdout)
    return f"{match[1]} {match[2]}" if match else None


def _said(done: Finished, folder: Path) -> str:
    """The one line of what ssh-keygen wrote that says why, without the names of our own files."""
    lines = [line.replace(f"{folder}/", "").strip() for line in done.stderr.splitlines()]
    told = [line for line in lines if line and not line.startswith("Enter passphrase")]
    told += [line.partition("Enter passphrase: ")[2] for line in lines if line.startswith("Enter passphrase: ")]
    placed = [_LINE.sub(r"line \1 of the list: ", line) for line in told if _LINE.match(line)]
    return (placed or told or [""])[0][:200]


def _first(text: str) -> str:
    return text.strip().partition("\n")[0][:200]
