"""Requirements of a pyproject.toml: dependencies, extras and dependency groups (pyproject specification, PEP 735)."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec

from envctl.errors import InvalidFile
from envctl.model.names import normalise
from envctl.model.profile import Requirement
from envctl.profile import checks
from envctl.profile.positions import spell
from envctl.profile.rules import distribution
from envctl.profile.show import did_you_mean
from envctl.profile.source import Path_, Source, read_toml, refuse_unseen

_EXTRAS = ("project", "optional-dependencies")
_PATCHES = 40  # more than any minor release of Python had
_GROUPS = ("dependency-groups",)


class PyProject(msgspec.Struct, frozen=True):
    """One pyproject.toml with a `[project]` table, or with dependency groups alone."""

    source: Source

    @classmethod
    def read(cls, path: Path, shown: str) -> PyProject:
        """Read it; InvalidFile where it is malformed."""
        try:
            return cls(read_toml(path, shown))
        except FileNotFoundError as error:
            raise InvalidFile("does not exist", file=shown) from error

    @property
    def name(self) -> str:
        """The distribution's name, normalised; empty where the file has none."""
        found = self._table(("project",)).get("name", "")
        if not isinstance(found, str):
            raise self.source.error("project.name is not a string", ("project", "name"), found=found)
        if found:
            self._fits(checks.distribution, found, ("project", "name"))
        return normalise(found)

    @property
    def requires_python(self) -> str | None:
        """`project.requires-python` as written."""
        found = self._table(("project",)).get("requires-python")
        if found is not None and not isinstance(found, str):
            raise self.source.error(
                "project.requires-python is not a string", ("project", "requires-python"), found=found
            )
        return found

    def allows(self, python: str) -> bool:
        """Whether `requires-python` allows X.Y.Z, or some patch release of X.Y; InvalidFile where it is malformed."""
        from packaging.specifiers import InvalidSpecifier, SpecifierSet

        try:
            allowed = SpecifierSet(self.requires_python or "")
        except InvalidSpecifier as error:
            raise self.source.error(
                "project.requires-python is not a version specifier",
                ("project", "requires-python"),
                found=self.requires_python,
                expected='such as ">=3.10"',
            ) from error
        patches = [python] if python.count(".") == 2 else [f"{python}.{patch}" for patch in range(_PATCHES)]
        return any(allowed.contains(version) for version in patches)

    def dependencies(self) -> list[Requirement]:
        """`project.dependencies`, its own extras resolved."""
        if "project" not in self.source.data:
            raise self.source.error(
                "has no [project] table",
                (),
                hint="name an extra or group of it (pyproject.toml#NAME), or list the requirements in the profile",
            )
        self._static("dependencies")
        return self._flat(self._list(("project", "dependencies")), ())

    def named(self, name: str) -> list[Requirement]:
        """One extra or dependency group: NAME, or optional-dependencies.NAME, or dependency-groups.NAME."""
        for path in (_EXTRAS, _GROUPS):
            prefix = f"{path[-1]}."
            if name.startswith(prefix):
                return self.of_extra(name[len(prefix) :]) if path is _EXTRAS else self.of_group(name[len(prefix) :])
        extras, groups = self._names(_EXTRAS), self._names(_GROUPS)
        wanted = normalise(name)
        if wanted in extras and wanted in groups:
            raise self.source.error(
                f"has an extra and a dependency group {wanted}",
                (*_EXTRAS, extras[wanted]),
                hint=f"say pyproject.toml#optional-dependencies.{wanted} or pyproject.toml#dependency-groups.{wanted}",
            )
        if wanted in groups:
            return self.of_group(wanted)
        if wanted not in extras:
            known = sorted({*extras, *groups})
            if self._is_dynamic("optional-dependencies"):
                self._static("optional-dependencies")
            raise self.source.error(
                f"has no extra and no dependency group {name!r}",
                (),
                expected=f"one of {', '.join(known)}" if known else "one that the file has",
                hint=did_you_mean(wanted, known),
            )
        return self.of_extra(wanted)

    def of_extra(self, name: str, chain: tuple[str, ...] = ()) -> list[Requirement]:
        """The requirements of one extra."""
        self._static("optional-dependencies")
        key = self._find(_EXTRAS, name, "extra")
        wanted = normalise(name)
        if wanted in chain:
            return []  # an extra that includes itself adds nothing
        return self._flat(self._list((*_EXTRAS, key)), (*chain, wanted))

    def of_group(self, name: str, chain: tuple[str, ...] = ()) -> list[Requirement]:
        """The requirements of one dependency group, with those it includes."""
        key = self._find(_GROUPS, name, "dependency group")
        path = (*_GROUPS, key)
        wanted = normalise(name)
        if wanted in chain:
            raise self.source.error(
                "dependency groups include each other",
                path,
                hint=" -> ".join([*chain[chain.index(wanted) :], wanted]),
            )
        found = []
        for entry, place in self._entries(path):
            if isinstance(entry, dict):
                if set(entry) != {"include-group"} or not isinstance(entry["include-group"], str):
                    raise self.source.error(
                        f"{spell(place)} is no entry of a dependency group",
                        place,
                        expected='a requirement, or { include-group = "NAME" }',
                    )
                found += self.of_group(entry["include-group"], (*chain, wanted))
            else:
                found += self._flat([(entry, place)], ())
        return found

    def _flat(self, entries: list[tuple[Any, Path_]], chain: tuple[str, ...]) -> list[Requirement]:
        """Requirements checked, and `own-name[extra]` replaced by what that extra says."""
        found: list[Requirement] = []
        for text, place in entries:
            if not isinstance(text, str):
                raise self.source.error(f"{spell(place)} is not a string", place, found=text)
            refuse_unseen(text, place, self.source)
            self._fits(checks.requirement, text, place)
            if self.name and distribution(text) == self.name:
                found += self._own(text, chain)
            else:
                line = self.source.line(place)
                found.append(Requirement(text=text.strip(), file=self.source.file, line=line, key=spell(place)))
        return found

    def _own(self, text: str, chain: tuple[str, ...]) -> list[Requirement]:
        """What `own-name[extra]` stands for; a marker on it holds for each requirement of the extra."""
        from packaging.requirements import Requirement as Parsed

        own = Parsed(text)
        found = [needed for extra in sorted(own.extras) for needed in self.of_extra(extra, chain)]
        if own.marker is None:
            return found
        narrowed = []
        for needed in found:
            head, _, marker = needed.text.partition(";")
            both = f"({marker.strip()}) and ({own.marker})" if marker.strip() else str(own.marker)
            narrowed.append(msgspec.structs.replace(needed, text=f"{head.strip()}; {both}"))
        return narrowed

    def _fits(self, check: checks.Check, text: str, place: Path_) -> None:
        try:
            check(text)
        except checks.Unfit as unfit:
            raise self.source.error(
                f"{spell(place)} {unfit.what}",
                place,
                found=text,
                expected=unfit.expected,
                hint=unfit.hint,
                caret=unfit.caret,
            ) from unfit

    def _table(self, path: tuple[str, ...]) -> dict[str, Any]:
        table: Any = self.source.data
        for end, key in enumerate(path, 1):
            table = table.get(key, {})
            if not isinstance(table, dict):
                raise self.source.error(f"{spell(path[:end])} is not a table", path[:end], found=table)
        return table  # type: ignore[no-any-return]  # parsed TOML: checked above

    def _list(self, path: tuple[str, ...]) -> list[tuple[Any, Path_]]:
        return list(self._entries(path))

    def _entries(self, path: tuple[str, ...]) -> Iterator[tuple[Any, Path_]]:
        entries = self._table(path[:-1]).get(path[-1], [])
        if not isinstance(entries, list):
            raise self.source.error(f"{spell(path)} is not a list", path, found=entries)
        for index, entry in enumerate(entries):
            yield entry, (*path, index)

    def _names(self, path: tuple[str, ...]) -> dict[str, str]:
        """Normalised name -> key as written."""
        found: dict[str, str] = {}
        for key in self._table(path):
            if normalise(key) in found:
                raise self.source.error(f"{spell(path)} has one name twice", (*path, key), found=key)
            found[normalise(key)] = key
        return found

    def _find(self, path: tuple[str, ...], name: str, what: str) -> str:
        known = self._names(path)
        if normalise(name) not in known:
            raise self.source.error(
                f"has no {what} {name!r}",
                path if self.source.line(path) else (),
                expected=f"one of {', '.join(known)}" if known else None,
                hint=did_you_mean(normalise(name), known),
            )
        return known[normalise(name)]

    def _is_dynamic(self, key: str) -> bool:
        dynamic = self._table(("project",)).get("dynamic", [])
        return isinstance(dynamic, list) and key in dynamic

    def _static(self, key: str) -> None:
        if self._is_dynamic(key):
            raise self.source.error(
                f"project.{key} is dynamic: only building the package would tell",
                ("project", "dynamic"),
                hint="write it into pyproject.toml, or name the file it is made from in the profile's requirements",
            )
