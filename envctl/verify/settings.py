"""An image's own settings against the lockfile and the base image: variables, command, user, labels. Pure."""

from __future__ import annotations

import json
import posixpath
from collections.abc import Iterator, Mapping

from envctl.model.finding import Severity
from envctl.model.image import DEFAULT_PATH, Picture
from envctl.model.inventory import Kind
from envctl.model.lockfile import Image
from envctl.oci.tree import Tree
from envctl.verify.interpreter import ERRORS, WARNINGS
from envctl.verify.places import is_code
from envctl.verify.world import World

# What the generated Dockerfile sets in every image, whatever the profile says.
_OURS = {"PYTHONDONTWRITEBYTECODE": ("1",)}
_NVIDIA = ("NVIDIA_VISIBLE_DEVICES", "NVIDIA_DRIVER_CAPABILITIES", "NVIDIA_REQUIRE_CUDA")
_FROM_ENGINE = frozenset(("PATH", "HOME", "HOSTNAME", "TERM"))
_LOADING = (*ERRORS, *WARNINGS)


def check(world: World, picture: Picture) -> None:
    """Report every setting that neither the lockfile nor the base says."""
    image = world.lockfile.envctl.image
    base = picture.base.settings if picture.base is not None else None
    _check_variables(world, picture, image, {} if base is None else base.env)
    if picture.processes is None:
        world.report("processes-unread", "the variables of its processes could not be read")
    for number, variables in sorted((picture.processes or {}).items()):
        _check_process(world, picture, number, variables)
    _check_path(world, picture)
    if image is None:
        return
    known = base is not None
    command = image.command or (base.command if base is not None else ())
    entrypoint = () if image.command or base is None else base.entrypoint
    _setting(world, "command", picture.settings.command, command, said=bool(image.command), known=known)
    _setting(world, "entrypoint", picture.settings.entrypoint, entrypoint, said=bool(image.command), known=known)
    user = str(image.user) if image.user is not None else (base.user if base is not None else "")
    _setting(world, "user", _user(picture.settings.user), _user(user), said=image.user is not None, known=known)
    workdir = image.workdir or (base.workdir if base is not None else "")
    _setting(
        world,
        "workdir",
        _folder(picture.settings.workdir),
        _folder(workdir),
        said=image.workdir is not None,
        known=known,
    )
    _check_labels(world, picture)


def _setting(world: World, name: str, found: object, expected: object, *, said: bool, known: bool) -> None:
    """Where the lockfile says it, another value is an error; where only the base does, a warning."""
    if found == expected or not (said or known):
        return
    world.report(
        "image-setting",
        f"{name} is {_shown(found)}, {'locked' if said else 'in the base image'} is {_shown(expected)}",
        severity=None if said else Severity.WARNING,
        path=name,
        expected=_shown(expected),
        found=_shown(found),
    )


def _shown(value: object) -> str:
    return json.dumps(list(value) if isinstance(value, tuple) else value, ensure_ascii=False)


def _user(text: str) -> str:
    return "0" if text in ("", "root", "0:0", "root:root") else text


def _folder(text: str) -> str:
    return posixpath.normpath(text) if text else "/"


def _check_variables(world: World, picture: Picture, image: Image | None, base: Mapping[str, str]) -> None:
    locked = {} if image is None else image.env
    found = picture.settings.env
    for name, value in sorted(locked.items()):
        if found.get(name) != value:
            shown = f"{name}={found[name]}" if name in found else None
            message = f"{name} is {'not set' if shown is None else 'set to ' + found[name]}, locked is {value}"
            world.report("image-variable", message, path=name, expected=f"{name}={value}", found=shown)
    for name, value in sorted(found.items()):
        if name in locked or name in _FROM_ENGINE or name in _LOADING:
            continue
        if base.get(name) == value or value in _OURS.get(name, ()) or _is_nvidia(world, name):
            continue
        where = "the lockfile" if picture.base is None else "the lockfile or the base image"
        message = f"{name} is set to {value}, and not in {where}"
        if name in base:
            message = f"{name} is set to {value}, in the base image to {base[name]}"
        world.report("image-variable", message, severity=Severity.WARNING, path=name, found=f"{name}={value}")
    for name in sorted(base.keys() - found.keys() - locked.keys()):
        message = f"{name} of the base image is not set"
        world.report("image-variable", message, severity=Severity.WARNING, path=name, expected=f"{name}={base[name]}")


