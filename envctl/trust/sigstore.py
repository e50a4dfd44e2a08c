"""Sigstore bundles, made and judged by the library `sigstore`, an optional extra that is imported when it is needed.

Its keys come through its own update framework, from the network or from its cache; no key of a project is believed.
"""

from __future__ import annotations

import contextlib
import logging
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from envctl.errors import IndexFailed, ToolFailed, UsageError
from envctl.trust.judgement import Refused, Trusted

if TYPE_CHECKING:
    from sigstore.verify import Verifier

_EDITED = ("digest mismatch", "Signature is invalid for input")


def judge(
    data: bytes,
    bundle: bytes,
    *,
    identity: str,
    issuer: str,
    offline: bool = False,
    verifier: Verifier | None = None,
) -> Trusted | Refused:
    """Whether a bundle is a signature of these bytes by this identity, for which this issuer vouches.

    Args:
        offline: take sigstore's keys as they were last fetched, or came with the library.
        verifier: whose instance of sigstore is believed; None: the public one.

    Raises:
        ToolFailed: the library is not installed.
        IndexFailed: sigstore's keys could not be fetched.
    """
    with _library():
        from sigstore.errors import VerificationError
        from sigstore.models import Bundle, InvalidBundle
        from sigstore.verify import Verifier, policy

        try:
            read = Bundle.from_json(bundle)
        except (InvalidBundle, ValueError, KeyError, TypeError, RecursionError) as error:
            return Refused(why="is no sigstore bundle", found=_line(error))
        trusted = Verifier.production(offline=offline) if verifier is None else verifier
        try:
            trusted.verify_artifact(data, read, policy.Identity(identity=identity, issuer=issuer))
        except VerificationError as error:
            said = _line(error)
            edited = any(words in said for words in _EDITED)
            why = "is of another lockfile: it was edited after it was signed" if edited else "is not to be trusted"
            return Refused(why=why, edited=edited, expected=f"{identity}, as {issuer} vouches", found=said)
    return Trusted(identity=identity, issuer=issuer)


def sign(items: Sequence[bytes], *, terminal: bool) -> tuple[str, list[bytes]]:
    """The identity that signed, and a bundle for each item, as JSON.

    The identity is that of the CI job (as GitHub, GitLab and others offer it), else of a login in a browser.

    Args:
        terminal: whether somebody can log in.

    Raises:
        UsageError: there is no identity here.
        ToolFailed: the library is not installed.
        IndexFailed: sigstore could not be reached, or refused.
    """
    with _library():
        from sigstore.models import ClientTrustConfig
        from sigstore.oidc import IdentityToken, Issuer, detect_credential
        from sigstore.sign import SigningContext

        found = detect_credential()
        if found is None and not terminal:
            raise UsageError(
                "there is no identity to sign with",
                expected="a CI job that may ask for an OIDC token (`id-token: write`), or a terminal to log in from",
                hint="`envctl sign TARGET --key FILE` signs with an SSH key",
            )
        config = ClientTrustConfig.production()
        login = config.signing_config.get_oidc_url
        token = Issuer(login()).identity_token() if found is None else IdentityToken(found)
        with SigningContext.from_trust_config(config).signer(token) as signer:
            return token.identity, [signer.sign_artifact(data).to_json().encode() for data in items]


@contextlib.contextmanager
def _library() -> Iterator[None]:
    """Its errors as ours; what it logs is not shown."""
    logging.getLogger("sigstore").setLevel(logging.CRITICAL)
    try:
        from sigstore import errors
        from sigstore.oidc import ExpiredIdentity, IdentityError, IssuerError
    except ImportError as error:
        raise ToolFailed(
            "sigstore bundles need the library sigstore",
            found=str(error),
            hint="install envctl with its extra: `envctl-ml[sigstore]`",
        ) from error
    try:
        yield
    except (IdentityError, ExpiredIdentity) as error:
        raise UsageError("sigstore accepts no identity from here", found=_line(error)) from error
    except (errors.Error, IssuerError, OSError) as error:
        raise IndexFailed("sigstore could not be asked", found=_line(error)) from error


def _line(error: BaseException) -> str:
    text = " ".join(str(error).split()) or type(error).__name__
    cause = error.__cause__ or error.__context__
    return (text if cause is None else f"{text}: {' '.join(str(cause).split())}")[:200]
