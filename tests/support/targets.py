"""What the deeds of the attack table are done to: small wheels, one for each deed, or files of real packages."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from support.attacks import ROWS, Attack, Place, Target
from support.wheels import build_wheel

# Deeds that share an environment each have a package of their own.
SHARED = tuple(row for row in ROWS if row.deed is not None and row.group == "together")
HOOK, HOOK_PACKAGE = "beta-hook.pth", "beta"


def name_of(row: Attack) -> str:
    """The small package that a row's deed takes."""
    return f"w{SHARED.index(row) if row in SHARED else 0:03}"


def small_wheels(folder: Path) -> list[Path]:
    """A wheel for each deed, with everything that a wheel can hold."""
    return [small_wheel(folder, f"w{number:03}") for number in range(len(SHARED))]


def small_wheel(folder: Path, name: str) -> Path:
    """One of them."""
    return build_wheel(
        folder,
        name,
        "1.0",
        files={
            f"{name}/__init__.py": b"",
            f"{name}/core.py": b"def main() -> int:\n    return 1\n",
            f"{name}/more.py": b"MORE = (1, 2)\n",
        },
        entry_points={name: f"{name}.core:main"},
        scripts={f"{name}-run": f"#!python\nimport {name}\n".encode()},
        data={f"data/share/{name}.txt": b"notes"},
    )


def small_target(row: Attack, site: str, tag: str, outside: str) -> Target:
    """The files of its package that a row's deed may take; `outside` gets a folder for each."""
    name = name_of(row)
    return Target(
        package=name,
        version="1.0",
        info=f"{name}-1.0.dist-info",
        folder=name,
        module=f"{name}/core.py",
        mate=f"{name}/more.py",
        script=f"bin/{name}",
        own_script=f"bin/{name}-run",
        data=f"share/{name}.txt",
        hook=HOOK,
        hook_package=HOOK_PACKAGE,
        site=site,
        tag=tag,
        outside=f"{outside}/{ROWS.index(row)}",
    )


def attack(venv: Path, rows: Sequence[tuple[Attack, Target]]) -> None:
    """Do the deeds to an environment in a folder."""
    for row, target in rows:
        Path(target.outside).mkdir(parents=True)
        if row.deed is not None:
            row.deed(Place(str(venv), target))
