"""Numbers as people say them, and text that leaves the terminal alone."""

from __future__ import annotations


def size(number: int) -> str:
    """Bytes in decimal units: 412 MB, 3.1 GB."""
    value = float(number)
    for unit in ("B", "kB", "MB"):
        if value < 999.5:
            return f"{value:.0f} {unit}" if value >= 9.95 or unit == "B" else f"{value:.1f} {unit}"
        value /= 1000
    return f"{value:.1f} GB"


def count(number: int, noun: str) -> str:
    """`1 package`, `12,403 files`."""
    return f"{number:,} {noun}{'' if number == 1 else 's'}"


def plain(text: str) -> str:
    """The text without characters that move a terminal's cursor or colour it; each is written as its escape."""
    return "".join(char if char.isprintable() else ascii(char)[1:-1] for char in text)
