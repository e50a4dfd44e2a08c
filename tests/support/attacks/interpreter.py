"""Attacks on the interpreter, its configuration, and the variables that change where it takes code from."""

from __future__ import annotations

import shutil
from pathlib import Path

from .row import CONFIG, IMAGE, STARTS, VARIABLES, VENV, Attack, Place

_CONFIG = "pyvenv.cfg"
# Without an interpreter nothing says what its release is, and what its `venv` writes.
_UNKNOWN = (("ENV203", "bin/activate"), ("ENV903", None))
ERRORS = (
    "PYTHONPATH",
    "PYTHONHOME",
    "PYTHONPLATLIBDIR",
    "LD_PRELOAD",
    "LD_AUDIT",
    "GCONV_PATH",
    "CUDA_INJECTION64_PATH",
)
WARNINGS = (
    *("LD_LIBRARY_PATH", "PYTHONPYCACHEPREFIX", "PYTHONUSERBASE", "PYTHONSTARTUP"),
    *("OPENSSL_CONF", "OPENSSL_MODULES", "OPENSSL_ENGINES"),
)


def _set(place: Place, key: str, value: str) -> None:
    lines = [line for line in (place.prefix / _CONFIG).read_text().splitlines() if not line.startswith(key)]
    place.write(place.prefix / _CONFIG, "\n".join([f"{key} = {value}", *lines, ""]))


def _twice(place: Place) -> None:
    lines = (place.prefix / _CONFIG).read_text().splitlines()
    home = next(line for line in lines if line.startswith("home"))
    place.write(place.prefix / _CONFIG, "\n".join([*lines, home.replace("home", "HOME"), ""]))


def _alone(place: Place) -> Path:
    """bin/python, without the other names of the interpreter."""
    path = place.prefix / "bin" / "python"
    real = path.resolve()
    for other in path.parent.glob("python*"):
        other.unlink()
    path.symlink_to(real)
    return path


def _another_program(place: Place) -> None:
    place.link(_alone(place), "/bin/true")


def _wrapper(place: Place) -> None:
    place.write(_alone(place), '#!/bin/sh\nexec /usr/bin/python3 "$@"\n', 0o755)


def _another_build(place: Place) -> None:
    path = _alone(place)
    place.write(path, path.resolve().read_bytes() + b"\0", 0o755)


def _wrapper_at_home(place: Place) -> None:
    """pyvenv.cfg and the links agree with each other, and lead to a program of the attacker's."""
    real = (place.prefix / "bin" / "python").resolve()
    name = place.target.fields()["python"]
    place.write(place.outside / name, f'#!/bin/sh\ntouch "{place.outside}/mark"\nexec {real} "$@"\n', 0o755)
    for other in ("python", "python3"):
        place.link(place.outside / other, name)
    _set(place, "home", str(place.outside))
    for path in (place.prefix / "bin").glob("python*"):
        place.link(path, place.outside / path.name)


def _removed(place: Place) -> None:
    for path in (place.prefix / "bin").glob("python*"):
        path.unlink()


def _linked(place: Place) -> None:
    shutil.move(place.prefix / _CONFIG, place.outside / "cfg")
    place.link(place.prefix / _CONFIG, place.outside / "cfg")


def _row(what: str, code: str, path: str, check: str, deed: object, **kind: object) -> Attack:
    return Attack(what, code, path, check, deed, group=what, **kind)  # type: ignore[arg-type]


INTERPRETER = (
    _row(
        "pyvenv.cfg lets the base's packages in",
        "ENV305",
        _CONFIG,
        CONFIG,
        lambda p: _set(p, "include-system-site-packages", "true"),
    ),
    _row(
        "home in pyvenv.cfg leads to a folder without an interpreter",
        "ENV304",
        _CONFIG,
        CONFIG,
        lambda p: _set(p, "home", str(p.outside)),
        says="holds no interpreter",
        follows=_UNKNOWN,
    ),
    _row(
        "home stands twice in pyvenv.cfg",
        "ENV304",
        _CONFIG,
        CONFIG,
        _twice,
        says="home twice",
    ),
    _row(
        "home in pyvenv.cfg is relative",
        "ENV304",
        _CONFIG,
        CONFIG,
        lambda p: _set(p, "home", "srv"),
        says="no absolute path",
        follows=_UNKNOWN,
    ),
    _row(
        "pyvenv.cfg by a link",
        "ENV304",
        _CONFIG,
        CONFIG,
        _linked,
        also=(("ENV209", _CONFIG),),
        follows=_UNKNOWN,
    ),
    _row(
        "bin/python leads to another program",
        "ENV307",
        "bin/python",
        STARTS,
        _another_program,
    ),
    _row(
        "bin/python is a wrapper",
        "ENV307",
        "bin/python",
        STARTS,
        _wrapper,
    ),
    _row("bin/python is another build", "ENV307", "bin/python", STARTS, _another_build),
    _row(
        "home in pyvenv.cfg and bin/python both lead to a wrapper",
        "ENV307",
        "{outside}/{python}",
        "interpreter._check_home",
        _wrapper_at_home,
        also=(("ENV903", None),),
        follows=_UNKNOWN,
    ),
    _row(
        "bin/python is removed", "ENV307", "bin/python", STARTS, _removed, says="there is no bin/python", where=(VENV,)
    ),
)
VARIABLES_ROWS = tuple(
    Attack(
        f"{name} is set",
        "ENV308" if name in ERRORS else "ENV309",
        None,
        VARIABLES,
        says=f"{name} is set to /srv/evil",
        group="variables",
        environ={name: "/srv/evil"},
        steps=f"ENV {name}=/srv/evil",
    )
    for name in (*ERRORS, *WARNINGS)
)
assert IMAGE in INTERPRETER[0].where
