"""The contents of many wheels at once: from the cache where they are known, else from their index."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed

import msgspec

from envctl.index.cache import ContentCache
from envctl.index.wheel import ReadWheel, read_remote
from envctl.system.http import Client

THREADS = 16


class WheelRef(msgspec.Struct, frozen=True, kw_only=True):
    """A wheel that an index or a lockfile names. `sha256`: 64 hex digits; None, as `size`, where nothing says it."""

    filename: str
    url: str
    sha256: str | None = None
    size: int | None = None


def read_contents(
    wanted: Sequence[WheelRef],
    *,
    client: Client,
    cache: ContentCache | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> dict[str, ReadWheel]:
    """Read wheels, by URL.

    Args:
        cache: where contents are remembered by sha256; a wheel without one is always read whole.
        progress: told (done, all) after each wheel, in the calling thread.

    Raises:
        IndexFailed: one could not be read; the others are given up.
    """
    found: dict[str, ReadWheel] = {}
    missing: dict[str, WheelRef] = {}
    for wheel in wanted:
        known = cache.get(wheel.sha256, filename=wheel.filename) if cache is not None and wheel.sha256 else None
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
    return read
