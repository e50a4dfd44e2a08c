"""Small pieces of HTML. `esc` is the only way from a report's text into the page."""

from __future__ import annotations

import html
import re
import unicodedata

from envctl.model.finding import Verdict
from envctl.model.printable import shortened
from envctl.report.words import NO_NAME

LONGEST = 600  # characters of a path or message that are shown
_TICKS = re.compile(r"`([^`]+)`")
_ODD = 6  # characters beyond ASCII that are named
# What a verdict looks like, so that colour says nothing alone: paths in a square of 16.
_SHAPES = {
    Verdict.OK: "M3 8.5 6.5 12 13 4.5",
    Verdict.CHANGED: "M4 4 12 12M12 4 4 12",
    Verdict.UNTRUSTED: "M8 3V9M8 12V12.6",
    Verdict.UNVERIFIABLE: "M5.5 6C5.5 2.5 10.5 2.5 10.5 6 10.5 8 8 8 8 10M8 12.8V13.2",
}


def esc(text: str) -> str:
    """Text for an element or for an attribute in double quotes."""
    return html.escape(text, quote=True)


def icons() -> str:
    """The shapes that `mark` uses, once a page; and the hatching of what is not as locked."""
    shapes = "".join(
        f'<symbol id="i-{verdict.value}" viewBox="0 0 16 16"><path d="{shape}"/></symbol>'
        for verdict, shape in _SHAPES.items()
    )
    return f'<svg class="shapes" aria-hidden="true" focusable="false" width="0" height="0">{shapes}</svg>'


def icon(verdict: Verdict) -> str:
    """A verdict's shape, without a word."""
    use = f'<use href="#i-{verdict.value}"/>'
    return f'<svg class="icon" aria-hidden="true" focusable="false" viewBox="0 0 16 16">{use}</svg>'


def mark(verdict: Verdict, word: str | None = None) -> str:
    """A verdict as shape and word."""
    return f'<span class="mark {verdict.value}">{icon(verdict)}{esc(word or verdict.value)}</span>'


def code(text: str) -> str:
    """A path or value; its middle is left out where it is very long, and letters beyond ASCII are named."""
    shown = esc(shortened(text, LONGEST))
    cut = f' <small class="cut">({len(text):,} characters)</small>' if len(text) > LONGEST else ""
    return f'<code dir="ltr">{shown}</code>{cut}{_named(text)}'


def name(text: str) -> str:
    """What a package or a group is called."""
    return esc(shortened(text or NO_NAME, LONGEST))


def digest(text: str) -> str:
    """A digest, whole."""
    return f'<code class="digest">{esc(shortened(text, LONGEST))}</code>'


def ticked(text: str) -> str:
    """Prose in which backticks mark what is typed."""
    return _TICKS.sub(r"<code>\1</code>", esc(text))


def _named(text: str) -> str:
    """Letters that may look like others, by their code points and names."""
    if text.isascii():
        return ""
    odd = list(dict.fromkeys(char for char in text if ord(char) > 127 and char != "…"))
    names = [f"U+{ord(char):04X} {unicodedata.name(char, '').lower()}".strip() for char in odd[:_ODD]]
    more = f", and {len(odd) - _ODD} more" if len(odd) > _ODD else ""
    return f' <small class="odd">with {esc(", ".join(names))}{more}</small>' if odd else ""
