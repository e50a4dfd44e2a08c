"""Pieces that a thread reads ahead."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator
from itertools import repeat

import pytest

from envctl.oci.local import download
from envctl.oci.streams import ahead


def reading() -> list[threading.Thread]:
    return [thread for thread in threading.enumerate() if thread.name == "envctl-ahead"]


def none_is_left() -> bool:
    for thread in reading():
        thread.join(5)
    return not reading()


def test_all_pieces_come_in_their_order() -> None:
    pieces = [bytes([number]) for number in range(100)]
    assert list(ahead(iter(pieces))) == pieces
    assert none_is_left()


def test_an_error_comes_after_what_was_read_before_it() -> None:
    def failing() -> Iterator[bytes]:
        yield b"one"
        raise OSError("cut off")

    pieces = ahead(failing())
    assert next(pieces) == b"one"
    with pytest.raises(OSError, match="cut off"):
        next(pieces)
    assert none_is_left()


def test_whoever_stops_early_leaves_no_thread() -> None:
    pieces = ahead(repeat(b"endless"))
    assert next(pieces) == b"endless"
    pieces.close()
    assert none_is_left()


def test_a_download_that_is_given_up_leaves_no_thread(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)  # a socket's path is short
    with socket.socket(socket.AF_UNIX) as server:
        server.bind("s")
        server.listen()
        pieces = download("s", "/x", seconds=60)
        asking: list[bytes] = []
        thread = threading.Thread(target=lambda: asking.append(next(pieces)))
        thread.start()
        connection, _ = server.accept()
        with connection:
            assert connection.recv(2**16).startswith(b"GET /x HTTP/1.0\r\n")
            connection.sendall(b"HTTP/1.0 200 OK\r\n\r\n" + bytes(2**20))
            thread.join(10)
            assert asking == [bytes(2**20)]
            assert len(reading()) == 1  # it waits for more, which does not come
            pieces.close()
            assert none_is_left()
