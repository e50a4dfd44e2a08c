"""The archive as bytes: a shell's first lines, a seal, and a zip file without compression. Pure.

The same members give the same bytes on every machine: they are sorted, have one time and one mode, and are stored as
they are, because compressed bytes depend on the library that compresses. Sources: PKWARE APPNOTE, PEP 441.
"""

from __future__ import annotations

import hashlib
import io
import zipfile
from collections.abc import Mapping

# `env -S` is unknown to small systems, and a shell is wherever `env` is. Python finds the archive from its end.
_START = b'#!/bin/sh\nexec python3 -I -S -B -X utf8 "$0" "$@"\n# sha256:%s\n'
_TIME = (1980, 1, 1, 0, 0, 0)
_MODE = 0o100644


def pack(members: Mapping[str, bytes]) -> bytes:
    """The file: `members` by their names in it, of which one is `__main__.py`.

    Its third line has the sha256, in hex, of all bytes behind that line.
    """
    start = _START % (b"0" * 64)
    buffer = io.BytesIO()
    buffer.write(start)
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_STORED) as archive:
        for name in sorted(members):
            entry = zipfile.ZipInfo(name, _TIME)
            entry.create_system, entry.external_attr = 3, _MODE << 16
            archive.writestr(entry, members[name])
    data = buffer.getvalue()[len(start) :]
    return _START % hashlib.sha256(data).hexdigest().encode() + data
