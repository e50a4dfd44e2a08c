"""The interpreter of a virtual environment and its configuration, against the lockfile.

Sources: PEP 405; CPython's `getpath` and `site`; `venv`, virtualenv and uv for the keys that they write.
"""

from __future__ import annotations

import posixpath
import re

from envctl.model.finding import Severity
from envctl.model.inventory import Kind
from envctl.verify.makers import OWNER
from envctl.verify.places import is_code
from envctl.verify.world import World

_KEYS = frozenset(
    (
        *("home", "include-system-site-packages"),  # what Python reads
        *("version", "executable", "command", "prompt"),  # venv
        *("version_info", "implementation", "uv", "relocatable", "seed", "extends-environment"),  # uv
        *("virtualenv", "base-prefix", "base-exec-prefix", "base-executable", "python-version"),  # virtualenv
    )
)
ERRORS = (
    "PYTHONPATH",
    "PYTHONHOME",
    "PYTHONPLATLIBDIR",
    "LD_PRELOAD",
    "LD_AUDIT",
    "DYLD_INSERT_LIBRARIES",
    "GCONV_PATH",
    "CUDA_INJECTION64_PATH",
)
WARNINGS = (
    *("LD_LIBRARY_PATH", "DYLD_LIBRARY_PATH", "PYTHONPYCACHEPREFIX", "PYTHONUSERBASE", "PYTHONSTARTUP"),
    *("OPENSSL_CONF", "OPENSSL_MODULES", "OPENSSL_ENGINES"),
)
_PYTHON = re.compile(r"bin/python(?:3(?:\.\d+t?)?)?")


def check(world: World) -> None:
    """Report another interpreter, odd configuration, and variables that change imports or loading."""
    _check_version(world)
    if world.inventory.venv:
        _check_config(world)
        _check_links(world)
        _check_home(world)
    image = world.lockfile.envctl.image if world.picture is not None else None
    locked = {} if image is None else image.env
    base = world.picture.base if world.picture is not None else None
    brought = base.settings.env if base is not None and base.settings is not None else {}
    for name, value in world.inventory.variables.items():
        if value in (locked.get(name), brought.get(name)):
            continue  # the profile says it, and was reviewed; or the base image, which is pinned
        if name in ERRORS:
            _variable(world, "import-variable", name)
        elif name in WARNINGS:
            _variable(world, "library-variable", name)


def _variable(world: World, code: str, name: str) -> None:
    value = world.inventory.variables[name]
    world.report(code, f"{name} is set to {value}", found=f"{name}={value}")


def _check_version(world: World) -> None:
    locked, interpreter = world.lockfile.envctl.python, world.inventory.interpreter
    found = interpreter.version
    if interpreter.implementation is not None and interpreter.implementation != locked.implementation:
        world.report(
            "python-implementation",
            f"the interpreter is {interpreter.implementation}, {locked.implementation} is locked",
            expected=locked.implementation,
            found=interpreter.implementation,
        )
    if found is None or interpreter.minor is None or (interpreter.executables and not interpreter.asked):
        claim = f" (pyvenv.cfg says {found})" if found else ""
        world.report("python-unknown", f"the interpreter's version could not be found out{claim}", found=found)
    if found is None or interpreter.minor is None:
        return
    if interpreter.minor != locked.minor:
        name = "python-minor"
    elif found != locked.version and found.count(".") == locked.version.count("."):
        name = "python-patch"
    else:
        return
    severity = Severity.ERROR if world.picture is not None else None  # an image has its own Python
    world.report(
        name, f"Python {found}, {locked.version} is locked", severity=severity, expected=locked.version, found=found
    )


def _check_config(world: World) -> None:
    inventory = world.inventory
    config, path = inventory.config, "pyvenv.cfg"
    entry = world.entry(path)
    if entry is None or entry.kind is not Kind.FILE:
        world.report("config-changed", "pyvenv.cfg is no regular file", path=path)
        return
    world.own(path, OWNER)
    for key in inventory.config_repeated:
        world.report("config-changed", f"pyvenv.cfg says {key} twice", path=path)
    home = inventory.interpreter.home
    if home is None or not home.startswith("/"):
        found = home or "nothing"
        world.report("config-changed", "home in pyvenv.cfg is no absolute path", path=path, found=found)
    elif not inventory.interpreter.executables:
        world.report("config-changed", f"home in pyvenv.cfg holds no interpreter: {home}", path=path, found=home)
    image = world.lockfile.envctl.image if world.picture is not None else None
    shared = image is not None and bool(image.provides)  # then the base image's packages are meant, and anchored there
    if config.get("include-system-site-packages", "false").lower() != "false" and not shared:
        world.report("system-site-packages", "packages outside of the environment can be imported", path=path)
    for key in sorted(config.keys() - _KEYS):
        world.report("config-key", f"pyvenv.cfg has the unknown key {key}", path=path)


def _check_links(world: World) -> None:
    """`bin/python` and its like: links to, or copies of, an interpreter in `home`."""
    inventory = world.inventory
    executables = inventory.interpreter.executables
    seen = False
    for path in world.programs:
        entry = inventory.entries[path]
        if not _PYTHON.fullmatch(path) or path in world.owners:
            continue
        seen = True
        if entry.kind is Kind.LINK and entry.link is not None:
            beside = _PYTHON.fullmatch(posixpath.normpath(posixpath.join("bin", entry.link)))
            right = entry.real in executables or (
                beside is not None and entry.real is not None and _is_copy(world, beside[0])
            )
        else:
            right = entry.kind is Kind.FILE and _is_copy(world, path)
        world.own(path, OWNER)
        if not right and executables:
            found = entry.link if entry.kind is Kind.LINK else f"sha256:{entry.sha256}"
            world.report(
                "interpreter-changed",
                f"{path} is neither a link to nor a copy of an interpreter in {inventory.interpreter.home}",
                path=path,
                found=found,
            )
    if not seen:
        world.report("interpreter-changed", "there is no bin/python", path="bin/python")


def _check_home(world: World) -> None:
    """What `home` leads to: a program, and in an image one that the base or the locked build vouches for."""
    interpreter = world.inventory.interpreter
    for path in interpreter.scripts:
        message = "is where pyvenv.cfg leads, and is no program but a script"
        world.report("interpreter-changed", message, path=path)
    root = world.picture.root if world.picture is not None else None
    if root is None or not root.below:
        return
    for path, digest in interpreter.executables.items():
        # where code is taken from, all is compared with the base
        if path not in interpreter.scripts and not root.anchored(path.lstrip("/")) and not is_code(path.lstrip("/")):
            message = "is where pyvenv.cfg leads, and nothing vouches for it"
            world.report("interpreter-changed", message, path=path, found=f"sha256:{digest}")


def _is_copy(world: World, path: str) -> bool:
    entry = world.entry(path)
    return (
        entry is not None
        and entry.kind is Kind.FILE
        and entry.sha256 in world.inventory.interpreter.executables.values()
    )
