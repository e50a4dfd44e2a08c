"""Connections for `envctl.system.http`: name look-ups, TLS trust, proxies, and streams that end when they must.

Heavy (it imports httpcore and ssl): only `envctl.system.http` imports it, when a first request is made.
"""

from __future__ import annotations

import contextlib
import functools
import os
import queue
import socket
import ssl
import threading
import time
import typing
from collections.abc import Callable, Iterable, Mapping
from urllib.parse import unquote, urlsplit
from urllib.request import getproxies_environment, proxy_bypass_environment  # type: ignore[attr-defined]

import httpcore

from envctl.errors import UsageError
from envctl.system.credentials import redact

CONNECT_SECONDS = 10.0
_LOOK_UP_AGAIN = 0.7  # an answer that takes longer was most likely lost; resolvers themselves ask again after 5 s
_LOOK_UPS = 4
_KEPT_SECONDS = 300.0


class Network(httpcore.NetworkBackend):
    """Opens streams by TCP, looking each host name up once, and can end all of them at once."""

    def __init__(self) -> None:
        self._inner = httpcore.SyncBackend()
        self._names = Names()
        self._streams: set[Stream] = set()
        self._lock = threading.Lock()
        self.deadline = threading.local()

    def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,
        local_address: str | None = None,
        socket_options: Iterable[httpcore.SOCKET_OPTION] | None = None,
    ) -> httpcore.NetworkStream:
        """A stream to the first address of the host that answers (httpcore's interface)."""
        try:
            addresses = self._names.find(host, port, timeout or CONNECT_SECONDS)
        except OSError as error:
            raise httpcore.ConnectError(str(error)) from error
        failure: Exception | None = None
        for number, address in enumerate(addresses, 1):
            # An address that swallows packets must not use up the patience for those after it.
            patience = timeout if number == len(addresses) else min(2.5, timeout or 2.5)
            try:
                inner = self._inner.connect_tcp(address, port, patience, local_address, socket_options)
            except (httpcore.ConnectError, httpcore.ConnectTimeout) as error:
                failure = error
                continue
            if number > 1:
                self._names.prefer(host, port, address)
            return self._track(Stream(inner, self))
        self._names.forget(host, port)
        raise failure or httpcore.ConnectError("the host has no address")

    def _track(self, stream: Stream) -> Stream:
        with self._lock:
            self._streams.add(stream)
        return stream

    def replaced(self, old: Stream, new: Stream | None) -> None:
        """A stream was closed, or continues inside another (TLS)."""
        with self._lock:
            self._streams.discard(old)
            if new is not None:
                self._streams.add(new)

    def end(self) -> None:
        """End every stream that is open now: whoever reads from one gets an error."""
        with self._lock:
            streams = list(self._streams)
        for stream in streams:
            stream.end()

    @contextlib.contextmanager
    def answer_within(self, seconds: float, cancelled: Callable[[], bool]) -> typing.Iterator[None]:
        """Bound all reads of this thread together, so that the head of an answer cannot drip in for ever.

        `cancelled` is asked before each: a connection that was being made while all were ended is not waited for.
        """
        self.deadline.moment, self.deadline.cancelled = time.monotonic() + seconds, cancelled
        try:
            yield
        finally:
            self.deadline.moment = None


class Stream(httpcore.NetworkStream):
    """A stream that respects its network's deadline and can be ended by another thread."""

    def __init__(self, inner: httpcore.NetworkStream, network: Network) -> None:
        self._inner = inner
        self._network = network

    def read(self, max_bytes: int, timeout: float | None = None) -> bytes:
        """At most `max_bytes`, waiting at most `timeout` seconds (httpcore's interface)."""
        moment = getattr(self._network.deadline, "moment", None)
        if moment is not None:
            if self._network.deadline.cancelled():
                raise httpcore.ReadError("given up")
            left = moment - time.monotonic()
            if left <= 0:
                raise httpcore.ReadTimeout("the answer did not begin in time")
            timeout = left if timeout is None else min(left, timeout)
        return self._inner.read(max_bytes, timeout)

    def write(self, buffer: bytes, timeout: float | None = None) -> None:
        """Write all of the buffer (httpcore's interface)."""
        self._inner.write(buffer, timeout)

    def close(self) -> None:
        """Close the socket."""
        self._network.replaced(self, None)
        self._inner.close()

    def start_tls(
        self, ssl_context: ssl.SSLContext, server_hostname: str | None = None, timeout: float | None = None
    ) -> httpcore.NetworkStream:
        """The same stream inside TLS (httpcore's interface)."""
        inside = Stream(self._inner.start_tls(ssl_context, server_hostname, timeout), self._network)
        self._network.replaced(self, inside)
        return inside

    def get_extra_info(self, info: str) -> typing.Any:
        """What httpcore asks of streams."""
        return self._inner.get_extra_info(info)

    def end(self) -> None:
        """Shut the socket down; a thread that reads from it wakes up."""
        connection = self._inner.get_extra_info("socket")
        with contextlib.suppress(OSError):
            connection.shutdown(socket.SHUT_RDWR)


