"""What reports for people say in the same words: the answer, what to type next, sizes and digests."""

from __future__ import annotations

import shlex

from envctl.model.finding import Report, Severity, Signature, Verdict

_HEADS = {
    Verdict.OK: "{name} is {target}, byte for byte",
    Verdict.CHANGED: "{name} is not {target}",
    Verdict.UNTRUSTED: "{name} holds what {target} does not vouch for",
    Verdict.UNVERIFIABLE: "not everything in {name} could be compared with {target}",
}
_DISTRUSTED = "the lockfile of {target} is not to be trusted, so {name} was not compared with it"
_USUAL = ".venv"  # where `envctl sync` makes an environment
NO_NAME = "(no name)"  # a distribution whose metadata folder is called `-1.0.dist-info`
SELF = "the verifier runs inside of what it verified, so this is the environment's word about itself"


def answer(report: Report) -> str:
    """What the verdict means for this environment, without the verdict's own word."""
    words = _DISTRUSTED if distrusted(report) else _HEADS[report.verdict]
    return words.format(name=report.subject.name, target=report.target)


def distrusted(report: Report) -> bool:
    """Whether a signature was required and is not right: then nothing else was looked at."""
    return report.scope == ("signature",)


def signer(signature: Signature) -> str:
    """Who signed the lockfile, and what stands behind the name."""
    behind = signature.key if signature.issuer is None else f"as {signature.issuer} vouches"
    return f"{signature.identity} ({behind})" if behind else signature.identity


def hint(report: Report) -> str | None:
    """What to do next; None where there is nothing to do."""
    if report.scope == ("self",):
        return "run envctl from another environment, or accept that with `--accept-self`"
    if not report.findings or (report.verdict is Verdict.OK and report.findings[0].severity is Severity.NOTE):
        return None
    explain = f"`envctl explain {report.findings[0].code}`"
    if report.verdict in (Verdict.OK, Verdict.UNVERIFIABLE) or distrusted(report):
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
