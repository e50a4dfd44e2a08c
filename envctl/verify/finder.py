"""The import finder that setuptools writes for editable installs of packages that do not lie in a folder of their own.

The module's whole text is known but for three lines that assign literals; what those lead to must lie in the project.
Source: setuptools 64 to 84, `setuptools.command.editable_wheel`.
"""

from __future__ import annotations

import ast
import hashlib
import os
import re

_PTH = re.compile(r"import (__editable___\w+_finder); \1\.install\(\)")
_ASSIGNED = re.compile(rb"^(MAPPING|NAMESPACES|PATH_PLACEHOLDER)\b([^=\n]*)= (.*)$", re.MULTILINE)
_HOOK_NAME = b' + ".__path_hook__"'
# sha256 of the text without what is assigned: setuptools 64, 65.3, 68.1, 70, 71
_KNOWN = frozenset(
    (
        "60d4b988085b216b0b8dc20f901f3a97cc53b4abf5fd844bc6f63b1d497aaa78",
        "c982ea1c1d5b1b0bd48031bbd84e4412339c142d95caa03e65c810d50b1add2f",
        "0fb60dcaf2b4d02a1a9bf184c06299b7fab616fc39404d43bbae6bb4816356bf",
        "31ff2f4f58c42c12f8ac4bdc0e055ce0a0ba8f9f6466bf4d8609daaa3a18699b",
        "55662a3bfc084c48b8310fed3c286e954581ef613335e6155e5692e21e01db5b",
    )
)


def module_of(pth: list[str]) -> str | None:
    """The finder module that a .pth file of these lines starts; None where it does anything else."""
    match = _PTH.fullmatch(pth[0]) if len(pth) == 1 else None
    return match[1] if match else None


def is_known(text: bytes, folder: str) -> bool:
    """Whether a finder module is setuptools' own and leads only into the folder."""
    fixed = _ASSIGNED.sub(lambda match: match[1] + match[2] + b"=", text)
    if hashlib.sha256(fixed).hexdigest() not in _KNOWN:
        return False
    assigned = {match[1]: match[3] for match in _ASSIGNED.finditer(text)}
    try:
        mapping = ast.literal_eval(assigned[b"MAPPING"].decode())
        namespaces = ast.literal_eval(assigned[b"NAMESPACES"].decode())
        name = ast.literal_eval(assigned[b"PATH_PLACEHOLDER"].removesuffix(_HOOK_NAME).decode())
        places = [*mapping.values(), *(place for folders in namespaces.values() for place in folders)]
    except (KeyError, ValueError, SyntaxError, AttributeError, TypeError, RecursionError, MemoryError):
        return False
    return isinstance(name, str) and all(isinstance(place, str) and inside(place, folder) for place in places)


def inside(place: str, folder: str) -> bool:
    """Whether an absolute path is the folder or lies in it."""
    path = os.path.normpath(place)
    return place.startswith("/") and (path == folder or path.startswith(folder.rstrip("/") + "/"))
