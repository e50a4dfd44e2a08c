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


def room() -> int | None:
    """The columns of the terminal that results go to; None where they are piped, and lines may be of any length."""
    import shutil
    import sys

    return shutil.get_terminal_size().columns if sys.stdout.isatty() else None


def folded(text: str, indent: str = "") -> str:
    """The text in lines that the terminal holds, each after the indent."""
    import textwrap

    width = room()
    if width is None or len(indent) + len(text) <= width:
        return indent + text
    return textwrap.fill(
        text,
        max(width, len(indent) + 20),
        initial_indent=indent,
        subsequent_indent=indent,
        break_long_words=False,
        break_on_hyphens=False,
    )


def plain(text: str) -> str:
    """The text without characters that move a terminal's cursor or colour it; each is written as its escape."""
    return "".join(char if char.isprintable() else ascii(char)[1:-1] for char in text)
