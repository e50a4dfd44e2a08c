"""An environment inside of another file system: found as a shell would find it, and read from what was hashed there."""

from __future__ import annotations

import posixpath
import re
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

import msgspec

from envctl.inventory.bytecode import judge, source_of
from envctl.inventory.interpreter import compilers_for, read_config, release_in
from envctl.inventory.venv import VARIABLES
from envctl.model.image import DEFAULT_PATH, Environment, Root, Settings
from envctl.model.inventory import Bytecode, Entry, Interpreter, Inventory, Kind
from envctl.oci.tree import Tree

_CONFIG = "pyvenv.cfg"
_NAMES = ("python", "python3")
_PYTHON = re.compile(r"(?:python|pypy|graalpy)(?:3(?:\.\d+t?)?)?")
_SITE = re.compile(r"(lib(?:64)?)/(?:python(\d+\.\d+)t?|python3)/(?:site|dist)-packages")
_SCRIPTS, _BUNDLED = "venv/scripts", "ensurepip/_bundled"


def locate(tree: Tree, settings: Settings, wanted: str | None = None) -> Environment | None:
    """The environment that `python` starts, by PATH; None where there is no Python.

    Args:
        wanted: the prefix to take instead, absolute.
    """
    if wanted is not None:
        prefix = wanted.strip("/")
        for name in _NAMES:
            if f"{prefix}/bin/{name}" in tree.entries:
                return _environment(tree, f"{prefix}/bin/{name}")
        place = tree.resolve(prefix)
        return None if place is None else Environment(prefix=place, executable=None, venv=False, site=None)
    for folder in (settings.env.get("PATH") or DEFAULT_PATH).split(":"):
        place = tree.resolve(folder) if folder.startswith("/") else None
        for name in _NAMES if place is not None else ():
            path = f"{place}/{name}".lstrip("/")
            entry = tree.behind(path)
            if entry is not None and entry.kind is Kind.FILE and entry.mode & 0o111:
                return _environment(tree, path)
    alone = [path.rpartition("/")[0] for path in tree.entries if path.endswith(f"/{_CONFIG}")]
    return locate(tree, settings, f"/{alone[0]}") if len(alone) == 1 else None


def environments(tree: Tree) -> tuple[str, ...]:
    """Prefixes of everything that looks like an environment with packages in it: virtual ones, and site directories."""
    found: dict[str, None] = {}
    for path, entry in tree.entries.items():
        if path.endswith(f"/{_CONFIG}"):
            found[path.rpartition("/")[0]] = None
        elif entry.kind is Kind.FOLDER and path.endswith(".dist-info"):
            site, _, _ = path.rpartition("/")
            match = re.search(rf"(?:^|/){_SITE.pattern}$", site)
            if match:
                found[site[: match.start()]] = None
    return tuple(sorted(found))


def _environment(tree: Tree, path: str) -> Environment:
    """The environment of the interpreter at a path, as CPython's `getpath` finds it."""
    seen = path
    for _ in range(40):
        folder = posixpath.dirname(posixpath.dirname(seen))
        for config in (f"{posixpath.dirname(seen)}/{_CONFIG}", f"{folder}/{_CONFIG}"):
            if config in tree.entries:
                prefix = posixpath.dirname(config)
                return Environment(
                    prefix=prefix,
                    executable=tree.resolve(path),
                    venv=True,
                    site=_site(tree, prefix, tree.resolve(path)),
                )
        entry = tree.entries.get(seen)
        if entry is None or entry.kind is not Kind.LINK:
            break
        seen = posixpath.normpath(posixpath.join("/", posixpath.dirname(seen), entry.link or "")).lstrip("/")
    real = tree.resolve(path)
    prefix = posixpath.dirname(posixpath.dirname(real or path))
    site = _site(tree, prefix, real)
    if prefix == "usr" and not _populated(tree, prefix, site):
        # Debian's interpreter installs below /usr/local, and keeps /usr to its own packages
        local = _site(tree, "usr/local", real)
        if local is not None:
            return Environment(prefix="usr/local", executable=real, venv=False, site=local)
    return Environment(prefix=prefix, executable=real, venv=False, site=site)


