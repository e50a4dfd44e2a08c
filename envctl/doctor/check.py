"""What `envctl doctor` finds, one value for each thing that it looked at."""

from __future__ import annotations

import enum

import msgspec


class Status(enum.Enum):
    """How a check ended. Only `problem` makes the exit code 1."""

    OK = "ok"
    PROBLEM = "problem"
    WARNING = "warning"
    UNKNOWN = "unknown"  # could not be found out
    SKIPPED = "skipped"  # has no bearing on the target


class Check(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One line of the answer.

    Attributes:
        name: stable, for programs: engine, builder, platform, …
        message: one sentence. `details`: further lines. `hint`: what to do.
    """

    name: str
    status: Status
    message: str
    details: tuple[str, ...] = ()
    hint: str | None = None


def ok(name: str, message: str, *details: str) -> Check:
    """Nothing is wrong."""
    return Check(name=name, status=Status.OK, message=message, details=details)


def problem(name: str, message: str, *details: str, hint: str | None = None) -> Check:
    """The target cannot be built, installed or run here as it is."""
    return Check(name=name, status=Status.PROBLEM, message=message, details=details, hint=hint)


def warning(name: str, message: str, *details: str, hint: str | None = None) -> Check:
    """It works, with less than it could have."""
    return Check(name=name, status=Status.WARNING, message=message, details=details, hint=hint)


def unknown(name: str, message: str, *details: str, hint: str | None = None) -> Check:
    """It could not be found out."""
    return Check(name=name, status=Status.UNKNOWN, message=message, details=details, hint=hint)


def skipped(name: str, message: str) -> Check:
    """It has no bearing on the target."""
    return Check(name=name, status=Status.SKIPPED, message=message)
