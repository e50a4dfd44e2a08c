"""What each value of a profile must look like. One function for each kind of value, one table that says where it holds.

These see one value at a time; what needs several of them, or the project folder, is checked in `envctl.profile.whole`.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import datetime, timezone
from pathlib import PurePosixPath
from typing import Any
from urllib.parse import urlsplit

from envctl.model.platform import NAMES, Libc
from envctl.model.target import NAME
from envctl.model.writable import RUNTIME, unfit
from envctl.profile import moment
from envctl.profile.show import did_you_mean

Check = Callable[[Any], None]
OLDEST_PYTHON = (3, 8)
_EPOCH = datetime(2026, 1, 1, tzinfo=timezone.utc)  # spans are only read here, not used

_DISTRIBUTION = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9._-]*[A-Za-z0-9])?")
_PATTERN = re.compile(r"[A-Za-z0-9*?](?:[A-Za-z0-9._*?-]*[A-Za-z0-9*?])?")
_PYTHON = re.compile(r"3\.(0|[1-9][0-9]{0,2})(\.(0|[1-9][0-9]{0,2}))?")
_LIBC = re.compile(r"glibc 2\.[0-9]{1,2}|musl 1\.[0-9]{1,2}")
_CUDA = re.compile(r"[1-9][0-9]?\.[0-9]{1,2}")
_URL = re.compile(r"[A-Za-z0-9._~:/?#\[\]@!$&()*+,;=%-]+")
_SHA256 = re.compile(r"[0-9a-f]{64}")
_VARIABLE = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_USER = re.compile(r"[a-z_][a-z0-9_-]{0,31}")
_DEBIAN = re.compile(r"[a-z0-9][a-z0-9+.-]+(?:=[A-Za-z0-9][A-Za-z0-9.+:~-]*)?")
_HOST = r"(?:[A-Za-z0-9](?:[A-Za-z0-9.-]*[A-Za-z0-9])?|\[[0-9A-Fa-f:]+\])(?::[0-9]{1,5})?"
_PART = r"[a-z0-9]+(?:(?:\.|__?|-+)[a-z0-9]+)*"
_REFERENCE = re.compile(
    rf"(?P<name>(?:{_HOST}/)?{_PART}(?:/{_PART})*)(?::[A-Za-z0-9_][A-Za-z0-9_.-]{{0,127}})?(?:@sha256:[0-9a-f]{{64}})?"
)
_HUGE_NUMBER = re.compile(r"[0-9]{100}")
_LOOPBACK = re.compile(r"localhost|127(?:\.[0-9]{1,3}){3}|::1")
_PATHLIKE = re.compile(r"[./~\\]|[A-Za-z]:[/\\]|[A-Za-z+]+://|file:|[^@]*\.(?:whl|zip|tar\.gz)$")


class Unfit(Exception):
    """A value that is not what it must be. `what` continues the sentence that begins with the key."""

    def __init__(
        self,
        what: str,
        expected: str | None = None,
        *,
        hint: str | None = None,
        found: str | None = None,
        caret: int | None = None,
    ) -> None:
        super().__init__(what)
        self.what, self.expected, self.hint, self.found, self.caret = what, expected, hint, found, caret


def name(value: str) -> None:
    """Names of profiles, variants, indexes and commands."""
    if not NAME.fullmatch(value):
        raise Unfit(
            "is not a name", "lower-case letters, digits, '_' and '-', beginning with a letter or digit, 100 at most"
        )


def _requirement(value: str) -> Any:
    from packaging.requirements import Requirement

    expected = 'a PEP 508 requirement such as "numpy>=2,<3"'
    if _PATHLIKE.match(value.strip()):
        raise Unfit("is a path or an address, not a requirement", expected, hint=_NOT_FROM_INDEX)
    if _HUGE_NUMBER.search(value):  # Python refuses to read such a number later, where nobody expects it
        raise Unfit("is not a requirement", expected)
    try:
        requirement = Requirement(value)
    except RecursionError as error:
        raise Unfit("is not a requirement", expected) from error
    except ValueError as error:
        last = str(error).rpartition("\n")[2]
        caret = len(last) - len(last.lstrip(" ")) - 4 if last.strip(" ~^") == "" and "^" in last else None
        if caret is not None and "~" in last:
            caret = last.index("^") - 4
        raise Unfit("is not a requirement", expected, caret=caret) from error
    if requirement.url is not None:
        at = value.find("@")
        raise Unfit(
            "is pinned to an address, not to an index", expected, hint=_NOT_FROM_INDEX, caret=at if at >= 0 else None
        )
    if requirement.marker is not None:
        variables = re.sub(r"\"[^\"]*\"|'[^']*'", "", str(requirement.marker))
        if re.search(r"\b(?:extras?|dependency_groups)\b", variables):
            raise Unfit(
                "has a marker on an extra", "a marker on the platform or Python", hint="name the requirement without it"
            )
    return requirement


_NOT_FROM_INDEX = (
    "only distributions of an index can be locked and verified; put the wheel on an index and bind it: "
    '[resolver] index = [{ name = "…", url = "https://…", packages = ["NAME"] }]'
)


def requirement(value: str) -> None:
    """A PEP 508 requirement of an index (dependency-specifiers specification)."""
    _requirement(value)


def constraint(value: str) -> None:
    """The same without extras, since a constraint only narrows."""
    if _requirement(value).extras:
        raise Unfit(
            "is a constraint with extras", 'a constraint such as "numpy<3"', hint="ask for extras in dependencies"
        )


def distribution(value: str) -> None:
    """The name of a distribution (name-normalization specification)."""
    if not _DISTRIBUTION.fullmatch(value):
        raise Unfit("is not the name of a distribution", 'a name alone, such as "numpy"')


def pattern(value: str) -> None:
    """The name of a distribution, or a pattern of names with * and ?."""
    if not _PATTERN.fullmatch(value):
        raise Unfit("is not the name of a distribution, nor a pattern", 'a name such as "torch", or "acme-*"')


def python(value: str) -> None:
    """X.Y or X.Y.Z, from OLDEST_PYTHON on."""
    match = _PYTHON.fullmatch(value)
    if match is None or (3, int(match[1])) < OLDEST_PYTHON:
        oldest = ".".join(map(str, OLDEST_PYTHON))
        raise Unfit("is not a Python version", f'X.Y or X.Y.Z, {oldest} or later, such as "3.11" or "3.11.9"')


def libc(value: str) -> None:
    """A C library and its version."""
    if not _LIBC.fullmatch(value) or str(Libc.parse(value)) != value:
        raise Unfit("is not a C library", '"glibc 2.28" or the like, or "musl 1.2" for Alpine')


def platform(value: str) -> None:
    """An OCI platform that envctl knows."""
    if value not in NAMES:
        raise Unfit("is not a platform", f"one of {', '.join(NAMES)}", hint=did_you_mean(value, NAMES))


def platforms(value: list[Any]) -> None:
    """At least one platform, each once."""
    for index, item in enumerate(value):
        if item in value[:index]:
            raise Unfit("names a platform twice", found=str(item))


def _once(key: str) -> Check:
    def check(value: list[Any]) -> None:
        seen = set()
        for item in value:
            if isinstance(item, dict) and isinstance(item.get(key), str):
                if item[key] in seen:
                    raise Unfit(f"has two entries with one {key}", f"each {key} once", found=item[key])
                seen.add(item[key])

    return check


def backend(value: str) -> None:
    """The resolver."""
    if value == "pip-tools":
        raise Unfit(
            "asks for a resolver that this version does not have", '"uv"', hint="leave the key out: uv is the default"
        )
    if value != "uv":
        raise Unfit("is not a resolver", '"uv"')


def exclude_newer(value: object) -> None:
    """A cutoff, or true or false where an index says it."""
    try:
        if isinstance(value, str):
            moment.cutoff(value, _EPOCH)
    except ValueError as error:
        raise Unfit("is not a time", moment.EXPECTED) from error


def own_exclude_newer(value: object) -> None:
    """The cutoff of one index: a moment or a date, so that it means the same tomorrow; or true or false."""
    exclude_newer(value)
    if isinstance(value, str) and moment.is_span(value):
        raise Unfit(
            "is a span, which would mean another moment tomorrow",
            'a moment such as "2026-11-01T00:00:00Z", a date, or false',
            hint="a span can stand in [resolver] exclude-newer: the lockfile records the moment that it meant",
        )


def sdists(value: list[Any]) -> None:
    """Builds from source are not locked by this version."""
    if value:
        raise Unfit(
            "asks for builds from source, and this version locks wheels only",
            "an empty list",
            hint="build a wheel, put it on an index, and bind it in [resolver] index",
        )


def conda(_value: dict[str, Any]) -> None:
    """Conda packages are not locked by this version."""
    raise Unfit(
        "asks for conda packages, which this version cannot lock",
        "no [conda] table",
        hint="most of them have wheels: name those in dependencies; OS libraries go to image.packages",
    )


def _address(value: str) -> Any:
    if not _URL.fullmatch(value):
        raise Unfit("is not a URL", "https://HOST/PATH without spaces, quotes or variables")
    try:
        url = urlsplit(value)
        port_is_valid = url.port is None or url.port > 0
    except ValueError as error:
        raise Unfit("is not a URL", "https://HOST/PATH") from error
    if url.username is not None or url.password is not None:
        raise Unfit(
            "holds credentials",
            "an address without them",
            hint="put them into ~/.netrc, or into the environment of whoever locks",
        )
    if url.scheme not in ("http", "https") or not url.hostname or not port_is_valid:
        raise Unfit("is not a URL of the web", "https://HOST/PATH")
    if url.scheme == "http" and not _LOOPBACK.fullmatch(url.hostname):
        raise Unfit("is not encrypted", "https:// (http:// for this machine's own addresses only)")
    return url


def index_url(value: str) -> None:
    """The address of a simple index, without credentials."""
    _address(value)
    if "?" in value or "#" in value:
        raise Unfit("has a query or fragment", "the address of the index alone, such as https://index.example/simple")


def archive_url(value: str) -> None:
    """The address of a file."""
    _address(value)


def sha256(value: str) -> None:
    """64 hex digits."""
    if not _SHA256.fullmatch(value):
        raise Unfit("is not a sha256", "64 hex digits in lower case")


def reference(value: str) -> None:
    """An image reference (OCI distribution specification; the grammar of the reference implementation)."""
    match = _REFERENCE.fullmatch(value)
    if match is None or len(match["name"]) > 255:
        raise Unfit(
            "is not an image reference", "NAME[:TAG][@sha256:64 hex digits], such as python:3.11.9-slim-bookworm"
        )


def variable(value: str) -> None:
    """The name of an environment variable."""
    if not _VARIABLE.fullmatch(value):
        raise Unfit("is not the name of an environment variable", "letters, digits and '_', not beginning with a digit")


def _parts_fit(value: str) -> bool:
    return all(part not in ("", ".", "..") for part in value.split("/")) and "\\" not in value


def inside(value: str) -> None:
    """A path in the project folder, "." allowed."""
    if value != "." and not _parts_fit(value.removeprefix("./").removesuffix("/")):
        raise Unfit("is not a path inside the project", "a relative path without '..', with '/' between its parts")


def requirements(value: str) -> None:
    """FILE or FILE#NAME."""
    file, hash_, group = value.partition("#")
    inside(file)
    if hash_ and (PurePosixPath(file).name != "pyproject.toml" or not group):
        raise Unfit(
            "names a part of a file that has none", '"requirements.in", "pyproject.toml" or "pyproject.toml#NAME"'
        )


