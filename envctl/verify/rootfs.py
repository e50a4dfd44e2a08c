"""What an image holds outside of its environment, against the pinned base and the lockfile. Pure.

Looked at is everything from which the interpreter or the loader can take code: programs, libraries, the standard
library, other site directories, the loader's settings. Data elsewhere is not: `scope` does not claim it.
"""

from __future__ import annotations

import posixpath
import re
from collections.abc import Iterator, Mapping

from envctl.model.image import STANDALONE, Picture, Root
from envctl.model.inventory import Bytecode, Entry, Kind
from envctl.model.manifest import sha256
from envctl.model.names import normalise
from envctl.verify import loading
from envctl.verify.os_packages import Debs, Vouched, lists
from envctl.verify.places import behind, brought, is_code
from envctl.verify.world import BASE, NOBODY, World

LOCKFILE = "opt/envctl/pylock.toml"
Builds = Mapping[str, str]
"""Path below the standalone build's folder -> sha256 of the file."""

_PACKAGES = "-packages/"
# What else of the base is a program by its name, wherever it lies; package managers rewrite their own below /var.
_PROGRAM = re.compile(r"(?!var/|tmp/|run/).*(?:\.(?:py|pyc|pth|so|sh|egg|zip|jar|ko)|\.so\.[\d.]+)")
# What package managers and the loader write for themselves when packages are installed or removed.
_DERIVED = re.compile(
    r"etc/ld\.so\.cache|(?:usr/)?lib/(?:[^/]+/)?gconv/gconv-modules\.cache"
    r"|usr/share/.*|lib/apk(?:/.*)?|usr/lib/sysimage(?:/.*)?"
)
_MODULE = re.compile(r"([A-Za-z_]\w*)(?:\.py|\.pyc|(?:\.[\w-]+)?\.so)?")
_LISTED = 20


def check(world: World, picture: Picture, build: Builds | None, debs: Debs | None = None) -> None:
    """Report what differs outside of the environment.

    Args:
        build: the files of the standalone build that the lockfile pins; None where it was not at hand.
        debs: the files of the locked OS packages, as far as they are at hand.
    """
    root = picture.root
    if root is None:
        return
    application = _application(world)
    if picture.base is not None and root.below:
        _check_changed(world, picture, root, application, build=build, vouched=Vouched(world, root, debs))
    _check_provided(world, root)
    _check_files(world, root)
    _check_lockfile(world, root)
    _check_shadows(world, picture, root)


def _check_provided(world: World, root: Root) -> None:
    """Distributions that the base image is said to bring must be in its layers."""
    image = world.lockfile.envctl.image
    if image is None or not image.provides or not root.below:
        return
    found = {
        normalise(posixpath.basename(path).partition("-")[0])
        for path in root.below
        if path.endswith((".dist-info", ".egg-info")) and "-packages/" in path and path in root.entries
    }
    for name in image.provides:
        if normalise(name) not in found:
            message = "is said to be in the base image, and is not"
            world.report("package-missing", message, package=normalise(name))


def _application(world: World) -> tuple[str, ...]:
    """Places of the image's files, which are the application, or are locked and looked at by themselves."""
    image = world.lockfile.envctl.image
    return () if image is None else tuple(_target(file.source, file.target) for file in image.files)


def _target(source: str, target: str) -> str:
    return (target + posixpath.basename(source) if target.endswith("/") else target).strip("/")


