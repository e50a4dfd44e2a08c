"""What requests give: an answer, a download, a refusal."""

from __future__ import annotations

import msgspec

from envctl.errors import IndexFailed
from envctl.system.body import Answer
from envctl.system.credentials import redact


class Response(msgspec.Struct, frozen=True, kw_only=True):
    """An answer with its whole body, decompressed. `headers` by lower-case name; `url` is that of the last redirect."""

    status: int
    headers: dict[str, str]
    body: bytes
    url: str

    @property
    def content_type(self) -> str:
        """The Content-Type as sent; empty where there is none."""
        return self.headers.get("content-type", "")


class Downloaded(msgspec.Struct, frozen=True):
    """What `stream_to` wrote: sha256 (64 hex digits), size in bytes."""

    sha256: str
    size: int


class Refused(IndexFailed):
    """A server answered, but with another status than the expected. `headers` by lower-case name."""

    def __init__(self, answer: Answer, hint: str | None) -> None:
        found = f"HTTP status {answer.status}"
        super().__init__("the server refused", file=redact(answer.url), found=found, hint=hint)
        self.status, self.headers, self.url = answer.status, answer.headers, answer.url
