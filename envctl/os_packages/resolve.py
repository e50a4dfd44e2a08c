"""What has to be installed beyond what a base image has: a closure over dependencies, as `apt-get` walks it. Pure.

Recommendations are left out. What the base has stays as it is, unless something needs it newer. Alternatives: the first
that is there, else the first that can be had. Nothing of the base is removed.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import msgspec

from envctl.errors import NoResolution
from envctl.os_packages.control import Group, Offers, Record, Relation

_PRIORITIES = {"required": 0, "important": 1, "standard": 2, "optional": 3}
_ROUNDS = 50


class Chosen(msgspec.Struct, frozen=True, kw_only=True):
    """A package to install, the address of its archive, and the step in which it is installed (0 first).

    A package that others need before they are unpacked (Pre-Depends) is of an earlier step.
    """

    root: str
    package: Record
    step: int = 0


def resolve(
    asked: Sequence[str], installed: Mapping[str, Record], offers: Offers, kept: Mapping[str, str] | None = None
) -> list[Chosen]:
    """The packages to install, by name.

    Args:
        asked: `NAME` or `NAME=VERSION`.
        installed: what the base has, by name.
        kept: versions that are taken where they fit, by name.

    Raises:
        NoResolution: something is not to be had, or does not go together.
        ValueError: the archive's index is malformed.
    """
    solving = _Solving(installed, offers, kept or {})
    for text in asked:
        name, _, version = text.partition("=")
        _check_real(name, solving, offers)
        solving.want((Relation(name, "=" if version else None, version or None),), "image.packages")
    solving.settle()
    steps = _steps(solving.chosen)
    return [
        Chosen(root=root, package=package, step=steps[name]) for name, (root, package) in sorted(solving.chosen.items())
    ]


def _check_real(name: str, solving: _Solving, offers: Offers) -> None:
    """A name that several packages provide says too little, as `apt-get` has it."""
    providers = offers.providers(name)
    if not offers.named(name) and len(providers) > 1 and solving.now(name) is None:
        raise NoResolution(
            f"the OS package {name} is a name for several packages",
            key="image.packages",
            found=", ".join(providers[:10]),
            expected="one of them",
        )


class _Solving:
    def __init__(self, installed: Mapping[str, Record], offers: Offers, kept: Mapping[str, str]) -> None:
        self._installed, self._offers, self._kept = installed, offers, kept
        self.chosen: dict[str, tuple[str, Record]] = {}
        self._why: dict[str, str] = {}
        self._providing: dict[str, set[str]] = {}
        for package in installed.values():
            self._note(package)

    def _note(self, package: Record) -> None:
        for given in package.provides:
            self._providing.setdefault(given.name, set()).add(package.name)

    def now(self, name: str) -> Record | None:
        """The package of that name as it will be."""
        return self.chosen[name][1] if name in self.chosen else self._installed.get(name)

    def _met(self, wanted: Relation) -> bool:
        names = (wanted.name, *sorted(self._providing.get(wanted.name, ())))
        return any((package := self.now(name)) is not None and package.meets(wanted) for name in names)

    def want(self, group: Group, who: str) -> None:
        """See that one of the alternatives will be there, with all that it needs."""
        pending = [(group, who)]
        while pending:
            group, who = pending.pop(0)
            if any(self._met(wanted) for wanted in group):
                continue
            root, package = self._candidate(group, who)
            self.chosen[package.name] = (root, package)
            self._why[package.name] = who
            self._note(package)
            pending += [(needed, package.name) for needed in package.needs]

    def _candidate(self, group: Group, who: str) -> tuple[str, Record]:
        tried: list[str] = []
        for wanted in group:
            for name in (wanted.name, *self._providers(wanted)):
                if name in self.chosen:
                    version = self.chosen[name][1].version
                    tried.append(f"{name} {version} is needed by {self._why[name]}, and is not {wanted}")
                    continue
                rows = self._offers.named(name)
                fitting = [row for row in rows if row[1].meets(wanted)]
                same = [row for row in fitting if row[1].version == self._kept.get(name)]
                if fitting:
                    return (same or fitting)[0]
                if rows and name == wanted.name:
                    tried.append(f"{wanted}: the archive has {name} {', '.join(row[1].version for row in rows[:3])}")
                elif name == wanted.name:
                    tried.append(f"{wanted}: the archive has no such package")
        shown = " | ".join(map(str, group))
        raise NoResolution(
            f"the OS package {shown} cannot be had",
            key="image.packages",
            details=[*self._chain(who), *dict.fromkeys(tried)],
            hint="another moment of the archive in image.snapshot may have it, or a package of another name",
        )

    def _providers(self, wanted: Relation) -> list[str]:
        rows = [
            (_PRIORITIES.get(found[0][1].priority, 4), name)
            for name in self._offers.providers(wanted.name)
            if name != wanted.name and (found := self._offers.named(name))
        ]
        return [name for _, name in sorted(rows)]

    def _chain(self, who: str) -> list[str]:
        if who == "image.packages":
            return ["image.packages asks for it"]
        chain = [who]
        while (above := self._why.get(chain[-1], "image.packages")) != "image.packages" and above not in chain:
            chain.append(above)
        return [f"needed by {', for '.join(chain)}"]

    def settle(self) -> None:
        """Bring what the base has to what fits, where something newer broke it; until nothing is broken."""
        for _ in range(_ROUNDS):
            broken = self._broken()
            if broken is None:
                return
            package, why = broken
            newer = [row for row in self._offers.named(package.name) if row[1].version != package.version]
            if package.name in self.chosen or not newer:
                raise _together(why)
            root, other = newer[0]
            self.chosen[other.name] = (root, other)
            self._why[other.name] = why
            self._note(other)
            for needed in other.needs:
                self.want(needed, other.name)
        raise NoResolution(
            "the OS packages do not come to rest", key="image.packages", details=sorted(self.chosen)[:20]
        )

    def _broken(self) -> tuple[Record, str] | None:
        """A package that cannot stay as it is, and why."""
        after = {**self._installed, **{name: package for name, (_, package) in self.chosen.items()}}
        for package in after.values():
            fresh = package.name in self.chosen
            for group in package.needs:
                touched = fresh or any(self._touched(wanted.name) for wanted in group)
                if touched and not any(self._met(wanted) for wanted in group):
                    shown = " | ".join(map(str, group))
                    return package, f"{package.name} {package.version} needs {shown}"
            for wanted in package.conflicts:
                for name in sorted({wanted.name, *self._providing.get(wanted.name, ())}):
                    other = after.get(name)
                    if other is None or name == package.name or not (fresh or name in self.chosen):
                        continue
                    if other.meets(wanted):
                        why = (
                            f"{package.name} {package.version} cannot be beside {other.name} {other.version} ({wanted})"
                        )
                        return (other if name not in self.chosen else package), why
        return None

    def _touched(self, name: str) -> bool:
        return name in self.chosen or any(other in self.chosen for other in self._providing.get(name, ()))


def _together(why: str) -> NoResolution:
    return NoResolution(
        "the OS packages do not go together with the base image",
        key="image.packages",
        details=[why],
        hint="leave one of them out, or take another base image",
    )


def _steps(chosen: Mapping[str, tuple[str, Record]]) -> dict[str, int]:
    """The step of each package: not before what it needs, and after what it needs to be unpacked."""
    packages = {name: package for name, (_, package) in chosen.items()}
    providing: dict[str, list[str]] = {}
    for package in packages.values():
        for name in (package.name, *(given.name for given in package.provides)):
            providing.setdefault(name, []).append(package.name)

    def behind(groups: Sequence[Group]) -> set[str]:
        found = {name for group in groups for wanted in group for name in providing.get(wanted.name, ())}
        return {name for name in found if any(packages[name].meets(w) for group in groups for w in group)}

    before = {name: behind(package.pre_depends) - {name} for name, package in packages.items()}
    beside = {name: behind(package.depends) - {name} for name, package in packages.items()}
    steps = dict.fromkeys(packages, 0)
    for _ in range(len(packages)):
        moved = False
        for name in packages:
            step = max([steps[n] + 1 for n in before[name]] + [steps[n] for n in beside[name]], default=0)
            if step > steps[name]:
                steps[name], moved = step, True
        if not moved:
            break
    return steps