def _is_nvidia(world: World, name: str) -> bool:
    """Variables that the Dockerfile sets where the target has something to do with CUDA."""
    lockfile = world.lockfile
    cuda = lockfile.envctl.cuda is not None or any(p.name.startswith("nvidia-") for p in lockfile.packages)
    return cuda and name in _NVIDIA


def _check_process(world: World, picture: Picture, number: int, variables: Mapping[str, str]) -> None:
    """A process may have been started with other variables than those that the container's configuration has."""
    image = world.lockfile.envctl.image
    locked = {} if image is None else image.env
    for name in _LOADING:
        value = variables.get(name)
        if value and value not in (picture.settings.env.get(name), locked.get(name)):
            code = "import-variable" if name in ERRORS else "library-variable"
            world.report(code, f"{name} is set to {value} in process {number}", found=f"{name}={value}")


def _check_path(world: World, picture: Picture) -> None:
    """What stands on PATH before the environment's own programs: programs there may not run in place of others."""
    root, environment = picture.root, picture.environment
    if root is None or environment is None:
        return
    tree = Tree(entries=dict(root.entries), origins={}, texts={}, packed={})
    own = f"/{environment.prefix}/bin"
    folders = (picture.settings.env.get("PATH") or DEFAULT_PATH).split(":")
    for number, folder in enumerate(folders):
        if folder.rstrip("/") == own:
            return
        place = tree.resolve(folder) if folder.startswith("/") else None
        if not folder.startswith("/"):
            world.report(
                "image-variable",
                f"PATH has {folder!a} before {own}: programs of the working folder run",
                path="PATH",
                found=f"PATH={picture.settings.env.get('PATH')}",
            )
        elif place is not None and not is_code(place):  # there, what the base has not is reported by itself
            strange = {name for name, path in _programs(tree, folder) if not root.anchored(path)}
            hidden = strange & {name for later in folders[number + 1 :] for name, _ in _programs(tree, later)}
            if strange:
                what = f": its {min(hidden)} runs in place of another" if hidden else ", and it is not the base image's"
                world.report(
                    "image-variable",
                    f"PATH has {folder} before {own}{what}",
                    severity=Severity.ERROR if hidden else Severity.WARNING,
                    path="PATH",
                    found=f"PATH={picture.settings.env.get('PATH')}",
                )


def _programs(tree: Tree, folder: str) -> Iterator[tuple[str, str]]:
    """Name and path of what a shell finds in a folder of PATH."""
    place = tree.resolve(folder) if folder.startswith("/") else None
    start = f"{place}/"
    for path in tree.below(place) if place else ():
        if "/" not in path[len(start) :]:
            entry = tree.behind(path)
            if entry is None or (entry.kind is Kind.FILE and entry.mode & 0o111):
                yield path[len(start) :], path


def _check_labels(world: World, picture: Picture) -> None:
    labels = picture.settings.labels
    said = labels.get("envctl.lockfile.digest")
    if said is not None and world.lock_digest is not None and said != world.lock_digest:
        message = f"its label says that the lockfile is {said}"
        world.report("label-other", message, path="labels", expected=world.lock_digest, found=said)
    digest = labels.get(f"envctl.package-set.{picture.platform.replace('/', '-')}")
    locked = world.lockfile.envctl.package_set.get(picture.platform)
    if digest is not None and digest != locked:
        message = f"its label says that the package set is {digest}"
        world.report("label-other", message, path="labels", expected=locked, found=digest)
