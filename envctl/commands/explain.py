"""What findings mean: the Python API of `envctl explain`."""

from __future__ import annotations

import difflib

import msgspec

from envctl.errors import UsageError
from envctl.model.codes import CODES, Code


class Explanation(msgspec.Struct, frozen=True, kw_only=True):
    """The result of `envctl explain`."""

    schema: str = "envctl.explain/1"
    codes: tuple[Code, ...]


def explain(code: str | None = None) -> Explanation:
    """One code, by its number or its short name; all of them without one. UsageError where there is no such code."""
    if code is None:
        return Explanation(codes=tuple(CODES.values()))
    by_name = {known.name: known for known in CODES.values()}
    found = CODES.get(code.upper()) or by_name.get(code.lower())
    if found is None:
        near = difflib.get_close_matches(code.upper(), CODES, n=1) or difflib.get_close_matches(
            code.lower(), by_name, n=1
        )
        raise UsageError(
            f"{code!r} is no code of a finding",
            expected="a code such as ENV201, or a name such as file-changed",
            hint=f"did you mean {near[0]}? `envctl explain` lists all" if near else "`envctl explain` lists all",
        )
    return Explanation(codes=(found,))
