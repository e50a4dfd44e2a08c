"""What a failed build said: the step, its last lines, and what may help. Pure."""

from __future__ import annotations

import re
from collections.abc import Sequence

from envctl.errors import ToolFailed

_LINES = 12
_WIDTH = 300
_RULE = re.compile(r"^-{6,}$")
_STEP = re.compile(r"^ > (\[[^\]]+\])\s*(.*?):?$")
_TIMED = re.compile(r"^(?:#\d+ )?\d+\.\d+ ?")
_PROGRESS = re.compile(r"^#\d+ ")

# In this order: what a step said -> what helps.
_HINTS = (
    (r"the lockfile says \d", "`image.base` must bring the locked Python: name the one it has in `python`, and lock"),
    (r"is not what was locked", "`envctl lock` locks the file as it is now"),
    (r"No space left on device", "`docker builder prune` makes room"),
    (
        r"CERTIFICATE_VERIFY_FAILED|certificate verify failed|UnknownIssuer|invalid peer certificate",
        "set SSL_CERT_FILE to the file of your authorities' certificates",
    ),
    (
        r"40[13] (?:Client Error: )?(?:Unauthorized|Forbidden)|status code: 40[13]|status code \(40[13]",
        "credentials come from netrc, or from UV_INDEX_<NAME>_USERNAME and _PASSWORD",
    ),
    (
        r"is unreachable|[Nn]ame resolution|dns error|Connection refused|error sending request|onnection broken",
        "the steps cannot reach the index: `-- --network=host` lends them this machine's network",
    ),
    (r"exec format error", "the engine cannot run this platform: install binfmt handlers, or build on such a machine"),
    (
        r"pull access|insufficient_scope|failed to resolve source metadata|failed to (?:do request|authorize)",
        "`docker pull` of the base image says more; `docker login` to its registry may help",
    ),
)


def failure(said: Sequence[str]) -> ToolFailed:
    """The error for a build that failed, from what the tool wrote in its plain form."""
    lines = [line.rstrip() for line in said]
    step, log = _step(lines)
    errors = [line.removeprefix("ERROR: ") for line in lines if line.startswith("ERROR: ")]
    reason = errors[-1].removeprefix("failed to solve: ") if errors else None
    text = "\n".join([*log, reason or ""])
    hint = next((hint for pattern, hint in _HINTS if re.search(pattern, text)), None)
    what = "the image could not be built" if step is None else f"the image could not be built: the step {step} failed"
    told = log or ([reason] if reason else _tail(lines))
    return ToolFailed(what, details=[line[:_WIDTH] for line in told[-_LINES:]], hint=hint)


def _step(lines: Sequence[str]) -> tuple[str | None, list[str]]:
    """The step that failed and its log: what stands between two rules after a line ` > [STAGE N/M] INSTRUCTION`."""
    for start in range(len(lines) - 1, 0, -1):
        match = _STEP.match(lines[start])
        if match and _RULE.match(lines[start - 1]):
            log = []
            for line in lines[start + 1 :]:
                if _RULE.match(line):
                    break
                log.append(_TIMED.sub("", line))
            return match[1], [line for line in log if line.strip()]
    return None, []


def _tail(lines: Sequence[str]) -> list[str]:
    return [line for line in lines if line.strip() and not _PROGRESS.match(line) and not line.startswith("ERROR: ")]