class Names:
    """Addresses of host names, each looked up once; a look-up whose answer is late is made again beside it."""

    def __init__(self) -> None:
        self._known: dict[tuple[str, int], tuple[float, list[str]]] = {}
        self._locks: dict[tuple[str, int], threading.Lock] = {}

    def find(self, host: str, port: int, seconds: float) -> list[str]:
        """The addresses, best first. Raises OSError (socket.gaierror, TimeoutError)."""
        key = (host, port)
        with self._locks.setdefault(key, threading.Lock()):
            known = self._known.get(key)
            if known is None or known[0] < time.monotonic():
                known = (time.monotonic() + _KEPT_SECONDS, _look_up(host, port, seconds))
                self._known[key] = known
            return list(known[1])

    def prefer(self, host: str, port: int, address: str) -> None:
        """This address answered where others did not."""
        moment, addresses = self._known.get((host, port), (0.0, []))
        self._known[host, port] = (moment, [address, *(a for a in addresses if a != address)])

    def forget(self, host: str, port: int) -> None:
        """No address answered: look the name up again next time."""
        self._known.pop((host, port), None)


def _look_up(host: str, port: int, seconds: float) -> list[str]:
    with contextlib.suppress(OSError):
        return _addresses(socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_NUMERICHOST))
    answers: queue.SimpleQueue[list[str] | OSError] = queue.SimpleQueue()

    def ask() -> None:
        try:
            answers.put(_addresses(socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)))
        except OSError as error:
            answers.put(error)
        except UnicodeError:
            answers.put(socket.gaierror(socket.EAI_NONAME, "the host name is malformed"))

    end = time.monotonic() + seconds
    asked = failed = 0
    while (left := end - time.monotonic()) > 0:
        if asked < _LOOK_UPS:
            threading.Thread(target=ask, name="envctl-look-up", daemon=True).start()
            asked += 1
        try:
            answer = answers.get(timeout=min(_LOOK_UP_AGAIN, left) if asked < _LOOK_UPS else left)
        except queue.Empty:
            continue
        if not isinstance(answer, OSError):
            return answer
        failed += 1
        if getattr(answer, "errno", None) != socket.EAI_AGAIN or failed == _LOOK_UPS:
            raise answer
    raise TimeoutError(f"the name server did not answer within {seconds:g} s")


def _addresses(found: Iterable[tuple[typing.Any, ...]]) -> list[str]:
    return list(dict.fromkeys(str(entry[4][0]) for entry in found))


def pool_for(url: str, environ: Mapping[str, str], network: Network, connections: int) -> httpcore.ConnectionPool:
    """The pool for URLs of this scheme and host: direct, or through the proxy that the environment names."""
    parts = urlsplit(url)
    proxy = _proxy(parts.scheme, parts.hostname or "", environ)
    secure = "https" in (parts.scheme, (proxy or "").partition(":")[0])
    # Plain HTTP need not pay for reading the certificates of all authorities: an empty context trusts nobody.
    context = tls_context(*_trust(environ)) if secure else ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    through: httpcore.Proxy | None = None
    if proxy is not None:
        at = urlsplit(proxy)
        if at.scheme not in ("http", "https"):
            raise UsageError(
                f"the proxy {redact(proxy)} cannot be used",
                found=at.scheme or "no scheme",
                expected="an http:// or https:// address in HTTPS_PROXY, HTTP_PROXY or ALL_PROXY",
            )
        auth = (unquote(at.username or ""), unquote(at.password or "")) if at.username is not None else None
        plain = at._replace(netloc=at.netloc.rpartition("@")[2], path="", query="", fragment="").geturl()
        through = httpcore.Proxy(plain, auth=auth, ssl_context=context if at.scheme == "https" else None)
    return httpcore.ConnectionPool(
        ssl_context=context,
        proxy=through,
        max_connections=connections,
        max_keepalive_connections=connections,
        keepalive_expiry=30.0,
        network_backend=network,
    )


def _proxy(scheme: str, host: str, environ: Mapping[str, str]) -> str | None:
    if not any(key.lower().endswith("_proxy") for key in environ):
        return None
    proxies = getproxies_environment() if environ is os.environ else _proxies_of(environ)
    proxy = proxies.get(scheme) or proxies.get("all")
    if not proxy or proxy_bypass_environment(host, proxies):
        return None
    return proxy if "://" in proxy else f"http://{proxy}"


def _proxies_of(environ: Mapping[str, str]) -> dict[str, str]:
    upper = {k.lower()[:-6]: v for k, v in environ.items() if k.lower().endswith("_proxy") and not k.islower()}
    lower = {k[:-6]: v for k, v in environ.items() if k.endswith("_proxy") and k.islower()}
    return upper | lower


def _trust(environ: Mapping[str, str]) -> tuple[str | None, str | None]:
    """The file and the folder of trusted authorities that the environment names."""
    files = (environ.get(name) for name in ("SSL_CERT_FILE", "REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE", "PIP_CERT"))
    file = next((value for value in files if value), None)
    folder = environ.get("SSL_CERT_DIR") or None
    if file is not None and os.path.isdir(file):  # noqa: PTH112  # REQUESTS_CA_BUNDLE may be a folder
        return None, file
    return file, folder


@functools.lru_cache(maxsize=8)
def tls_context(file: str | None, folder: str | None) -> ssl.SSLContext:
    """Trust in the named authorities; without names in the system's and, where installed, certifi's.

    Raises:
        UsageError: a file that the environment names is no set of certificates.
    """
    try:
        if file is not None or folder is not None:
            return ssl.create_default_context(cafile=file, capath=folder)
        context = ssl.create_default_context()
        with contextlib.suppress(ImportError):
            import certifi

            context.load_verify_locations(certifi.where())
        return context
    except (OSError, ssl.SSLError) as error:
        raise UsageError(
            "the trusted certificates cannot be read",
            file=file or folder,
            found=error.strerror or str(error),
            hint="set SSL_CERT_FILE to a file of PEM certificates, or unset it",
        ) from error
