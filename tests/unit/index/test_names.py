"""Looking names up when the name server's answers get lost, which no server on this machine can be made to do."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Iterator

import pytest

from envctl.system import net
from envctl.system.net import Names

FOUND = [(socket.AF_INET, socket.SOCK_STREAM, 6, "", ("192.0.2.1", 443))]


class Server:
    """Stands in for `socket.getaddrinfo`: a list of answers, None for one that never comes."""

    def __init__(self, *answers: object) -> None:
        self.answers, self.asked, self.ended = list(answers), 0, threading.Event()

    def __call__(self, host: str, port: int, *, type: int, flags: int = 0) -> object:  # noqa: A002
        if flags:
            raise socket.gaierror(socket.EAI_NONAME, "no address")
        self.asked += 1
        answer = self.answers.pop(0)
        if answer is None:
            self.ended.wait(20)
            raise socket.gaierror(socket.EAI_AGAIN, "lost")
        if isinstance(answer, OSError):
            raise answer
        return answer


@pytest.fixture
def hasty(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[Server]]:
    monkeypatch.setattr(net, "_LOOK_UP_AGAIN", 0.05)
    servers: list[Server] = []
    yield servers
    for server in servers:
        server.ended.set()


def asked(server: Server, servers: list[Server], monkeypatch: pytest.MonkeyPatch) -> Server:
    servers.append(server)
    monkeypatch.setattr(socket, "getaddrinfo", server)
    return server


def test_a_lost_answer_is_asked_for_again(hasty: list[Server], monkeypatch: pytest.MonkeyPatch) -> None:
    server = asked(Server(None, None, FOUND), hasty, monkeypatch)
    started = time.monotonic()
    names = Names()
    assert names.find("index.example", 443, 10) == ["192.0.2.1"]
    assert names.find("index.example", 443, 10) == ["192.0.2.1"]
    assert time.monotonic() - started < 5
    assert server.asked == 3
    names.forget("index.example", 443)
    server.answers.append(FOUND)
    assert names.find("index.example", 443, 10) == ["192.0.2.1"]
    assert server.asked == 4


def test_an_unknown_name_is_told_at_once(hasty: list[Server], monkeypatch: pytest.MonkeyPatch) -> None:
    server = asked(Server(socket.gaierror(socket.EAI_NONAME, "unknown")), hasty, monkeypatch)
    with pytest.raises(socket.gaierror, match="unknown"):
        Names().find("index.example", 443, 10)
    assert server.asked == 1


def test_a_name_server_that_fails_for_now_is_asked_a_few_times(
    hasty: list[Server], monkeypatch: pytest.MonkeyPatch
) -> None:
    server = asked(Server(*[socket.gaierror(socket.EAI_AGAIN, "not now")] * 9), hasty, monkeypatch)
    with pytest.raises(socket.gaierror, match="not now"):
        Names().find("index.example", 443, 10)
    assert server.asked == 4


def test_waiting_has_an_end(hasty: list[Server], monkeypatch: pytest.MonkeyPatch) -> None:
    asked(Server(*[None] * 9), hasty, monkeypatch)
    with pytest.raises(TimeoutError):
        Names().find("index.example", 443, 0.4)


def test_an_address_needs_no_look_up() -> None:
    assert Names().find("127.0.0.1", 80, 1) == ["127.0.0.1"]


def test_an_address_that_answers_comes_first_from_then_on(hasty: list[Server], monkeypatch: pytest.MonkeyPatch) -> None:
    two = [*FOUND, (socket.AF_INET, socket.SOCK_STREAM, 6, "", ("192.0.2.2", 443))]
    asked(Server(two), hasty, monkeypatch)
    names = Names()
    assert names.find("index.example", 443, 1) == ["192.0.2.1", "192.0.2.2"]
    names.prefer("index.example", 443, "192.0.2.2")
    assert names.find("index.example", 443, 1) == ["192.0.2.2", "192.0.2.1"]
