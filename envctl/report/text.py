"""The report for people: the first line is the answer, the last one what to type next."""

from __future__ import annotations

import shlex
from collections.abc import Iterator, Sequence

import msgspec

from envctl.model.finding import Finding, Report, Severity, Signature, Verdict

_SCREEN = 24
_WIDEST = 48
_HEADS = {
    Verdict.OK: "ok: {name} is {target}, byte for byte",
    Verdict.CHANGED: "changed: {name} is not {target}",
    Verdict.UNTRUSTED: "untrusted: {name} holds what {target} does not vouch for",
    Verdict.UNVERIFIABLE: "unverifiable: not everything in {name} could be compared with {target}",
}
_DISTRUSTED = "{verdict}: the lockfile of {target} is not to be trusted, so {name} was not compared with it"
_NOBODY = "nobody's"
_FILES = ("ENV2", "ENV4")
_TRUST = "ENV7"
_THINGS = {"archive": "image"}
_USUAL = ".venv"  # where `envctl sync` makes an environment
_NOT_COVERED = (
    ("bytecode", "bytecode (see above)"),
    ("interpreter", "the interpreter and its standard library"),
)
_UNANCHORED = "nothing vouches for a Python outside of an image"


class Style(msgspec.Struct, frozen=True, kw_only=True):
    """How much is said, and whether in colour (which carries nothing that the words do not)."""

    verbose: bool = False
    color: bool = False


def render(report: Report, style: Style | None = None) -> str:
    """The report, without a final newline."""
    style = style or Style()
    lines = [_paint(_head(report), report, style)]
    lines += _findings(report, None if style.verbose else _SCREEN)
    lines += _tail(report, verbose=style.verbose)
    return "\n".join(lines)


def _head(report: Report) -> str:
    words = _DISTRUSTED if _distrusted(report) else _HEADS[report.verdict]
    return words.format(verdict=report.verdict.value, name=report.subject.name, target=report.target)


def _distrusted(report: Report) -> bool:
    """Whether a signature was required and is not right: then nothing else was looked at."""
    return report.scope == ("signature",)


def _paint(head: str, report: Report, style: Style) -> str:
    if not style.color:
        return head
    word, _, rest = head.partition(":")
    code = {Verdict.OK: "32", Verdict.UNVERIFIABLE: "33"}.get(report.verdict, "31")
    return f"\033[1;{code}m{word}\033[0m:{rest}"


def _findings(report: Report, room: int | None) -> Iterator[str]:
    """Grouped by package, the group with the worst finding first; at most `room` lines."""
    findings = report.findings
    groups: dict[tuple[str, bool], list[Finding]] = {}
    for finding in findings:
        groups.setdefault(_group(finding, report.subject.kind), []).append(finding)
    lines: list[str] = []
    hidden = dict.fromkeys((finding.name for finding in findings), 0)
    for (group, is_package), found in groups.items():
        block = list(_block(group, found, package=is_package))
        if room is not None and len(lines) + len(block) >= room:
            block = block[: max(0, room - len(lines) - 1)]
        lines += block if len(block) > 1 or len(found) == 1 else []
        for finding in found[sum(line.lstrip().startswith("ENV") for line in block) :]:
            hidden[finding.name] += 1
    yield from lines
    left = [f"{count:,} {name}" for name, count in hidden.items() if count]
    if left:
        yield f"  and {', '.join(left)} more; `-v` shows all"


def _group(finding: Finding, kind: str) -> tuple[str, bool]:
    """Under which heading a finding stands, and whether that is a package."""
    if finding.package is not None:
        return finding.package, True
    if finding.code.startswith(_TRUST):
        return "the lockfile", False
    if kind == "venv":
        return (_NOBODY if finding.path else "this process"), False
    return (_NOBODY if finding.code.startswith(_FILES) else f"the {_THINGS.get(kind, kind)}"), False


def _block(group: str, findings: Sequence[Finding], *, package: bool) -> Iterator[str]:
    """The lines of one package, or of what is nobody's; one line where that says all."""
    width = min(_WIDEST, max(len(_path(finding)) for finding in findings))
    placed = any(finding.path for finding in findings)
    if len(findings) == 1 and not placed:
        subject = f"{group}: " if package else ""
        yield f"  {_line(findings[0], 0, subject)}"
        return
    yield f"  {group}"
    for finding in findings:
        yield f"    {_line(finding, width)}"


def _line(finding: Finding, width: int, subject: str = "") -> str:
    mark = "" if finding.severity is Severity.ERROR else f"{finding.severity.value}: "
    path = f"{_path(finding):<{width}}  " if finding.path else ""
    return f"{finding.code}  {path}{mark}{subject}{finding.message}"


def _path(finding: Finding) -> str:
    path = finding.path or ""
    parts = path.split("/")
    inside = len(parts) > 3 and parts[0] == "lib" and parts[2] == "site-packages"
    return "/".join(parts[2:]) if inside else path


def _tail(report: Report, *, verbose: bool) -> Iterator[str]:
    if _distrusted(report):
        yield f"hint: `envctl explain {report.findings[0].code}`"
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
        yield f"  signed by {_signer(report.signature, verbose=verbose)}"
    if "self" in report.scope:
        yield "  the verifier runs inside of what it verified, so this is the environment's word about itself"
    missing = [words for name, words in _NOT_COVERED if name not in report.scope and "self" not in report.scope]
    if report.subject.kind == "venv" and "interpreter" not in report.scope and missing:
        missing[-1] += f" ({_UNANCHORED})"
    if missing and report.counts.files:
        yield f"  not covered: {'; '.join(missing)}"
    hint = _hint(report)
    if hint:
        yield f"hint: {hint}"


def _signer(signature: Signature, *, verbose: bool) -> str:
    behind = signature.key if signature.issuer is None else f"as {signature.issuer} vouches"
    place = f", {signature.file}" if verbose else ""
    return f"{signature.identity}{f' ({behind})' if behind else ''}{place}"


def _hint(report: Report) -> str | None:
    if report.scope == ("self",):
        return "run envctl from another environment, or accept that with `--accept-self`"
    if not report.findings or (report.verdict is Verdict.OK and report.findings[0].severity is Severity.NOTE):
        return None
    explain = f"`envctl explain {report.findings[0].code}`"
    if report.verdict is Verdict.OK:
        return explain
    if report.verdict is Verdict.UNVERIFIABLE:
        return explain
    if report.subject.kind != "venv":
        return f"{explain}; find out how it came about, then `envctl build {report.target}`"
    place = "" if report.subject.name == _USUAL else f" --venv {shlex.quote(report.subject.name)}"
    return f"{explain}; make it exact again with `envctl sync {report.target}{place}`"


def size(count: int) -> str:
    """Bytes in a unit that people say: 412 MB, 1.1 GB."""
    amount, unit = float(count), "B"
    for larger in ("kB", "MB", "GB", "TB"):
        if amount < 999.5:
            break
        amount, unit = amount / 1000, larger
    return f"{amount:.1f} {unit}" if amount < 10 and unit != "B" else f"{amount:.0f} {unit}"


def short(digest: str) -> str:
    """A digest for the eye: `sha256:5b1e04c3…c07`."""
    algorithm, _, value = digest.partition(":")
    return f"{algorithm}:{value[:8]}…{value[-3:]}"