def absolute(value: str) -> None:
    """An absolute path in an image."""
    if not value.startswith("/") or not _parts_fit(value[1:]):
        raise Unfit("is not an absolute path", "a path such as /app, without '.', '..' or a '/' at its end")


def user(value: int | str) -> None:
    """A user id, or the name of one."""
    if isinstance(value, str) and not _USER.fullmatch(value):
        hint = "write the number without quotes" if value.isdecimal() else None
        raise Unfit("is not a user", "a number, or a name of lower-case letters, digits, '_' and '-'", hint=hint)


def os_package(value: str) -> None:
    """NAME or NAME=VERSION, as Debian spells them (Debian policy, 5.6.1 and 5.6.12)."""
    if not _DEBIAN.fullmatch(value):
        raise Unfit("is not an OS package", '"libgomp1", or with its version "libgomp1=12.2.0-14"')


def snapshot(value: str) -> None:
    """The address of an archive, or the word for those that the base names."""
    if value != "base":
        index_url(value)


def file_name(value: str) -> None:
    """A file name without a folder."""
    if "/" in value or not _parts_fit(value):
        raise Unfit("is not a file name", "a file name without a folder, such as distutils-precedence.pth")


def writable(value: str) -> None:
    """A folder of data under the environment's prefix."""
    why = unfit(value)
    if why is not None:
        raise Unfit(why, f"a folder of data under the environment, such as {RUNTIME} or share/nltk_data")


