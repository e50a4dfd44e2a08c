"""What to do about a resolution that failed: uv's hints in the words of a profile, and what uv cannot know. Pure."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from datetime import datetime, timezone

import msgspec

from envctl.model.names import normalise
from envctl.model.profile import Index
from envctl.resolve.interface import Question
from envctl.resolve.stderr import Told
from envctl.system.credentials import redact

URL = re.compile(r"https?://[^\s`)\"'<>]+")
# Modules that are imported under another name than the distribution's, of those that people often ask for.
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
        real: the address that one of the router's stands for; others as they are.
    """

    question: Question
    owner: Callable[[str], Index | None]
    absent: frozenset[str] = frozenset()
    real: Callable[[str], str] = str

    def plain(self, text: str) -> str:
        """The text with addresses that users know, and without credentials."""
        return URL.sub(lambda match: redact(self.real(match[0])), text)

    def index(self, name: str) -> str:
        """What to call the index that a distribution comes from."""
        owner = self.owner(name)
        return "the index" if owner is None else f"the index {owner.name!r}"


def without_versions(told: Told) -> list[str]:
    """The distributions of which uv says that their page holds no version at all."""
    return re.findall(r"there are no versions of ([\w.-]+)", told.everything())


def hints(told: Told, asked: Asked) -> Iterator[str]:
    """The hints for a resolution that does not exist, the most telling first."""
    words = told.everything()
    for name in sorted(asked.absent):
        owner = asked.owner(name)
        if owner is not None and re.search(rf"of {re.escape(name)}(?![\w=-])", words):
            yield f"`packages` of the index {owner.name!r} says that {name} comes from {redact(owner.url)} alone"
    for name in re.findall(r"([\w.-]+) was not found in the package registry", words):
        other = _IMPORTED_AS.get(normalise(name))
        yield f"is {name} the name that the index knows it by?" + (f" That of {name} is {other}" if other else "")
    for name in sorted(_undated(told)):
        if re.search(rf"(?<![\w-]){re.escape(name)}(?![\w-])", words):
            yield _without_times(name, asked)
    for override in asked.question.overrides:
        name = normalise(re.split(r"[^\w.-]", override.strip(), maxsplit=1)[0])
        if re.search(rf"(?:no version of|depends? on) {re.escape(name)}(?![\w-])", words):
            yield f'"{override}" in [resolver] overrides replaces what packages ask for'
    if not told.hints and not told.warnings and not asked.absent:
        for name in without_versions(told):
            yield f"{asked.index(name)} has a page of {name} that names no file; is it a package index?"
    for hint in told.hints:
        flat = hint.replace("\n", " ")
        yield next(
            (tell(match, told, asked) for form, tell in _FORMS if (match := form.search(flat))),
            asked.plain(flat.replace("`", "")),
        )


def _undated(told: Told) -> set[str]:
    """The distributions of which uv met files without upload times."""
    files = (re.search(r"`([^`/]+)` is missing an upload date", warning) for warning in told.warnings)
    return {normalise(re.split(r"-\d", file[1])[0]) for file in files if file is not None}


def _without_times(name: str, asked: Asked) -> str:
    index = asked.owner(name)
    what = f"{asked.index(name)} does not say when {name} was uploaded, so the cutoff hides it"
    return what if index is None else f"{what}: write exclude-newer = false into that index"


def _hidden(match: re.Match[str], told: Told, asked: Asked) -> str:
    name, question, index = match[1], asked.question, asked.owner(match[1])
    latest = re.search(r"(?:is|requested version,) v(\S+?),?(?: was)? published at (\S+?)\.(?:\s|$)", match.string)
    if normalise(name) in _undated(told) or (latest is None and "satisfying the requirement" in match.string):
        return _without_times(name, asked)
    cutoff: datetime | str | None = question.cutoff
    if index is not None and isinstance(index.exclude_newer, str):
        cutoff = index.exclude_newer
    if isinstance(cutoff, datetime):
        cutoff = cutoff.astimezone(timezone.utc).strftime("%Y-%m-%dT%H:%M:%SZ")
    if latest is None:
        return f"the cutoff {cutoff} hides every version of {name} that would fit"
    return f"the cutoff {cutoff} hides {name} {latest[1]}, which was uploaded {latest[2]}; a later one shows it"


