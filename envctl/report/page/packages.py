"""The packages of the HTML report: a picture of their sizes and states, and the same as a table."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from envctl.model.finding import PackageState, Report, Verdict
from envctl.report.page.findings import Listed, link
from envctl.report.page.parts import code, esc, mark, name
from envctl.report.treemap import Box, layout
from envctl.report.words import size

MOST = 2_000  # rows of the table
_DRAWN = 120  # rectangles of the picture
_WIDE, _HIGH = 1000, 260
_LEAST = 0.015  # share of the picture that a package which differs has at least: it must be seen
_LETTER = 7.6  # width of a letter in the picture
_ORDER = tuple(Verdict)


def section(report: Report, listed: Sequence[Listed]) -> Iterator[str]:
    """The section of the page; nothing where the report knows no packages."""
    if not report.packages:
        return
    states = sorted(report.packages, key=lambda state: (_ORDER.index(state.verdict), -state.bytes, state.name))
    yield '<section aria-labelledby="packages">'
    yield f'<h2 id="packages">Packages <small>{len(states):,}</small></h2>'
    links = {item.group.name: link(item) for item in listed if item.group.is_package and item.shown}
    yield from _table(states[:MOST], links)
    if len(states) > MOST:
        left = len(states) - MOST
        said = f"{left:,} more packages are left out, the smallest; <code>--format json</code> has all."
        yield f'<p class="left" role="note">{said}</p>'
    yield "</section>"


def controls(report: Report, listed: Sequence[Listed]) -> Iterator[str]:
    """Search and filter of packages and findings: a script shows them, since without one they do nothing."""
    differing = {item.group.verdict for item in listed} - {Verdict.OK}
    there = {state.verdict for state in report.packages} | differing
    if not there:
        return
    present = [verdict for verdict in _ORDER if verdict in there]
    yield '<form id="filter" role="search" hidden>'
    yield '<p><label for="query">Search packages and findings</label>'
    yield '<input id="query" type="search" autocomplete="off" spellcheck="false" placeholder="name, path, code …"></p>'
    yield "<fieldset><legend>Show</legend>"
    for verdict in present:
        yield (f'<label><input type="checkbox" name="state" value="{verdict.value}" checked> {mark(verdict)}</label>')
    yield '</fieldset><p id="shown" role="status"></p></form>'


def _table(states: Sequence[PackageState], links: dict[str, str]) -> Iterator[str]:
    largest = max((state.bytes for state in states), default=0) or 1
    yield '<div class="scroll" role="region" aria-label="Table of packages" tabindex="0"><table id="table">'
    yield '<caption class="unseen">Packages, the worst first, then by size</caption>'
    heads = (("name", "Package"), ("state", "State"), ("", "Locked"), ("", "Installed"))
    numbers = (("count", "Findings"), ("files", "Files"), ("bytes", "Size"))
    cells = "".join(f'<th scope="col" data-key="{key}">{text}</th>' for key, text in heads)
    cells += "".join(f'<th scope="col" class="number" data-key="{key}">{text}</th>' for key, text in numbers)
    yield f"<thead><tr>{cells}</tr></thead><tbody>"
    for state in states:
        yield _row(state, links.get(state.name), largest)
    yield "</tbody></table></div>"


def _row(state: PackageState, link_: str | None, largest: int) -> str:
    missing = '<span class="none">–</span><span class="unseen">none</span>'
    same = state.expected == state.found
    found = missing if state.found is None else code(state.found)
    bar = f'<rect width="{max(0.5, 100 * state.bytes / largest):.1f}" height="4"/>' if state.bytes else ""
    return (
        f'<tr data-state="{state.verdict.value}" data-bytes="{state.bytes}" data-files="{state.files}">'
        f'<th scope="row">{name(state.name)}</th>'
        f"<td>{mark(state.verdict)}</td>"
        f"<td>{missing if state.expected is None else code(state.expected)}</td>"
        f"<td{'' if same else ' class=differs'}>{found}</td>"
        f'<td class="number">{link_ or 0}</td>'
        f'<td class="number">{state.files:,}</td>'
        f'<td class="number size">{size(state.bytes)}'
        '<svg class="bar" aria-hidden="true" focusable="false" viewBox="0 0 100 4" preserveAspectRatio="none">'
        f"{bar}</svg>"
        "</td></tr>"
    )


def picture(report: Report) -> Iterator[str]:
    """The treemap of what is installed; nothing where that has no size."""
    states = report.packages
    there = [state for state in states if state.bytes > 0 or state.verdict is not Verdict.OK]
    total = sum(state.bytes for state in there)
    if not total:
        return
    weighed = [(max(state.bytes, 0 if state.verdict is Verdict.OK else total * _LEAST), state) for state in there]
    weighed.sort(key=lambda pair: (-pair[0], pair[1].name))
    kept = weighed[:_DRAWN]
    rest = weighed[_DRAWN:]
    boxes = layout(
        [weight for weight, _ in kept] + ([sum(weight for weight, _ in rest) or 1.0] if rest else []),
        Box(0, 0, _WIDE, _HIGH),
    )
    counted = [(verdict, count) for verdict in _ORDER if (count := sum(state.verdict is verdict for state in states))]
    said = ", ".join(f"{count:,} {verdict.value}" for verdict, count in counted)
    yield '<figure class="map">'
    yield f'<svg viewBox="0 0 {_WIDE} {_HIGH}" role="img" aria-labelledby="map-title">'
    yield f'<title id="map-title">Packages by size and state: {said}. The table below says the same.</title>'
    yield _HATCH
    for (_, state), box in zip(kept, boxes, strict=False):
        yield _rectangle(state.name, size(state.bytes), state.verdict, box)
    if rest:
        yield _rectangle(f"{len(rest):,} more", "", Verdict.OK, boxes[-1])
    yield "</svg>"
    legend = "".join(f"<li>{mark(verdict)} {count:,}</li>" for verdict, count in counted)
    note = "" if counted == [(Verdict.OK, len(states))] else " What differs is never drawn too small to be seen."
    yield f'<figcaption><ul class="legend">{legend}</ul><span>Area is size on disk.{note}</span></figcaption>'
    yield "</figure>"


_HATCH = (
    '<defs><pattern id="hatch" width="7" height="7" patternUnits="userSpaceOnUse" patternTransform="rotate(45)">'
    '<rect width="2" height="7"/></pattern></defs>'
)


def _rectangle(label: str, amount: str, verdict: Verdict, box: Box) -> str:
    x, y, width, height = box.x + 1, box.y + 1, max(0.0, box.width - 2), max(0.0, box.height - 2)
    place = f'x="{x:.1f}" y="{y:.1f}" width="{width:.1f}" height="{height:.1f}" rx="2"'
    drawn = f'<g class="tile {verdict.value}"><title>{name(f"{label} {amount}".strip())}</title><rect {place}/>'
    if verdict is not Verdict.OK:
        drawn += f'<rect class="hatched" {place}/>'
    room = int((width - 14) / _LETTER)
    if height >= 20 and room >= 4:
        text = label if len(label) <= room else f"{label[: room - 1]}…"
        drawn += f'<text x="{x + 7:.1f}" y="{y + 16:.1f}">{esc(text)}</text>'
        if height >= 38 and len(amount) <= room:
            drawn += f'<text class="amount" x="{x + 7:.1f}" y="{y + 32:.1f}">{esc(amount)}</text>'
    return drawn + "</g>"