def _site(tree: Tree, prefix: str, executable: str | None) -> str | None:
    minor = re.search(r"(\d+\.\d+)t?$", executable or "")
    names = [f"python{minor[1]}"] if minor else []
    if not names:
        names = sorted(
            {
                path.split("/")[-1]
                for path in tree.entries
                if re.fullmatch(rf"{re.escape(prefix)}/lib/python3\.\d+t?", path)
            }
        )
    for lib in ("lib", "lib64"):
        for name in names:
            for kind in ("site-packages", "dist-packages"):
                path = f"{prefix}/{lib}/{name}/{kind}"
                entry = tree.entries.get(path)
                if entry is not None and entry.kind is Kind.FOLDER:
                    return path.removeprefix(f"{prefix}/")
    return None


def _populated(tree: Tree, prefix: str, site: str | None) -> bool:
    return site is not None and any(path.endswith(".dist-info") for path in tree.below(f"{prefix}/{site}"))


def take(
    tree: Tree,
    root: Root,
    settings: Settings,
    environment: Environment,
    *,
    descriptor: int | None = None,
    scratch: Path | None = None,
) -> Inventory:
    """The inventory of an environment in a file system that was read.

    Args:
        descriptor: an open file in which the contents lie that the tree calls packed.
        scratch: a folder for the wheels that the interpreter carries, where the base vouches for them.
    """
    prefix = environment.prefix
    start = f"{prefix}/"
    entries = {path[len(start) :]: _with_place(tree, path, tree.entries[path]) for path in tree.below(prefix)}
    texts = {path[len(start) :]: data for path, data in tree.texts.items() if path.startswith(start)}
    for path, entry in entries.items():
        if entry.kind is Kind.LINK and entry.real is not None and (behind := entry.real.lstrip("/")) in tree.texts:
            texts.setdefault(path, tree.texts[behind])
    texts = {path: data for path, data in texts.items() if not data.startswith(b"\x7fELF")}
    config, repeated = read_config(texts.get(_CONFIG, b"")) if environment.venv else ({}, ())
    interpreter = _interpreter(tree, root, environment, config, scratch)
    anchored = frozenset(path for path in entries if root.anchored(start + path))
    judged = {path: entry for path, entry in entries.items() if path not in anchored or not path.endswith(".pyc")}
    return Inventory(
        root=f"/{prefix}",
        real_root=f"/{prefix}",
        interpreter=interpreter,
        site=environment.site,
        config=config,
        config_repeated=repeated,
        entries=entries,
        texts=texts,
        bytecode=judge(
            judged,
            interpreter,
            compilers_for(interpreter),
            _places(tree, start, descriptor),
            pass_fds=() if descriptor is None else (descriptor,),
        ),
        variables={name: settings.env[name] for name in VARIABLES if settings.env.get(name)},
        venv=environment.venv,
        anchored=anchored,
    )


def elsewhere(tree: Tree, root: Root, inventory: Inventory, *, descriptor: int) -> dict[str, Bytecode]:
    """How bytecode outside of the environment compares that is not the base's, where its source is: path -> status."""
    start = inventory.root.lstrip("/") + "/"
    entries: dict[str, Entry] = {}
    for path, entry in tree.entries.items():
        if path.endswith(".pyc") and "/__pycache__/" in path and not path.startswith(start) and path in tree.packed:
            source = source_of(path)
            real = tree.resolve(source) or source
            if root.anchored(source) and root.anchored(real) and not root.anchored(path):
                entries[path], entries[source] = entry, _with_place(tree, source, tree.entries[source])
    if not entries:
        return {}
    interpreter = inventory.interpreter
    place = _places(tree, "", descriptor)
    return judge(entries, interpreter, compilers_for(interpreter), place, pass_fds=(descriptor,))


