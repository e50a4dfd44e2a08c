"""Of all files that an index offers for a pin, the one wheel to install on a platform: pure (PEP 425, PEP 600)."""

from __future__ import annotations

import re
from collections.abc import Iterable

from envctl.errors import NoResolution
from envctl.model.platform import Libc, Platform, wheel_tags
from envctl.model.resolution import Candidate, Pin
from envctl.model.wheel_name import parse_wheel_name

_GLIBC = re.compile(r"manylinux_(\d+)_(\d+)_(\w+)")


def choose(pin: Pin, *, python: tuple[int, int], platform: Platform, libc: Libc, label: str) -> Candidate:
    """The wheel whose tags fit best; of equals the one with the highest build tag, then by file name.

    Raises:
        NoResolution: no wheel fits, with what there is and a hint.
    """
    ranks = wheel_tags(python, platform, libc)
    best: tuple[int, tuple[int, str], str] | None = None
    chosen = None
    for candidate in pin.wheels:
        try:
            _, _, build, tags = parse_wheel_name(candidate.filename)
        except ValueError:
            continue
        rank = min((ranks[tag] for tag in tags if tag in ranks), default=None)
        if rank is None:
            continue
        number, suffix = build if build else (0, "")
        key = (rank, (-number, suffix), candidate.filename)
        if best is None or key < best:
            best, chosen = key, candidate
    if chosen is not None:
        return chosen
    where = f"{libc} on {platform.machine}, Python {python[0]}.{python[1]}"
    raise NoResolution(
        f"{label}: {pin.name} {pin.version} has no wheel for {where}",
        details=[f"there is {name}" for name in sorted(c.filename for c in pin.wheels)[:5]]
        or ["there is no wheel at all"],
        hint=_hint(pin, platform, libc),
    )


def _hint(pin: Pin, platform: Platform, libc: Libc) -> str:
    needed = sorted(_glibcs((c.filename for c in pin.wheels), platform.machine))
    if libc.family == "glibc" and needed and needed[0] > (libc.major, libc.minor):
        major, minor = needed[0]
        return f'libc = "glibc {major}.{minor}" in the profile admits it, if the machines that run it have that'
    return f"constrain {pin.name} to a version with a wheel for {platform}, or ask for it under a marker"


def _glibcs(filenames: Iterable[str], machine: str) -> Iterable[tuple[int, int]]:
    for filename in filenames:
        for match in _GLIBC.finditer(filename):
            if match[3].startswith(machine):
                yield int(match[1]), int(match[2])
