"""The exceptions, with msgspec's names and ancestry."""

from __future__ import annotations


class MsgspecError(Exception):
    """Any of these."""


class DecodeError(MsgspecError):
    """The text is no JSON."""


class ValidationError(DecodeError):
    """A value is not of the type that it must have; the message ends with its place."""
