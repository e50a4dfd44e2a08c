"""Attacks that hide behind what is allowed to differ."""

from __future__ import annotations

import os

from .row import BYTECODE, EXTRA, HOOKS, IMAGE, LINKS, OWNERS, RIGHTS, SPECIAL, VENV, Attack, Place

NOTES, WRITABLE = "installers' notes", "[policy] writable"
FOLDER = "share/app/runtime"
"""What [policy] of the attacked lockfiles lets programs write."""
OWN = "own-package"
"""The team's own package where it is installed editable, with a folder of its name beside `outside`."""


def _state(name: str, what: str, mode: int = 0o644) -> Attack:
    return Attack(
        what,
        "ENV203",
        f"{FOLDER}/{name}",
        OWNERS,
        lambda p: p.write(p.prefix / FOLDER / name, "evil", mode),
        abuses=WRITABLE,
    )


def _piped_note(place: Place) -> None:
    (place.info / "REQUESTED").unlink(missing_ok=True)
    os.mkfifo(place.info / "REQUESTED")


def _editable(place: Place, pth: str) -> None:
    """The team's package as an editable install, whose .pth file is the attacker's."""
    info = place.site / f"{OWN.replace('-', '_')}-1.0.dist-info"
    place.write(info / "METADATA", f"Metadata-Version: 2.1\nName: {OWN}\nVersion: 1.0\n")
    url = f'{{"url": "file://{place.outside}/{OWN}", "dir_info": {{"editable": true}}}}'
    place.write(info / "direct_url.json", url)
    place.write(place.site / f"__editable__.{OWN}.pth", pth)
    place.write(info / "RECORD", f"__editable__.{OWN}.pth,,\n{info.name}/METADATA,,\n{info.name}/RECORD,,\n")


def _elsewhere(place: Place) -> None:
    _editable(place, f"{place.outside}/{OWN}\n")
    info = place.site / f"{OWN.replace('-', '_')}-1.0.dist-info"
    place.write(info / "direct_url.json", '{"url": "file:///srv/elsewhere", "dir_info": {"editable": true}}')


def _seeded(place: Place) -> None:
    place.edit(place.site / "pip" / "__init__.py", end=b"\nimport os\n")


def _kept_lock(place: Place) -> None:
    place.write(place.prefix / ".lock", "evil")


ALLOWED = (
    Attack(
        "an installer's note where no installer writes one",
        "ENV203",
        "{site}/{folder}/direct_url.json",
        OWNERS,
        lambda p: p.write(p.folder / "direct_url.json", "{}"),
        abuses=NOTES,
    ),
    Attack(
        "an installer's cache note in a nested dist-info",
        "ENV203",
        "{site}/{folder}/x-1.dist-info/uv_cache.json",
        OWNERS,
        lambda p: p.write(p.folder / "x-1.dist-info" / "uv_cache.json", "{}"),
        abuses=NOTES,
    ),
    Attack("a pipe in the place of REQUESTED", "ENV213", "{site}/{info}/REQUESTED", SPECIAL, _piped_note, abuses=NOTES),
    Attack(
        "INSTALLER by a link",
        "ENV209",
        "{site}/{info}/INSTALLER",
        LINKS,
        lambda p: p.link(p.info / "INSTALLER", "/etc/passwd"),
        abuses=NOTES,
    ),
    Attack(
        "INSTALLER is a program with its owner's rights",
        "ENV212",
        "{info}/INSTALLER",
        RIGHTS,
        lambda p: p.write(p.info / "INSTALLER", "#!/bin/sh\n", 0o4755),
        abuses=NOTES,
    ),
    _state("plugin.py", "a module where programs may write data"),
    _state("lib.so.1", "a library where programs may write data"),
    _state("tool", "a program where programs may write data", 0o755),
    _state("settings.cfg", "configuration where programs may write data"),
    Attack(
        "a link where programs may write data",
        "ENV209",
        f"{FOLDER}/link",
        LINKS,
        lambda p: p.link(p.write(p.prefix / FOLDER / "link", ""), "/srv"),
        abuses=WRITABLE,
    ),
    Attack(
        "virtualenv's _virtualenv.pth with another import",
        "ENV401",
        "{site}/_virtualenv.pth",
        HOOKS,
        lambda p: p.write(p.site / "_virtualenv.pth", "import _virtualenv; import os\n"),
        abuses="virtualenv's _virtualenv.pth",
    ),
    Attack(
        "virtualenv's _virtualenv.py with other code",
        "ENV203",
        "{site}/_virtualenv.py",
        OWNERS,
        lambda p: p.write(p.site / "_virtualenv.py", "import os\n"),
        abuses="virtualenv's _virtualenv.pth",
    ),
    Attack("uv's .lock with a content", "ENV203", ".lock", OWNERS, _kept_lock, abuses="uv's .lock"),
    Attack(
        "a makers' note with a content of its own",
        "ENV203",
        "CACHEDIR.TAG",
        OWNERS,
        lambda p: p.write(p.prefix / "CACHEDIR.TAG", "evil"),
        abuses="makers' notes",
    ),
    Attack(
        "a seeded pip is edited",
        "ENV102",
        None,
        EXTRA,
        _seeded,
        says="it differs from the wheel that the interpreter seeds environments with",
        package="pip",
        where=(VENV,),
        group="seeded",
        abuses="seeded pip",
    ),
    Attack(
        "the project's editable install runs code",
        "ENV407",
        f"__editable__.{OWN}.pth",
        "project.check",
        lambda p: _editable(p, f"import os; {p.outside}/{OWN}\n"),
        where=(VENV,),
        group="own",
        abuses="the editable project",
    ),
    Attack(
        "the project's editable install leads out of the project too",
        "ENV407",
        f"__editable__.{OWN}.pth",
        "project.check",
        lambda p: _editable(p, f"{p.outside}/{OWN}\n/srv/elsewhere\n"),
        where=(VENV,),
        group="own 2",
        abuses="the editable project",
    ),
    Attack(
        "the project is installed from another folder",
        "ENV106",
        None,
        "project.check",
        _elsewhere,
        says="says that its code is in /srv/elsewhere",
        package=OWN,
        where=(VENV,),
        group="own 3",
        also=(("ENV407", f"__editable__.{OWN}.pth"),),
        abuses="the editable project",
    ),
    Attack(
        "bytecode beside a script of bin, where pip compiles",
        "ENV405",
        "bin/__pycache__/{own_name}.{tag}.pyc",
        f"{BYTECODE} and {OWNERS}",
        lambda p: p.compile(
            "evil = 1\n",
            at=p.prefix / "bin/__pycache__" / f"{p.own_script.name}.{p.target.tag}.pyc",
            source=p.own_script,
        ),
        abuses="bytecode",
    ),
)
assert IMAGE in ALLOWED[0].where
