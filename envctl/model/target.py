"""Targets: a profile, or one variant of it, and the files that belong to it (design: one target, three files)."""

from __future__ import annotations

import re
from pathlib import PurePosixPath

import msgspec

from envctl.errors import UsageError

NAME = re.compile(r"[a-z0-9][a-z0-9_-]{0,99}")  # two of them must fit into a file's name
PROFILES = PurePosixPath("profiles")
LOCKED = PROFILES / "locked"


class Target(msgspec.Struct, frozen=True, order=True):
    """`PROFILE` or `PROFILE:VARIANT`."""

    profile: str
    variant: str | None = None

    @classmethod
    def parse(cls, text: str) -> Target:
        """Read a target as users type it; UsageError when it is none."""
        profile, colon, variant = text.partition(":")
        if not NAME.fullmatch(profile) or (colon and not NAME.fullmatch(variant)):
            raise UsageError(
                f"{text!r} is not a target",
                expected="PROFILE or PROFILE:VARIANT, of lower-case letters, digits, '_' and '-'",
                hint="`envctl lock` without a target locks all of them",
            )
        return cls(profile, variant if colon else None)

    def __str__(self) -> str:
        return self.profile if self.variant is None else f"{self.profile}:{self.variant}"

    @property
    def slug(self) -> str:
        """The part of file names that says which target it is."""
        return self.profile if self.variant is None else f"{self.profile}-{self.variant}"

    @property
    def lockfile(self) -> PurePosixPath:
        """Place of the lockfile, relative to the project folder."""
        return LOCKED / f"pylock.{self.slug}.toml"

    @property
    def dockerfile(self) -> PurePosixPath:
        """Place of the Dockerfile, relative to the project folder."""
        return LOCKED / f"Dockerfile.{self.slug}"

    @property
    def dockerignore(self) -> PurePosixPath:
        """Place of the Dockerfile's ignore file, relative to the project folder."""
        return LOCKED / f"Dockerfile.{self.slug}.dockerignore"
