"""Attacks on files of packages, and on the lists that RECORD files are."""

from __future__ import annotations

import os

from .row import CONTENTS, OWNERS, RECORD, Attack, Place, row_of

_LIST = "{info}/RECORD"
_BLIND = (("ENV204", _LIST), ("ENV205", None))


def _one_byte(place: Place) -> None:
    place.edit(place.module, old=b"\n", new=b"\r")


def _same_size_and_time(place: Place) -> None:
    before, data = place.module.stat(), bytearray(place.module.read_bytes())
    data[-2] ^= 1
    place.write(place.module, bytes(data))
    os.utime(place.module, ns=(before.st_atime_ns, before.st_mtime_ns))


def _repaired(place: Place) -> None:
    place.edit(place.module)
    place.repair(place.module)


def _hashless_row(place: Place) -> None:
    place.edit(place.module)
    place.repair(place.module, form="none")


def _hashless(place: Place) -> None:
    place.edit(place.module)
    place.record([row.partition(",")[0] + ",," for row in place.rows()])


def _hex_row(place: Place) -> None:
    place.edit(place.module)
    place.repair(place.module, form="hex")


def _other_digest(place: Place) -> None:
    rows = [row for row in place.rows() if not row.startswith(place.target.module + ",")]
    place.record([*rows, row_of(place.target.module, b"other")])


def _listed(place: Place) -> None:
    place.repair(place.write(place.folder / "listed.py", "evil = 1\n"))


def _replaced_by_folder(place: Place) -> None:
    place.module.unlink()
    place.write(place.module / "evil.txt", "evil")


def _swapped(place: Place) -> None:
    one, two = place.module.read_bytes(), place.mate.read_bytes()
    place.write(place.module, two)
    place.write(place.mate, one)


