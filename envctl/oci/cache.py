"""Small documents of registries (manifests, indexes, configurations), kept by digest. Each proves itself when read."""

from __future__ import annotations

import contextlib
from pathlib import Path

from envctl.errors import InvalidFile, ToolFailed
from envctl.oci.media import CONFIG_LIMIT, DIGEST, digest_of
from envctl.system.files import cache_dir, read_bytes, write_atomically


class DocumentCache:
    """A folder of documents: `images/<algorithm>/<hex>` in envctl's cache. Any of it may be removed at any time."""

    def __init__(self, folder: Path | None = None) -> None:
        self._folder = cache_dir("images") if folder is None else folder

    def get(self, digest: str) -> bytes | None:
        """The document of that digest; None where it is not there, or no longer what it was."""
        try:
            data = read_bytes(self._place(digest), limit=CONFIG_LIMIT)
        except (FileNotFoundError, NotADirectoryError, InvalidFile):
            return None
        return data if digest_of(data, digest) == digest else None

    def put(self, digest: str, data: bytes) -> None:
        """Keep a document that was checked. A cache that cannot be written is no failure."""
        with contextlib.suppress(ToolFailed):
            write_atomically({self._place(digest): data}, durable=False)

    def _place(self, digest: str) -> Path:
        if not DIGEST.fullmatch(digest):
            raise ValueError(f"{digest!r} is no digest")
        return self._folder.joinpath(*digest.split(":"))
