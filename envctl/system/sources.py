"""Files of envctl itself, wherever it was imported from: a folder, or an archive that no other program could open."""

from __future__ import annotations

import pkgutil
from types import ModuleType


def own_file(package: str, name: str) -> bytes:
    """A file that lies beside a package's modules; OSError where there is none."""
    data = pkgutil.get_data(package, name)
    if data is None:
        raise FileNotFoundError(f"{package}/{name}")
    return data


def source_of(module: ModuleType) -> str:
    """A module's text, which other interpreters are to run."""
    package, _, name = module.__name__.rpartition(".")
    return own_file(package, f"{name}.py").decode("utf-8")
