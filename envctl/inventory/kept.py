"""Which files of an image's file system comparing wants to read, and which bytecode is to be compiled again."""

from __future__ import annotations

import re

NOTES = ("RECORD", "INSTALLER", "direct_url.json", "entry_points.txt")
SCRIPT, TEXT = 256 * 2**10, 64 * 2**20
_PROGRAM, _STATUS = 64 * 2**20, 16 * 2**20
_INTERPRETER = re.compile(r"(?:.*/)?(?:bin/python3?\.\d+t?|lib(?:/[\w-]+)?/libpython3\.\d+t?\.so(?:\.[\d.]+)?)")
_ACTIVATOR = re.compile(r".*/python3\.\d+t?/venv/scripts/(?:common|posix)/[aA]ctivate[^/]*")
_BUNDLED = re.compile(r"(?:.*/python3\.\d+t?/ensurepip/_bundled|usr/share/python-wheels)/[^/]+\.whl")
_LIBRARY = re.compile(r"(?:(?:.*/)?lib(?:64)?|etc)/python3[^/]*/.*")
_CONFIGS = ("pyvenv.cfg", "gconv-modules.cache", "loaders.cache", "giomodule.cache")  # wherever they are
_NAMED = frozenset(
    (
        "etc/ld.so.cache",
        "etc/ld.so.preload",
        "etc/os-release",
        "usr/lib/os-release",
        "etc/passwd",
        "opt/envctl/pylock.toml",
        "usr/local/cuda/version.json",
        "lib/apk/db/installed",
    )
)


def keeps(path: str, size: int) -> bool:
    """Whether the content of a file is kept: configuration, installers' notes, hooks, scripts, interpreters."""
    folder, _, name = path.rpartition("/")
    if folder.endswith(".dist-info"):
        return name in NOTES and size <= TEXT
    if folder.endswith(("bin", "Scripts")) and (folder in ("bin", "Scripts") or folder.endswith(("/bin", "/Scripts"))):
        return size <= SCRIPT or is_interpreter(path, size)
    if folder.endswith("-packages"):
        return name.endswith(".pth") or name.startswith("__editable__")
    listed = folder == "var/lib/dpkg/info" and name.endswith(".list")
    if listed or name in _CONFIGS or path in _NAMED:
        return size <= _STATUS
    if ".so" in name or name.endswith(".whl"):
        return is_interpreter(path, size) or (size <= TEXT and _BUNDLED.fullmatch(path) is not None)
    return name.lower().startswith("activate") and size <= SCRIPT and _ACTIVATOR.fullmatch(path) is not None


def is_interpreter(path: str, size: int) -> bool:
    """Whether a file holds an interpreter, by its name."""
    return size <= _PROGRAM and _INTERPRETER.fullmatch(path) is not None


def packs(path: str, size: int) -> bool:
    """Whether bytecode, or the source of some; whoever starts Python as root leaves it by the standard library too."""
    if not path.endswith((".py", ".pyc")) or size > TEXT:
        return False
    return "-packages/" in path or _LIBRARY.fullmatch(path) is not None
