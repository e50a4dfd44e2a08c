"""Text from files, indexes and environments, made safe to show."""

from __future__ import annotations


def printable(text: str) -> str:
    """Text that no terminal, XML or JSON parser stumbles over: control and undecodable characters are escaped.

    What is left is printable as Unicode has it, so directions (U+202E) and separators (U+2028) are escaped too.
    """
    if text.isprintable():
        return text
    return "".join(
        char if char.isprintable() else char.encode("unicode_escape", "backslashreplace").decode("ascii")
        for char in text
    )


def shortened(text: str, room: int) -> str:
    """The text in at most `room` characters: its middle gives way, since both ends of a path say something."""
    if len(text) <= room:
        return text
    head = (room - 1) // 3
    return f"{text[:head]}…{text[len(text) - (room - 1 - head) :]}"
