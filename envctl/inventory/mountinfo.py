"""Places of mounts as the kernel lists them. Source: proc(5), `/proc/PID/mountinfo`."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator

_PLACE = 4  # the field
_ESCAPED = re.compile(rb"\\([0-7]{3})")


def places(data: bytes) -> Iterator[str]:
    """Where something is mounted, of the content of a mountinfo."""
    for line in data.splitlines():
        fields = line.split(b" ")
        if len(fields) > _PLACE:
            yield unescaped(fields[_PLACE])


def unescaped(field: bytes) -> str:
    """A place: spaces, tabs, newlines and backslashes are written as octal numbers."""
    return os.fsdecode(_ESCAPED.sub(lambda match: bytes([int(match[1], 8)]), field))
