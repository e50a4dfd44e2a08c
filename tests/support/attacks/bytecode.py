"""Attacks by bytecode: what Python loads in place of a source."""

from __future__ import annotations

from .row import BYTECODE, CHECKED, LINKS, OWNERS, TIMESTAMP, UNCHECKED, Attack, Place

_CACHED = "{cache}/{name}.{tag}.pyc"
_ALLOWED = "bytecode"
_EVIL = "evil = 1\n"


def _row(what: str, code: str, path: str, deed: object, *, check: str = BYTECODE, says: str = "") -> Attack:
    return Attack(what, code, path, check, deed, inside=check != BYTECODE, says=says, abuses=_ALLOWED)  # type: ignore[arg-type]


def _ghost(place: Place) -> None:
    place.compile(_EVIL, at=place.module.parent / "__pycache__" / f"ghost.{place.target.tag}.pyc")


def _old_magic(place: Place) -> None:
    path = place.compile(None)
    place.write(path, b"\x00\x01\r\n" + path.read_bytes()[4:])


def _constant(place: Place) -> None:
    place.compile(place.module.read_text() + "\n_ENVCTL = 1.0\n")


def _linked(place: Place) -> None:
    path = place.compile(_EVIL, at=place.outside / "evil.pyc")
    cache = place.module.parent / "__pycache__"
    cache.mkdir(exist_ok=True)
    place.link(cache / f"{place.module.stem}.{place.target.tag}.pyc", path)


def _folder_linked(place: Place) -> None:
    cache = place.folder / "part2" / "__pycache__"
    cache.parent.mkdir()
    place.link(cache, place.outside)


def _other_tool(place: Place) -> None:
    name = f"{place.module.stem}.{place.target.tag}-pytest-8.3.pyc"
    place.compile(None, at=place.module.parent / "__pycache__" / name)


BYTECODES = (
    _row("bytecode of other code, checked by time", "ENV403", _CACHED, lambda p: p.compile(_EVIL, TIMESTAMP)),
    _row("bytecode of other code, checked by hash", "ENV403", _CACHED, lambda p: p.compile(_EVIL, CHECKED)),
    _row("bytecode of other code, unchecked", "ENV403", _CACHED, lambda p: p.compile(_EVIL, UNCHECKED)),
    _row(
        "right bytecode that stays when the source changes (unchecked)",
        "ENV404",
        _CACHED,
        lambda p: p.compile(None, UNCHECKED),
    ),
    _row("bytecode with one constant more", "ENV403", _CACHED, _constant),
    _row(
        "optimised bytecode of other code (-O)",
        "ENV403",
        "{cache}/{name}.{tag}.opt-1.pyc",
        lambda p: p.compile(_EVIL, level=1),
    ),
    _row("bytecode with another release's number under this one's name", "ENV403", _CACHED, _old_magic),
    _row("bytecode that is cut off", "ENV403", _CACHED, lambda p: p.write(q := p.compile(None), q.read_bytes()[:-3])),
    _row("bytecode of a tool that rewrites code", "ENV403", "{site}/{cache}/{name}.{tag}-pytest-8.3.pyc", _other_tool),
    _row(
        "bytecode in a cache whose source is not there",
        "ENV405",
        "{site}/{cache}/ghost.{tag}.pyc",
        _ghost,
        check=f"{BYTECODE} and {OWNERS}",
    ),
    _row(
        "bytecode in the place of a module",
        "ENV405",
        "{site}/{folder}/sourceless.pyc",
        lambda p: p.compile(_EVIL, at=p.folder / "sourceless.pyc"),
        check=OWNERS,
    ),
    _row("bytecode by a link", "ENV209", "{site}/" + _CACHED, _linked, check=LINKS),
    _row("a bytecode cache by a link", "ENV209", "{site}/{folder}/part2/__pycache__", _folder_linked, check=LINKS),
    _row(
        "machine code of a compiler's cache (numba)",
        "ENV203",
        "{site}/{cache}/{name}.f-1.py311.1.nbc",
        lambda p: p.write(p.module.parent / "__pycache__" / f"{p.module.stem}.f-1.py311.1.nbc", "evil"),
        check=OWNERS,
    ),
    _row(
        "bytecode for another Python",
        "ENV406",
        "{cache}/{name}.cpython-39.pyc",
        lambda p: p.compile(_EVIL, at=p.module.parent / "__pycache__" / f"{p.module.stem}.cpython-39.pyc"),
    ),
)
