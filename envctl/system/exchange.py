"""One request and its answer over a pool of connections; what goes wrong on the way is told in the user's words.

Heavy (it imports httpcore): only `envctl.system.http` imports it, when a first request is made.
"""

from __future__ import annotations

import socket
import ssl
from collections.abc import Callable, Iterator, Mapping
from types import TracebackType
from urllib.parse import quote, urlsplit

import httpcore

from envctl import __version__
from envctl.errors import IndexFailed
from envctl.system.body import Answer
from envctl.system.credentials import redact
from envctl.system.failures import Retry
from envctl.system.net import CONNECT_SECONDS, Network

_NETWORK = "check the network, the URL, and HTTPS_PROXY"
_FAILURES = (httpcore.NetworkError, httpcore.TimeoutException, httpcore.ProtocolError, httpcore.ProxyError)


class Exchange:
    """`with Exchange(…) as answer:` the head is there, and the body can be read.

    Raises:
        Retry: on entering, and from the body's chunks: the network failed.
        IndexFailed: no further attempt would help, or `cancelled` says that nobody waits any more.
    """

    def __init__(
        self,
        pool: httpcore.ConnectionPool,
        network: Network,
        url: str,
        headers: Mapping[str, str],
        *,
        patience: float,
        cancelled: Callable[[], bool],
        method: str = "GET",
        content: bytes | None = None,
    ) -> None:
        self._pool, self._network, self._url, self._headers = pool, network, url, headers
        self._method, self._content = method, content
        self._patience, self._cancelled = patience, cancelled
        self._response: httpcore.Response | None = None

    def __enter__(self) -> Answer:
        self._check_wanted()
        patience = self._patience
        timeouts = {"connect": CONNECT_SECONDS, "read": patience, "write": patience, "pool": None}
        headers = {"host": _ascii_host(self._url), "user-agent": f"envctl/{__version__}", **self._headers}
        if self._content is not None:
            headers["content-length"] = str(len(self._content))
        request = httpcore.Request(
            self._method,
            _ascii(self._url),
            headers=[(name.encode(), value.encode("latin-1")) for name, value in headers.items()],
            content=self._content,
            extensions={"timeout": timeouts},
        )
        try:
            with self._network.answer_within(2 * patience, self._cancelled):
                response = self._pool.handle_request(request)
        except _FAILURES as error:
            raise self._failure(error) from error
        self._response = response
        return Answer(
            status=response.status,
            headers=_headers(response.headers),
            url=self._url,
            stream=self._stream(response),
            patience=patience,
        )

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._response is not None:
            self._response.close()

    def _stream(self, response: httpcore.Response) -> Iterator[bytes]:
        try:
            for chunk in response.iter_stream():
                self._check_wanted()
                yield chunk
        except _FAILURES as error:
            raise self._failure(error) from error

    def _check_wanted(self) -> None:
        if self._cancelled():
            raise IndexFailed("was given up, because something else failed", file=redact(self._url))

    def _failure(self, error: Exception) -> Retry | IndexFailed:
        """The failure in words; Retry where another attempt may succeed."""
        self._check_wanted()
        cause = _root(error)
        if isinstance(cause, ssl.SSLError) and not isinstance(error, httpcore.ReadError | httpcore.WriteError):
            found = getattr(cause, "verify_message", "") or cause.reason or str(cause)
            hint = "behind a company's proxy, set SSL_CERT_FILE to the file of its certificates"
            return self._failed("no trusted connection could be made", found, hint)
        if isinstance(error, httpcore.ProxyError):
            return self._failed("the proxy refused", str(error), "check HTTPS_PROXY and NO_PROXY")
        slow = False
        if isinstance(cause, socket.gaierror):
            what, found, hint = "the host name could not be looked up", cause.strerror, _NETWORK
        elif isinstance(error, httpcore.ConnectTimeout):
            what, found, hint = "could not be reached", f"no answer within {CONNECT_SECONDS:g} s", _NETWORK
            slow = True
        elif isinstance(error, httpcore.ConnectError):
            what, found, hint = "could not be reached", _reason(cause, error), _NETWORK
        elif isinstance(error, httpcore.TimeoutException):
            what, found = "stopped answering", f"nothing for {self._patience:g} s"
            hint = "the server or the way to it is slow; UV_HTTP_TIMEOUT says how many seconds to wait"
            slow = True
        else:
            what, found, hint = "the connection broke", _reason(cause, error), "try again"
        return Retry(self._failed(what, found, hint), slow=slow)

    def _failed(self, what: str, found: str | None, hint: str) -> IndexFailed:
        return IndexFailed(what, file=redact(self._url), found=found, hint=hint)


def _headers(pairs: list[tuple[bytes, bytes]]) -> dict[str, str]:
    headers: dict[str, str] = {}
    for raw, value in pairs:
        name, text = raw.decode("latin-1").lower(), value.decode("latin-1")
        # a server that takes several kinds of credentials says so in one header or in several (RFC 9110, 11.6.1)
        several = name == "www-authenticate" and name in headers
        headers[name] = f"{headers[name]}, {text}" if several else text
    return headers


def _root(error: BaseException) -> BaseException | None:
    """What the operating system or the TLS library said; httpcore cuts `__cause__` off, but not `__context__`."""
    cause = error.__cause__ or error.__context__
    while cause is not None and (deeper := cause.__cause__ or cause.__context__) is not None:
        cause = deeper
    return cause


def _reason(cause: BaseException | None, error: Exception) -> str:
    return (getattr(cause, "strerror", None) or str(error) or type(error).__name__)[:200]


def _ascii(url: str) -> str:
    """The URL as a request line may hold it."""
    parts = urlsplit(url)
    path = quote(parts.path or "/", safe="/%:@!$&'()*+,;=~-._")
    query = quote(parts.query, safe="/?%:@!$&'()*+,;=~-._[]")
    return f"{parts.scheme}://{_ascii_host(url)}{path}" + (f"?{query}" if query else "")


def _ascii_host(url: str) -> str:
    netloc = urlsplit(url).netloc
    return netloc if netloc.isascii() else netloc.encode("idna").decode()