def _platforms(match: re.Match[str], told: Told, asked: Asked) -> str:  # noqa: ARG001  # one form for all
    name, version, tags = match[1], match[2], match[3].replace("`", "")
    platform, libc = asked.question.platform, asked.question.libc
    newer = sorted(int(minor) for minor in re.findall(rf"manylinux_2_(\d+)_{platform.machine}\b", tags))
    only = f"{name} {version} has wheels for {tags} only"
    if platform.os == "linux" and libc.family == "glibc" and newer and newer[0] > libc.minor:
        return f'{only}; libc = "glibc 2.{newer[0]}" admits them, where the machines have that'
    if platform.os == "linux" and "linux" not in tags:
        return f"{only}; \"{name}; sys_platform != 'linux'\" leaves it out on {platform}"
    if platform.machine not in tags:
        return f"{only}; \"{name}; platform_machine != '{platform.machine}'\" leaves it out on {platform}"
    return only


def _tags(match: re.Match[str], told: Told, asked: Asked) -> str:  # noqa: ARG001  # one form for all
    return (
        f"{match[1]} {match[2]} has wheels for {match[3].replace('`', '')} only, not for Python {asked.question.python}"
    )


def _source_only(match: re.Match[str], told: Told, asked: Asked) -> str:  # noqa: ARG001  # one form for all
    return (
        f"{match[1]} has a source distribution but no wheel, and only wheels are locked: "
        f"build one, put it into an index of yours, and bind {match[1]} to that"
    )


def _python(match: re.Match[str], told: Told, asked: Asked) -> str:  # noqa: ARG001  # one form for all
    return f"{match[1]} is for Python {match[2]} only; the profile's is {asked.question.python}"


def _prerelease(match: re.Match[str], told: Told, asked: Asked) -> str:  # noqa: ARG001  # one form for all
    return f'{match[1]} {match[2]} is a pre-release; a requirement that names one admits it: "{match[1]}>={match[2]}"'


def _prerelease_wanted(match: re.Match[str], told: Told, asked: Asked) -> str:  # noqa: ARG001  # one form for all
    return f"a pre-release of {match[1]} is needed ({match[2]}); the profile has to ask for it itself"


def _no_version(match: re.Match[str], told: Told, asked: Asked) -> str:  # noqa: ARG001  # one form for all
    owner = asked.owner(match[1])
    bound = "" if owner is None else f", and {match[1]} is bound to it"
    return f"{asked.index(match[1])} has {match[1]}, but no version that fits {match[2]}{bound}"


_NAMED = r"`([^`]+)` \(v([^)]+)\)"
_FORMS: tuple[tuple[re.Pattern[str], Callable[[re.Match[str], Told, Asked], str]], ...] = (
    (re.compile(r"^`([^`]+)` was filtered by (?:the index-specific )?`exclude-newer"), _hidden),
    (re.compile(rf"^Wheels are available for {_NAMED} on the following platforms?: (.*)"), _platforms),
    (re.compile(rf"wheels (?:are available )?for {_NAMED} with the following Python \w+ tags?: (.*)", re.I), _tags),
    (re.compile(r"^Wheels are required for `([^`]+)` because building from source is disabled"), _source_only),
    (re.compile(r"--python-version.*\(e\.g\., (?:all of: )?(.*?) only supports? (.*?)\)\."), _python),
    (re.compile(r"^Pre-releases are available for `([^`]+)`.*?\(e\.g\., ([^)]+)\)"), _prerelease),
    (re.compile(r"^`([^`]+)` was requested with a pre-release marker \(e\.g\., ([^)]+)\)"), _prerelease_wanted),
    (re.compile(r"^`([^`]+)` was found on .*?, but not at the requested version \((.*?)\)\."), _no_version),
)
