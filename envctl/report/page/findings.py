"""The findings of the HTML report, grouped; and which of them have room."""

from __future__ import annotations

from collections.abc import Iterator

import msgspec

from envctl.model.codes import CODES
from envctl.model.finding import Finding, Report, Verdict
from envctl.report.groups import Group, by_kind, groups
from envctl.report.page.parts import code, esc, icon, mark, name

MOST = 3_000  # findings on the page
MOST_OF_ONE = 300  # of one group
_OPEN = 40  # findings that are seen without opening a group


class Listed(msgspec.Struct, frozen=True):
    """A group on the page: its element's id, the findings that are shown, and those that are left out."""

    id: str
    group: Group
    shown: tuple[Finding, ...]
    left: tuple[Finding, ...]


def chosen(report: Report) -> list[Listed]:
    """The groups that have findings, the worst first, with what is shown of each.

    Every group shows something while there is room, so that one with very many does not hide the others.
    """
    found = [group for group in groups(report) if group.findings]
    first = {id(finding): number for number, finding in enumerate(report.findings)}
    found.sort(key=lambda group: first[id(group.findings[0])])
    room, listed = MOST, []
    for number, group in enumerate(found):
        most = min(MOST_OF_ONE, max(1, room // (len(found) - number)), room)
        shown, left = group.findings[:most], group.findings[most:]
        room -= len(shown)
        listed.append(Listed(f"g{number}", group, shown, left))
    return listed


def section(report: Report, listed: list[Listed]) -> Iterator[str]:
    """The section of the page."""
    yield '<section aria-labelledby="findings">'
    total = len(report.findings)
    yield f'<h2 id="findings">Findings <small>{total:,}</small></h2>'
    if not total:
        yield f"<p>{_NONE[report.verdict is Verdict.OK]}</p></section>"
        return
    left = tuple(finding for item in listed for finding in item.left)
    if left:
        yield (
            f'<p class="left" role="note">This page shows {total - len(left):,} of {total:,} findings, the worst of'
            f" each package first. Left out are {esc(by_kind(left))}; <code>--format json</code> has all.</p>"
        )
    yield '<div id="groups">'
    opened = 0
    for item in listed:
        if item.shown:
            yield from _group(item, opened=opened < _OPEN)
            opened += len(item.shown)
    yield "</div></section>"


_NONE = {
    True: "Nothing differs from the lockfile.",
    False: "Nothing wrong was found, but this is not a verdict that can be relied on: see what was covered, below.",
}


def _group(item: Listed, *, opened: bool) -> Iterator[str]:
    group = item.group
    count = len(group.findings)
    open_ = " open" if opened else ""
    label = f"{count:,} finding{'s' if count != 1 else ''}"
    mild = group.verdict is Verdict.OK  # warnings and notes: no verdict's filter hides them
    shown = mark(Verdict.UNTRUSTED, group.findings[0].severity.value) if mild else mark(group.verdict)
    yield f'<details class="group" id="{item.id}" data-state="{"mild" if mild else group.verdict.value}"{open_}>'
    yield (
        f'<summary><span class="what">{shown}<span class="name">{name(group.name)}</span></span>'
        f'<span class="count">{label}</span></summary>'
    )
    yield "<ul>"
    yield from (_finding(finding) for finding in item.shown)
    if item.left:
        yield f'<li class="left">and {esc(by_kind(item.left))} more, in the JSON report</li>'
    yield "</ul></details>"


def _finding(finding: Finding) -> str:
    kind = finding.severity.value
    path = f'<span class="path">{code(finding.path)}</span>' if finding.path else ""
    head = (
        f'<p class="head"><a href="#{finding.code}">{finding.code}</a> <span class="sev {kind}">{kind}</span>'
        f' <span class="kind">{esc(finding.name)}</span></p>'
    )
    values = [
        f"<div><dt>{word}</dt><dd>{code(value)}</dd></div>"
        for word, value in (("expected", finding.expected), ("found", finding.found))
        if value is not None
    ]
    values_ = f'<dl class="values">{"".join(values)}</dl>' if values else ""
    said = f'<p class="said">{path}{" " if path else ""}{_prose(finding.message)}</p>'
    return f'<li class="finding" data-severity="{kind}">{head}{said}{values_}</li>'


def _prose(message: str) -> str:
    return code(message).replace('<code dir="ltr">', '<span dir="ltr">').replace("</code>", "</span>")


def link(item: Listed) -> str:
    """A link to a group, for the table of packages."""
    count = len(item.group.findings)
    return f'<a href="#{item.id}">{icon(item.group.verdict)}<span>{count:,}</span></a>'


def codes(report: Report) -> list[str]:
    """The codes that occur, in the order of the registry."""
    seen = {finding.code for finding in report.findings}
    return [known for known in CODES if known in seen]
