"""A requirements file, as pip reads it, as parts of a profile.

A file that a profile can read live stays the team's source of truth. One with options that only pip understands is
copied: indexes become `[resolver] index`, `-e .` becomes `project`, hashes are dropped, and what a profile cannot say
is left as a comment.
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable
from pathlib import Path, PurePosixPath
from urllib.parse import urlsplit, urlunsplit

from envctl.adopt.adopted import Adopted, Left
from envctl.errors import InvalidFile, UsageError
from envctl.model.names import requirement_name
from envctl.model.profile import Index
from envctl.model.requirements import Line, parse
from envctl.system.files import read_text

WhyNot = Callable[[str, bool], str | None]
_LOOPBACK = re.compile(r"localhost|127(?:\.[0-9]{1,3}){3}|::1")
_TORCH_INDEX = re.compile(r"/(cpu|cu[0-9]{2,3}|rocm[0-9.]+|xpu)/?$")
_TORCH = ("torch", "torchvision", "torchaudio", "torchtext", "torchdata", "triton", "pytorch-triton")
_USERINFO = re.compile(r"(?<=://)[^/@\s]*@")
_EDITABLE = re.compile(r"(?P<path>\.{0,2}[^\[\]:]*?)(?:\[(?P<extras>[A-Za-z0-9._, -]+)\])?")
# Options that change nothing here, or that a profile says in another way; the note where a person should know.
_IGNORED = {
    "--require-hashes": None,
    "--no-cache-dir": None,
    "--prefer-binary": None,
    "--only-binary": None,
    "--trusted-host": "--trusted-host was dropped: an index is reached by https, and its certificate is checked",
    "--pre": '--pre was dropped: ask for a pre-release by its version, such as "numpy>=3.0rc1"',
    "--use-pep517": None,
    "--no-deps": "--no-deps was dropped: everything that the requirements need is locked too",
}


def adopt(project: Path, source: str, why_not: WhyNot) -> Adopted:
    """Take over a requirements file.

    Args:
        project: the project folder.
        source: relative to the project folder, or absolute.
        why_not: why a profile cannot say a requirement (or, with True, a constraint); None where it can.

    Raises:
        UsageError: it does not exist.
        InvalidFile: it, or a file that it includes, is unreadable, or they include each other.
    """
    reading = _Reading(project, why_not)
    path = project / source
    if not path.exists():
        raise UsageError("there is no such file", file=source, hint="the path is relative to the project folder")
    reading.file(path, _shown(project, path), (), constraints=False)
    return reading.done(source)


def _shown(project: Path, path: Path) -> str:
    """A path relative to the project folder where it is inside it, else as it is."""
    relative = os.path.relpath(os.path.realpath(path), os.path.realpath(project))
    return str(path) if relative.startswith("..") else PurePosixPath(relative).as_posix()


class _Reading:
    """One source file with all that it includes."""

    def __init__(self, project: Path, why_not: WhyNot) -> None:
        self.project = project
        self.why_not = why_not
        self.live = True
        self.hashes = False
        self.entry = ""
        self.dependencies: list[str] = []
        self.constraints: list[str] = []
        self.indexes: list[Index] = []
        self.own: tuple[str, tuple[str, ...], bool] | None = None
        self.notes: dict[str, None] = {}
        self.left: list[Left] = []
        self.extra_urls: list[tuple[str, str]] = []

    def file(self, path: Path, shown: str, chain: tuple[str, ...], *, constraints: bool) -> None:
        self.entry = self.entry or shown
        if PurePosixPath(shown).is_absolute() or shown.startswith(".."):
            self.live = False
        for line in parse(read_text(path, shown=shown)):
            place = f"{shown}:{line.number}"
            if line.option in ("--requirement", "--constraint"):
                self._nested(line, path, (*chain, shown), constraints=constraints or line.option == "--constraint")
            elif line.option is not None:
                self.live = False
                self._option(line, place, path.parent)
            else:
                self._requirement(line, place, path.parent, constraints=constraints)

    def _nested(self, line: Line, path: Path, chain: tuple[str, ...], *, constraints: bool) -> None:
        if "://" in line.value:
            self.live = False
            self.left.append(
                Left(f"{chain[-1]}:{line.number}", clean(line.value), "only files of the project are read")
            )
            return
        below = path.parent / line.value
        shown = _shown(self.project, below)
        if shown in chain:
            raise InvalidFile(
                "requirements files include each other", file=chain[-1], line=line.number, found=clean(shown)
            )
        try:
            self.file(below, shown, chain, constraints=constraints)
        except FileNotFoundError as error:
            raise InvalidFile(
                "includes a file that does not exist", file=chain[-1], line=line.number, found=clean(line.value)
            ) from error

    def _requirement(self, line: Line, place: str, folder: Path, *, constraints: bool) -> None:
        if _is_folder(line.text):
            self.live = False
            self._project(line.text, place, folder, editable=False)
            return
        pinned = "==" in line.text
        self.hashes = self.hashes or "--hash" in line.options
        if any(option != "--hash" for option in line.options) or ("--hash" in line.options and not pinned):
            self.live = False
        why = self.why_not(line.text, constraints)
        if why is None:
            (self.constraints if constraints else self.dependencies).append(line.text)
        else:
            self.live = False
            self.left.append(Left(place, clean(line.text), why))

    def _option(self, line: Line, place: str, folder: Path) -> None:
        option, value = line.option or "", line.value
        if option == "--editable":
            self._project(value, place, folder, editable=True)
        elif option == "--index-url":
            self._index(value, place, packages=())
        elif option == "--extra-index-url":
            self.extra_urls.append((value, place))
        elif option in _IGNORED:
            note = _IGNORED[option]
            if note:
                self.notes[note] = None
        else:
            self.left.append(Left(place, clean(f"{option} {value}".strip()), "a profile has no such option"))

    def _project(self, value: str, place: str, folder: Path, *, editable: bool) -> None:
        match = _EDITABLE.fullmatch(value.strip())
        path = folder / match["path"] if match else folder
        shown = _shown(self.project, path)
        pyproject = path / "pyproject.toml"
        if match is None or "://" in value or PurePosixPath(shown).is_absolute() or shown.startswith(".."):
            self.left.append(Left(place, clean(value), "only a folder of this project can be installed from source"))
        elif not pyproject.is_file():
            self.left.append(Left(place, value, "the folder has no pyproject.toml"))
        elif self.own is not None:
            self.left.append(Left(place, value, "a profile has one project; list what this one needs in dependencies"))
        else:
            extras = tuple(extra.strip() for extra in (match["extras"] or "").split(",") if extra.strip())
            self.own = (shown, extras, editable)

    def _index(self, value: str, place: str, *, packages: tuple[str, ...], name: str | None = None) -> None:
        url, kept = address(value)
        if url is None:
            self.left.append(Left(place, clean(value), "an index is an https address"))
            return
        if not kept:
            self.notes[f"the credentials in {place} were not taken over: put them into ~/.netrc"] = None
        self.indexes = [index for index in self.indexes if packages or index.packages]
        taken = {index.name for index in self.indexes}
        wanted = name or _index_name(url)
        unique = next(n for n in (wanted, *(f"{wanted}-{number}" for number in range(2, 1000))) if n not in taken)
        newer: bool | str = not packages  # PyTorch-style indexes tell no upload times
        self.indexes.append(Index(name=unique, url=url, packages=packages, exclude_newer=newer))

    def done(self, source: str) -> Adopted:
        asked = {requirement_name(text) for text in self.dependencies}
        for value, place in self.extra_urls:
            match = _TORCH_INDEX.search(urlsplit(value).path)
            torch = tuple(name for name in _TORCH if name in asked)
            if match is not None and torch:
                label = re.sub(r"[^a-z0-9]", "", match[1])
                self._index(value, place, packages=torch, name=f"torch-{label}")
            else:
                why = 'say which packages come from it: [resolver] index = [{ name, url, packages = ["…"] }]'
                self.left.append(Left(place, clean(f"--extra-index-url {value}"), why))
        if self.hashes and not self.live:
            self.notes["hashes were not taken over: the lockfile has one for every file"] = None
        project, extras, editable = self.own or (None, (), True)
        return Adopted(
            source=source,
            requirements=(self.entry,) if self.live else (),
            dependencies=() if self.live else tuple(dict.fromkeys(self.dependencies)),
            constraints=() if self.live else tuple(dict.fromkeys(self.constraints)),
            indexes=tuple(self.indexes),
            project=project,
            extras=extras,
            editable=editable,
            notes=tuple(self.notes),
            left=tuple(self.left),
        )


def clean(text: str) -> str:
    """A line without the credentials of its URLs, and without what cannot be printed."""
    return "".join(char if char.isprintable() else "?" for char in _USERINFO.sub("", text))


def address(text: str) -> tuple[str | None, bool]:
    """An index address that a profile may hold (None where there is none), and whether it is all that was said."""
    try:
        url = urlsplit(text)
        host, port = url.hostname, url.port
    except ValueError:
        return None, True
    secure = url.scheme == "https" or (url.scheme == "http" and _LOOPBACK.fullmatch(host or ""))
    if not host or not secure or not re.fullmatch(r"[A-Za-z0-9._~:/\[\]!&()*+,;=%-]*", host + url.path):
        return None, True
    place = f"[{host}]" if ":" in host else host
    whole = url.username is None and url.password is None and not url.query
    return urlunsplit((url.scheme, f"{place}:{port}" if port else place, url.path, "", "")), whole


def _index_name(url: str) -> str:
    host = urlsplit(url).hostname or "index"
    return re.sub(r"[^a-z0-9]+", "-", host.lower()).strip("-") or "index"


def _is_folder(text: str) -> bool:
    return text.startswith((".", "/", "~")) and not re.search(r"\.(?:whl|zip|tar\.gz)$", text)
