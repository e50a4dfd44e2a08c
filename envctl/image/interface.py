"""Between `envctl build` and what builds: what is asked for, and what came of it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Protocol

import msgspec

Line = Callable[[str], None]
"""Told each line that a builder says while it works."""


class Secrets(msgspec.Struct, frozen=True, kw_only=True):
    """What a build may see while it runs and never keep.

    Attributes:
        texts: content by id (`netrc`, `index`); handed over in memory, never in a file or an argument.
        files: file of this machine by id (`ca`).
    """

    texts: dict[str, str] = {}
    files: dict[str, Path] = {}


class BuildRequest(msgspec.Struct, frozen=True, kw_only=True):
    """One image to build.

    Attributes:
        context: the folder that is sent; `dockerfile`: a file relative to it.
        platform: OCI name.
        epoch: SOURCE_DATE_EPOCH, seconds since 1970.
        proxies: names of this process's variables that the build takes over; engines keep them out of the image.
        contexts: named contexts: folders, or what the builder's command line knows (`oci-layout://…`).
        network: of the steps: host, none, or None for the engine's default.
        output: where the image goes, in the builder's words; None: into the engine.
        arguments: further ones, for the builder's command line as they are.
    """

    context: Path
    dockerfile: str
    platform: str
    tags: tuple[str, ...]
    epoch: int
    secrets: Secrets = Secrets()
    proxies: tuple[str, ...] = ()
    contexts: dict[str, str] = {}
    network: str | None = None
    no_cache: bool = False
    output: str | None = None
    arguments: tuple[str, ...] = ()


class Built(msgspec.Struct, frozen=True, kw_only=True):
    """What a builder says of the image: digests of manifest and configuration, `sha256:<hex>`, where it tells them."""

    manifest: str | None = None
    config: str | None = None


class Builder(Protocol):
    """Builds images."""

    def build(self, request: BuildRequest) -> Built:
        """Build an image.

        Raises:
            ToolFailed: it cannot be built; with the step that failed and what it said.
        """
        ...

    def push(self, tag: str) -> str | None:
        """Send an image of the engine to the registry that its name says; the digest that it has there.

        Raises:
            IndexFailed: the registry could not be reached, or refused.
        """
        ...
