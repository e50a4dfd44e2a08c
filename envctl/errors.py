"""Every failure that a user can cause or meet, with its exit code (docs/reference/exit-codes.md).

An exception means that no answer exists. What verification finds is a value, `envctl.model.finding.Finding`.
"""

from __future__ import annotations

from collections.abc import Iterable


class EnvctlError(Exception):
    """What happened, where, what was found and expected, and what to do.

    The text form is the one that users see::

        error: profiles/train.toml:7: dependencies[2] is not a requirement
          found:    "numpy>>2"
          expected: a PEP 508 requirement such as "numpy>=2,<3"
        hint: …

    Attributes:
        what: one sentence, without a final full stop.
        file: the file as the user named it, or a URL without credentials.
        line: the line in that file, from 1.
        key: the key path, such as `image.user` or `dependencies[2]`.
        details: further lines, indented under the first.
    """

    exit_code = 70

    def __init__(
        self,
        what: str,
        *,
        file: object = None,
        line: int | None = None,
        key: str | None = None,
        found: str | None = None,
        expected: str | None = None,
        details: Iterable[str] = (),
        hint: str | None = None,
    ) -> None:
        super().__init__(what)
        self.what = what
        self.file = None if file is None else str(file)
        self.line = line
        self.key = key
        self.found = found
        self.expected = expected
        self.details = tuple(details)
        self.hint = hint

    def place(self) -> str:
        """`file:line`, as far as it is known."""
        if self.file is None:
            return ""
        return f"{self.file}:{self.line}" if self.line else self.file

    def __str__(self) -> str:
        place = self.place()
        lines = [f"{place}: {self.what}" if place else self.what]
        lines += [f"  {detail}" for detail in self.details]
        if self.found is not None:
            lines.append(f"  found:    {self.found}")
        if self.expected is not None:
            lines.append(f"  expected: {self.expected}")
        if self.hint is not None:
            lines.append(f"hint: {self.hint}")
        return "\n".join(lines)


class UsageError(EnvctlError):
    """Wrong usage of the command line or the Python API."""

    exit_code = 2


class InvalidFile(EnvctlError):
    """A profile, a lockfile or a file that they name is not what it must be."""

    exit_code = 3


class NoResolution(EnvctlError):
    """No set of distributions satisfies the profile, or the resolved set breaks a rule."""

    exit_code = 4


class ToolFailed(EnvctlError):
    """Another program (resolver, installer, builder, engine) failed."""

    exit_code = 5


class IndexFailed(EnvctlError):
    """An index or registry could not be reached, refused, or answered what cannot be right."""

    exit_code = 6
