"""Files of the locked OS packages, against what is in their `.deb` files. Pure."""

from __future__ import annotations

import posixpath
import re
from collections.abc import Iterable, Iterator, Mapping

from envctl.model.image import Root
from envctl.model.inventory import Entry, Kind
from envctl.verify.places import behind, is_code
from envctl.verify.world import World

Debs = Mapping[str, Mapping[str, str] | None]
"""Package -> path -> sha256 of a file, or `-> TARGET` of a link; None where the `.deb` is not at hand."""

_ALTERNATIVE = "/etc/alternatives/"
_OWN = re.compile(r"(?:usr/)?(?:bin|sbin|lib|libexec)/.*")  # where packages install; never /usr/local
_CACHE = re.compile(r"usr/lib/[^/]+/(?:gdk-pixbuf-2\.0/[\d.]+/loaders|gio/modules/giomodule)\.cache")
_PLUGIN = re.compile(r"[^\s\"':]+\.so\b[^\s\"':]*")
_LIBRARY = re.compile(r".*/lib[^/]+\.so[.\d]*")


class Vouched:
    """What locked packages say of paths.

    Attributes:
        unknown: names of locked packages whose files are not at hand; None where no packages are locked.
    """

    def __init__(self, world: World, root: Root, debs: Debs | None) -> None:
        self._world, self._root = world, root
        self._files: dict[str, tuple[str, str]] = {}
        self.unknown: frozenset[str] | None = None
        pinned, picture = world.lockfile.envctl.os_packages, world.picture
        if pinned is None or picture is None:
            return
        arch = picture.platform.split("/")[1]
        names = {package.name for package in pinned.packages if package.arch == arch}
        known = {name: files for name in names if debs is not None and (files := debs.get(name)) is not None}
        self.unknown = frozenset(names - known.keys())
        for name in sorted(known):
            self._files |= {self._placed(path): (name, said) for path, said in known[name].items()}

    def _placed(self, path: str) -> str:
        """Where a path of a package is: `/lib` and its like may be links into `/usr`."""
        top, slash, rest = path.partition("/")
        entry = self._root.entries.get(top)
        if entry is None or entry.kind is not Kind.LINK or not entry.link or not slash:
            return path
        return f"{entry.link.strip('/')}/{rest}"

    def rest(self, paths: Iterable[str]) -> list[str]:
        """The paths for which the packages say nothing; where they say something else, that is reported."""
        left = []
        for path in paths:
            if path in self._files:
                self._compare(path, self._root.entries.get(path))
            elif not self._leads_to_package(path) and not self._names_packages(path):
                left.append(path)
        return left

    def missing(self, reported: Iterable[str]) -> None:
        """Report the code of packages that is not there, but for paths that were reported."""
        known = set(reported)
        for path in sorted(self._files):
            if path not in self._root.entries and path not in known and is_code(path) and not path.endswith(".pyc"):
                self._compare(path, None)

    def _compare(self, path: str, entry: Entry | None) -> None:
        name, said = self._files[path]
        found = _said(entry)
        if found != said:
            what = "is not there" if entry is None else f"is not what the locked package {name} brings"
            self._world.report(
                "os-package-changed",
                what,
                path=f"/{path}",
                expected=_shown(said),
                found=_shown(found) if found else None,
            )

    def _leads_to_package(self, path: str) -> bool:
        """Whether it is a link that package managers make: an alternative, or a library's name without its release."""
        entry = self._root.entries.get(path)
        if entry is None or entry.kind is not Kind.LINK or not entry.link or not _OWN.fullmatch(path):
            return False
        place = behind(self._root, path)
        if place not in self._files and not self._root.anchored(place):
            return False
        beside = _LIBRARY.fullmatch(path) is not None and posixpath.dirname(place) == posixpath.dirname(path)
        return entry.link.startswith(_ALTERNATIVE) or beside

    def _names_packages(self, path: str) -> bool:
        """Whether it is a list of plug-ins that a package's trigger wrote, and all that it names is vouched for."""
        text = self._root.texts.get(path)
        if text is None or _CACHE.fullmatch(path) is None:
            return False
        named = [posixpath.join("/", posixpath.dirname(path), word) for word in _PLUGIN.findall(text.decode("latin-1"))]
        places = [posixpath.normpath(name).lstrip("/") for name in named]
        return all(place in self._files or self._root.anchored(place) for place in places)


def _said(entry: Entry | None) -> str | None:
    if entry is None:
        return None
    return f"-> {entry.link}" if entry.kind is Kind.LINK else entry.sha256


def _shown(said: str) -> str:
    return f"link to {said[3:]}" if said.startswith("-> ") else f"sha256:{said}"


def lists(root: Root, names: frozenset[str] | None) -> Iterator[str]:
    """Every path that dpkg's database lists, of these packages (None: all). Source: `/var/lib/dpkg/info/*.list`."""
    folder = "var/lib/dpkg/info/"
    for path, text in root.texts.items():
        name = path[len(folder) : -5].partition(":")[0]
        if path.startswith(folder) and path.endswith(".list") and (names is None or name in names):
            for line in text.decode("utf-8", "surrogateescape").splitlines():
                yield line.lstrip("/")
                if line.startswith(("/lib", "/bin/", "/sbin/")):  # the places before /usr was merged
                    yield f"usr{line}"
