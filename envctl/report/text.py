"""The report for people: the first line is the answer, the last one what to type next."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import msgspec

from envctl.model.finding import Finding, Report, Severity, Verdict
from envctl.model.printable import shortened
from envctl.report.interface import Places, cleaned
from envctl.report.words import NO_NAME, SELF, answer, distrusted, hint, short, signer, size

_SCREEN = 24
_FEW = 4  # lines that each group has at least, its name with them, while there is room
_KINDS = 8  # of findings that are left out, said one by one
_WIDEST = 48
_PATH, _MESSAGE = 96, 160  # characters, so that a screen stays one; `-v` shows all
_NOBODY = "nobody's"
_FILES = ("ENV2", "ENV4")
_TRUST = "ENV7"
_THINGS = {"archive": "image"}
_NOT_COVERED = (
    ("bytecode", "bytecode (see above)"),
    ("interpreter", "the interpreter and its standard library"),
)
_UNANCHORED = "nothing vouches for a Python outside of an image"


class Style(msgspec.Struct, frozen=True, kw_only=True):
    """How much is said, and whether in colour (which carries nothing that the words do not)."""

    verbose: bool = False
    color: bool = False


def render(report: Report, _: Places | None = None, *, style: Style | None = None) -> str:
    """The report, without a final newline."""
    style = style or Style()
    report = cleaned(report)
    lines = [_paint(f"{report.verdict.value}: {answer(report)}", report, style)]
    lines += _findings(report, None if style.verbose else _SCREEN)
    lines += _tail(report, verbose=style.verbose)
    return "\n".join(lines)


def _paint(head: str, report: Report, style: Style) -> str:
    if not style.color:
        return head
    word, _, rest = head.partition(":")
    code = {Verdict.OK: "32", Verdict.UNVERIFIABLE: "33"}.get(report.verdict, "31")
    return f"\033[1;{code}m{word}\033[0m:{rest}"


def _findings(report: Report, room: int | None) -> Iterator[str]:
    """Grouped by package, the group with the worst finding first; at most `room` lines, some for each group."""
    findings = report.findings
    groups: dict[tuple[str, bool], list[Finding]] = {}
    for finding in findings:
        groups.setdefault(_group(finding, report.subject.kind), []).append(finding)
    lines: list[str] = []
    hidden = dict.fromkeys((finding.name for finding in findings), 0)
    for number, ((group, is_package), found) in enumerate(groups.items()):
        block = list(_block(group, found if room is None else found[:room], package=is_package, whole=room is None))
        if room is not None:
            left = room - 1 - len(lines)
            block = block[: min(left, max(_FEW, left // (len(groups) - number)))]
        lines += block if len(block) > 1 or len(found) == 1 else []
        for finding in found[sum(line.lstrip().startswith("ENV") for line in block) :]:
            hidden[finding.name] += 1
    yield from lines
    more = [f"{count:,} {name}" for name, count in hidden.items() if count]
    if more:
        others = sum(hidden.values()) if len(more) > _KINDS else 0
        shown = f"{others:,} findings" if others else ", ".join(more)
        yield f"  and {shown} more; `-v` shows all"


def _group(finding: Finding, kind: str) -> tuple[str, bool]:
    """Under which heading a finding stands, and whether that is a package."""
    if finding.package is not None:
        return finding.package or NO_NAME, True
    if finding.code.startswith(_TRUST):
        return "the lockfile", False
    if kind == "venv":
        return (_NOBODY if finding.path else "this process"), False
    return (_NOBODY if finding.code.startswith(_FILES) else f"the {_THINGS.get(kind, kind)}"), False


def _block(group: str, findings: Sequence[Finding], *, package: bool, whole: bool) -> Iterator[str]:
    """The lines of one package, or of what is nobody's; one line where that says all."""
    width = min(_WIDEST, max(len(_path(finding)) for finding in findings))
    placed = any(finding.path for finding in findings)
    group = group if whole else shortened(group, _PATH)
    if len(findings) == 1 and not placed:
        subject = f"{group}: " if package else ""
        yield f"  {_line(findings[0], 0, subject, whole=whole)}"
        return
    yield f"  {group}"
    for finding in findings:
        yield f"    {_line(finding, width, whole=whole)}"


def _line(finding: Finding, width: int, subject: str = "", *, whole: bool) -> str:
    mark = "" if finding.severity is Severity.ERROR else f"{finding.severity.value}: "
    shown, message = _path(finding), finding.message
    if not whole:
        shown, message = shortened(shown, _PATH), shortened(message, _MESSAGE)
    path = f"{shown:<{width}}  " if finding.path else ""
    return f"{finding.code}  {path}{mark}{subject}{message}"


def _path(finding: Finding) -> str:
    path = finding.path or ""
    parts = path.split("/")
    inside = len(parts) > 3 and parts[0] == "lib" and parts[2] == "site-packages"
    return "/".join(parts[2:]) if inside else path


def _tail(report: Report, *, verbose: bool) -> Iterator[str]:
    if distrusted(report):
        yield f"hint: {hint(report)}"
        return
    counts = report.counts
    packages = f"{counts.packages:,} package{'s' if counts.packages != 1 else ''}"
    digest = report.package_set.found if verbose else short(report.package_set.found)
    line = f"  {packages}, {counts.files:,} files, {size(counts.bytes)} in {report.seconds:.1f} s"
    yield f"{line} · package set {digest}"
    if report.package_set.found != report.package_set.expected:
        expected = report.package_set.expected if verbose else short(report.package_set.expected)
        yield f"  {'':<{len(line) - 2}} · locked      {expected}"
    if report.signature is not None:
        yield f"  signed by {signer(report.signature)}{f', {report.signature.file}' if verbose else ''}"
    if "self" in report.scope:
        yield f"  {SELF}"
    missing = [words for name, words in _NOT_COVERED if name not in report.scope and "self" not in report.scope]
    if report.subject.kind == "venv" and "interpreter" not in report.scope and missing:
        missing[-1] += f" ({_UNANCHORED})"
    if missing and report.counts.files:
        yield f"  not covered: {'; '.join(missing)}"
    todo = hint(report)
    if todo:
        yield f"hint: {todo}"
