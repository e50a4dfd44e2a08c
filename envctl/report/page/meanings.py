"""What the codes on the page mean, in the words of `envctl explain`."""

from __future__ import annotations

from collections.abc import Iterator

from envctl.model.codes import CODES
from envctl.model.finding import Report
from envctl.report.page.findings import codes
from envctl.report.page.parts import esc, ticked


def section(report: Report) -> Iterator[str]:
    """The section of the page; nothing where there is nothing to explain."""
    found = codes(report)
    if not found:
        return
    yield '<section aria-labelledby="meanings"><h2 id="meanings">What the codes mean</h2>'
    for name in found:
        code = CODES[name]
        yield f'<article class="meaning" aria-labelledby="{name}">'
        yield f'<h3 id="{name}" tabindex="-1">{name} <span class="kind">{esc(code.name)}</span></h3>'
        yield f'<p class="title">{ticked(code.title)}.</p><p>{ticked(code.meaning)}</p>'
        yield f"<p><b>What to do:</b> {ticked(code.action)}</p></article>"
    yield "</section>"