def _check_changed(
    world: World,
    picture: Picture,
    root: Root,
    application: tuple[str, ...],
    *,
    build: Builds | None,
    vouched: Vouched,
) -> None:
    environment = picture.environment
    prefix = environment.prefix if environment is not None else None
    changed, added = _differences(world, picture, root, prefix, application)
    changed, added = _without_bytecode(world, picture, changed), _without_bytecode(world, picture, added)
    standalone = world.lockfile.envctl.python.source == "standalone"
    if standalone:
        added = _check_standalone(world, root, added, build)
    touched = {*changed, *added}
    vouched.missing(changed)
    changed, added = vouched.rest(changed), vouched.rest(added)
    owned = _os_packages(world, root, added, vouched.unknown)
    left = [path for path in added if path not in owned]
    for path in changed:
        if prefix is not None and path.startswith(f"{prefix}/"):
            world.own(path[len(prefix) + 1 :], NOBODY)
    for path in sorted(changed)[:_LISTED]:
        now = root.entries.get(path)
        what = "is not there any more" if now is None else _what(root.below[path], now)
        world.report(
            "base-file-changed",
            f"{what}; the base image brought it",
            path=f"/{path}",
            expected=_digest(root.below[path]),
            found=None if now is None else _digest(now),
        )
    for path in sorted(left)[:_LISTED]:
        entry = root.entries[path]
        message = "is neither the base image's nor locked"
        world.report("system-file-added", message, path=f"/{path}", found=_digest(entry))
    for name, paths in (("base-file-changed", changed), ("system-file-added", left)):
        if len(paths) > _LISTED:
            world.report(name, f"and {len(paths) - _LISTED:,} more files", path="/")
    loading.check_caches(world, root, is_code)
    loading.check_rights(world, root, prefix, is_code, touched)


def _without_bytecode(world: World, picture: Picture, paths: list[str]) -> list[str]:
    """The paths without bytecode of sources that the base vouches for, where it is equal or was not compared."""
    unknown = [path for path in paths if picture.bytecode.get(path) in (Bytecode.UNKNOWN, Bytecode.UNREADABLE)]
    if unknown:
        message = f"{len(unknown):,} bytecode files that could not be compared with the sources"
        world.report("bytecode-unverified", message, path=f"/{min(unknown)}")
    return [path for path in paths if picture.bytecode.get(path) is not Bytecode.EQUAL and path not in unknown]


def _differences(
    world: World, picture: Picture, root: Root, prefix: str | None, application: tuple[str, ...]
) -> tuple[list[str], list[str]]:
    """Paths of code that the base has otherwise, and of code that it does not have."""
    own = f"{prefix}/" if prefix is not None else None
    skipped = tuple(f"{place}/" for place in application)
    left = _uninstalled_from(root)
    changed = [
        path
        for path, entry in root.below.items()
        if root.entries.get(path) != entry
        and (is_code(path) or _is_program(path, entry))
        and not (entry.kind is Kind.FOLDER and _is_folder(root.entries.get(path)))
        and not _expected(root, path, left)
        and not (own is not None and path.startswith(own) and _locked(world, path[len(own) :]))
    ]
    gone = {path for path in changed if not _is_folder(root.entries.get(path))}
    changed = [path for path in changed if not _inside_gone(root, path, gone)]
    added = [
        path
        for path, entry in root.entries.items()
        if path not in root.below
        and entry.kind is not Kind.FOLDER
        and is_code(path)
        and not _DERIVED.fullmatch(path)
        and not (own is not None and path.startswith(own))
        and not brought(picture, path)
        and path not in application
        and not path.startswith(skipped or ("\0",))
    ]
    return changed, added


def _locked(world: World, path: str) -> bool:
    """Whether a path of the environment is a locked package's by now: it replaced what the base had."""
    owner = world.owners.get(path)
    return owner is not None and owner not in (BASE, NOBODY)


def _is_program(path: str, entry: Entry) -> bool:
    return entry.kind is Kind.FILE and _PROGRAM.fullmatch(path) is not None


def _is_folder(entry: Entry | None) -> bool:
    return entry is not None and entry.kind is Kind.FOLDER


def _inside_gone(root: Root, path: str, changed: set[str]) -> bool:
    """Whether a folder of the path is gone, or is no folder any more: that is one finding."""
    while folder := path.rpartition("/")[0]:
        if folder in changed and folder in root.below and not _is_folder(root.entries.get(folder)):
            return True
        path = folder
    return False


