"""An interpreter that reads `site` from its file.

`site` is compiled into CPython (PEP 587's frozen modules), and Debian's copy adds `dist-packages`: a changed `site.py`
would not be read. Under another name the frozen copy is never asked for, and the import finds the file.
"""

from __future__ import annotations

import struct
from pathlib import Path

from support.engine.place import Failed

ENTRY = 32  # bytes of `struct _frozen`: name, code, size, is_package, get_code
LOAD = 1  # a segment that is mapped into memory


def read_site_from_its_file(program: Path) -> None:
    """Rename the entry `site` in the table of frozen modules of an executable (ELF, 64 bits, little endian)."""
    image = bytearray(program.read_bytes())
    segments = _segments(image)

    def name(offset: int) -> bytes:
        address = struct.unpack_from("<Q", image, offset)[0]
        for at, start, size in segments:
            if start <= address < start + size:
                return bytes(image[at + address - start : image.index(b"\0", at + address - start)])
        return b""

    found = [
        offset
        for pointer in _pointers(image, segments, b"site\0")
        for offset in _places(image, pointer)
        # Its neighbours in the table, so that no other pointer to such a text is taken for it.
        if (name(offset - ENTRY), name(offset + ENTRY)) == (b"os", b"stat")
    ]
    if len(found) != 1:
        raise Failed(f"{program.name}: {len(found)} tables of frozen modules with `site`, one was expected")
    struct.pack_into("<Q", image, found[0], struct.unpack_from("<Q", image, found[0])[0] + 1)  # its name is now `ite`
    program.write_bytes(image)


def _segments(image: bytes | bytearray) -> list[tuple[int, int, int]]:
    """Of each loaded segment: where it lies in the file, in memory, and its size in the file."""
    table = struct.unpack_from("<Q", image, 32)[0]
    size, count = struct.unpack_from("<HH", image, 54)
    headers = (struct.unpack_from("<IIQQQQ", image, table + number * size) for number in range(count))
    return [(offset, address, length) for kind, _, offset, address, _, length in headers if kind == LOAD]


def _pointers(image: bytes | bytearray, segments: list[tuple[int, int, int]], text: bytes) -> list[bytes]:
    """The addresses in memory at which a text begins, as they stand in the file."""
    found = []
    for at, start, size in segments:
        found += [struct.pack("<Q", start + offset - at) for offset in _places(image, text) if at <= offset < at + size]
    return found


def _places(image: bytes | bytearray, text: bytes) -> list[int]:
    found, offset = [], image.find(text)
    while offset >= 0:
        found.append(offset)
        offset = image.find(text, offset + 1)
    return found
