"""A failure of uv as an error of envctl: what was asked, by whom, why it is impossible, and what to do. Pure."""

from __future__ import annotations

import re
import textwrap
from collections.abc import Iterator, Sequence

from envctl.errors import EnvctlError, IndexFailed, NoResolution, ToolFailed
from envctl.model.names import normalise
from envctl.model.profile import Requirement
from envctl.resolve.asking import PROJECT, variable
from envctl.resolve.hints import URL, Asked, hints
from envctl.resolve.interface import Question
from envctl.resolve.stderr import Told

_WIDTH = 78
_LONGEST = 40
_HINTS = 4
_SENTENCE = re.compile(r"(And )?[Bb]ecause (.*?),? we can conclude that (.*?)\.?( \(\d+\))?")
_REQUESTED_PYTHON = re.compile(r"the requested Python version \(>=([\d.]+)\) does not satisfy Python(\S+)")
_NO_VERSIONS = re.compile(r"there (?:are no versions|is no version) of ([a-z0-9][a-z0-9-]*)(?![\w=-])")

_STRUCTURE = re.compile(
    r"(?:The structure of|Metadata for) `([^`]+)`(?: \(v?([^)]+)\))? "
    r"(?:was invalid|could not be parsed|was inconsistent):? *(.*)"
)
_BY_ADDRESS = re.compile(r"Package `([^`]+)` was included as a URL dependency")
_UNREADABLE = re.compile(r"\bha(?:s|ve) (?:an invalid package format|invalid metadata|inconsistent metadata)")

_NETWORK = (
    "Failed to fetch",
    "Failed to download",
    "Request failed after",
    "error sending request",
    "Received some unexpected",
    "Failed to unzip",
    "Failed to extract",
    "Failed to read metadata",
    "Failed to parse metadata",
    "Package metadata name",
    "Package metadata version",
    "Hash mismatch",
    "Missing `Content-Type` header",
    "Unsupported `Content-Type`",
    "unexpected end of file",
)
_REASONS: tuple[tuple[str, str, str | None], ...] = (
    (
        "dns error",
        "its host name is not known",
        "a proxy is taken from HTTPS_PROXY, names to reach without it from NO_PROXY",
    ),
    ("invalid peer certificate", "its certificate is not trusted", "SSL_CERT_FILE names the certificates to trust"),
    ("Connection refused", "the connection was refused", None),
    ("operation timed out", "it did not answer in time", "UV_HTTP_TIMEOUT is the time to wait, in seconds"),
    ("connection closed before message completed", "the connection was cut", None),
    ("end of file before message length reached", "the connection was cut", None),
    ("Connection reset", "the connection was cut", None),
    ("Received some unexpected", "it answered what is no page of a package index", None),
    ("`Content-Type`", "it answered what is no page of a package index", None),
)


def retell(told: Told, asked: Asked, status: int) -> EnvctlError:
    """The error that stands for uv's failure."""
    words = told.everything()
    if told.headline.startswith("No solution found"):
        return _refused(told, asked) or _uncached(told, asked) or _broken(told, asked) or _unsolvable(told, asked)
    if any(sign in words for sign in _NETWORK):
        return _index_failed(told, asked)
    direct = _BY_ADDRESS.search(words.replace("\n", " "))
    if direct is not None:
        return _needs_address(direct[1], told, asked)
    headline = asked.plain(told.headline) or f"uv ended with status {status} and said nothing"
    return ToolFailed(
        f"uv could not resolve {asked.question.label}",
        details=[*_wrapped(headline), *(line for cause in told.causes for line in _wrapped(asked.plain(cause)))],
        hint="\nhint: ".join(asked.plain(hint) for hint in told.hints) or None,
    )


def _needs_address(name: str, told: Told, asked: Asked) -> NoResolution:
    who = re.search(r"for package `([^`=]+)==([^`]+)`", told.everything())
    by = f"{who[1]} {who[2]}" if who is not None else "a package"
    return NoResolution(
        f"{asked.question.label}: {by} needs {name} from an address, not from an index",
        details=[f"{name} at an address can be neither locked nor verified"],
        hint=f'[resolver] overrides = ["{name}"] takes it from the index; exclude = ["{name}"] leaves it out',
    )


def _refused(told: Told, asked: Asked) -> IndexFailed | None:
    """uv calls an index that answers 401 or 403 an index without the package."""
    for hint in told.hints:
        status = re.search(r"\((40[13] [A-Za-z]+)\)|returned a (40[13] [A-Za-z]+)", hint)
        url = URL.search(hint)
        if status is not None and url is not None and "was not found in" in told.everything():
            return IndexFailed(
                "the index refuses to answer",
                file=asked.plain(url[0]),
                found=f"{status[1] or status[2]}, asked for {asked.question.label}",
                hint=_login(asked),
            )
    return None


def _broken(told: Told, asked: Asked) -> IndexFailed | None:
    """uv passes over a version whose wheel it cannot read; where that decides, it is the index that failed."""
    for hint in told.hints:
        broken = _STRUCTURE.search(hint.replace("\n", " "))
        if broken is not None and _UNREADABLE.search(told.everything()):
            version = f" {broken[2]}" if broken[2] else ""
            return IndexFailed(
                f"the index has {broken[1]}{version}, but its wheel cannot be read ({asked.question.label})",
                found=asked.plain(broken[3]),
                details=list(_explained(told, asked)),
            )
    return None


def _login(asked: Asked) -> str:
    named = next((index.name for index in asked.question.indexes if not index.packages), None)
    if named is None:
        return "credentials come from netrc, or stand in the address of the mirror that this machine configures"
    return f"credentials come from netrc, or from {variable(named, 'USERNAME')} and {variable(named, 'PASSWORD')}"


