"""What the deeds of the attack table are done to where the packages are real: files of what is installed, dealt out."""

from __future__ import annotations

import csv
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

from support.attacks import ROWS, Attack, Target

from envctl.model.record import entry_point_scripts

SHARING, LONELY = "sharing", "lonely"
"""Deeds that share an environment, in two: those that take files, and those that take a package for themselves."""


class Installed(NamedTuple):
    """A real package: `modules` are paths below the site directory, by two of one folder; `scripts` are `bin/NAME`."""

    name: str
    version: str
    info: str
    modules: list[tuple[str, str]]
    scripts: list[str]
    own_scripts: list[str]
    data: list[str]


def split(rows: Sequence[Attack]) -> dict[str, list[Attack]]:
    """The rows of one environment as two groups."""
    return {LONELY: [row for row in rows if row.alone], SHARING: [row for row in rows if not row.alone]}


def installed(site: Path) -> list[Installed]:
    """Every package with modules in a folder, the largest first."""
    found = []
    for info in sorted(site.glob("*.dist-info")):
        name, _, version = info.name.removesuffix(".dist-info").partition("-")
        with (info / "RECORD").open(encoding="utf-8", newline="") as file:
            paths = [row[0] for row in csv.reader(file)]
        texts = info / "entry_points.txt"
        made = entry_point_scripts(texts.read_bytes()) if texts.is_file() else {}
        modules = [path for path in paths if _is_module(site, path)]
        scripts = [path.rpartition("../bin/")[2] for path in paths if "../bin/" in path and "__pycache__" not in path]
        data = [path.rpartition("../share/")[2] for path in paths if "../share/" in path]
        found.append(
            Installed(
                name.replace("_", "-").lower(),
                version,
                info.name,
                [(a, b) for a, b in zip(modules[::2], modules[1::2], strict=False) if _folder(a) == _folder(b)],
                [f"bin/{script}" for script in scripts if f"bin/{script}" in made],
                [f"bin/{script}" for script in scripts if f"bin/{script}" not in made],
                [f"share/{path}" for path in data],
            )
        )
    return sorted((item for item in found if item.modules), key=lambda item: -len(item.modules))


def deal(rows: Sequence[Attack], packages: Sequence[Installed], tag: str, outside: str) -> dict[str, Target]:
    """A target for each row, none of which has a file, or where it wants that a package, of another's."""
    site = f"lib/python{tag[8]}.{tag[9:]}/site-packages"
    hook, hooked = "distutils-precedence.pth", "setuptools"
    left = [item for item in packages if item.name != hooked]
    plain = [item for item in left if not item.own_scripts and len(item.scripts) < 2]
    whole = iter(sorted(plain, key=lambda item: len(item.modules)))
    with_own = iter([item for item in left if item.own_scripts])
    scripts = iter([(item, script) for item in left for script in item.scripts])
    files = _round(left)
    data = next(path for item in left for path in item.data)
    found = {}
    for row in rows:
        wants = " ".join(str(part) for part in (row.path, *row.also, *row.blind))
        script, own = "bin/none", next(name for item in left for name in item.own_scripts)
        if "{own_script}" in wants and row.alone:
            package = next(with_own)
            (module, mate), own = package.modules[0], package.own_scripts[0]
        elif row.alone:
            package = next(whole)
            module, mate = package.modules[0]
        elif "entry_points.txt" in wants:
            package = next(item for item in left if item.scripts)
            module, mate = package.modules[0]
        elif "{script}" in wants:
            package, script = next(scripts)
            module, mate = package.modules[0]
        else:
            package, (module, mate) = next(files)
        if script == "bin/none" and package.scripts:
            script = package.scripts[0]
        found[row.name] = Target(
            package=package.name,
            version=package.version,
            info=package.info,
            folder=module.partition("/")[0] if row.alone else _folder(module),
            module=module,
            mate=mate,
            script=script,
            own_script=own,
            data=data,
            hook=hook,
            hook_package=hooked,
            site=site,
            tag=tag,
            outside=f"{outside}/{ROWS.index(row)}",
        )
    return found


def _round(packages: Sequence[Installed]) -> Iterator[tuple[Installed, tuple[str, str]]]:
    """Two modules at a time, of one folder each, from one package after the other."""
    folders: set[str] = set()
    hands = [iter(item.modules[1:] or item.modules) for item in packages if len(item.modules) > 5]
    while hands:
        for hand in list(hands):
            pair = next((two for two in hand if _folder(two[0]) not in folders), None)
            if pair is None:
                hands.remove(hand)
                continue
            folders.add(_folder(pair[0]))
            item = next(item for item in packages if pair in item.modules)
            yield item, pair


def _is_module(site: Path, path: str) -> bool:
    """A module of some size in a package of its own, that compiles to something."""
    plain = path.endswith(".py") and "/" in path and not path.startswith("..") and ".dist-info/" not in path
    plain = plain and "__init__" not in path and "_vendor" not in path and "test" not in path and "__main__" not in path
    return plain and path.rpartition("/")[2].removesuffix(".py").isidentifier() and (site / path).stat().st_size > 200


def _folder(path: str) -> str:
    return path.rpartition("/")[0]
