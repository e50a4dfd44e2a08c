"""What an engine sends over its local socket, in large pieces.

The SDK's own loop hands on a piece for each chunk that the engine writes (32 KiB), at some 140 µs each: for an image of
1.3 GB that is more than hashing it takes.
"""

from __future__ import annotations

import contextlib
import http.client
import json
import socket
from collections.abc import Generator, Iterator

from envctl.oci.streams import ahead

_PIECE = 2**20
_LONGEST_ERROR = 2**16


class _Local(http.client.HTTPConnection):
    """HTTP over a Unix socket: 1.0, whose answers are not cut into chunks (of 32 KiB, for which both sides pay)."""

    _http_vsn, _http_vsn_str = 10, "HTTP/1.0"

    def __init__(self, path: str, seconds: float) -> None:
        super().__init__("localhost", timeout=seconds)
        self._path = path

    def connect(self) -> None:
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        try:
            self.sock.settimeout(self.timeout)
            self.sock.connect(self._path)
        except BaseException:
            self.sock.close()
            raise


def download(path: str, target: str, *, seconds: float) -> Generator[bytes]:
    """The body of an answer, in pieces of a mebibyte, to its end.

    Args:
        path: of the socket. `target`: path and query of the request.
        seconds: how long the engine may send nothing.

    Raises:
        OSError: it refuses, or the answer ends before the length that it told. For a tar file, engines tell none:
            whether it is whole, its own mark or digests say.
    """
    connection = _Local(path, seconds)
    try:
        connection.request("GET", target)
        sock = connection.sock
        answer = connection.getresponse()
        if answer.status != http.client.OK:
            raise OSError(_said(answer.read(_LONGEST_ERROR)) or f"HTTP {answer.status}")
        yield from ahead(_body(answer), stop=lambda: _shut(sock))
    except http.client.HTTPException as error:
        raise OSError(f"the engine's answer is cut off ({type(error).__name__})") from error
    finally:
        connection.close()


def _shut(sock: socket.socket) -> None:
    with contextlib.suppress(OSError):  # the other side did
        sock.shutdown(socket.SHUT_RDWR)


def _body(answer: http.client.HTTPResponse) -> Iterator[bytes]:
    while piece := answer.read(_PIECE):
        yield piece
    if answer.length:
        raise OSError(f"the engine's answer is cut off ({answer.length:,} bytes are missing)")


def _said(data: bytes) -> str:
    """The message in an error's body."""
    try:
        found = json.loads(data)
    except (ValueError, RecursionError):
        return data.decode("utf-8", "replace").strip()
    return str(found.get("message", "")) if isinstance(found, dict) else ""