def _places(tree: Tree, start: str, descriptor: int | None) -> Callable[[str, Entry], bytes | None]:
    """Where the content of a path below `start` lies in the pack, as the recompiler reads it."""

    def place(path: str, _: Entry) -> bytes | None:
        part = tree.packed.get(start + path) or tree.packed.get(tree.resolve(start + path) or "")
        if part is None or descriptor is None:
            return None
        name = f"/{start}{path}".encode("utf-8", "surrogateescape")
        return b"\x01%d:%d:%d:" % (descriptor, *part) + name

    return place


def _with_place(tree: Tree, path: str, entry: Entry) -> Entry:
    """A link with the place and hash of what is behind it."""
    if entry.kind is not Kind.LINK:
        return entry
    place = tree.resolve(path)
    if place is None:
        return entry
    behind = tree.entries[place] if place else None
    sha256 = behind.sha256 if behind is not None and behind.kind is Kind.FILE else None
    return msgspec.structs.replace(entry, real=f"/{place}", sha256=sha256)


def _interpreter(
    tree: Tree, root: Root, environment: Environment, config: Mapping[str, str], scratch: Path | None
) -> Interpreter:
    home = config.get("home") if environment.venv else f"/{posixpath.dirname(environment.executable or '')}"
    executables: dict[str, str] = {}
    library: str | None = None
    version: str | None = None
    for real in _executables(tree, home):
        executables[f"/{real}"] = tree.entries[real].sha256 or ""
        version = version or _version(tree, real)
        library = library or _library(tree, real)
    return Interpreter(
        version=version,
        asked=version is not None,
        implementation="cpython" if version is not None else None,
        home=home,
        executables=executables,
        scripts=tuple(path for path in executables if tree.texts.get(path.lstrip("/"), b"").startswith(b"#!")),
        activators=dict(_activators(tree, root, library)) if library is not None else {},
        bundled=tuple(_bundled(tree, root, library, scratch)) if library is not None else (),
    )


def _executables(tree: Tree, home: str | None) -> list[str]:
    folder = tree.resolve(home) if home is not None and home.startswith("/") else None
    if folder is None:
        return []
    found: dict[str, None] = {}
    for path in sorted(tree.below(folder)):
        name = path[len(folder) + 1 :]
        if "/" in name or not _PYTHON.fullmatch(name):
            continue
        entry, place = tree.behind(path), tree.resolve(path)
        if place is not None and entry is not None and entry.kind is Kind.FILE and entry.mode & 0o111:
            found[place] = None
    return list(found)


def _version(tree: Tree, executable: str) -> str | None:
    """X.Y.Z as CPython's own text in the executable, or in the library that it loads, says it (PY_VERSION)."""
    minor = re.search(r"python(3\.\d+)t?$", executable)
    if minor is None:
        return None
    prefix = posixpath.dirname(posixpath.dirname(executable))
    libraries = [
        path
        for path in tree.texts
        if path.startswith(f"{prefix}/lib") and posixpath.basename(path).startswith(f"libpython{minor[1]}")
    ]
    for path in (executable, *libraries):
        found = release_in(tree.texts.get(path, b""), minor[1])
        if found is not None:
            return found
    return None


def _library(tree: Tree, executable: str) -> str | None:
    prefix, name = posixpath.dirname(posixpath.dirname(executable)), posixpath.basename(executable)
    for lib in ("lib", "lib64"):
        if f"{prefix}/{lib}/{name}/os.py" in tree.entries:
            return f"{prefix}/{lib}/{name}"
    return None


def _activators(tree: Tree, root: Root, library: str) -> Iterator[tuple[str, bytes]]:
    for path, text in tree.texts.items():
        if path.startswith(f"{library}/{_SCRIPTS}/") and root.anchored(path):
            yield posixpath.basename(path), text


def _bundled(tree: Tree, root: Root, library: str, scratch: Path | None) -> Iterator[str]:
    if scratch is None:
        return
    places = [f"{library}/{_BUNDLED}/", "usr/share/python-wheels/"]
    for path, data in sorted(tree.texts.items()):
        if path.endswith(".whl") and path.startswith(tuple(places)) and root.anchored(path):
            place = scratch / posixpath.basename(path)
            place.write_bytes(data)
            yield str(place)
