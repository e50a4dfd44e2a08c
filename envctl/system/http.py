"""HTTP as indexes need it: few kept connections, bounded answers, credentials that stay with their origin.

Built on httpcore, the transport of httpx: its pool is thread-safe and its network is a documented seam, through which
name look-ups that got lost are asked again and a head that drips in is cut off (`envctl.system.net`). httpx itself
would add 70 ms of import and its own redirects, which carry no rule about credentials or downgrades that could be
said in one place. httpcore is imported with the first request.
"""

from __future__ import annotations

import collections
import contextlib
import functools
import hashlib
import os
import random
import re
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from types import TracebackType
from typing import TYPE_CHECKING, BinaryIO, TypeVar
from urllib.parse import urlencode

from envctl.errors import IndexFailed
from envctl.system.answers import Downloaded, Refused, Response
from envctl.system.body import Answer, BodyFailed
from envctl.system.credentials import Credentials, Secret, origin, redact
from envctl.system.failures import Retry
from envctl.system.urls import checked, redirected, retry_after, with_secret

if TYPE_CHECKING:
    import httpcore

    from envctl.system.exchange import Exchange
    from envctl.system.net import Network

T = TypeVar("T")

PAGE_LIMIT = 256 * 2**20
_REDIRECTS = frozenset({301, 302, 303, 307, 308})
_AGAIN = frozenset({408, 425, 429, 500, 502, 503, 504})
_MOST_REDIRECTS = 10
_LONGEST_WAIT = 15.0
_PROGRESS = 2**20  # bytes after which a broken download has not failed, but was interrupted
_RANGE = re.compile(r"bytes ([0-9]{1,19})-([0-9]{1,19})/([0-9]{1,19})")