def _expected(root: Root, path: str, left: frozenset[str]) -> bool:
    """What package managers rewrite, what an uninstalled package of the base leaves, and bytecode that is gone."""
    if _DERIVED.fullmatch(path):
        return True
    gone = path not in root.entries
    if gone and path.endswith((".pyc", "/__pycache__")):
        return True
    return gone and _uninstalled(root, path, left)


def _site_of(path: str) -> str | None:
    """The folder of packages that the path is in, with a slash at its end."""
    at = path.find(_PACKAGES)
    return None if at < 0 else path[: at + len(_PACKAGES)]


def _uninstalled_from(root: Root) -> frozenset[str]:
    """Folders of packages from which the metadata of a distribution of the base is gone."""
    gone = (path for path in root.below if path.endswith(".dist-info") and path not in root.entries)
    return frozenset(site for path in gone if (site := _site_of(path)) is not None)


def _uninstalled(root: Root, path: str, left: frozenset[str]) -> bool:
    """Whether a missing file belonged to a distribution of the base whose metadata is gone too: pip uninstalled it."""
    site = _site_of(path)
    if site is None:
        return path.startswith("usr/local/bin/") and bool(left)
    top = path[len(site) :].partition("/")[0]
    if top.endswith(".dist-info"):
        return site + top not in root.entries
    return site in left


def _what(before: Entry, now: Entry) -> str:
    if before.kind is not now.kind:
        return f"is a {now.kind.value} now"
    if before.sha256 != now.sha256:
        return "has another content"
    if before.link != now.link:
        return f"leads to {now.link} now"
    return f"has mode {now.mode:04o} now, not {before.mode:04o}"


def _digest(entry: Entry) -> str | None:
    if entry.kind is Kind.LINK:
        return f"link to {entry.link}"
    return None if entry.sha256 is None else f"sha256:{entry.sha256}"


def _check_standalone(world: World, root: Root, added: list[str], build: Builds | None) -> list[str]:
    """Compare the interpreter's files with the pinned build; the rest of what was added."""
    own = [path for path in added if path.startswith(f"{STANDALONE}/")]
    rest = [path for path in added if not path.startswith(f"{STANDALONE}/")]
    if build is None:
        if own:
            world.report("interpreter-unverified", f"{len(own):,} files were not compared", path=f"/{STANDALONE}")
        return rest
    for path, digest in sorted(build.items()):
        entry = root.entries.get(f"{STANDALONE}/{path}")
        found = None if entry is None else (entry.link if entry.kind is Kind.LINK else entry.sha256)
        if found != digest:
            what = "is missing" if entry is None else "is not the locked build's"
            world.report("interpreter-changed", what, path=f"/{STANDALONE}/{path}", expected=digest, found=found)
    return rest + [path for path in own if path.removeprefix(f"{STANDALONE}/") not in build]


def _os_packages(world: World, root: Root, added: list[str], unknown: frozenset[str] | None) -> set[str]:
    """Files that OS packages of the profile brought, as the database says: those that nothing else vouches for.

    `unknown`: the locked packages whose files are not at hand; None: no packages are locked.
    """
    if unknown is not None and not unknown:
        return set()
    image = world.lockfile.envctl.image
    wanted = image is not None and (image.packages or world.lockfile.envctl.python.source == "os")
    if not wanted or not added:
        return set()
    listed = set(lists(root, unknown)) | set(_apk(root))
    owned = {path for path in added if (place := behind(root, path)) in listed or root.anchored(place)}
    if owned:
        message = f"{len(owned):,} files of OS packages that the build installed are in no lockfile"
        if unknown is not None:
            message = f"{len(owned):,} files of {len(unknown):,} locked OS packages whose .deb files are not at hand"
        world.report("os-packages-unlocked", message, path="/")
    return owned


