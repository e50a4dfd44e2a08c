"""Reading wheels while the resolver still works: it names each one as it asks for its metadata.

A guess that costs nothing when it is wrong: what the resolver does not choose in the end is dropped, and what could not
be read ahead is read afterwards, with its errors. Only addresses that the resolver itself asks are asked.
"""

from __future__ import annotations

import threading
from concurrent.futures import Future, ThreadPoolExecutor, wait
from types import TracebackType
from urllib.parse import unquote, urlsplit

import msgspec

from envctl.index.cache import ContentCache
from envctl.index.refs import WheelRef
from envctl.index.wheel import ReadWheel, read_tail
from envctl.system.http import Client

THREADS = 8


class Ahead:
    """Wheels that are being read, by URL.

    Args:
        cache: wheels whose URL is noted there are not read again, and those that are taken are remembered; None: every
            wheel is read.
    """

    def __init__(self, client: Client, cache: ContentCache | None) -> None:
        self._client, self._cache = client, cache
        self._lock = threading.Lock()
        self._ended = False
        self._pool = ThreadPoolExecutor(THREADS, thread_name_prefix="envctl-ahead")
        self._reading: dict[str, Future[ReadWheel | None]] = {}

    def __enter__(self) -> Ahead:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        with self._lock:
            self._ended = True
        if error is not None:
            self._pool.shutdown(wait=False, cancel_futures=True)
            # done() counts what was cancelled before it began; wait() would wait for that for ever.
            while under_way := [reading for reading in self._reading.values() if not reading.done()]:
                self._client.cancel()  # each time: a request that was only about to start is not under way
                wait(under_way, timeout=0.1)
        self._pool.shutdown(wait=True)

    def see(self, url: str) -> None:
        """Start to read the wheel of a URL, once."""
        with self._lock:
            if self._ended or url in self._reading or (self._cache is not None and self._cache.noted(url)):
                return
            filename = unquote(urlsplit(url).path.rpartition("/")[2])
            self._reading[url] = self._pool.submit(read_tail, self._client, url, filename=filename)

    def take(self, wheel: WheelRef) -> ReadWheel | None:
        """The wheel as it was read ahead, under the sha256 that the index says; None where it was not, or differs."""
        reading = self._reading.get(wheel.url)
        read = reading.result() if reading is not None and wheel.sha256 is not None else None
        if read is None or wheel.sha256 is None:
            return None
        if read.sha256 not in ("", wheel.sha256) or wheel.size not in (None, read.size):
            return None  # reading it again says what is wrong
        if read.content.filename != wheel.filename:
            return None
        read = msgspec.structs.replace(read, sha256=wheel.sha256)
        if self._cache is not None:
            self._pool.submit(self._remember, self._cache, read, wheel.url)
        return read

    @staticmethod
    def _remember(cache: ContentCache, read: ReadWheel, url: str) -> None:
        cache.put(read)
        cache.note(url, read.sha256)
