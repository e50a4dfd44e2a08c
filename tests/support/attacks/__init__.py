"""The attack table: what can be done to an environment, and what names it. docs/reference/attacks.md is made from it.

Deeds of one group are done to one environment, each to files of its own; all that a verification of it finds must be
expected. This package needs the standard library alone: it is carried into images, where `python -m attacks` runs it.
"""

from __future__ import annotations

from .allowed import ALLOWED
from .bytecode import BYTECODES
from .elsewhere import ELSEWHERE
from .files import FILES
from .image import AROUND_ROWS, SAID
from .interpreter import INTERPRETER, VARIABLES_ROWS
from .odd import ODD
from .packages import PACKAGES
from .row import CONTAINER, IMAGE, VENV, Attack, Place, Target
from .scripts import SCRIPTS_ROWS
from .startup import STARTUP

__all__ = ["CONTAINER", "IMAGE", "ROWS", "THEMES", "VENV", "Attack", "Place", "Target", "groups", "rows_of"]

THEMES: dict[str, tuple[Attack, ...]] = {
    "Files of packages": FILES,
    "The set of packages": PACKAGES,
    "Scripts and programs": SCRIPTS_ROWS,
    "Code that runs at every start": STARTUP,
    "Bytecode": BYTECODES,
    "Links, rights, names and sizes": ODD,
    "What hides behind an allowed difference": ALLOWED,
    "The interpreter and its configuration": INTERPRETER,
    "Variables": VARIABLES_ROWS,
    "An image around its environment": AROUND_ROWS,
    "An image's files and settings": SAID,
    "Containers, caches and moments": ELSEWHERE,
}
ROWS = tuple(row for rows in THEMES.values() for row in rows)


def groups(where: str) -> tuple[str, ...]:
    """The groups of what is done to an environment of that kind."""
    return tuple(dict.fromkeys(row.group for row in ROWS if where in row.where and not row.proof))


def rows_of(group: str, where: str) -> tuple[Attack, ...]:
    """The rows of a group."""
    return tuple(row for row in ROWS if row.group == group and where in row.where and not row.proof)
