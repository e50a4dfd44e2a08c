"""Image references: what people write, and what it means (the grammar and defaults of distribution/reference)."""

from __future__ import annotations

import re

import msgspec

from envctl.errors import UsageError
from envctl.oci.media import DIGEST

DEFAULT_REGISTRY = "docker.io"
_LEGACY = "index.docker.io"
_OFFICIAL = "library"
_LONGEST_NAME = 255

_LABEL = r"[A-Za-z0-9](?:[A-Za-z0-9-]*[A-Za-z0-9])?"
_REGISTRY = re.compile(rf"(?:{_LABEL}(?:\.{_LABEL})*|\[[0-9a-fA-F:.]+\])(?::[0-9]{{1,5}})?")
_COMPONENT = re.compile(r"[a-z0-9]+(?:(?:\.|_|__|-+)[a-z0-9]+)*")
_TAG = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,127}")
_ID = re.compile(r"[0-9a-f]{64}")
_SCHEME = re.compile(r"[a-z][a-z0-9+.-]*://")
_EXPECTED = "[REGISTRY[:PORT]/]NAME[:TAG][@sha256:<64 hex digits>]"


class Reference(msgspec.Struct, frozen=True, order=True):
    """An image by its full name: registry, repository, and a tag or a digest or both (then the digest decides)."""

    registry: str
    repository: str
    tag: str | None = None
    digest: str | None = None

    @classmethod
    def parse(cls, text: str) -> Reference:
        """Read a reference as people write it: `python:3.11` is docker.io/library/python:3.11.

        Raises:
            UsageError: it is none; `found` points at the place.
        """
        scheme = _SCHEME.match(text)
        if scheme is not None:
            raise _wrong(text, 0, "begins with a scheme", hint=f"write {text[scheme.end() :]!r}")
        name, at, digest = text.partition("@")
        if at and not DIGEST.fullmatch(digest):
            raise _wrong(text, len(name) + 1, "has a digest that is none")
        head, slash, last = name.rpartition("/")
        last, colon, tag = last.partition(":")
        if colon and not _TAG.fullmatch(tag):
            start = len(head) + len(slash) + len(last) + 1
            raise _wrong(text, start, "has a tag that is none" if tag else "ends with a colon, but has no tag")
        name = f"{head}{slash}{last}"
        registry, repository = _split(name)
        start = len(name) - len(repository)
        if registry and not _is_registry(registry):
            raise _wrong(text, 0, "has a registry that is none")
        _check_repository(text, repository, start)
        if len(name) > _LONGEST_NAME:
            raise _wrong(text, _LONGEST_NAME, f"has a name of more than {_LONGEST_NAME} characters")
        if not registry and _ID.fullmatch(repository):
            raise _wrong(text, 0, "is an image id, which no registry knows")
        registry = DEFAULT_REGISTRY if registry in ("", _LEGACY) else registry.lower()
        if registry == DEFAULT_REGISTRY and "/" not in repository:
            repository = f"{_OFFICIAL}/{repository}"
        return cls(registry, repository, (tag or None) if colon or at else "latest", digest or None)

    def __str__(self) -> str:
        tag = f":{self.tag}" if self.tag else ""
        return f"{self.registry}/{self.repository}{tag}" + (f"@{self.digest}" if self.digest else "")

    def familiar(self) -> str:
        """The shortest form that means the same to every tool that knows docker.io as its default."""
        if self.registry != DEFAULT_REGISTRY or _split(self.repository)[0]:
            return str(self)  # also where the name alone would begin like a registry
        text = str(self).removeprefix(f"{DEFAULT_REGISTRY}/")
        official = text.removeprefix(f"{_OFFICIAL}/")
        return text if "/" in official else official

    @property
    def selector(self) -> str:
        """What the registry is asked for: the digest, else the tag."""
        return self.digest or self.tag or "latest"

    def at(self, digest: str) -> Reference:
        """The same name at a digest."""
        return Reference(self.registry, self.repository, self.tag, digest)


def _split(name: str) -> tuple[str, str]:
    """Registry (empty where none is said) and repository: a first part is a registry when it looks like a host."""
    first, slash, rest = name.partition("/")
    host = slash and (first == "localhost" or any(c in first for c in ".:[") or first != first.lower())
    return (first, rest) if host else ("", name)


def _is_registry(text: str) -> bool:
    if not _REGISTRY.fullmatch(text):
        return False
    _, colon, port = text.rpartition(":") if not text.endswith("]") else ("", "", "")
    if colon and not 0 < int(port) < 65536:
        return False
    if text.startswith("["):
        import ipaddress

        try:
            ipaddress.IPv6Address(text[1 : text.index("]")])
        except ValueError:
            return False
    return True


def _check_repository(text: str, repository: str, start: int) -> None:
    if not repository:
        raise _wrong(text, start, "has no name" if text else "is empty")
    for component in repository.split("/"):
        if not _COMPONENT.fullmatch(component):
            match = _COMPONENT.match(component)
            lower = component.lower()
            hint = None
            if lower != component and _COMPONENT.fullmatch(lower):
                hint = f"names are of lower-case letters: write {text.replace(component, lower, 1)!r}"
            raise _wrong(text, start + (match.end() if match else 0), "has a name that is none", hint=hint)
        start += len(component) + 1


def _wrong(text: str, position: int, why: str, hint: str | None = None) -> UsageError:
    shown = text if len(text) <= 200 else text[:199] + "…"
    if not shown.isprintable():
        return UsageError(f"the image reference {why}", found=ascii(shown), expected=_EXPECTED, hint=hint)
    pointed = f'"{shown}"\n{" " * (len("  found:    ") + 1 + min(position, len(shown)))}^'
    return UsageError(f"the image reference {why}", found=pointed, expected=_EXPECTED, hint=hint)
