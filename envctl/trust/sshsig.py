"""An SSH signature's armour and namespace, for messages: what counts is what ssh-keygen says. Pure.

Source: PROTOCOL.sshsig of OpenSSH.
"""

from __future__ import annotations

import base64
import binascii
import re
import struct

_ARMOURED = re.compile(
    rb"-----BEGIN SSH SIGNATURE-----\r?\n([A-Za-z0-9+/=\r\n]+)-----END SSH SIGNATURE-----[\r\n\t ]*", re.ASCII
)
_MAGIC = b"SSHSIG"
_VERSION = 1


def namespace_of(data: bytes) -> str:
    """What a signature was made for; ValueError with a sentence where it is not exactly one SSH signature."""
    if not data.strip():
        raise ValueError("it is empty")
    match = _ARMOURED.fullmatch(data)
    if match is None:
        several = data.count(b"BEGIN SSH SIGNATURE") > 1
        raise ValueError("it holds several" if several else "it is not in the form that ssh-keygen writes")
    try:
        blob = base64.b64decode(re.sub(rb"[\r\n]", b"", match[1]), validate=True)
        if not blob.startswith(_MAGIC):
            raise ValueError("it has another format")
        (version,) = struct.unpack_from(">I", blob, len(_MAGIC))
        if version != _VERSION:
            raise ValueError(f"it has the version {version}")
        _, at = _text(blob, len(_MAGIC) + 4)  # the public key
        namespace, _ = _text(blob, at)
    except (binascii.Error, struct.error) as error:
        raise ValueError("it is damaged") from error
    return namespace.decode("utf-8", "backslashreplace")


def _text(blob: bytes, at: int) -> tuple[bytes, int]:
    (size,) = struct.unpack_from(">I", blob, at)
    end = at + 4 + size
    if end > len(blob):
        raise struct.error("it ends early")
    return blob[at + 4 : end], end
