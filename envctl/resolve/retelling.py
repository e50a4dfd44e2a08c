"""A failure of uv as an error of envctl: what was asked, by whom, why it is impossible, and what to do. Pure."""

from __future__ import annotations

import re
import textwrap
from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import datetime, timezone
from urllib.parse import urlsplit

import msgspec

from envctl.errors import EnvctlError, IndexFailed, NoResolution, ToolFailed
from envctl.model.profile import Index, Requirement
from envctl.resolve.asking import PROJECT
from envctl.resolve.binding import normalised, without_credentials
from envctl.resolve.interface import Question
from envctl.resolve.stderr import Told

_WIDTH = 100
_LONGEST = 40
_URL = re.compile(r"https?://[^\s`)\"']+")
_SENTENCE = re.compile(r"(And )?[Bb]ecause (.*?),? we can conclude that (.*?)\.?( \(\d+\))?")
_NO_VERSIONS = re.compile(r"there (?:are no versions|is no version) of ([a-z0-9][a-z0-9-]*)(?![\w=-])")

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
    "unexpected end of file",
)
_REASONS: tuple[tuple[str, str, str | None], ...] = (
    ("dns error", "its host name is not known", "a proxy is taken from HTTPS_PROXY, names to reach without it from NO_PROXY"),
    ("invalid peer certificate", "its certificate is not trusted", "SSL_CERT_FILE names the certificates to trust"),
    ("Connection refused", "the connection was refused", None),
    ("operation timed out", "it did not answer in time", "UV_HTTP_TIMEOUT is the time to wait, in seconds"),
    ("connection closed before message completed", "the connection was cut", None),
    ("end of file before message length reached", "the connection was cut", None),
    ("Connection reset", "the connection was cut", None),
    ("Received some unexpected", "it answered what is no page of a package index", None),
)
_LOGIN = "credentials come from netrc, or from UV_INDEX_NAME_USERNAME and UV_INDEX_NAME_PASSWORD"
_IMPORTED_AS = {
    "bs4": "beautifulsoup4",
    "cv2": "opencv-python",
    "faiss": "faiss-cpu",
    "pil": "pillow",
    "pytorch": "torch",
    "skimage": "scikit-image",
    "sklearn": "scikit-learn",
    "yaml": "pyyaml",
}


class Asked(msgspec.Struct, frozen=True):
    """What a retelling knows beside uv's words.

    Attributes:
        owner: the bound index of a distribution.
        absent: normalised names that their bound index does not have.
        shown: addresses as uv knows them -> as users know them.
    """

    question: Question
    owner: Callable[[str], Index | None]
    absent: frozenset[str] = frozenset()
    shown: Mapping[str, str] = {}

    def plain(self, text: str) -> str:
        """The text with addresses that users know, and without credentials."""
        for inner, outer in self.shown.items():
            text = text.replace(inner, outer)
        return _URL.sub(lambda match: redacted(match[0]), text)


def redacted(url: str) -> str:
    """An address without user name and password."""
    return without_credentials(url)[0]


def retell(told: Told, asked: Asked, status: int) -> EnvctlError:
    """The error that stands for uv's failure."""
    words = told.everything()
    if told.headline.startswith("No solution found"):
        return _refused(told, asked) or _uncached(told, asked) or _unsolvable(told, asked)
    if any(sign in words for sign in _NETWORK):
        return _index_failed(told, asked)
    headline = asked.plain(told.headline) or f"uv ended with status {status} and said nothing"
    return ToolFailed(
        f"uv could not resolve {asked.question.label}",
        details=[*_wrapped(headline), *(line for cause in told.causes for line in _wrapped(asked.plain(cause)))],
        hint="\nhint: ".join(asked.plain(hint) for hint in told.hints) or None,
    )


def _refused(told: Told, asked: Asked) -> IndexFailed | None:
    """uv calls an index that answers 401 or 403 an index without the package."""
    for hint in told.hints:
        status = re.search(r"\((40[13] [A-Za-z]+)\)|returned a (40[13] [A-Za-z]+)", hint)
        url = _URL.search(hint)
        if status is not None and url is not None and "was not found in" in told.everything():
            return IndexFailed(
                "the index refuses to answer",
                file=asked.plain(url[0]),
                found=f"{status[1] or status[2]}, asked for {asked.question.label}",
                hint=_LOGIN,
            )
    return None


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
    url = _URL.search(words)
    answered = re.search(r"\((\d{3} [^)]+)\)", words)
    reason, hint = None, None
    if answered is not None:
        reason = f"it answered {answered[1]}"
        hint = _LOGIN if answered[1][:3] in ("401", "403", "407") else None
    for sign, meaning, advice in _REASONS if reason is None else ():
        if sign in words:
            reason, hint = meaning, advice
            break
    reason = reason or asked.plain(told.causes[-1] if told.causes else told.headline)
    place = asked.plain(url[0]).rstrip(".,") if url else None
    what = "the index could not be read" if place else asked.plain(told.headline)
    return IndexFailed(
        f"{what} for {asked.question.label}",
        file=place,
        found=reason if reason != what else None,
        details=list(_wrapped(asked.plain(told.headline))) if place and not _URL.search(told.headline) else (),
        hint=hint,
    )


