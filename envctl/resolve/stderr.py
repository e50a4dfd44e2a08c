"""uv's messages taken apart: headline, causes, hints and warnings, in each of the forms that uv has had. Pure."""

from __future__ import annotations

import re

import msgspec

_ANSI = re.compile(r"\x1b\[[0-9;?]*[ -/]*[@-~]|\x1b\][^\x07\x1b]*(?:\x07|\x1b\\)")
_CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f]")
# The older form draws: `  × headline`, `  ├─▶ cause`, `  ╰─▶ cause`, `  │ ` before what continues a cause.
_DRAWN = {"×": "error: ", "├─▶": "  cause: ", "╰─▶": "  cause: "}
_LABEL = re.compile(r"(error|warning|hint|  cause|  Caused by): ?(.*)")


class Told(msgspec.Struct, frozen=True):
    """What uv said. Each text is one paragraph a line, free of ANSI sequences and box drawing."""

    headline: str = ""
    causes: tuple[str, ...] = ()
    hints: tuple[str, ...] = ()
    warnings: tuple[str, ...] = ()

    def everything(self) -> str:
        """Headline and causes, one a line."""
        return "\n".join((self.headline, *self.causes))


def parse(text: str) -> Told:
    """Take uv's standard error apart; text without an error in it has an empty headline."""
    parts: list[tuple[str, list[str]]] = []
    for raw in _ANSI.sub("", text).splitlines():
        line = _undrawn(_CONTROL.sub(" ", raw).rstrip())
        label = _LABEL.fullmatch(line) or _LABEL.fullmatch(line.lstrip() if line.lstrip().startswith("hint: ") else "")
        if label is not None:
            parts.append((label[1].strip(), [label[2]]))
        elif parts and line.startswith(" ") and line.strip():
            parts[-1][1].append(line)
        elif line:
            parts.append(("progress", [line]))
    kinds: dict[str, list[str]] = {}
    for kind, lines in parts:
        kinds.setdefault("cause" if kind == "Caused by" else kind, []).append(_paragraphs(lines))
    headlines = kinds.get("error", [])
    return Told(
        headline="\n".join(headlines),
        causes=tuple(kinds.get("cause", ())),
        hints=tuple(kinds.get("hint", ())),
        warnings=tuple(kinds.get("warning", ())),
    )


def _undrawn(line: str) -> str:
    mark, _, rest = line.lstrip().partition(" ")
    if mark in _DRAWN:
        return _DRAWN[mark] + rest.lstrip()
    return re.sub(r"^(\s*)│", r"\1 ", line)


def _paragraphs(lines: list[str]) -> str:
    """One line for each sentence; the items of a list, which uv indents further, follow what they belong to."""
    out = [lines[0].strip()]
    margin = min((_indent(line) for line in lines[1:]), default=0)
    after_item = False
    for line in lines[1:]:
        text, item = line.strip(), _indent(line) >= margin + 3
        if text.startswith(("Because ", "And because ")) and not item:
            out.append(text)
        elif text.strip("^"):
            out[-1] += text if text.startswith(",") else f", {text}" if item and after_item else f" {text}"
        after_item = item
    return "\n".join(out)


def _indent(line: str) -> int:
    return len(line) - len(line.lstrip())
