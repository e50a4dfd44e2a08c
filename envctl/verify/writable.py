"""What policy lets programs write: data in the folders that the profile names, never code or configuration. Pure.

A name says what imports, programs and loaders take for code; so do the permission to execute, the first bytes, and the
place. What only its own program can read, such as a pickle, is data here: whoever names a folder trusts that program.
"""

from __future__ import annotations

import posixpath
import re
from collections.abc import Iterator

from envctl.model.inventory import Entry, Kind
from envctl.model.writable import unfit
from envctl.verify.world import World

# What Python, the loader, shells, browsers, compilers and other interpreters take for code by its name; machine code
# that numba, Triton and CUDA keep; archives that installers install, and that Python runs.
_ENDINGS = """
.py .pyc .pyo .pyd .pyw .pyx .pxd .pxi .ipy .pyz .pyzw .pex .whl .egg .egg-link .so .dll .dylib .o .a .ko
.sh .bash .zsh .fish .js .mjs .cjs .jsx .ts .wasm .jar .class .node .pl .rb .lua .r .ps1 .bat .exe
.c .cc .cpp .cxx .h .hh .hpp .cu .cuh .ptx .cubin .fatbin .hsaco .ll .bc .nbi .nbc
"""
_CODE = tuple(_ENDINGS.split())
_CONFIG = (".cfg", ".conf", ".ini", ".toml", ".mplstyle", ".service", ".desktop")
_SETTINGS = re.compile(
    r"kernel\.json|(?:jupyter|ipython|ipkernel|ipcluster|ipengine|ipcontroller|nbconvert|page)\w*config\.json"
    r"|overrides\.json|\.?[a-z]+rc|\.netrc|\.env|entry_points\.txt|direct_url\.json"
)
_SHARED = re.compile(r".*\.so(?:\.[\d.]+)?(?:[.~-].*)?")
_FOLDERS = re.compile(r"[^/]+\.(?:dist-info|egg-info|egg)|site-packages|dist-packages")
_PROGRAMS = (b"\x7fELF", b"#!")
_ARCHIVE, _PICKLE = b"PK\x03\x04", b"\x80"
_MACHINE = (".nbi", ".nbc", ".o", ".ptx", ".cubin", ".fatbin", ".hsaco")


class Writable:
    """The folders of one environment; what is in one is a path strictly below it."""

    def __init__(self, world: World) -> None:
        self._world = world
        places = [place.strip("/") for place in world.lockfile.envctl.policy.writable]
        imported = tuple(_imported(world))
        # A folder from which a startup hook makes Python import is one of code, whatever it is called.
        self._folders = tuple(
            f"{place}/"
            for place in places
            if unfit(place) is None and not any(f"{place}/".startswith(path) for path in imported)
        )
        self._imported = imported

    def holds(self, path: str) -> bool:
        """Whether a path is below a folder that may be written."""
        return path.startswith(self._folders or ("\0",))

    def over(self, path: str) -> bool:
        """Whether a path is such a folder, or below one."""
        return f"{path}/".startswith(self._folders or ("\0",))

    def allows(self, path: str, entry: Entry) -> bool:
        """Whether something that nobody owns is data where programs may write it."""
        if not self.holds(path) or is_code(path, entry):
            return False
        if entry.kind is Kind.LINK:
            return self._behind(entry)
        return entry.kind is Kind.FILE and not f"{path}/".startswith(self._imported or ("\0",))

    def _behind(self, entry: Entry) -> bool:
        """Whether a link leads to data in such a folder, as in Hugging Face's cache."""
        start = self._world.inventory.real_root + "/"
        if entry.real is None or entry.sha256 is None or not entry.real.startswith(start):
            return False
        place = entry.real[len(start) :]
        found = self._world.entry(place)
        return found is not None and found.kind is Kind.FILE and self.allows(place, found)


def is_code(path: str, entry: Entry) -> bool:
    """Whether a file or link is code or configuration, or lies where only installers write."""
    folder, _, name = path.rpartition("/")
    name = name.lower()
    if name.endswith(_CODE + _CONFIG) or _SHARED.fullmatch(name) or _SETTINGS.fullmatch(name):
        return True
    if entry.kind is Kind.FILE and (entry.mode & 0o111 or entry.start.startswith(_PROGRAMS)):
        return True
    if name.endswith(".pth") and not entry.start.startswith((_ARCHIVE, _PICKLE)):
        return True  # PyTorch's weights have that ending too; a startup hook is text
    return any(_FOLDERS.fullmatch(part) for part in folder.split("/")[4 if path.startswith("lib/python") else 0 :])


def is_machine_code(path: str) -> bool:
    """Whether a file is, by its name, what a compiler of Python functions keeps."""
    return path.lower().endswith(_MACHINE)


def reason(path: str) -> str:
    """Why a file in such a folder is not accepted."""
    if is_machine_code(path):
        return "is machine code that a program runs without comparing it with a source; `writable` allows data only"
    return "is no data: `writable` never allows code or configuration"


def _imported(world: World) -> Iterator[str]:
    """Places under the prefix from which Python takes code as a `.pth` file or a variable says."""
    for path in world.top:
        text = world.inventory.texts.get(path) if path.endswith(".pth") else None
        for line in (text or b"").decode("utf-8", "surrogateescape").splitlines():
            if line.strip() and not line.startswith(("#", "import ", "import\t")):
                yield from _under(world, line.strip())
    for name in ("PYTHONPATH", "PYTHONSTARTUP"):  # the profile may set them in an image
        for place in world.inventory.variables.get(name, "").split(":"):
            if place.startswith("/"):
                yield from _under(world, place)


def _under(world: World, place: str) -> Iterator[str]:
    """A place, relative to the site directory or absolute, as a folder relative to the prefix; nothing elsewhere."""
    found = "/" + posixpath.normpath(posixpath.join(f"/{world.site}", place)).lstrip("/") + "/"
    for start in world.prefixes if place.startswith("/") else ("",):
        if found.startswith(f"{start}/"):
            yield found.removeprefix(f"{start}/")