class Client:
    """Asks web servers, from any number of threads.

    Args:
        credentials: URL -> (user, password), for that URL's origin; before those of the netrc file.
        offline: refuse every request before a socket is opened.
        connections: at most so many to one host.
        attempts: how often a request is made when the server or the way to it fails.
        backoff: seconds before the second attempt; doubled with each further one.
        patience: seconds without any byte, or below 1 KiB/s, after which an answer has failed.
        netrc: False takes credentials from nowhere but the URL and the headers of each request.
    """

    def __init__(
        self,
        *,
        credentials: Mapping[str, Secret] | None = None,
        offline: bool = False,
        environ: Mapping[str, str] | None = None,
        connections: int = 16,
        attempts: int = 4,
        backoff: float = 0.25,
        patience: float | None = None,
        netrc: bool = True,
    ) -> None:
        self._environ = os.environ if environ is None else environ
        self._credentials = Credentials(credentials, self._environ) if netrc else None
        self._offline = offline
        self._connections = connections
        self._attempts = attempts
        self._backoff = backoff
        self._patience = patience or _patience(self._environ)
        self._lock = threading.Lock()
        self._network: Network | None = None
        self._pools: dict[tuple[str, str, int | None], httpcore.ConnectionPool] = {}
        self._generation = 0
        self._woken = threading.Condition(self._lock)

    def __enter__(self) -> Client:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Give up what is under way and close all connections; they are made anew should another request follow."""
        self.cancel()
        with self._lock:
            pools, self._pools, self._network = list(self._pools.values()), {}, None
        for pool in pools:
            pool.close()

    def cancel(self) -> None:
        """Give up every request that is under way, in whatever thread; each raises IndexFailed there, at once."""
        with self._lock:
            self._generation += 1
            network = self._network
            self._woken.notify_all()
        if network is not None:
            network.end()

    def get(
        self,
        url: str,
        *,
        headers: Mapping[str, str] | None = None,
        limit: int = PAGE_LIMIT,
        accept: str | None = None,
        expect: Sequence[int] = (200,),
    ) -> Response:
        """The answer to GET, following redirects.

        Args:
            limit: bytes that the body may have, decompressed.
            accept: the Accept header.
            expect: the statuses that are answers; any other is a failure.

        Raises:
            IndexFailed: with the URL redacted, what was found and expected, and a hint.
        """
        asked = {"accept": accept or "*/*", "accept-encoding": "gzip", **_lower(headers)}

        def take(answer: Answer) -> Response:
            body = b"".join(answer.chunks(limit))
            return Response(status=answer.status, headers=answer.headers, body=body, url=answer.url)

        return self._ask(url, asked, take, expect)

    def get_range(
        self, url: str, start: int = 0, end: int = 0, *, suffix: int | None = None
    ) -> tuple[bytes, int] | None:
        """Bytes `start` up to (not including) `end`, or the last `suffix` bytes, and the size of the whole file.

        A range that reaches past the end is cut there. None when the server does not serve ranges, or not the range
        that was asked for: the whole file must be read then. Nothing of it has been read.
        """
        spec = f"bytes=-{suffix}" if suffix is not None else f"bytes={start}-{end - 1}"

        def take(answer: Answer) -> tuple[bytes, int] | None:
            if "content-encoding" in answer.headers:
                return None
            if answer.status == 200:
                size = answer.length
                if suffix is None or size is None or size > suffix:
                    return None
                return b"".join(answer.chunks(suffix)), size
            match = _RANGE.fullmatch(answer.headers.get("content-range", "").strip())
            if answer.status != 206 or match is None:
                return None
            first, last, size = int(match[1]), int(match[2]), int(match[3])
            begin = max(0, size - suffix) if suffix is not None else start
            stop = size if suffix is not None else min(end, size)
            if (first, last + 1) != (begin, stop):
                return None
            data = b"".join(answer.chunks(stop - begin))
            return (data, size) if len(data) == stop - begin else None

        # 405 and 501 are what some servers say to a range of a kind that they do not know.
        return self._ask(url, {"range": spec, "accept-encoding": "identity"}, take, (200, 206, 405, 416, 501))

    def stream_to(self, url: str, file: BinaryIO, *, limit: int) -> Downloaded:
        """Write the body to a seekable file, from its start; at most `limit` bytes."""

        def take(answer: Answer) -> Downloaded:
            file.seek(0)
            file.truncate()
            digest, size = hashlib.sha256(), 0
            for chunk in answer.chunks(limit):
                digest.update(chunk)
                file.write(chunk)
                size += len(chunk)
            return Downloaded(digest.hexdigest(), size)

        return self._ask(url, {"accept-encoding": "identity"}, take, (200,))

    def head(self, url: str, *, headers: Mapping[str, str] | None = None, expect: Sequence[int] = (200,)) -> Response:
        """The answer to HEAD, following redirects; its body is empty. Errors as those of `get`."""

        def take(answer: Answer) -> Response:
            return Response(status=answer.status, headers=answer.headers, body=b"", url=answer.url)

        return self._ask(url, {"accept": "*/*", **_lower(headers)}, take, expect, method="HEAD")

    def post_form(
        self, url: str, fields: Mapping[str, str], *, limit: int = PAGE_LIMIT, expect: Sequence[int] = (200,)
    ) -> Response:
        """The answer to a POST of form fields, which follows no redirect: they may hold secrets. Errors as `get`'s."""

        def take(answer: Answer) -> Response:
            body = b"".join(answer.chunks(limit))
            return Response(status=answer.status, headers=answer.headers, body=body, url=answer.url)

        headers = {"accept": "*/*", "content-type": "application/x-www-form-urlencoded"}
        return self._ask(url, headers, take, expect, method="POST", content=urlencode(fields).encode())

    def chunks(self, url: str, *, headers: Mapping[str, str] | None = None, limit: int) -> Iterator[bytes]:
        """The body piece by piece, of at most `limit` bytes; where the connection breaks, it goes on by range.

        What comes must be checked by a digest: nothing else proves that the pieces are of one file. Errors as `get`'s,
        from the first piece on.
        """
        plain, secret, cancelled = self._begin(url)
        received, attempt = 0, 1
        while True:
            before = received
            more = {"range": f"bytes={received}-"} if received else {}
            asked = {"accept-encoding": "identity", **_lower(headers), **more}
            try:
                with self._follow(plain, asked, secret, cancelled) as answer:
                    for piece in self._take(answer, functools.partial(_from, start=before, limit=limit), (200, 206)):
                        received += len(piece)
                        yield piece
                return
            except BodyFailed as error:
                failed = _failed(error, plain)
                if isinstance(failed, IndexFailed):
                    raise failed from error
                self._wait(failed, attempt, cancelled)
            except Retry as retry:
                self._wait(retry, attempt, cancelled)
            attempt = attempt + 1 if received - before < _PROGRESS else 1

    def _ask(
        self,
        url: str,
        headers: Mapping[str, str],
        take: Callable[[Answer], T],
        expect: Sequence[int],
        *,
        method: str = "GET",
        content: bytes | None = None,
    ) -> T:
        plain, secret, cancelled = self._begin(url)
        attempt = 1
        while True:
            try:
                with self._follow(plain, headers, secret, cancelled, method=method, content=content) as answer:
                    return self._take(answer, take, expect)
            except Retry as retry:
                self._wait(retry, attempt, cancelled)
            attempt += 1

    def _begin(self, url: str) -> tuple[str, Secret | None, Callable[[], bool]]:
        """The URL without credentials, those that belong to it, and what says that nobody waits any more."""
        plain, secret = checked(url)
        if self._offline:
            raise IndexFailed(
                "is needed, but envctl works offline", file=redact(plain), hint="run again without --offline"
            )
        if secret is None and self._credentials is not None:
            secret = self._credentials.find(plain)
        generation = self._generation
        return plain, secret, lambda: self._generation != generation

    def _wait(self, retry: Retry, attempt: int, cancelled: Callable[[], bool]) -> None:
        """Wait before the next attempt; raises the failure where there is to be none."""
        failure, wait = retry.failure, retry.wait
        last = attempt >= (min(2, self._attempts) if retry.slow else self._attempts)
        if last or (wait or 0.0) > _LONGEST_WAIT:
            raise failure
        pause = self._backoff * 2 ** (attempt - 1) * random.uniform(0.75, 1.25)  # noqa: S311  # not a secret
        with self._woken:
            if self._woken.wait_for(cancelled, max(pause, wait or 0.0)):
                raise failure

    @contextlib.contextmanager
    def _follow(
        self,
        url: str,
        headers: Mapping[str, str],
        secret: Secret | None,
        cancelled: Callable[[], bool],
        *,
        method: str = "GET",
        content: bytes | None = None,
    ) -> Iterator[Answer]:
        """The answer after all redirects. What is sent with a content is not sent anywhere else."""
        home, asked = origin(url), url
        for _ in range(_MOST_REDIRECTS + 1):
            own = origin(url) == home
            sent = with_secret(headers, secret if own else None, own=own)
            with self._open(url, sent, cancelled, method, content) as answer:
                if answer.status not in _REDIRECTS or "location" not in answer.headers or content is not None:
                    yield answer
                    return
                target = redirected(url, answer.headers["location"], asked)
                with contextlib.suppress(BodyFailed, Retry):
                    collections.deque(answer.chunks(2**16), maxlen=0)  # so that the connection can be used again
            url = target
        raise IndexFailed("redirects without end", file=redact(asked), expected=f"at most {_MOST_REDIRECTS} redirects")

    def _take(self, answer: Answer, take: Callable[[Answer], T], expect: Sequence[int]) -> T:
        if answer.status in expect:
            try:
                return take(answer)
            except BodyFailed as error:
                raise _failed(error, answer.url) from error
        failure = self._refused(answer)
        if answer.status in _AGAIN:
            raise Retry(failure, wait=retry_after(answer.headers))
        raise failure

    def _refused(self, answer: Answer) -> Refused:
        status, hint = answer.status, None
        if status in (401, 403, 407):
            hint = "put user and password into ~/.netrc (or the file that NETRC names), or set UV_INDEX_<NAME>_USERNAME"
            hint += " and UV_INDEX_<NAME>_PASSWORD for an index of the profile"
            if self._credentials is not None and self._credentials.problem is not None:
                hint = f"{self._credentials.problem}; {hint}"
        elif status in _AGAIN:
            hint = "the server has a problem of its own; try again later"
        elif status in (404, 410):
            hint = "check the index's URL; a file that was deleted there can be had from another index or mirror"
        return Refused(answer, hint)

    def _open(
        self, url: str, headers: Mapping[str, str], cancelled: Callable[[], bool], method: str, content: bytes | None
    ) -> Exchange:
        from envctl.system.exchange import Exchange
        from envctl.system.net import Network, pool_for

        key = origin(url)
        with self._lock:
            if self._network is None:
                self._network = Network()
            if key not in self._pools:
                self._pools[key] = pool_for(url, self._environ, self._network, self._connections)
            pool = self._pools[key]
            network = self._network
        return Exchange(
            pool,
            network,
            url,
            headers,
            patience=self._patience,
            cancelled=cancelled,
            method=method,
            content=content,
        )


def _from(answer: Answer, *, start: int, limit: int) -> Iterator[bytes]:
    """The pieces of a body from `start` on, whether the server gives the range that was asked for or everything."""
    match = _RANGE.fullmatch(answer.headers.get("content-range", "").strip())
    if answer.status == 206 and (match is None or int(match[1]) != start):
        raise BodyFailed("answers with another range", expected=f"bytes from {start:,}")
    skip = start if answer.status == 200 else 0
    for chunk in answer.chunks(limit - (start - skip)):
        rest = chunk[skip:]
        skip -= len(chunk) - len(rest)
        if rest:
            yield rest


def _failed(error: BodyFailed, url: str) -> Retry | IndexFailed:
    failure = IndexFailed(error.what, file=redact(url), found=error.found, expected=error.expected, hint=error.hint)
    return Retry(failure, slow=error.slow) if error.again else failure


def _patience(environ: Mapping[str, str]) -> float:
    said = environ.get("UV_HTTP_TIMEOUT", "")
    return float(said) if said.isdecimal() and len(said) < 6 and 0 < int(said) <= 86400 else 30.0


def _lower(headers: Mapping[str, str] | None) -> dict[str, str]:
    return {name.lower(): value for name, value in (headers or {}).items()}