def _uncached(told: Told, asked: Asked) -> IndexFailed | None:
    if not asked.question.offline or not any("network was disabled" in hint for hint in told.hints):
        return None
    return IndexFailed(
        f"{asked.question.label} cannot be resolved offline",
        details=list(_explained(told, asked)),
        hint="lock once with a network; what was read then stays in uv's cache",
    )


def _index_failed(told: Told, asked: Asked) -> IndexFailed:
    words = told.everything()
    url = URL.search(words)
    answered = re.search(r"\((\d{3} [^)]+)\)", words)
    reason, hint = None, None
    if answered is not None:
        reason = f"it answered {answered[1]}"
        hint = _login(asked) if answered[1][:3] in ("401", "403", "407") else None
    for sign, meaning, advice in _REASONS if reason is None else ():
        if sign in words:
            reason, hint = meaning, advice
            break
    reason = reason or asked.plain(told.causes[-1] if told.causes else told.headline)
    place = asked.plain(url[0]).rstrip(".,") if url else None
    what = "the index could not be read" if place else asked.plain(told.headline)
    return IndexFailed(
        f"{what} ({asked.question.label})",
        file=place,
        found=reason if reason != what else None,
        details=list(_wrapped(asked.plain(told.headline))) if place and not URL.search(told.headline) else (),
        hint=hint,
    )


def _unsolvable(told: Told, asked: Asked) -> NoResolution:
    question = asked.question
    return NoResolution(
        f"{question.label}: there is no solution with Python {question.python}",
        details=list(_explained(told, asked)),
        hint="\nhint: ".join(list(dict.fromkeys(hints(told, asked)))[:_HINTS]) or None,
    )


def _explained(told: Told, asked: Asked) -> Iterator[str]:
    """uv's derivation in plain sentences, wrapped, with the place of each requirement at its first mention."""
    places = Places(asked.question)
    lines: list[str] = []
    for cause in told.causes:
        for sentence in cause.split("\n"):
            for part in _plain_parts(sentence):
                lines += _wrapped(places.annotate(_absences(asked.plain(part), asked)))
    if len(lines) > _LONGEST:
        cut = len(lines) - _LONGEST
        lines = [*lines[: _LONGEST // 4], f"… {cut} more lines …", *lines[_LONGEST // 4 + cut :]]
    return iter(lines)


def _plain_parts(sentence: str) -> Iterator[str]:
    sentence = sentence.replace("all of: ", "").replace("one of: ", "one of ").replace("`", "")
    sentence = sentence.replace(f"{PROJECT} depends on", "the profile asks for")
    sentence = sentence.replace("your requirements", "the profile's requirements")
    sentence = _REQUESTED_PYTHON.sub(r"Python \1 does not satisfy \2", sentence)
    sentence = sentence.replace("was not found in the package registry", "is not in the index")
    sentence = sentence.replace("was not found in the cache", "is not in the cache")
    match = _SENTENCE.fullmatch(sentence)
    if match is None:
        yield sentence
        return
    reason = ("and " if match[1] else "") + match[2].removesuffix(",")
    first, asks, rest = reason.partition(" and the profile asks for ")
    yield first
    if asks:
        yield asks.lstrip() + rest
    if "requirements are unsatisfiable" not in match[3]:
        yield f"so {match[3]}{match[4] or ''}"


def _absences(text: str, asked: Asked) -> str:
    def tell(match: re.Match[str]) -> str:
        index = asked.owner(match[1])
        if index is None or match[1] not in asked.absent:
            return match[0]
        return f"{match[1]} is not in the index {index.name!r}, to which it is bound"

    return _NO_VERSIONS.sub(tell, text)


def _wrapped(text: str) -> list[str]:
    return [
        line
        for paragraph in text.split("\n")
        for line in textwrap.wrap(
            paragraph, _WIDTH, subsequent_indent="  ", break_long_words=False, break_on_hyphens=False
        )
    ]


class Places:
    """Where the profile asks for a distribution; each is told once, at the first mention."""

    def __init__(self, question: Question) -> None:
        from packaging.requirements import InvalidRequirement
        from packaging.requirements import Requirement as Pep508

        self.asked: dict[str, list[tuple[str, str]]] = {}
        self.told: set[tuple[str, str]] = set()
        every: Sequence[Requirement] = (*question.requirements, *question.constraints)
        for requirement in every:
            try:
                parsed = Pep508(requirement.text)
            except InvalidRequirement:
                continue
            place = (_ordered(str(parsed.specifier)), requirement.place)
            self.asked.setdefault(normalise(parsed.name), []).append(place)

    def annotate(self, text: str) -> str:
        """The text with ` (profiles/base.toml:11)` after what is asked for there."""
        start, clause, rest = text.partition("the profile asks for ")
        if not clause:
            return text
        return start + clause + _MENTION.sub(self._mention, rest)

    def _mention(self, match: re.Match[str]) -> str:
        entries = self.asked.get(match["name"], [])
        exact = [place for spec, place in entries if spec == _ordered(match["spec"] or "")]
        places = dict.fromkeys(exact or [place for _, place in entries])
        new = [place for place in places if (match[0], place) not in self.told]
        self.told.update((match[0], place) for place in new)
        return f"{match[0]} ({', '.join(new)})" if new else match[0]


_MENTION = re.compile(
    r"(?<![\w.=<>!~-])(?P<name>[a-z0-9](?:[a-z0-9-]*[a-z0-9])?)(?:\[[^\]]*\])?"
    r"(?P<spec>(?:[<>=!~]=?=?[\w.+!*-]+)(?:,\s?[<>=!~]=?=?[\w.+!*-]+)*)?(?![\w(])"
)


def _ordered(spec: str) -> str:
    return ",".join(sorted(part.strip() for part in spec.split(",") if part.strip()))
