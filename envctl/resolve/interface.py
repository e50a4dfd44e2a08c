"""The seam of resolving: one question in, pins out. An adapter is one file behind this (uv now; others later)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Protocol

import msgspec

from envctl.model.platform import Libc, Platform
from envctl.model.profile import Index, Requirement
from envctl.model.resolution import Candidate, Pin, Resolution

__all__ = ["Candidate", "Pin", "Question", "Resolution", "Resolver"]


class Question(msgspec.Struct, frozen=True, kw_only=True):
    """One resolution: for one platform, one Python, wheels only.

    Attributes:
        label: the target and platform, for messages (`train:cuda for linux/amd64`).
        python: X.Y.Z.
        requirements, constraints: PEP 508, with the place where each was written.
        overrides, exclude: PEP 508 that replace what packages ask for; distributions never installed.
        indexes: the profile's indexes. Those with `packages` are bound; one without replaces the default index.
        cutoff: nothing uploaded after this moment; indexes with `exclude_newer=False` opt out.
        preferences: normalised name -> version kept unless something forces a change.
        offline: no network at all, caches only.
    """

    label: str
    python: str
    platform: Platform
    libc: Libc
    requirements: Sequence[Requirement]
    constraints: Sequence[Requirement] = ()
    overrides: Sequence[str] = ()
    exclude: Sequence[str] = ()
    indexes: Sequence[Index] = ()
    cutoff: datetime | None = None
    preferences: Mapping[str, str] = {}
    offline: bool = False


class Resolver(Protocol):
    """An adapter."""

    name: str

    def resolve(self, question: Question) -> Resolution:
        """Answer the question.

        Raises:
            NoResolution: nothing satisfies it; retold with who asked for what, and a hint.
            IndexFailed: an index could not be reached or answered what cannot be right.
            ToolFailed: the resolver itself failed.
        """
        ...

    def default_index(self) -> str:
        """The URL of the index that the resolver uses when nobody names one."""
        ...
