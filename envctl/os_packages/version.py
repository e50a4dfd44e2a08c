"""Debian's order of versions. Source: Debian policy 5.6.12; `dpkg --compare-versions` is what it is tested against.

Our own: the library that is kept well (python-debian) is under the GPL, and the order is these few lines.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from functools import lru_cache
from itertools import zip_longest
from operator import eq, ge, gt, le, lt

_PARTS = re.compile(r"([^0-9]*)([0-9]*)")
_RELATIONS: dict[str, Callable[[int, int], bool]] = {
    "<<": lt,
    "<=": le,
    "=": eq,
    ">=": ge,
    ">>": gt,
    "<": le,  # what dpkg still takes these for
    ">": ge,
}


def compare(one: str, other: str) -> int:
    """Below, at or above 0 where `one` is older, as old, or newer than `other`."""
    a, b = _split(one), _split(other)
    if a[0] != b[0]:
        return -1 if a[0] < b[0] else 1
    return _compare_part(a[1], b[1]) or _compare_part(a[2], b[2])


def holds(version: str, relation: str, wanted: str) -> bool:
    """Whether `version RELATION wanted` holds; KeyError for what is no relation."""
    return _RELATIONS[relation](compare(version, wanted), 0)


@lru_cache(maxsize=4096)
def _split(version: str) -> tuple[tuple[int, str], str, str]:
    """Epoch, upstream version, revision."""
    epoch, colon, rest = version.partition(":")
    if not colon or not (epoch.isdecimal() and epoch.isascii()):
        epoch, rest = "0", version
    upstream, _, revision = rest.rpartition("-") if "-" in rest else (rest, "", "")
    return _number(epoch), upstream, revision


def _number(digits: str) -> tuple[int, str]:
    """What orders numbers by their value, however many digits they have: `int` refuses more than 4,300."""
    plain = digits.lstrip("0")
    return len(plain), plain


def _compare_part(one: str, other: str) -> int:
    for (text, digits), (text_2, digits_2) in zip_longest(
        _PARTS.findall(one), _PARTS.findall(other), fillvalue=("", "")
    ):
        for char, char_2 in zip_longest(text, text_2, fillvalue=""):
            order, order_2 = _order(char), _order(char_2)
            if order != order_2:
                return -1 if order < order_2 else 1
        number, number_2 = _number(digits), _number(digits_2)
        if number != number_2:
            return -1 if number < number_2 else 1
    return 0


def _order(char: str) -> int:
    """`~` before the end, the end before letters, letters before everything else."""
    if char == "~":
        return -1
    if not char:
        return 0
    return ord(char) if char.isalpha() else ord(char) + 256
