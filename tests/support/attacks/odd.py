"""Attacks by links, rights, kinds of files, names and sizes."""

from __future__ import annotations

import os
import shutil
import socket
from pathlib import Path

from .row import BOTH, CONTENTS, IMAGE, LINKS, OWNERS, RIGHTS, SPECIAL, VENV, Attack, Place

MANY = "300"
"""How many files are added, where the variable ATTACK_FILES says nothing else."""
SPARSE = "67108864"
"""Bytes of the sparse file, where ATTACK_SPARSE says nothing else."""


def _equal_copy(place: Place) -> None:
    copy = place.write(place.outside / "equal.py", place.module.read_bytes())
    place.link(place.module, copy)


def _linked_folder(place: Place) -> None:
    moved = place.outside / "moved"
    shutil.copytree(place.folder, moved)
    shutil.rmtree(place.folder)
    place.link(place.folder, moved)


def _pipe_for_module(place: Place) -> None:
    place.module.unlink()
    os.mkfifo(place.module)


def _socket(place: Place) -> None:
    with socket.socket(socket.AF_UNIX) as listening:
        here = os.open(place.folder, os.O_RDONLY)
        listening.bind(f"/proc/self/fd/{here}/sock")
        os.close(here)


def _raw(place: Place, name: bytes) -> None:
    Path(os.fsdecode(os.fsencode(place.folder) + b"/" + name)).write_bytes(b"evil")


def _many(place: Place) -> None:
    folder = place.folder / "many"
    folder.mkdir()
    for number in range(int(os.environ.get("ATTACK_FILES", MANY))):
        (folder / f"{number:06}").write_bytes(b"")


def _sparse(place: Place) -> None:
    with (place.folder / "sparse.bin").open("wb") as file:
        file.truncate(int(os.environ.get("ATTACK_SPARSE", SPARSE)))


def _deep(place: Place) -> None:
    folder = place.folder
    for _ in range(12):
        folder /= "d" * 200
    place.write(folder / "evil.py", "evil")


ODD = (
    Attack("a file that anyone may write", "ENV211", "{module}", RIGHTS, lambda p: p.module.chmod(0o666)),
    Attack("a folder that anyone may write", "ENV211", "{site}/{folder}", RIGHTS, lambda p: p.folder.chmod(0o777)),
    Attack("the site directory is open to all", "ENV211", "{site}", RIGHTS, lambda p: p.site.chmod(0o777)),
    Attack("a file with its owner's rights (setuid)", "ENV212", "{script}", RIGHTS, lambda p: p.script.chmod(0o4755)),
    Attack("a file with its group's rights (setgid)", "ENV212", "{module}", RIGHTS, lambda p: p.module.chmod(0o2755)),
    Attack(
        "a link out of the tree",
        "ENV209",
        "{site}/{folder}/out.py",
        LINKS,
        lambda p: p.link(p.folder / "out.py", "/etc/passwd"),
    ),
    Attack(
        "a link to nothing, to be made later",
        "ENV209",
        "{site}/{folder}/gone.py",
        LINKS,
        lambda p: p.link(p.folder / "gone.py", "/srv/gone"),
    ),
    Attack(
        "a link to itself",
        "ENV209",
        "{site}/{folder}/loop.py",
        LINKS,
        lambda p: p.link(p.folder / "loop.py", "loop.py"),
    ),
    Attack(
        "a link to a folder above itself",
        "ENV209",
        "{site}/{folder}/up",
        LINKS,
        lambda p: p.link(p.folder / "up", ".."),
    ),
    Attack(
        "a link within the tree",
        "ENV209",
        "{site}/{folder}/near.py",
        LINKS,
        lambda p: p.link(p.folder / "near.py", p.module.name),
    ),
    Attack(
        "a module by a link to an equal copy, to be changed later",
        "ENV209",
        "{site}/{module}",
        LINKS,
        _equal_copy,
        follows=(("ENV202", "{module}"),),
    ),
    Attack(
        "a module by a link to another file",
        "ENV201",
        "{module}",
        CONTENTS,
        lambda p: p.link(p.module, p.write(p.outside / "other.py", "evil")),
        also=(("ENV209", "{site}/{module}"),),
        follows=(("ENV202", "{module}"),),  # by the reader inside, which does not see what it leads to
        inside=False,
    ),
    Attack(
        "a package's folder by a link to an equal one",
        "ENV209",
        "{site}/{folder}",
        LINKS,
        _linked_folder,
        alone=True,
        also=(("ENV202", "{module}"),),
    ),
    Attack("a pipe", "ENV213", "{site}/{folder}/pipe", SPECIAL, lambda p: os.mkfifo(p.folder / "pipe")),
    Attack("a pipe in the place of a module", "ENV213", "{site}/{module}", SPECIAL, _pipe_for_module),
    Attack("a socket", "ENV213", "{site}/{folder}/sock", SPECIAL, _socket, where=(VENV,)),
    Attack(
        "a device",
        "ENV213",
        "{site}/{folder}/null",
        SPECIAL,
        lambda p: os.mknod(p.folder / "null", 0o20644, os.makedev(1, 3)),
        where=(IMAGE,),
    ),
    Attack(
        "a name with a line break and an escape sequence",
        "ENV203",
        "{site}/{folder}/a\\x1b[2J\\nevil.py",
        OWNERS,
        lambda p: _raw(p, b"a\x1b[2J\nevil.py"),
    ),
    Attack(
        "a name that is no UTF-8",
        "ENV203",
        "{site}/{folder}/\\udcff\\udcfe.py",
        OWNERS,
        lambda p: _raw(p, b"\xff\xfe.py"),
    ),
    Attack(
        "a name that is shown backwards",
        "ENV203",
        "{site}/{folder}/a\\u202eyp.b",
        OWNERS,
        lambda p: _raw(p, "a\u202eyp.b".encode()),
    ),
    Attack(
        "a name in another case", "ENV203", "{site}/{folder}/__INIT__.py", OWNERS, lambda p: _raw(p, b"__INIT__.py")
    ),
    Attack(
        "a name of look-alike letters in a package",
        "ENV203",
        "{site}/{folder}/соre.py",
        OWNERS,
        lambda p: _raw(p, "соre.py".encode()),
    ),
    Attack(
        "a path of 2,400 characters",
        "ENV203",
        "{site}/{folder}/" + f"{'d' * 200}/" * 12 + "evil.py",
        OWNERS,
        _deep,
    ),
    Attack(
        "thousands of files (a hundred thousand in the campaign)",
        "ENV203",
        "{site}/{folder}/many/000000",
        OWNERS,
        _many,
        group="many",
        alone=True,
    ),
    Attack("a huge sparse file", "ENV203", "{site}/{folder}/sparse.bin", OWNERS, _sparse, group="many"),
    Attack(
        "lib64 leads elsewhere",
        "ENV209",
        "lib64",
        LINKS,
        lambda p: p.link(p.prefix / "lib64", p.outside),
        group="lib64",
        abuses="the link lib64",
    ),
)
assert all(set(row.where) <= set(BOTH) for row in ODD)
