"""`WWW-Authenticate`: how a server wants to be asked (RFC 9110 section 11, the distribution project's token scheme)."""

from __future__ import annotations

import re

import msgspec

_TOKEN = r"[A-Za-z0-9!#$%&'*+.^_`|~-]+"  # noqa: S105  # a token of the grammar, not a secret
_SCHEME = re.compile(rf"\s*({_TOKEN})(?:\s+|(?=\s*(?:,|\Z)))")
_PARAMETER = re.compile(rf'\s*({_TOKEN})\s*=\s*(?:"((?:[^"\\]|\\.)*)"|({_TOKEN}))')
_COMMA = re.compile(r"[\s,]*")
_LONGEST = 8192


class Challenge(msgspec.Struct, frozen=True):
    """A scheme in lower case, and its parameters by lower-case name."""

    scheme: str
    parameters: dict[str, str]


def parse_challenges(header: str) -> list[Challenge]:
    """Every challenge of the header's value, as far as it can be read."""
    found: list[Challenge] = []
    text, at = header[:_LONGEST], 0
    while at < len(text):
        at = _end(_COMMA.match(text, at), at)
        parameter = _PARAMETER.match(text, at)
        if parameter is not None and found:
            value = parameter[3] if parameter[2] is None else re.sub(r"\\(.)", r"\1", parameter[2])
            found[-1].parameters.setdefault(parameter[1].lower(), value)
            at = parameter.end()
            continue
        scheme = _SCHEME.match(text, at)
        if scheme is None or scheme.end() == at:
            break
        found.append(Challenge(scheme[1].lower(), {}))
        at = scheme.end()
    return found


def _end(match: re.Match[str] | None, at: int) -> int:
    return at if match is None else match.end()
