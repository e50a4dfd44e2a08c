"""Reading archives: `Release`, then `Packages` by its sha256. Every answer is bounded, and proven by what names it.

Release itself is believed for where it comes from: over HTTPS, or from this machine. Its signature is not checked.
"""

from __future__ import annotations

import contextlib
import gzip
import hashlib
import io
import lzma
import re
import zlib
from collections.abc import Sequence
from pathlib import Path
from typing import BinaryIO

from envctl.errors import EnvctlError, IndexFailed, InvalidFile, ToolFailed
from envctl.os_packages.archive import COMPONENTS, SUITES, IndexFile, index_files
from envctl.os_packages.base import BaseSystem, Source
from envctl.os_packages.control import Offers
from envctl.system.answers import Refused
from envctl.system.files import read_bytes, write_atomically
from envctl.system.http import Client

_RELEASE_LIMIT = 16 * 2**20
_PACKED_LIMIT = 128 * 2**20
_TEXT_LIMIT = 512 * 2**20
_LOOPBACK = re.compile(r"http://(?:localhost|127(?:\.[0-9]{1,3}){3}|\[::1\])(?:[:/]|$)")


def sources_of(snapshot: str | tuple[str, ...], base: BaseSystem) -> tuple[Source, ...]:
    """Where packages for a base image come from.

    Args:
        snapshot: addresses of dated archives, or `base`: the archives that the base names.

    Raises:
        InvalidFile: the base does not say its release, or names no archive.
    """
    if snapshot == "base":
        found = tuple(Source(_encrypted(one.root), one.suite, one.components) for one in base.sources)
        if not found:
            raise InvalidFile(
                "the base image names no archive of OS packages",
                key="image.snapshot",
                found='"base"',
                expected="the address of a dated archive",
            )
        return found
    if base.codename is None:
        raise InvalidFile(
            "the base image does not say its release, so its archive cannot be read",
            key="image.snapshot",
            found=base.name,
            expected="a base image with VERSION_CODENAME in /etc/os-release",
        )
    roots = (snapshot,) if isinstance(snapshot, str) else snapshot
    suites = [suite.format(codename=base.codename) for suite in SUITES]
    return tuple(Source(root, suite, COMPONENTS) for root in roots for suite in suites)


def _encrypted(root: str) -> str:
    plain = root.startswith("http://") and not _LOOPBACK.match(root)
    return "https://" + root.removeprefix("http://") if plain else root


def read_offers(client: Client, sources: Sequence[Source], arch: str, *, cache: Path | None) -> Offers:
    """What the archives offer for an architecture.

    Args:
        cache: a folder in which `Packages` files are kept by their sha256.

    Raises:
        IndexFailed: an archive cannot be had, has none of the suites, or is not what its digests say.
    """
    texts: list[tuple[str, str]] = []
    absent: dict[str, Refused] = {}
    for source in sources:
        folder = f"{source.root}/dists/{source.suite}"
        try:
            release = _release(client, folder)
        except Refused as refused:
            if refused.status not in (403, 404, 410):
                raise
            absent.setdefault(source.root, refused)
            continue
        try:
            files = index_files(release, arch, source.components)
        except ValueError as error:
            raise _wrong(f"{folder}/Release", f"{error}") from error
        texts += [(source.root, _packages(client, folder, file, cache)) for file in files]
    for root, missing in absent.items():
        if all(root != one for one, _ in texts):
            missing.key = "image.snapshot"
            missing.hint = "the address is that of a folder with dists/ and pool/ in it, which has the base's release"
            raise missing
    try:
        return Offers(texts, arch)
    except ValueError as error:
        raise _wrong(sources[0].root, str(error)) from error


def _release(client: Client, folder: str) -> str:
    try:
        answer = client.get(f"{folder}/InRelease", limit=_RELEASE_LIMIT)
    except Refused as error:
        if error.status not in (403, 404, 410):
            raise
        answer = client.get(f"{folder}/Release", limit=_RELEASE_LIMIT)
    return answer.body.decode("utf-8", "replace")


def _packages(client: Client, folder: str, file: IndexFile, cache: Path | None) -> str:
    url = f"{folder}/{file.path}"
    if file.size > _PACKED_LIMIT:
        raise _wrong(url, f"{file.size:,} bytes")
    kept = None if cache is None else cache / file.sha256
    data = _kept(kept, file)
    if data is None:
        buffer = io.BytesIO()
        client.stream_to(url, buffer, limit=file.size)
        data = buffer.getvalue()
        found = hashlib.sha256(data).hexdigest()
        if found != file.sha256:
            raise IndexFailed(
                "the archive's index is not the one that its Release names",
                file=url,
                found=f"sha256 {found}",
                expected=f"sha256 {file.sha256}",
                hint="the archive may just be changing: try again in some minutes",
            )
        if kept is not None:
            with contextlib.suppress(ToolFailed):
                write_atomically({kept: data}, durable=False)
    return _unpacked(url, data)


def _kept(place: Path | None, file: IndexFile) -> bytes | None:
    if place is None:
        return None
    try:
        data = read_bytes(place, limit=_PACKED_LIMIT)
    except (OSError, EnvctlError):
        return None
    return data if hashlib.sha256(data).hexdigest() == file.sha256 else None


def _unpacked(url: str, data: bytes) -> str:
    packed = io.BytesIO(data)
    stream: BinaryIO = packed
    if url.endswith(".xz"):
        stream = lzma.LZMAFile(packed)  # type: ignore[assignment]  # noqa: SIM115  # a stream in memory
    elif url.endswith(".gz"):
        stream = gzip.GzipFile(fileobj=packed)  # type: ignore[assignment]  # as above
    try:
        text = stream.read(_TEXT_LIMIT + 1)
    except (lzma.LZMAError, OSError, EOFError, zlib.error) as error:
        raise _wrong(url, f"it cannot be unpacked: {error}") from error
    if len(text) > _TEXT_LIMIT:
        raise _wrong(url, f"more than {_TEXT_LIMIT:,} bytes")
    return text.decode("utf-8", "replace")


def _wrong(url: str, found: str) -> IndexFailed:
    return IndexFailed("what the archive answers is no index of OS packages", file=url, found=found)