def _unsolvable(told: Told, asked: Asked) -> NoResolution:
    question = asked.question
    hints = [hint for hint in dict.fromkeys(_hints(told, asked)) if hint]
    return NoResolution(
        f"{question.label}: there is no solution with Python {question.python}",
        details=list(_explained(told, asked)),
        hint="\nhint: ".join(hints[:3]) or None,
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
    sentence = sentence.replace("was not found in the package registry", "is not in the index")
    sentence = sentence.replace("was not found in the cache", "is not in the cache")
    match = _SENTENCE.fullmatch(sentence)
    if match is None:
        yield sentence
        return
    yield ("and " if match[1] else "") + match[2].removesuffix(",")
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
        from packaging.requirements import InvalidRequirement, Requirement as Pep508

        self.asked: dict[str, list[tuple[str, str]]] = {}
        self.told: set[tuple[str, str]] = set()
        every: Sequence[Requirement] = (*question.requirements, *question.constraints)
        for requirement in every:
            try:
                parsed = Pep508(requirement.text)
            except InvalidRequirement:
                continue
            place = (_ordered(str(parsed.specifier)), requirement.place)
            self.asked.setdefault(normalised(parsed.name), []).append(place)

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


def _hints(told: Told, asked: Asked) -> Iterator[str | None]:
    words = told.everything()
    for name in sorted(asked.absent):
        index = asked.owner(name)
        if index is not None and re.search(rf"of {re.escape(name)}(?![\w=-])", words):
            yield f"{name} is looked for in {redacted(index.url)} alone, since `packages` of the index {index.name!r} has it"
    for name in re.findall(r"([\w.-]+) was not found in the package registry", words):
        other = _IMPORTED_AS.get(normalised(name))
        yield f"is {name} spelled as the index spells it?" + (f" {other} is what is imported so" if other else "")
    for hint in told.hints:
        yield _hint(hint, told, asked)


def _hint(hint: str, told: Told, asked: Asked) -> str | None:
    question = asked.question
    flat = hint.replace("\n", " ")
    if match := re.match(r"`([^`]+)` was filtered by `exclude-newer`", flat):
        return _hidden(match[1], flat, told, asked)
    if match := re.match(r"Wheels are available for `([^`]+)` \(v([^)]+)\) on the following platforms?: (.*)", flat):
        return _other_platforms(match[1], match[2], match[3].replace("`", ""), question)
    if match := re.match(r"You require .*? for `([^`]+)` \(v([^)]+)\) with the following Python \w+ tags?: (.*)", flat):
        return f"{match[1]} {match[2]} has wheels for {match[3].replace('`', '')} only, not for Python {question.python}"
    if match := re.match(r"Wheels are required for `([^`]+)` because building from source is disabled", flat):
        return f"{match[1]} has no wheel, only a source distribution, and envctl locks wheels: build one, put it into an index of yours, and bind {match[1]} to that"
    if match := re.search(r"\(e\.g\., (?:all of: )?(.*?) only supports? (.*?)\)", flat):
        return f"{match[1]} supports Python {match[2]} only; the profile says python = \"{question.python}\""
    if match := re.match(r"Pre-releases are available for `([^`]+)` .*?\(e\.g\., ([^)]+)\)", flat):
        return f"{match[1]} {match[2]} is a pre-release, taken where a requirement names one: \"{match[1]}>={match[2]}\""
    if match := re.match(r"`([^`]+)` was found on .*?, but not at the requested version \(([^)]*)\)", flat):
        index = asked.owner(match[1])
        bound = f"the index {index.name!r}, to which it is bound," if index else "the index"
        return f"{bound} has {match[1]}, but no version that fits {match[2]}"
    return asked.plain(flat.replace("`", ""))


def _hidden(name: str, hint: str, told: Told, asked: Asked) -> str:
    question, index = asked.question, asked.owner(name)
    latest = re.search(r"satisfying the requirement is v(\S+?)(?:, published at (\S+?))?\.(?:\s|$)", hint)
    where = f"the index {index.name!r}" if index else "the index"
    if latest is None or latest[2] is None or any(f"is missing an upload date" in w and name in normalised(w) for w in told.warnings):
        entry = f' (write `exclude-newer = false` into the index {index.name!r})' if index else ""
        return f"{where} says no upload times of {name}, so the cutoff hides all of it{entry}"
    cutoff: datetime | str | None = question.cutoff
    if index is not None and isinstance(index.exclude_newer, str):
        cutoff = index.exclude_newer
    if isinstance(cutoff, datetime):
        cutoff = cutoff.astimezone(timezone.utc).strftime("%Y-%m-%dT%H:%M:%SZ")
    return f"the cutoff {cutoff} hides {name} {latest[1]}, uploaded {latest[2]}; a later `exclude-newer` shows it"


def _other_platforms(name: str, version: str, tags: str, question: Question) -> str:
    machine = question.platform.machine
    newer = sorted(
        (int(minor) for minor in re.findall(rf"manylinux_2_(\d+)_{machine}\b", tags)),
    )
    if question.platform.os == "linux" and question.libc.family == "glibc" and newer and newer[0] > question.libc.minor:
        return f'{name} {version} needs a newer C library than {question.libc}: libc = "glibc 2.{newer[0]}"'
    return (
        f"{name} {version} has wheels for {tags} only; "
        f"\"{name}; platform_machine != '{machine}'\" leaves it out on {question.platform}"
        if question.platform.os == "linux" and machine not in tags
        else f"{name} {version} has wheels for {tags} only"
    )


def host_of(url: str) -> str:
    """The host and port of an address, without credentials."""
    return urlsplit(redacted(url)).netloc
