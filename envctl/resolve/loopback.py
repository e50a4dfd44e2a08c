"""A web server on 127.0.0.1 that answers GET to those who know a password, from any number of threads."""

from __future__ import annotations

import base64
import binascii
import threading
from collections.abc import Callable, Sequence
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import msgspec

from envctl.errors import ToolFailed


class Answer(msgspec.Struct, frozen=True):
    """What is sent. `fresh`: for how many seconds it may be kept without asking again; 0: always ask."""

    status: int
    body: bytes = b""
    kind: str = "text/plain; charset=utf-8"
    fresh: int = 0


class Loopback(ThreadingHTTPServer):
    """Answers while it is open.

    Args:
        answer: (user, password, path) -> the answer; None as user where the request has no credentials.
        ports: the ports to try, in this order; 0 is any.

    Raises:
        ToolFailed: none of the ports is free.
    """

    daemon_threads = True
    request_queue_size = 64

    def __init__(self, answer: Callable[[str | None, str, str], Answer], ports: Sequence[int]) -> None:
        self.answer = answer
        for port in ports:
            try:
                super().__init__(("127.0.0.1", port), _Handler)
            except OSError:
                continue
            break
        else:
            raise ToolFailed("no port of 127.0.0.1 can be listened on", hint="indexes with `packages` need one")
        self.port: int = self.server_address[1]
        threading.Thread(target=self.serve_forever, args=(0.02,), name="envctl-loopback", daemon=True).start()

    def close(self) -> None:
        """Stop answering."""
        self.shutdown()
        self.server_close()

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A client that goes away in the middle of an answer is no event."""


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: Loopback
    server_version, sys_version = "envctl", ""
    disable_nagle_algorithm = True
    timeout = 300

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002  # the base class's name
        pass

    def do_GET(self) -> None:
        user, password = _credentials(self.headers.get("Authorization", ""))
        answer = self.server.answer(user, password, self.path.partition("?")[0])
        self.send_response(answer.status)
        self.send_header("Content-Type", answer.kind)
        self.send_header("Content-Length", str(len(answer.body)))
        self.send_header("Cache-Control", f"max-age={answer.fresh}, immutable" if answer.fresh else "no-cache")
        if answer.status == 401:
            self.send_header("WWW-Authenticate", 'Basic realm="envctl"')
        self.end_headers()
        self.wfile.write(answer.body)


def _credentials(authorization: str) -> tuple[str | None, str]:
    scheme, _, encoded = authorization.partition(" ")
    try:
        user, _, password = base64.b64decode(encoded, validate=True).decode().partition(":")
    except (ValueError, binascii.Error):
        return None, ""
    return (user, password) if scheme.lower() == "basic" else (None, "")
