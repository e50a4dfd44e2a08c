"""docs/findings/: one page a code, made from the registry."""

from __future__ import annotations

import textwrap

from envctl.model.codes import CODES, Code

_COUNTS = {
    "error": "An error: the verdict is `{asks}`, and `envctl verify` ends with exit code {exit}.",
    "warning": "A warning: the verdict stays what it is. With `--strict` it is `{asks}`, and the exit code {exit}.",
    "note": "A note: it never decides the verdict.",
}
_ROOMS = {
    "1": "The set of packages",
    "2": "Files",
    "3": "The interpreter and its configuration",
    "4": "Code that runs by itself, and bytecode",
    "5": "Base image, OS packages and the image's settings",
    "6": "Locked files",
    "7": "The lockfile's own signature",
    "9": "Could not be verified",
}


def page(code: Code) -> str:
    """The page of one code."""
    counts = _COUNTS[code.severity.value].format(
        asks=code.asks.value, exit=7 if code.asks.value == "unverifiable" else 1
    )
    parts = [
        f"# {code.code} {code.name}",
        f"{code.title}.",
        counts,
        "## What it means",
        code.meaning,
        "## What to do",
        code.action,
    ]
    return "\n\n".join(part if part.startswith("#") else _wrap(part) for part in parts) + "\n"


def index() -> str:
    """The list of all codes."""
    lines = [
        "# Findings",
        "",
        _wrap(
            "What `envctl verify` reports. Codes are stable for ever. `envctl explain CODE` says the same on the"
            " command line; these pages are made from the same text (`make golden`)."
        ),
    ]
    room = ""
    for code in CODES.values():
        if code.code[3] != room:
            room = code.code[3]
            lines += ["", f"## ENV{room}xx: {_ROOMS[room]}", "", "| code | name | severity | |", "|---|---|---|---|"]
        lines.append(f"| [{code.code}]({code.code}.md) | {code.name} | {code.severity.value} | {code.title} |")
    return "\n".join(lines) + "\n"


def _wrap(text: str) -> str:
    return textwrap.fill(text, 118, break_on_hyphens=False, break_long_words=False)
