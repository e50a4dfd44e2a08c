"""What a profile reads live: requirements files, pyproject.toml, the team's own package."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path, PurePosixPath

import msgspec

from envctl.errors import InvalidFile
from envctl.model.profile import Requirement
from envctl.model.requirements import Line, parse
from envctl.profile import checks
from envctl.profile.merge import Node
from envctl.profile.pyproject import PyProject
from envctl.profile.show import point, show
from envctl.profile.source import LIMIT, unseen
from envctl.system.files import read_text

# Options of a requirements file, and the profile's way to say the same.
_INSTEAD = {
    "--index-url": '[resolver] index = [{ name = "internal", url = "https://…" }]',
    "--extra-index-url": '[resolver] index = [{ name = "internal", url = "https://…", packages = ["acme-*"] }]',
    "--find-links": "put the wheels on an index, and name it in [resolver] index",
    "--no-index": "[resolver] index names the only indexes that count",
    "--editable": 'project = { path = "." } for the team\'s own package',
    "--no-binary": "this version locks wheels only",
    "--only-binary": "leave it out: only wheels are locked",
    "--pre": 'ask for the pre-release by its version, such as "numpy>=3.0rc1"',
    "--trusted-host": "leave it out: an index is reached by https",
    "--require-hashes": "leave it out: a lockfile always has hashes",
}


class Live(msgspec.Struct, frozen=True):
    """Requirements and constraints, in the order of the files."""

    requirements: tuple[Requirement, ...] = ()
    constraints: tuple[Requirement, ...] = ()


class Reader:
    """Reads the files that one profile names. `project` is the project folder."""

    def __init__(self, project: Path) -> None:
        self.project = project
        self.requirements: list[Requirement] = []
        self.constraints: list[Requirement] = []

    def inside(self, relative: str, *, file: str, line: int | None, key: str | None, what: str) -> Path:
        """The path of a file that a profile names; InvalidFile where it is missing or not in the project folder."""
        path = self.project / relative
        root = Path(os.path.realpath(self.project))
        if not Path(os.path.realpath(path)).is_relative_to(root):
            raise InvalidFile(
                f"{what} is outside the project folder",
                file=file,
                line=line,
                key=key,
                found=show(relative),
                expected="a file inside it, also after following links",
            )
        if not os.path.exists(path):  # noqa: PTH110  # says False of a name that is too long, where Path raises
            raise InvalidFile(f"{what} does not exist", file=file, line=line, key=key, found=show(relative))
        return path

    def read(self, entry: Node, key: str) -> None:
        """Read what one entry of `requirements` names."""
        relative, _, group = str(entry.value).partition("#")
        path = self.inside(relative, file=entry.file, line=entry.line, key=key, what=f"the file of {key}")
        shown = PurePosixPath(os.path.normpath(relative)).as_posix()
        if path.name == "pyproject.toml":
            project = PyProject.read(path, shown)
            self.requirements += project.named(group) if group else project.dependencies()
        else:
            self._file(path, shown, (), as_constraints=False)

    def _file(self, path: Path, shown: str, chain: tuple[str, ...], *, as_constraints: bool) -> None:
        text = read_text(path, shown=shown, limit=LIMIT)
        for number, content in enumerate(text.split("\n"), 1):
            if unseen(content.replace("\t", " ").rstrip("\r\f")):
                raise InvalidFile("holds a control character", file=shown, line=number, found=show(content))
        for line in parse(text):
            if line.option in ("--requirement", "--constraint"):
                self._nested(
                    line, shown, (*chain, shown), as_constraints=as_constraints or line.option == "--constraint"
                )
            elif line.option is not None:
                raise InvalidFile(
                    f"{line.option} has no meaning in a file that a profile reads",
                    file=shown,
                    line=line.number,
                    hint=_INSTEAD.get(line.option, "take the line out; the profile says how to resolve"),
                )
            else:
                checked = _checked(line, shown, as_constraint=as_constraints)
                (self.constraints if as_constraints else self.requirements).append(checked)

    def _nested(self, line: Line, shown: str, chain: tuple[str, ...], *, as_constraints: bool) -> None:
        relative = os.path.normpath(PurePosixPath(shown).parent / line.value)
        if not line.value or "://" in line.value or PurePosixPath(line.value).is_absolute():
            raise InvalidFile(
                f"{line.option} names no file of the project",
                file=shown,
                line=line.number,
                found=show(line.value),
                expected="a path relative to this file",
            )
        path = self.inside(relative, file=shown, line=line.number, key=None, what=f"the file of {line.option}")
        if relative in chain:
            raise InvalidFile(
                "requirements files include each other",
                file=shown,
                line=line.number,
                found=" -> ".join([*chain[chain.index(relative) :], relative]),
            )
        self._file(path, relative, chain, as_constraints=as_constraints)


def _checked(line: Line, shown: str, *, as_constraint: bool) -> Requirement:
    others = [name for name in line.options if name != "--hash"]
    if others:
        raise InvalidFile(
            f"{others[0]} has no meaning in a file that a profile reads",
            file=shown,
            line=line.number,
            hint="take it out; the profile says how to resolve",
        )
    if "--hash" in line.options and "==" not in line.text:
        raise InvalidFile(
            "has hashes without a pin", file=shown, line=line.number, found=show(line.text), expected="NAME==VERSION"
        )
    check = checks.constraint if as_constraint else checks.requirement
    try:
        check(line.text)
    except checks.Unfit as unfit:
        raise InvalidFile(
            f"the line {unfit.what}",
            file=shown,
            line=line.number,
            found=show(line.text) + point(line.text, unfit.caret),
            expected=unfit.expected,
            hint=unfit.hint,
        ) from unfit
    return Requirement(text=line.text, file=shown, line=line.number)


def written(entries: Node | None, key: str) -> Iterator[Requirement]:
    """The requirements that a profile's list says itself."""
    for index, entry in enumerate(entries.value if entries else ()):
        yield Requirement(text=entry.value, file=entry.file, line=entry.line, key=f"{key}[{index}]")