def _apk(root: Root) -> Iterator[str]:
    """Every path that Alpine's package database lists. Source: apk-tools, the `F` and `R` fields of `installed`."""
    folder = ""
    for line in root.texts.get("lib/apk/db/installed", b"").decode("utf-8", "surrogateescape").splitlines():
        if line.startswith("F:"):
            folder = line[2:]
        elif line.startswith("R:"):
            yield f"{folder}/{line[2:]}".lstrip("/")


def locked_places(world: World) -> list[str]:
    """Where the locked files are."""
    image = world.lockfile.envctl.image
    return [] if image is None else [_target(f.source, f.target) for f in image.files if f.digest is not None]


def _check_files(world: World, root: Root) -> None:
    """The locked files: their digests, as `envctl lock` makes them."""
    image = world.lockfile.envctl.image
    for file in () if image is None else image.files:
        if file.digest is None:
            continue
        place = _target(file.source, file.target)
        found = locked_digest(root, place)
        if found is None:
            world.report("locked-file-missing", "is locked, and not there", path=f"/{place}", expected=file.digest)
        elif found != file.digest:
            message = "is not the locked one"
            world.report("locked-file-changed", message, path=f"/{place}", expected=file.digest, found=found)


def locked_digest(root: Root, place: str) -> str | None:
    """The digest of a locked file, or of a folder: sha256 of its lines `<sha256>  <path>`; None where nothing is."""
    entry = root.entries.get(place)
    if entry is None or (entry.kind is Kind.FILE and entry.sha256 is None):
        return None
    if entry.kind is Kind.FILE:
        return f"sha256:{entry.sha256}"
    start = place + "/"
    lines = sorted((path[len(start) :], item) for path, item in root.entries.items() if path.startswith(start))
    return sha256(
        b"".join(
            f"{item.sha256 or item.link}  {path}\n".encode("utf-8", "surrogateescape")
            for path, item in lines
            if item.kind is not Kind.FOLDER
        )
    )


def _check_lockfile(world: World, root: Root) -> None:
    text = root.texts.get(LOCKFILE)
    if text is not None and world.lock_digest is not None:
        found = sha256(text)
        if found != world.lock_digest:
            message = "is another state of the lockfile"
            world.report("lockfile-other", message, path=f"/{LOCKFILE}", expected=world.lock_digest, found=found)


def _check_shadows(world: World, picture: Picture, root: Root) -> None:
    """Modules in the folders that Python searches before the environment."""
    locked = {match[1] for path in world.top if (match := _MODULE.fullmatch(path.removeprefix(world.site)))}
    for folder in sorted(set(first_places(picture))):
        start = f"{folder}/" if folder else ""
        for path, entry in root.entries.items():
            name = path[len(start) :]
            if not path.startswith(start) or "/" in name or (folder == "" and entry.kind is Kind.FOLDER):
                continue
            match = _MODULE.fullmatch(name)
            if match is None or match[1] not in locked or not _importable(root, path, entry):
                continue
            message = f"is loaded in place of the locked module {match[1]}"
            world.report("module-shadowed", message, path=f"/{path}")


def _importable(root: Root, path: str, entry: Entry) -> bool:
    if entry.kind is Kind.FOLDER:
        return any(f"{path}/__init__{ending}" in root.entries for ending in (".py", ".pyc"))
    return path.endswith((".py", ".pyc", ".so"))


def first_places(picture: Picture) -> Iterator[str]:
    """Folders that Python searches before the environment: the working folder, PYTHONPATH, that of a script."""
    settings = picture.settings
    yield settings.workdir.strip("/")
    said = settings.env.get("PYTHONPATH")
    for folder in said.split(":") if said else ():
        yield posixpath.normpath(posixpath.join("/", settings.workdir, folder)).strip("/")
    for word in (*settings.entrypoint, *settings.command):
        if word.endswith(".py"):
            yield posixpath.dirname(posixpath.normpath(posixpath.join(settings.workdir or "/", word))).strip("/")
