"""Whether findings name the deeds of the attack table, and nothing else."""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple

import pytest
from support.attacks import Attack, Target

from envctl.model.finding import Finding, Severity, Verification
from envctl.verify import compare
from envctl.verify.packages import Split

_NOTHING: dict[str, Callable[..., Any]] = {"packages.split": lambda *_, **__: Split((), (), (), None)}


class Seen(NamedTuple):
    """A finding, of a value or of a report."""

    code: str
    path: str | None
    package: str | None
    message: str
    severity: str


def seen(findings: Iterable[Finding | Mapping[str, Any]]) -> list[Seen]:
    """Findings as this module takes them."""
    found = []
    for item in findings:
        values = {name: getattr(item, name) for name in Seen._fields} if isinstance(item, Finding) else item
        severity = values["severity"]
        found.append(
            Seen(
                values["code"],
                values.get("path"),
                values.get("package"),
                values["message"],
                severity.value if isinstance(severity, Severity) else severity,
            )
        )
    return found


def is_named(row: Attack, target: Target, found: Sequence[Seen], *, blind: bool = False) -> bool:
    """Whether everything that must name the deed is there; `blind`: no manifest was at hand."""
    wanted = row.names(target, blind=blind)
    says = "" if blind and row.blind else row.says.format(**target.fields())
    package = row.package or (target.package if row.alone else None)
    for number, (code, path) in enumerate(wanted):
        if not any(
            (item.code, item.path) == (code, path)
            and (number > 0 or says in item.message)
            and (path is not None or package is None or item.package == package)
            for item in found
        ):
            return False
    return True


def unexpected(
    rows: Sequence[Attack], targets: Mapping[str, Target], found: Sequence[Seen], *, blind: bool = False
) -> list[Seen]:
    """Findings that no deed explains. A deed that took a package for itself explains whatever is said of it."""
    wanted = {name for row in rows for name in row.names(targets[row.name], blind=blind)}
    alone = [targets[row.name] for row in rows if row.alone]
    follows = [(code, (path or "").format(**targets[row.name].fields())) for row in rows for code, path in row.follows]
    return [
        item
        for item in found
        if item[:2] not in wanted
        and not any(_is_of(target, item) for target in alone)
        and not any(item.code == code and (item.path or "").startswith(path) for code, path in follows)
    ]


def _is_of(target: Target, item: Seen) -> bool:
    path = (item.path or "").removeprefix(f"{target.site}/")
    own = (target.folder, target.info, target.script, target.own_script, target.data)
    return item.package == target.package or path.startswith(own)


def taken_out(check: str, real: Callable[..., Verification], *args: Any, **kinds: Any) -> Verification:
    """Compare with functions of `envctl.verify` that do nothing in the place of a check, wherever it is called.

    What is then no longer found, the check alone finds. `check` is `module.function`, or several with ` and ` between.
    """
    with pytest.MonkeyPatch.context() as patch:
        for one in check.split(" and "):
            module, _, name = one.rpartition(".")
            function = getattr(sys.modules[f"envctl.verify.{module}"], name)
            for loaded, room in list(sys.modules.items()):
                if loaded.startswith("envctl.verify") and getattr(room, name, None) is function:
                    patch.setattr(room, name, _NOTHING.get(one, lambda *_, **__: ""))
        return real(*args, **kinds)


@contextlib.contextmanager
def each_taken_out(checks: Iterable[str]) -> Iterator[dict[str, list[Seen]]]:
    """What a verification meanwhile finds without each of the checks, from the same reading."""
    found: dict[str, list[Seen]] = {}
    chosen = set(checks)

    def watched(name: str) -> Callable[..., Verification]:
        real = getattr(compare, name)

        def compared(*args: Any, **kinds: Any) -> Verification:
            for check in chosen:
                whole = check == f"compare.{name}"  # without it nothing is compared at all
                found[check] = [] if whole else seen(taken_out(check, real, *args, **kinds).findings)
            return real(*args, **kinds)  # type: ignore[no-any-return]

        return compared

    with pytest.MonkeyPatch.context() as patch:
        for name in ("compare", "absent"):
            patch.setattr(compare, name, watched(name))
        yield found
