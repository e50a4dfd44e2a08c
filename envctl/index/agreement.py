"""What a wheel may not hold, because pip and uv would install it differently, or one of them not at all.

Such a wheel has no content digest. Each rule is named with what the installers do (pip 26, uv 0.13); they were found by
installing random wheels with both, as tests/integration/test_random_wheels.py does.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Collection, Iterable, Mapping
from pathlib import PurePosixPath

from envctl.index.archive import Malformed
from envctl.model.manifest import BIN, PREFIX, SITE

_LONGEST = 255  # bytes of a name on the file systems that Linux has
_METADATA = (".dist-info", ".egg-info", ".egg-link", ".egg")
_INTERPRETER = re.compile(r"python(?:3(?:\.\d+t?)?)?")
_WRAPPERS = re.compile(r"(.+?)(?:\.exe|-script\.py|\.pya)?", re.DOTALL)
_LIB64 = PREFIX + "lib64/"
_REFUSED = ("Cc", "Cf", "Co", "Cn", "Zl", "Zp")  # general categories (Unicode, chapter 4.5)


def check_names(members: Collection[str], info: str) -> None:
    """Names of members that every installer unpacks to the same place; `info` is the wheel's own dist-info folder."""
    data = info.removesuffix(".dist-info") + ".data"
    if not "".join(members).isprintable():
        # uv refuses control, format and private characters; pip reads RECORD by lines, whatever ends one, in quotes too
        for name in members:
            if any(unicodedata.category(char) in _REFUSED for char in name):
                raise Malformed("has a control character or line separator in its name", member=ascii(name)[1:-1])
    for name in members:
        if len(name) * 4 > _LONGEST and any(len(part.encode()) > _LONGEST for part in name.split("/")):
            raise Malformed("has a name that is too long for a file", member=name, expected=f"{_LONGEST} bytes")
        top = name.partition("/")[0]
        if top.endswith(".data") and top != data:  # pip takes each such folder for the wheel's own, uv does not
            raise Malformed("is in a .data folder that is not the wheel's own", member=name, expected=data)
    scripts = f"{data}/scripts/"
    for name in members:
        if name.startswith(scripts) and "/" in name.removeprefix(scripts):
            raise Malformed("is in a folder of scripts, which not every installer makes", member=name)


def check_script(name: str, data: bytes) -> None:
    """The first line of a script that begins with `#!python`: uv ends it at a carriage return too, pip does not."""
    line, _, _ = data.partition(b"\n")
    if b"\r" in line.removesuffix(b"\r"):
        raise Malformed("has a carriage return in its first line", member=name)


def check_places(files: Mapping[str, str], info: str, entry_points: Iterable[str]) -> None:
    """Places that belong to something else. `entry_points`: their places, `bin/NAME`.

    The metadata of another distribution would be taken for one that is installed; the wheel's own is what installers
    write; pip leaves out scripts that look like the wrapper of an entry point; nothing but the environment's maker
    writes its interpreter and pyvenv.cfg.
    """
    wrappers = {place.removeprefix(BIN): place for place in entry_points}
    for place in files:
        if place.startswith(_LIB64) and f"{PREFIX}lib/{place.removeprefix(_LIB64)}" in files:
            raise Malformed("is in one place with another member where lib64 is a link to lib", member=place)
        top = place[len(SITE) :].partition("/")[0] if place.startswith(SITE) else ""
        if top.endswith(_METADATA) and top != info:
            raise Malformed("is metadata of another distribution", member=place.removeprefix(SITE), expected=info)
        if place == PREFIX + "pyvenv.cfg" or (place.startswith(BIN) and _INTERPRETER.fullmatch(place, len(BIN))):
            raise Malformed("is in the place of the environment's own interpreter or configuration", member=place)
        if place.startswith(BIN) and wrappers:
            match = _WRAPPERS.fullmatch(PurePosixPath(place).name)
            if match is not None and wrappers.get(match[1], place) != place and place.removeprefix(BIN) not in wrappers:
                raise Malformed("looks like the script of an entry point, which pip leaves out", member=place)


def check_own(places: Mapping[str, str], info: str) -> None:
    """No member of the `.data` folder may be installed into the wheel's own dist-info. `places`: by member."""
    for member, place in places.items():
        if place.startswith(f"{SITE}{info}/") and not member.startswith(f"{info}/"):
            raise Malformed("is installed into the wheel's own metadata", member=member)


def check_origin(data: bytes, info: str) -> None:
    """A direct_url.json in the wheel: installers leave it there, and take its word for an editable install."""
    if b"editable" in data:
        raise Malformed("claims an editable install", member=f"{info}/direct_url.json")
