"""Names of distributions, as PEP 503 compares them."""

from __future__ import annotations

import re

_SEPARATORS = re.compile(r"[-_.]+")
_LEADING = re.compile(r"\s*([A-Za-z0-9](?:[A-Za-z0-9._-]*[A-Za-z0-9])?)")


def normalise(name: str) -> str:
    """`Scikit_Learn` is `scikit-learn`."""
    return _SEPARATORS.sub("-", name).lower()


def requirement_name(requirement: str) -> str:
    """The normalised name at the start of a PEP 508 requirement, the rest unparsed; empty where none is there."""
    match = _LEADING.match(requirement)
    return normalise(match[1]) if match else ""
