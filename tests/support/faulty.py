"""A server on 127.0.0.1 that does wrong on demand: what the index and the registry of the tests have in common."""

from __future__ import annotations

import contextlib
import gzip
import socket
import ssl
import threading
import time
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from typing_extensions import Self


@dataclass
class Fault:
    """What goes wrong for requests whose path begins with `prefix`; `times` of them, None for all.

    Attributes:
        status: answer with this status (and `body`, or nothing).
        body: these bytes in place of the real ones.
        headers: added to the answer; they replace those of the same name.
        delay: seconds before the answer begins.
        cut: close after so many bytes of the body.
        drip: seconds between single bytes of the body.
        no_ranges: ignore Range headers.
        wrong_range: answer ranges with other bytes than asked for (shifted by so many).
        redirect: 302 to this URL.
        gzip: answer gzip-encoded although nobody asked for it.
        claim: the Content-Length to claim.
        drop: close without any answer.
        method: only for requests with this method.
    """

    prefix: str
    status: int | None = None
    body: bytes | None = None
    headers: dict[str, str] = field(default_factory=dict)
    delay: float = 0.0
    cut: int | None = None
    drip: float = 0.0
    no_ranges: bool = False
    wrong_range: int = 0
    redirect: str | None = None
    gzip: bool = False
    claim: int | None = None
    drop: bool = False
    method: str | None = None
    times: int | None = None


class FaultyServer:
    """`with FaultyServer(…) as server:`; `tls` is certificate and key in one PEM file, `host` the name in `root`."""

    def __init__(self, handler: type[FaultyHandler], tls: Path | None, host: str) -> None:
        self.faults: list[Fault] = []
        self._http = _Http(("127.0.0.1", 0), handler)
        if tls is not None:
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            context.load_cert_chain(tls)
            self._http.socket = context.wrap_socket(self._http.socket, server_side=True)
        self.address = f"{host}:{self._http.server_address[1]}"
        self.root = f"{'http' if tls is None else 'https'}://{self.address}"
        self._thread = threading.Thread(target=self._http.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._http.shutdown()
        self._http.close_all()
        self._http.server_close()
        self._thread.join()

    @property
    def connections(self) -> int:
        """How many there were so far."""
        return self._http.connections

    @property
    def open_connections(self) -> int:
        """How many there are now."""
        return len(self._http.open)

    def fault(self, prefix: str, **kind: object) -> Fault:
        """From now on something goes wrong under that path; see `Fault`. The last fault that fits counts."""
        fault = Fault(prefix, **kind)  # type: ignore[arg-type]
        self.faults.append(fault)
        return fault

    def take_fault(self, method: str, path: str) -> Fault:
        """What goes wrong with this request; a fault of nothing where all is well."""
        for fault in reversed(self.faults):
            if not path.startswith(fault.prefix) or fault.times == 0 or fault.method not in (None, method):
                continue
            if fault.times is not None:
                fault.times -= 1
            return fault
        return Fault("")


class _Http(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 64

    def __init__(self, address: tuple[str, int], handler: type[BaseHTTPRequestHandler]) -> None:
        super().__init__(address, handler)
        self.connections = 0
        self.open: set[socket.socket] = set()

    def handle_error(self, request: object, client_address: object) -> None:
        """A client that went away is no event for a test."""

    def close_all(self) -> None:
        for connection in list(self.open):
            with contextlib.suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)


class FaultyHandler(BaseHTTPRequestHandler):
    """Requests as either server answers them; what they have in common is the way that a fault spoils an answer."""

    protocol_version = "HTTP/1.1"
    timeout = 60
    disable_nagle_algorithm = True
    server: _Http

    def setup(self) -> None:
        super().setup()
        self.server.connections += 1
        self.server.open.add(self.connection)

    def finish(self) -> None:
        self.server.open.discard(self.connection)
        with contextlib.suppress(OSError):
            super().finish()

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002  # the base class's name
        """Nothing: tests ask for `requests`."""

    def respond(self) -> None:
        """Answer one request of any method; it is in `command` and `path`."""
        raise NotImplementedError

    def do_GET(self) -> None:
        self.respond()

    def do_HEAD(self) -> None:
        self.respond()

    def do_POST(self) -> None:
        self.respond()

    def answer(self, status: int, body: bytes, headers: dict[str, str], fault: Fault) -> None:
        """Answer; a header whose value is empty is left out."""
        if fault.gzip:
            body = gzip.compress(body)
            headers["Content-Encoding"] = "gzip"
        self.send_response(status)
        headers = {"Content-Length": str(len(body) if fault.claim is None else fault.claim), **headers}
        for name, value in {**headers, **fault.headers}.items():
            if value:
                self.send_header(name, value)
        if fault.cut is not None or fault.claim is not None or fault.headers.get("Content-Length") == "":
            self.close_connection = True
        self.end_headers()
        if self.command == "HEAD":
            return
        body = body[: fault.cut]
        try:
            if not fault.drip:
                self.wfile.write(body)
                return
            for byte in body:
                self.wfile.write(bytes([byte]))
                time.sleep(fault.drip)
        except OSError:
            self.close_connection = True  # whoever asked has heard enough
