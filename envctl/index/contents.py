"""The contents of many wheels at once: from the cache where they are known, else from their index."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed

from envctl.index.ahead import Ahead
from envctl.index.cache import ContentCache
from envctl.index.refs import WheelRef
from envctl.index.wheel import ReadWheel, read_remote
from envctl.system.http import Client

__all__ = ["WheelRef", "read_contents"]

THREADS = 16


def read_contents(
    wanted: Sequence[WheelRef],
    *,
    client: Client,
    cache: ContentCache | None = None,
    progress: Callable[[int, int], None] | None = None,
    ahead: Ahead | None = None,
) -> dict[str, ReadWheel]:
    """Read wheels, by URL.

    Args:
        cache: where contents are remembered by sha256; a wheel without one is always read whole.
        ahead: what was read before its sha256 was known.
        progress: told (done, all) after each wheel, in the calling thread.

    Raises:
        IndexFailed: one could not be read; the others are given up.
    """
    found: dict[str, ReadWheel] = {}
    missing: dict[str, WheelRef] = {}
    for wheel in wanted:
        known = ahead.take(wheel) if ahead is not None else None
        if known is None and cache is not None and wheel.sha256:
            known = cache.get(wheel.sha256, filename=wheel.filename)
        if known is not None:
            found[wheel.url] = known
        else:
            missing[wheel.url] = wheel
    total = len(found) + len(missing)
    if progress is not None and found:
        progress(len(found), total)
    if not missing:
        return found
    # Large files first would say nothing here: nearly every wheel is one request.
    pool = ThreadPoolExecutor(min(THREADS, len(missing)), thread_name_prefix="envctl-read")
    try:
        reading = {pool.submit(_read, wheel, client, cache): url for url, wheel in missing.items()}
        for done in as_completed(reading):
            found[reading[done]] = done.result()
            if progress is not None:
                progress(len(found), total)
    except BaseException:
        # Interrupted, or one failed: nobody waits for what the others still download.
        client.cancel()
        raise
    finally:
        pool.shutdown(wait=True, cancel_futures=True)
    return found


def _read(wheel: WheelRef, client: Client, cache: ContentCache | None) -> ReadWheel:
    read = read_remote(client, wheel.url, filename=wheel.filename, sha256=wheel.sha256, size=wheel.size)
    if cache is not None:
        cache.put(read)
        cache.note(wheel.url, read.sha256)
    return read