FILES = (
    Attack("a byte of a module is changed", "ENV201", "{module}", CONTENTS, _one_byte),
    Attack(
        "a module is changed; its size and modification time stay", "ENV201", "{module}", CONTENTS, _same_size_and_time
    ),
    Attack(
        "two modules of a package change places", "ENV201", "{module}", CONTENTS, _swapped, also=(("ENV201", "{mate}"),)
    ),
    Attack("a file of a package is removed", "ENV202", "{module}", CONTENTS, lambda p: p.module.unlink()),
    Attack(
        "a module is replaced by a folder of its name",
        "ENV202",
        "{module}",
        CONTENTS,
        _replaced_by_folder,
        also=(("ENV203", "{site}/{module}/evil.txt"),),
    ),
    Attack("a wheel's data under share/ is changed", "ENV201", "{data}", CONTENTS, lambda p: p.edit(p.data)),
    Attack(
        "METADATA is edited",
        "ENV201",
        "{info}/METADATA",
        CONTENTS,
        lambda p: p.edit(p.info / "METADATA", old=b"\n", new=b"\r\n"),
    ),
    Attack(
        "entry_points.txt gets a plugin (such as pytest11), which other programs load",
        "ENV201",
        "{info}/entry_points.txt",
        CONTENTS,
        lambda p: p.edit(p.info / "entry_points.txt", end=b"\n[pytest11]\nevil = evil\n"),
    ),
    Attack(
        "a module is added to a package",
        "ENV203",
        "{site}/{folder}/added.py",
        OWNERS,
        lambda p: p.write(p.folder / "added.py", "x"),
    ),
    Attack(
        "a data file is added to a package",
        "ENV203",
        "{site}/{folder}/added.bin",
        OWNERS,
        lambda p: p.write(p.folder / "added.bin", "x"),
    ),
    Attack(
        "a file is added to a package's dist-info",
        "ENV203",
        "{site}/{info}/plugins.json",
        OWNERS,
        lambda p: p.write(p.info / "plugins.json", "{}"),
    ),
    Attack(
        "a package is added that no installer knows of",
        "ENV203",
        "{site}/stray/__init__.py",
        OWNERS,
        lambda p: p.write(p.site / "stray" / "__init__.py", "evil"),
    ),
    Attack(
        "an extension module beside a module, which Python loads first",
        "ENV203",
        "{site}/{shadow}.abi3.so",
        OWNERS,
        lambda p: p.write(p.module.with_suffix(".abi3.so"), b"\x7fELF"),
    ),
    Attack(
        "an extension module beside __init__.py, which Python loads first",
        "ENV203",
        "{site}/{folder}/__init__.{tag}-x86_64-linux-gnu.so",
        OWNERS,
        lambda p: p.write(p.folder / f"__init__.{p.target.tag}-x86_64-linux-gnu.so", b"\x7fELF"),
    ),
    Attack(
        "a package shadows a module of its name",
        "ENV203",
        "{site}/{shadow}/__init__.py",
        OWNERS,
        lambda p: p.write(p.module.with_suffix("") / "__init__.py", "evil"),
    ),
    Attack(
        "a new part of a namespace package",
        "ENV203",
        "{site}/{folder}/part/evil.py",
        OWNERS,
        lambda p: p.write(p.folder / "part" / "evil.py", "evil"),
    ),
    Attack(
        "a test configuration that pytest runs (conftest.py)",
        "ENV203",
        "{site}/conftest.py",
        OWNERS,
        lambda p: p.write(p.site / "conftest.py", "evil"),
    ),
    Attack(
        "a settings file that a library reads (distutils.cfg)",
        "ENV203",
        "{site}/{folder}/distutils.cfg",
        OWNERS,
        lambda p: p.write(p.folder / "distutils.cfg", "[install]\n"),
    ),
    Attack(
        "a module is changed and its row of RECORD repaired",
        "ENV201",
        "{module}",
        CONTENTS,
        _repaired,
        says="RECORD was made to agree",
        also=(("ENV204", _LIST),),
        blind=_BLIND,
        alone=True,
    ),
    Attack(
        "a module is changed and its row of RECORD has no digest",
        "ENV201",
        "{module}",
        CONTENTS,
        _hashless_row,
        also=(("ENV204", _LIST),),
        blind=_BLIND,
        alone=True,
    ),
    Attack(
        "a module is changed and its row of RECORD has hex digits",
        "ENV201",
        "{module}",
        CONTENTS,
        _hex_row,
        also=(("ENV204", _LIST),),
        blind=_BLIND,
        alone=True,
    ),
    Attack("RECORD is emptied", "ENV204", _LIST, CONTENTS, lambda p: p.record([]), blind=_BLIND, alone=True),
    Attack(
        "RECORD is removed", "ENV204", _LIST, CONTENTS, lambda p: (p.info / "RECORD").unlink(), blind=_BLIND, alone=True
    ),
    Attack(
        "a module is changed and RECORD loses every digest",
        "ENV201",
        "{module}",
        CONTENTS,
        _hashless,
        also=(("ENV204", _LIST),),
        blind=_BLIND,
        alone=True,
    ),
    Attack(
        "RECORD is no text",
        "ENV204",
        _LIST,
        CONTENTS,
        lambda p: p.write(p.info / "RECORD", b"\0\xff,"),
        blind=_BLIND,
        alone=True,
    ),
    Attack(
        "RECORD lists a file twice",
        "ENV204",
        _LIST,
        CONTENTS,
        lambda p: p.record(p.rows() * 2),
        blind=_BLIND,
        alone=True,
    ),
    Attack("RECORD has another digest for a right file", "ENV204", _LIST, RECORD, _other_digest, alone=True),
    Attack(
        "RECORD lists a file outside of the environment, so that an uninstall removes it",
        "ENV204",
        _LIST,
        RECORD,
        lambda p: p.record([*p.rows(), "../../../../precious,,"]),
        alone=True,
    ),
    Attack(
        "a module is added and RECORD lists it",
        "ENV203",
        "{site}/{folder}/listed.py",
        OWNERS,
        _listed,
        also=(("ENV204", _LIST),),
        blind=_BLIND,
        alone=True,
    ),
)
