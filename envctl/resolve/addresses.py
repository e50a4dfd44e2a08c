"""The router's addresses: what uv sees in place of bound indexes and their files, and back again. Pure.

They are the same in every run, so that uv's cache stays warm, and say all that is needed to find the real file again.
"""

from __future__ import annotations

import base64
import binascii
import contextlib
import hashlib
from urllib.parse import quote, unquote

import msgspec

from envctl.model.names import normalise
from envctl.model.profile import Index
from envctl.model.resolution import Candidate
from envctl.model.simple_api import SimpleFile
from envctl.resolve.asking import Source, own_cutoff
from envctl.resolve.binding import Bindings
from envctl.system.credentials import split_credentials

_FIRST_PORT, _PORTS, _TRIES = 20_000, 10_000, 4
_FILE, _WITH_METADATA = _FILES = ("file", "file-with-metadata")


class Page(msgspec.Struct, frozen=True):
    """A request for a distribution's page on a bound index."""

    index: Index
    name: str


class Metadata(msgspec.Struct, frozen=True):
    """A request for a wheel's METADATA. `beside`: the index has it in a file of its own; `hashed`: it says a digest."""

    index: Index
    url: str
    filename: str
    beside: bool
    hashed: bool


class Addresses(msgspec.Struct, frozen=True):
    """`http://127.0.0.1:PORT/DIGEST/NUMBER/…`: the digest of all bindings, and which bound index it is about."""

    bindings: Bindings
    port: int | None = None

    @property
    def digest(self) -> str:
        """Tells these bindings from others: a page is cached for them alone."""
        told = [(index.name, _plain(index.url), index.packages) for index in self.bindings.bound]
        return hashlib.sha256(msgspec.json.encode(told)).hexdigest()[:16]

    def ports(self) -> tuple[int, ...]:
        """The ports to listen on, best first; 0 is any."""
        first = int(self.digest[:8], 16)
        return (*(_FIRST_PORT + (first + attempt * 997) % _PORTS for attempt in range(_TRIES)), 0)

    @property
    def root(self) -> str:
        """What all addresses begin with. Without a port it is that of the best one."""
        return f"http://127.0.0.1:{self.ports()[0] if self.port is None else self.port}/{self.digest}"

    def sources(self, credentials: tuple[str, str]) -> list[Source]:
        """The indexes that uv is to ask before all others."""
        return [
            Source(
                key=f"bound-{number}",
                url=f"{self.root}/{number}/simple",
                credentials=credentials,
                cutoff=own_cutoff(index),
                local=True,
            )
            for number, index in enumerate(self.bindings.bound)
        ]

    def of_file(self, index: Index, file: SimpleFile) -> str:
        """Where uv is to find a file of a bound index."""
        kind = _WITH_METADATA if file.core_metadata else _FILE
        encoded = base64.urlsafe_b64encode(_plain(file.url).encode()).decode().rstrip("=")
        number = self.bindings.bound.index(index)
        return f"{self.root}/{number}/{kind}/{file.sha256 or '-'}/{encoded}/{quote(file.filename)}"

    def offered(self, index: Index, file: SimpleFile) -> SimpleFile:
        """A file of a bound index as uv is to see it.

        Where the index says no sha256, uv would download the file to find out. Its address stands in for the digest,
        and `found` takes that away again: envctl reads such a wheel itself.
        """
        return msgspec.structs.replace(
            file,
            url=self.of_file(index, file),
            sha256=file.sha256 or hashlib.sha256(file.url.encode()).hexdigest(),
            core_metadata=file.filename.endswith(".whl"),
        )

    def found(self, wheel: Candidate) -> tuple[Candidate, Index] | None:
        """A wheel as its index has it, and that index; None for one from elsewhere."""
        real = self.real(wheel.url)
        if real is None:
            return None
        hashed = wheel.url.split("/")[-3] != "-"
        return msgspec.structs.replace(wheel, url=real[0], sha256=wheel.sha256 if hashed else None), real[1]

    def request(self, path: str) -> Page | Metadata | None:
        """What a path asks for; None for what no bound index has to answer."""
        digest, number, kind, *rest = (*path.strip("/").split("/"), "", "", "")
        index = self._index(number)
        rest = [part for part in rest if part]
        if digest != self.digest or index is None:
            return None
        if kind == "simple" and len(rest) == 1 and self.bindings.owner(rest[0]) is index:
            return Page(index, normalise(rest[0]))
        if kind in _FILES and len(rest) == 3 and rest[2].endswith(".metadata"):
            url = _decoded(rest[1])
            if url is not None:
                filename = unquote(rest[2]).removesuffix(".metadata")
                return Metadata(index, url, filename, beside=kind == _WITH_METADATA, hashed=rest[0] != "-")
        return None

    def real(self, url: str) -> tuple[str, Index] | None:
        """The address that one of these stands for, and its index; None for an address elsewhere."""
        number, kind, *rest = (*url.removeprefix(f"{self.root}/").split("/"), "")
        index = self._index(number)
        if not url.startswith(f"{self.root}/") or index is None:
            return None
        if kind in _FILES and len(rest) >= 3 and (file := _decoded(rest[1])) is not None:
            return file, index
        name = rest[0] if rest else ""
        base = _plain(index.url).rstrip("/")
        return f"{base}/{name}/" if name else base, index

    def _index(self, number: str) -> Index | None:
        bound = self.bindings.bound
        return bound[int(number)] if number.isdecimal() and int(number) < len(bound) else None


def _plain(url: str) -> str:
    return split_credentials(url)[0]


def _decoded(encoded: str) -> str | None:
    with contextlib.suppress(ValueError, binascii.Error):
        url = base64.urlsafe_b64decode(encoded + "=" * (-len(encoded) % 4)).decode()
        return url if url.startswith(("http://", "https://")) else None
    return None
