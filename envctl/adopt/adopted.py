"""What was taken over from a team's files, as values; `envctl.adopt.text` writes a profile of it."""

from __future__ import annotations

import msgspec

from envctl.model.profile import Index


class Left(msgspec.Struct, frozen=True):
    """A line that a profile cannot say: where it stands, the line without credentials, and what to do about it."""

    place: str
    line: str
    why: str


class Adopted(msgspec.Struct, frozen=True, kw_only=True):
    """The parts of a profile that a source gives.

    Attributes:
        source: the file as the user named it.
        requirements: files that the profile reads live.
        dependencies, constraints: PEP 508, where the file cannot be read live.
        indexes: without credentials.
        project, extras, editable: the team's own package, where the source installs it.
        notes: what a person should know, one sentence each.
        left: what was not taken over; it is written into the profile as comments.
    """

    source: str
    requirements: tuple[str, ...] = ()
    dependencies: tuple[str, ...] = ()
    constraints: tuple[str, ...] = ()
    indexes: tuple[Index, ...] = ()
    project: str | None = None
    extras: tuple[str, ...] = ()
    editable: bool = True
    notes: tuple[str, ...] = ()
    left: tuple[Left, ...] = ()
