"""Bytecode: what comparing each `.pyc` with its source came to, as findings."""

from __future__ import annotations

import re
from collections import defaultdict

from envctl.model.inventory import Bytecode
from envctl.model.record import bytecode_source
from envctl.verify.makers import package_of
from envctl.verify.world import NOBODY, World

_MESSAGES = {
    Bytecode.FOREIGN: ("bytecode-foreign", "is not what its source compiles to"),
    Bytecode.UNCHECKED: ("bytecode-unchecked", "is used without a look at its source"),
    Bytecode.SOURCELESS: ("bytecode-sourceless", "has no source"),
}
_REWRITTEN = re.compile(r".+-pytest-[\w.]+\.pyc")
_GROUPED = {
    Bytecode.OTHER_PYTHON: ("bytecode-other-python", "for another Python"),
    Bytecode.UNKNOWN: ("bytecode-unverified", "that could not be compared with the sources"),
    Bytecode.UNREADABLE: ("bytecode-unverified", "that could not be compared with the sources"),
}


def check(world: World) -> None:
    """Report bytecode that is not its source's; what agrees belongs to the source's owner."""
    groups: dict[tuple[str, str, str | None], list[str]] = defaultdict(list)
    for path, status in world.inventory.bytecode.items():
        if path in world.owners:
            continue  # a wheel's own, counted in its content digest
        owner = world.owners.get(bytecode_source(path) or "")
        package = package_of(owner)
        world.own(path, owner or NOBODY)
        if status in _MESSAGES:
            name, message = _MESSAGES[status]
            if status is Bytecode.FOREIGN and _REWRITTEN.fullmatch(path):
                message = "is what pytest made of its source, which nothing can compare and pytest runs"
            digest = world.sha256(path)
            world.report(
                name, message, package=package, path=path, found=None if digest is None else f"sha256:{digest}"
            )
        elif status in _GROUPED:
            name, message = _GROUPED[status]
            groups[name, message, package].append(path)
    for (name, message, package), paths in groups.items():
        count = f"{len(paths):,} bytecode files" if len(paths) > 1 else "bytecode"
        world.report(name, f"{count} {message}", package=package, path=min(paths))
