"""A first profile, from nothing or from what a team has."""

from __future__ import annotations

import os
import re
from pathlib import Path, PurePosixPath

import msgspec

from envctl.adopt import requirements as adopt_requirements
from envctl.adopt.adopted import Adopted
from envctl.adopt.text import profile_text
from envctl.errors import UsageError
from envctl.model.target import NAME, PROFILES, Target
from envctl.profile import assemble, checks, json_schema
from envctl.profile.pyproject import PyProject
from envctl.profile.source import unseen
from envctl.system.files import read_text, write_atomically

SCHEMA = "envctl.init/1"
DEFAULT_NAME = "base"
DEFAULT_PYTHON = "3.12"
# The default first, then older, then newer ones: what a project allows is more often old than new.
_PYTHONS = ("3.12", "3.11", "3.10", "3.9", "3.8", "3.13", "3.14", "3.15")
_VERSION_FILE = re.compile(r"(?:cpython[-@]?)?(3\.(?:0|[1-9][0-9]?)(?:\.(?:0|[1-9][0-9]?))?)")


class Result(msgspec.Struct, frozen=True, kw_only=True):
    """What was written, relative to the project folder; what a person should know; what to type next."""

    schema: str
    profile: str
    files: tuple[str, ...]
    notes: tuple[str, ...]
    next: str


def init(project: Path, name: str = DEFAULT_NAME, source: str | None = None) -> Result:
    """Write `profiles/NAME.toml`, and the JSON Schema beside it. Nothing is ever overwritten.

    Args:
        project: the project folder.
        name: the profile's name.
        source: a requirements file or pyproject.toml, relative to the project folder.

    Raises:
        UsageError: the name is none, the profile exists, or there is no such source.
        InvalidFile: the source cannot be read, or is not what it must be.
    """
    if not NAME.fullmatch(name):
        raise UsageError(
            f"{name!r} is not a name",
            expected="lower-case letters, digits, '_' and '-', beginning with a letter or digit",
        )
    file = PROFILES / f"{name}.toml"
    if os.path.lexists(project / file):
        raise UsageError(
            "exists already, and is left as it is",
            file=file,
            hint=f"give another name: `envctl init NAME`; or look at it: `envctl profile {name}`",
        )
    adopted = None if source is None else _adopt(project, source)
    python, why = _python(project)
    text = profile_text(name, python, why, adopted)
    assemble(project, Target(name), {name: text})
    written = {project / file: text.encode()}
    schema = project / PROFILES / json_schema.NAME
    shipped = json_schema.SHIPPED.read_bytes()
    if _is_ours(schema) and not (schema.exists() and schema.read_bytes() == shipped):
        written = {schema: shipped, **written}
    write_atomically(written)
    return Result(
        schema=SCHEMA,
        profile=name,
        files=tuple(PurePosixPath(path.relative_to(project)).as_posix() for path in written),
        notes=_notes(project, adopted),
        next=f"envctl lock {name}",
    )


def _adopt(project: Path, source: str) -> Adopted:
    suffix = PurePosixPath(source).suffix
    if PurePosixPath(source).name == "pyproject.toml":
        return _adopt_pyproject(project, source)
    if suffix not in (".txt", ".in", ""):
        raise UsageError(
            "is nothing that a profile can be made from",
            file=source,
            expected="a requirements file (.txt or .in), or a pyproject.toml",
        )
    return adopt_requirements.adopt(project, source, why_not)


def why_not(text: str, constraint: bool) -> str | None:  # noqa: FBT001  # the seam of `envctl.adopt.requirements`
    """Why a profile cannot ask for a requirement, or narrow with a constraint; None where it can."""
    if unseen(text):
        return "holds a control character"
    try:
        (checks.constraint if constraint else checks.requirement)(text)
    except checks.Unfit as unfit:
        return unfit.what
    return None


def _adopt_pyproject(project: Path, source: str) -> Adopted:
    """A package becomes `project`; a file of settings and dependencies alone is read live."""
    path = project / source
    if not path.is_file():
        raise UsageError("there is no such file", file=source, hint="the path is relative to the project folder")
    pyproject = PyProject.read(path, source)
    if pyproject.name and "build-system" in pyproject.source.data:
        return Adopted(source=source, project=str(PurePosixPath(source).parent))
    pyproject.dependencies()
    return Adopted(source=source, requirements=(source,))


def _python(project: Path) -> tuple[str, str]:
    """The Python version that the project says, and where it says it; a sensible one where it says none."""
    try:
        text = read_text(project / ".python-version", shown=".python-version").strip()
    except FileNotFoundError:
        text = ""
    match = _VERSION_FILE.fullmatch(text.splitlines()[0].strip()) if text else None
    if match is not None and int(match[1].split(".")[1]) >= 8:
        return match[1], "as .python-version says"
    if (project / "pyproject.toml").is_file():
        pyproject = PyProject.read(project / "pyproject.toml", "pyproject.toml")
        for python in _PYTHONS:
            if pyproject.requires_python and pyproject.allows(python):
                return python, f"pyproject.toml asks for {pyproject.requires_python}"
    return DEFAULT_PYTHON, "a version that most wheels are there for"


def _is_ours(schema: Path) -> bool:
    """Whether the schema file may be written: it is missing, or an earlier one of envctl."""
    try:
        return json_schema.ID in read_text(schema)
    except FileNotFoundError:
        return True


def _notes(project: Path, adopted: Adopted | None) -> tuple[str, ...]:
    if adopted is None:
        found = [
            name for name in ("requirements.in", "requirements.txt", "pyproject.toml") if (project / name).is_file()
        ]
        return (f"there is a {found[0]}: `envctl init NAME --from {found[0]}` reads it",) if found else ()
    notes = list(adopted.notes)
    if adopted.source and not adopted.requirements and adopted.dependencies:
        notes.append(f"{adopted.source} holds options that only pip understands, so its requirements were copied")
    source = PurePosixPath(adopted.source)
    loose = source.with_suffix(".in")
    if adopted.requirements and source.suffix == ".txt" and (project / loose).is_file():
        notes.append(f"{loose} is there too: `--from {loose}` asks for less, and leaves pinning to the lockfile")
    notes += [f"not taken over: {left.place}: {left.line} ({left.why})" for left in adopted.left]
    return tuple(notes)