def cuda(value: str) -> None:
    """X.Y."""
    if not _CUDA.fullmatch(value):
        raise Unfit("is not a CUDA version", 'X.Y, such as "12.8"')


def words(value: list[Any]) -> None:
    """An argument vector."""
    if not value or not value[0]:
        raise Unfit("is no command", 'a program and its arguments, such as ["python", "-m", "train"]')


CHECKS: dict[str, Check] = {
    "extends[]": name,
    "default-variant": name,
    "python": python,
    "libc": libc,
    "platforms": platforms,
    "platforms[]": platform,
    "dependencies[]": requirement,
    "constraints[]": constraint,
    "requirements[]": requirements,
    "project.path": inside,
    "project.extras[]": distribution,
    "project.groups[]": distribution,
    "cuda": cuda,
    "resolver.backend": backend,
    "resolver.exclude-newer": exclude_newer,
    "resolver.sdists": sdists,
    "resolver.overrides[]": requirement,
    "resolver.exclude[]": distribution,
    "resolver.index": _once("name"),
    "resolver.index[].name": name,
    "resolver.index[].url": index_url,
    "resolver.index[].packages[]": pattern,
    "resolver.index[].exclude-newer": own_exclude_newer,
    "conda": conda,
    "image.base": reference,
    "image.python.url": lambda value: archive_url(value) if isinstance(value, str) else None,
    "image.python.url{key}": platform,
    "image.python.url{}": archive_url,
    "image.python.sha256": lambda value: sha256(value) if isinstance(value, str) else None,
    "image.python.sha256{key}": platform,
    "image.python.sha256{}": sha256,
    "image.packages[]": os_package,
    "image.snapshot": lambda value: snapshot(value) if isinstance(value, str) else None,
    "image.snapshot[]": snapshot,
    "image.provides[]": distribution,
    "image.env{key}": variable,
    "image.files": _once("target"),
    "image.files[].source": inside,
    "image.files[].target": absolute,
    "image.workdir": absolute,
    "image.user": user,
    "image.command": words,
    "commands{key}": name,
    "commands{}": words,
    "policy.startup-hooks[]": file_name,
    "policy.writable[]": writable,
}
