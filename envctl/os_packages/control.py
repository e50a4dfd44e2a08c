"""Control files: paragraphs, relations between packages, what is installed, what an archive offers. Pure.

Sources: Debian policy 5.1 (syntax), 7.1 (relations); deb-version(7); Debian's repository format.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import cmp_to_key

import msgspec

from envctl.os_packages.version import compare, holds

_RELATION = re.compile(
    r"(?P<name>[a-z0-9][a-z0-9+.-]*)(?::(?P<arch>[a-z0-9-]+))?\s*"
    r"(?:\(\s*(?P<relation><<|<=|=|>=|>>|<|>)\s*(?P<version>[A-Za-z0-9][^\s)]*)\s*\))?\s*(?:\[[^\]]*\])?"
)
_FIRST = re.compile(r"^Package:[ \t]*(\S+)", re.MULTILINE)


class Relation(msgspec.Struct, frozen=True):
    """One alternative, such as `libc6 (>= 2.34)`."""

    name: str
    relation: str | None = None
    version: str | None = None

    def __str__(self) -> str:
        return self.name if self.relation is None else f"{self.name} ({self.relation} {self.version})"

    def met_by(self, version: str) -> bool:
        """Whether that version of the package fits."""
        return self.relation is None or self.version is None or holds(version, self.relation, self.version)


Group = tuple[Relation, ...]
"""Alternatives, of which one has to be there."""


class Record(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A package, installed or offered. `arch` is its own, which may be `all`; `sha256` and `filename` where offered.

    Attributes:
        provides: other names that it stands for; with a version where it says one.
        conflicts: what must not be unpacked beside it: Conflicts and Breaks. `size`: bytes of the file.
    """

    name: str
    version: str
    arch: str
    pre_depends: tuple[Group, ...] = ()
    depends: tuple[Group, ...] = ()
    provides: tuple[Relation, ...] = ()
    conflicts: tuple[Relation, ...] = ()
    priority: str = ""
    filename: str = ""
    sha256: str = ""
    size: int = 0

    def meets(self, wanted: Relation) -> bool:
        """Whether it is what is wanted, by its name or by one that it provides."""
        if wanted.name == self.name:
            return wanted.met_by(self.version)
        for given in self.provides:
            if given.name == wanted.name and (wanted.relation is None or _provided(given, wanted)):
                return True
        return False

    @property
    def needs(self) -> tuple[Group, ...]:
        """All that has to be there."""
        return (*self.pre_depends, *self.depends)


def _provided(given: Relation, wanted: Relation) -> bool:
    return given.version is not None and wanted.met_by(given.version)


def fields(paragraph: str) -> dict[str, str]:
    """The fields of one paragraph, by their names in lower case; continued lines are joined with line ends."""
    found: dict[str, str] = {}
    name = ""
    for line in paragraph.splitlines():
        if line[:1] in (" ", "\t"):
            if name:
                found[name] += "\n" + line.strip()
        elif not line.startswith("#"):
            key, colon, value = line.partition(":")
            if colon:
                name = key.strip().lower()
                found[name] = value.strip()
    return found


def groups(text: str) -> tuple[Group, ...]:
    """The relations of a field such as Depends; ValueError where it is malformed."""
    return tuple(
        tuple(_relation(part) for part in group.split("|"))
        for group in text.replace("\n", " ").split(",")
        if group.strip()
    )


def _relation(text: str) -> Relation:
    match = _RELATION.fullmatch(text.strip())
    if match is None:
        raise ValueError(f"{text.strip()[:80]!r} is no relation to a package")
    return Relation(match["name"], match["relation"], match["version"])


def record(paragraph: str) -> Record:
    """A package's paragraph; ValueError where it is malformed."""
    said = fields(paragraph)
    size = said.get("size", "0")
    if not said.get("package") or not said.get("version") or not size.isdecimal():
        raise ValueError(f"{said.get('package', '')[:80]!r} has no name, version or size")
    single = (*groups(said.get("conflicts", "")), *groups(said.get("breaks", "")))
    return Record(
        name=said["package"],
        version=said["version"],
        arch=said.get("architecture", ""),
        pre_depends=groups(said.get("pre-depends", "")),
        depends=groups(said.get("depends", "")),
        provides=tuple(group[0] for group in groups(said.get("provides", ""))),
        conflicts=tuple(group[0] for group in single),
        priority=said.get("priority", ""),
        filename=said.get("filename", ""),
        sha256=said.get("sha256", ""),
        size=int(size),
    )


def paragraphs(text: str) -> Iterator[str]:
    """The paragraphs of a control file."""
    return (part for part in re.split(r"\n(?:[ \t]*\n)+", text) if part.strip())


def installed(status: str, arch: str) -> dict[str, Record]:
    """What dpkg's `status` says is installed and configured for an architecture, by name.

    Raises:
        ValueError: it is malformed.
    """
    found = {}
    for paragraph in paragraphs(status):
        said = fields(paragraph)
        if said.get("status", "").split()[-1:] == ["installed"] and said.get("architecture") in (arch, "all"):
            package = record(paragraph)
            found[package.name] = package
    return found


def _name(paragraph: str) -> str:
    if paragraph.startswith("Package: "):  # as nearly all do
        return paragraph[9 : (paragraph + "\n").index("\n")].strip()
    match = _FIRST.search(paragraph)
    return "" if match is None else match[1]


class Offers:
    """What archives offer, from their `Packages` files; a paragraph is read when it is first asked for."""

    def __init__(self, texts: list[tuple[str, str]], arch: str) -> None:
        """`texts`: the archive's address and the text of a `Packages` file of it, for one architecture."""
        self._by_name: dict[str, list[tuple[str, str]]] = {}
        self._providers: dict[str, set[str]] = {}
        self._read: dict[str, tuple[tuple[str, Record], ...]] = {}
        self._arch = arch
        for root, text in texts:
            for paragraph in text.split("\n\n"):
                name = _name(paragraph)
                if not name:
                    continue
                self._by_name.setdefault(name, []).append((root, paragraph))
                at = paragraph.find("\nProvides:")
                if at >= 0:
                    for part in fields(paragraph[at:])["provides"].split(","):
                        self._providers.setdefault(part.split("(")[0].strip().partition(":")[0], set()).add(name)

    def named(self, name: str) -> tuple[tuple[str, Record], ...]:
        """Each version of a package, the newest first, with the address of its archive. ValueError: malformed."""
        if name not in self._read:
            rows: dict[str, tuple[str, Record]] = {}
            for root, paragraph in self._by_name.get(name, ()):
                package = record(paragraph)
                if package.arch in (self._arch, "all"):
                    rows.setdefault(package.version, (root, package))
            newest = sorted(rows, key=cmp_to_key(compare), reverse=True)
            self._read[name] = tuple(rows[version] for version in newest)
        return self._read[name]

    def providers(self, name: str) -> tuple[str, ...]:
        """Names of the packages that provide a name, sorted."""
        return tuple(sorted(self._providers.get(name, ())))
