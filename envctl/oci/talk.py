"""A conversation with a container's process over the connection that the engine gives (Engine API, attach)."""

from __future__ import annotations

import contextlib
import socket
import struct
import threading
from collections.abc import Iterator
from typing import Any

_HEAD = struct.Struct(">BxxxL")
_STDOUT = 1
_PIECE = 2**16


def talk(connection: Any, pieces: Iterator[bytes], limit: int) -> bytes:
    """Write the pieces, while what comes back is read to its end; its standard output, at most `limit` bytes.

    `connection` is what the SDK's `attach_socket` gives: a socket, or a file over one.
    """
    raw = getattr(connection, "_sock", connection)
    writer = threading.Thread(target=_write, args=(raw, pieces), name="envctl-container", daemon=True)
    writer.start()
    try:
        return b"".join(_answers(raw, limit))
    finally:
        with contextlib.suppress(OSError):
            raw.shutdown(socket.SHUT_RDWR)  # a writer that still waits is let go
        writer.join()
        connection.close()
        raw.close()  # closing a file over a socket leaves the socket open


def _write(raw: Any, pieces: Iterator[bytes]) -> None:
    with contextlib.suppress(OSError):  # the process ended: whoever reads sees that answers are missing
        for piece in pieces:
            raw.sendall(piece)
        raw.shutdown(socket.SHUT_WR)


def _answers(raw: Any, limit: int) -> Iterator[bytes]:
    """Frames of eight bytes and a content: which stream, how long."""
    while len(head := _exactly(raw, _HEAD.size)) == _HEAD.size:
        stream, size = _HEAD.unpack(head)
        limit -= size
        if limit < 0:
            raise OSError("the container's answer is too long")
        data = _exactly(raw, size)
        if stream == _STDOUT:
            yield data


def _exactly(raw: Any, size: int) -> bytes:
    parts = []
    while size:
        part = raw.recv(min(size, _PIECE))
        if not part:
            break
        parts.append(part)
        size -= len(part)
    return b"".join(parts)
