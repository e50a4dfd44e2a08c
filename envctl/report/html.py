"""The report as one HTML file: it loads nothing, runs without scripts, and says in its policy that it may do no more.

Whatever stands in a report is escaped text. What the page may run is named by its hash in the Content-Security-Policy.
"""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Iterator
from importlib import resources

from envctl import __version__
from envctl.model.finding import Report, Severity, Verdict
from envctl.model.printable import shortened
from envctl.report.groups import uncovered
from envctl.report.interface import Places, cleaned
from envctl.report.page import findings, meanings, packages
from envctl.report.page.parts import LONGEST, code, digest, esc, icons, mark, ticked
from envctl.report.words import SELF, answer, hint, signer, size

_SCOPE = {
    "packages": "set of packages",
    "files": "files",
    "scripts": "scripts",
    "startup-hooks": "startup hooks",
    "bytecode": "bytecode",
    "configuration": "configuration",
    "environment": "variables",
    "image-settings": "image settings",
    "base": "base image",
    "interpreter": "interpreter and standard library",
    "platform": "platform",
    "signature": "signature of the lockfile",
    "self": "its own word only",
}


def render(report: Report, _: Places | None = None) -> str:
    """The whole page, without a final newline."""
    report = cleaned(report)
    style, script = _asset("report.css"), _asset("report.js")
    allowed = f"style-src '{_hash(style)}'; script-src '{_hash(script)}'"
    policy = f"default-src 'none'; {allowed}; base-uri 'none'; form-action 'none'"
    listed = findings.chosen(report)
    parts = [
        "<!doctype html>",
        f'<html lang="en" class="{report.verdict.value}">',
        "<head>",
        '<meta charset="utf-8">',
        f'<meta http-equiv="Content-Security-Policy" content="{policy}">',
        '<meta name="viewport" content="width=device-width, initial-scale=1">',
        '<meta name="color-scheme" content="light dark">',
        '<meta name="referrer" content="no-referrer">',
        f'<meta name="generator" content="envctl {esc(__version__)}">',
        f"<title>{report.verdict.value}: {esc(report.target)} - envctl verify</title>",
        f"<style>{style}</style>",
        "</head>",
        "<body>",
        icons(),
        '<a class="skip" href="#main">Skip to the findings and packages</a>',
        *_header(report),
        '<main id="main" tabindex="-1">',
        *packages.controls(report, listed),
        *findings.section(report, listed),
        *packages.section(report, listed),
        *meanings.section(report),
        *_about(report),
        "</main>",
        f"<footer><p>Made by envctl {esc(__version__)} from one reading of the files; it says nothing of what happened"
        " afterwards. This page loads nothing and sends nothing.</p></footer>",
        f"<script>{script}</script>",
        "</body>",
        "</html>",
    ]
    return "\n".join(parts)


def _header(report: Report) -> Iterator[str]:
    yield "<header>"
    yield '<p class="brand">envctl <b>verify</b></p>'
    yield f'<h1>{mark(report.verdict)}<span class="answer">{esc(shortened(answer(report), LONGEST))}</span></h1>'
    todo = hint(report)
    if todo:
        yield f'<p class="next"><b>Next:</b> {ticked(todo)}</p>'
    if "self" in report.scope:
        yield f'<p class="next">{esc(SELF[0].upper() + SELF[1:])}.</p>'
    yield '<dl class="numbers">'
    for name, value, more in _numbers(report):
        yield f"<div><dt>{name}</dt><dd>{value} <small>{more}</small></dd></div>"
    yield "</dl>"
    yield from packages.picture(report)
    yield "</header>"


def _numbers(report: Report) -> Iterator[tuple[str, str, str]]:
    counts = report.counts
    exact = sum(state.verdict is Verdict.OK for state in report.packages)
    yield "Packages", f"{counts.packages:,}", f"{exact:,} as locked" if report.packages else ""
    yield "Files", f"{counts.files:,}", size(counts.bytes)
    by = {kind: sum(finding.severity is kind for finding in report.findings) for kind in Severity}
    errors, warnings, notes = by[Severity.ERROR], by[Severity.WARNING], by[Severity.NOTE]
    more = ", ".join(
        f"{count:,} {word}{'s' if count != 1 else ''}"
        for count, word in ((warnings, "warning"), (notes, "note"))
        if count
    )
    yield "Errors", f"{errors:,}", f"and {more}" if more else ""
    yield "Took", f"{report.seconds:.1f} s", esc(report.platform)


def _about(report: Report) -> Iterator[str]:
    same = report.package_set.found == report.package_set.expected
    subject = f"{esc(report.subject.kind)} {code(report.subject.name)}"
    yield '<section aria-labelledby="about"><h2 id="about">What was compared</h2>'
    yield '<dl class="facts">'
    rows = [
        ("Installed", subject + (f"<br>{digest(report.subject.digest)}" if report.subject.digest else "")),
        ("Lockfile", f"{code(report.lock.file)}<br>{digest(report.lock.digest)}"),
        *([("Signed by", code(signer(report.signature)))] if report.signature else []),
        ("Target", f"<code>{esc(report.target)}</code> for <code>{esc(report.platform)}</code>"),
        ("Environment digest, locked", digest(report.package_set.expected)),
        ("Environment digest, found", "the same" if same else digest(report.package_set.found)),
        ("Covered", _chips([_SCOPE.get(word, word) for word in report.scope])),
        ("Warnings", "counted as errors (<code>--strict</code>)" if report.strict else "did not decide the verdict"),
    ]
    left = uncovered(report)
    if left:
        said = "; ".join(f"{_SCOPE[word]}: {why}" for word, why in left.items())
        rows.insert(-1, ("Not covered", esc(said)))
    for name, value in rows:
        yield f"<div><dt>{name}</dt><dd>{value}</dd></div>"
    yield "</dl></section>"


def _chips(words: list[str]) -> str:
    return '<ul class="chips">' + "".join(f"<li>{esc(word)}</li>" for word in words) + "</ul>"


def _asset(name: str) -> str:
    """A file that is shipped beside the page's modules; nothing of it ends the element it stands in."""
    return resources.files("envctl.report.page").joinpath(name).read_text("utf-8").strip()


def _hash(text: str) -> str:
    """How a Content-Security-Policy names an inline style or script (CSP Level 3, hash sources)."""
    return "sha256-" + base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()
