"""What is found of a signature: somebody who is trusted made it, or why it counts for nothing. Pure."""

from __future__ import annotations

import msgspec

SSH, SIGSTORE = ".sig", ".sigstore.json"
"""What is put behind a file's name for the name of its signature."""

LIMIT = 2**20
"""Bytes that a signature, a bundle or a list of keys may have."""


class Refused(msgspec.Struct, frozen=True, kw_only=True):
    """A signature that counts for nothing.

    Attributes:
        edited: it is a sound signature, of other bytes than these.
        why: what is wrong, as the end of a sentence about the signature.
        found: what the tool said, or who signed.
    """

    why: str
    edited: bool = False
    expected: str | None = None
    found: str | None = None


class Trusted(msgspec.Struct, frozen=True, kw_only=True):
    """A signature of exactly these bytes, by somebody who is trusted.

    Attributes:
        identity: the principal of the list of signers (which may be a pattern), or the identity in the certificate.
        key: such as `ED25519 SHA256:…`; None where the key was made for this signature alone.
        issuer: who vouched for the identity; None for SSH.
    """

    identity: str
    key: str | None = None
    issuer: str | None = None
