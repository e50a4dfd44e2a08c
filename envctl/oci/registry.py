"""A registry's client: a tag's digest, manifests, configurations and blobs, each checked against its digest.

Our own, over `envctl.system.http`. The clients that there are do not fit: python-dxf stores plain files and does not
tell kinds of manifests or platforms apart; oras moves artifacts; both live on requests, with redirects, proxies and
retries of its own, and neither has credential helpers, mirrors and bounded, checked streams together. What is left is
small: three kinds of requests and one kind of token.

Sources: OCI distribution specification 1.1, Docker Registry HTTP API v2.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping
from types import TracebackType
from typing import BinaryIO, TypeVar

import msgspec

from envctl.errors import EnvctlError, IndexFailed
from envctl.oci import media
from envctl.oci.access import Access, Denied
from envctl.oci.cache import DocumentCache
from envctl.oci.media import Descriptor, ImageConfig, ImageIndex, ImageManifest, Malformed
from envctl.oci.reference import Reference
from envctl.oci.registries import Endpoint, RegistryTable, endpoints, read_registries
from envctl.oci.streams import checked_chunks, stream_of
from envctl.system.http import Client

T = TypeVar("T")

_DIGEST_HEADER = "docker-content-digest"
_DEPTH = 3
_TAMPERED = "what answers is not the registry, or it is damaged; nothing of it was used"
_LOCAL = ("localhost", "127.0.0.1", "::1")


class Document(msgspec.Struct, frozen=True, kw_only=True):
    """A manifest or an index: what describes it, its bytes, and what they say."""

    descriptor: Descriptor
    data: bytes
    content: ImageManifest | ImageIndex


class Registry:
    """Asks registries, from any number of threads, over kept connections.

    Args:
        environ: where logins, proxies, certificates and the user's configuration are found.
        offline: ask nobody: only documents of the cache, by digest.
        registries: mirrors and plain HTTP by registry; None reads the user's configuration.
        cache: where small documents are kept by digest; None keeps none.
    """

    def __init__(
        self,
        *,
        environ: Mapping[str, str] | None = None,
        offline: bool = False,
        registries: Mapping[str, RegistryTable] | None = None,
        cache: DocumentCache | None = None,
    ) -> None:
        environ = dict(os.environ if environ is None else environ)
        self._environ, self._offline, self._cache = environ, offline, cache
        self._tables = registries
        self._client = Client(offline=offline, environ=_direct(environ), netrc=False, connections=8)
        self._access = Access(self._client, environ)
        self._broken: dict[str, str] = {}

    def __enter__(self) -> Registry:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Give up what is under way and close all connections."""
        self._client.close()

    def resolve(self, reference: Reference) -> Document:
        """What the reference names now: a manifest, or an index of several.

        A tag is asked for by HEAD, which registries do not count; the document follows where it is not in the cache.

        Raises:
            IndexFailed: with the reference, what was found, and a hint.
        """
        if reference.digest is not None:
            return self._document(reference, reference.digest)
        return self._through(reference, lambda endpoint: self._resolve_tag(endpoint, reference))

    def manifest(self, reference: Reference, platform: str | None) -> Document:
        """The manifest of one platform's image (`linux/amd64`, `linux/arm64/v8`); None: of the only one.

        Where the reference names no index, that is the manifest which it names, whatever it was built for.
        """
        document = self.resolve(reference)
        for _ in range(_DEPTH):
            if isinstance(document.content, ImageManifest):
                return document
            chosen = _choose(reference, document.content, platform)
            document = self._document(reference, chosen.digest, chosen)
        raise _bad(reference, Malformed("is an index of indexes without end"))

    def image(self, reference: Reference, platform: str | None) -> RegistryImage:
        """One platform's image, with its configuration read. IndexFailed where it was built for another platform."""
        document = self.manifest(reference, platform)
        manifest = _manifest(document)
        data = self.config_bytes(reference, manifest.config)
        try:
            config = media.parse_config(data)
            media.check_layers(manifest.layers, config)
        except Malformed as error:
            raise _bad(reference, error) from error
        wanted = platform.split("/")[:2] if platform else [config.os, config.architecture]
        if [config.os, config.architecture] != wanted:
            raise IndexFailed(
                "is an image for another platform",
                file=reference.familiar(),
                found=str(config.platform),
                expected=platform,
            )
        return RegistryImage(self, reference.at(document.descriptor.digest), document, config=config, config_bytes=data)

    def config_bytes(self, reference: Reference, descriptor: Descriptor) -> bytes:
        """An image's configuration as it lies there, checked."""
        if descriptor.media_type not in media.CONFIGS:
            found = ascii(descriptor.media_type)[1:-1][:120]
            raise _bad(reference, Malformed("is no container image, but another artifact", found=found))
        if descriptor.size > media.CONFIG_LIMIT:
            raise _bad(
                reference, Malformed("has a configuration that is too large", found=f"{descriptor.size:,} bytes")
            )
        kept = self._cache.get(descriptor.digest) if self._cache else None
        if kept is not None:
            return kept
        data = self._through(reference, lambda endpoint: b"".join(self._blob(endpoint, reference, descriptor)))
        if self._cache:
            self._cache.put(descriptor.digest, data)
        return data

    def blob(self, reference: Reference, descriptor: Descriptor, *, checked: bool = True) -> Iterator[bytes]:
        """A blob's bytes as they come; IndexFailed at the latest at their end where the digest says otherwise."""

        def begin(endpoint: Endpoint) -> tuple[Endpoint, bytes, Iterator[bytes]]:
            pieces = self._blob(endpoint, reference, descriptor, checked=checked)
            return endpoint, next(pieces, b""), pieces  # until its first bytes another endpoint can be asked

        endpoint, first, pieces = self._through(reference, begin)
        try:
            yield first
            yield from pieces
        except IndexFailed as error:
            if endpoint.mirror:
                self._broken[endpoint.root] = _reason(error)
            raise self._told(reference, error) from error

    def _blob(
        self, endpoint: Endpoint, reference: Reference, descriptor: Descriptor, *, checked: bool = True
    ) -> Iterator[bytes]:
        path = f"blobs/{descriptor.digest}"

        def failure(what: str, found: str, expected: str) -> EnvctlError:
            url = f"{endpoint.root}{reference.repository}/{path}"
            return IndexFailed(
                f"what the registry answers {what}", file=url, found=found, expected=expected, hint=_TAMPERED
            )

        pieces = self._access.chunks(endpoint, reference.repository, path, limit=descriptor.size)
        return checked_chunks(pieces, descriptor, failure, digest=checked)

    def _resolve_tag(self, endpoint: Endpoint, reference: Reference) -> Document:
        path = f"manifests/{reference.selector}"
        if self._cache is not None:
            try:
                head = self._access.head(endpoint, reference.repository, path, accept=media.ACCEPT)
            except Denied as error:
                if error.status == 429 or error.status >= 500:
                    raise
                # what may not be read, does not exist, or knows no HEAD, says so with its reason to GET
            else:
                digest = head.headers.get(_DIGEST_HEADER, "")
                kept = self._cache.get(digest) if media.DIGEST.fullmatch(digest) else None
                if kept is not None:
                    return _parsed(reference, kept, digest, head.content_type)
        return self._get(endpoint, reference, path, None)

    def _document(self, reference: Reference, digest: str, said: Descriptor | None = None) -> Document:
        kept = self._cache.get(digest) if self._cache else None
        if kept is not None:
            return _parsed(reference, kept, digest, said.media_type if said else "")
        path = f"manifests/{digest}"
        document = self._through(reference, lambda endpoint: self._get(endpoint, reference, path, digest))
        if said is not None and said.size != len(document.data):
            found = f"{len(document.data):,} bytes"
            raise _bad(reference, Malformed("has another size than its index says", found=found))
        return document

    def _get(self, endpoint: Endpoint, reference: Reference, path: str, digest: str | None) -> Document:
        answer = self._access.get(endpoint, reference.repository, path, accept=media.ACCEPT, limit=media.MANIFEST_LIMIT)
        said = answer.headers.get(_DIGEST_HEADER, "")
        expected = digest or (said if media.DIGEST.fullmatch(said) else media.digest_of(answer.body))
        document = _parsed(reference, answer.body, expected, answer.content_type)
        if self._cache:
            self._cache.put(expected, answer.body)
        return document

    def _through(self, reference: Reference, ask: Callable[[Endpoint], T]) -> T:
        """Ask the registry's mirrors, then the registry. A mirror that failed is not asked again."""
        if self._tables is None:
            self._tables = read_registries(self._environ)
        for endpoint in endpoints(reference.registry, self._tables):
            if endpoint.root in self._broken:
                continue
            try:
                return ask(endpoint)
            except IndexFailed as error:
                if not endpoint.mirror or self._offline:
                    raise self._told(reference, error) from error
                if getattr(error, "status", None) != 404:  # it answers, but has not everything
                    self._broken[endpoint.root] = _reason(error)
        raise ValueError("a registry has at least one endpoint")

    def _told(self, reference: Reference, error: IndexFailed) -> IndexFailed:
        """The error as one of the reference: what was asked for, and where."""
        name = reference.familiar()
        if error.file == name:
            return error
        if self._offline:
            return IndexFailed(error.what, file=name, hint=error.hint)
        details = [f"asked {error.file}", *error.details] if error.file else list(error.details)
        details += [f"mirror {root}: {why}" for root, why in self._broken.items()]
        what = error.what if isinstance(error, Denied) or "registry" in error.what else f"the registry: {error.what}"
        return IndexFailed(
            what, file=name, details=details, found=error.found, expected=error.expected, hint=error.hint
        )


def _reason(error: IndexFailed) -> str:
    return f"{error.what} ({error.found})" if error.found else error.what


class RegistryImage:
    """An image in a registry; implements `envctl.oci.interface.ImageSource`."""

    def __init__(
        self,
        registry: Registry,
        reference: Reference,
        document: Document,
        *,
        config: ImageConfig,
        config_bytes: bytes,
    ) -> None:
        self._registry, self._reference = registry, reference
        self.document = document
        self.reference = reference.familiar()
        self.digest: str | None = document.descriptor.digest
        self.manifest_bytes: bytes | None = document.data
        self.manifest = _manifest(document)
        self.config, self.config_bytes = config, config_bytes
        self.config_digest = self.manifest.config.digest
        self.layers = self.manifest.layers

    def open(self, layer: Descriptor, *, checked: bool = True) -> BinaryIO:
        """A layer's bytes; see `ImageSource.open`."""
        return stream_of(self._registry.blob(self._reference, layer, checked=checked))


def _manifest(document: Document) -> ImageManifest:
    if not isinstance(document.content, ImageManifest):
        raise TypeError("an index is no manifest")
    return document.content


def _choose(reference: Reference, index: ImageIndex, platform: str | None) -> Descriptor:
    try:
        return media.choose_platform(index.manifests, platform)
    except Malformed as error:
        raise IndexFailed(error.what, file=reference.familiar(), found=error.found) from error


def _parsed(reference: Reference, data: bytes, digest: str, media_type: str) -> Document:
    found = media.digest_of(data, digest)
    if found != digest:
        raise IndexFailed(
            "the registry answers with other content than its digest says",
            file=reference.familiar(),
            found=found,
            expected=digest,
            hint=_TAMPERED,
        )
    try:
        content = media.parse_document(data, media_type)
    except Malformed as error:
        raise _bad(reference, error) from error
    descriptor = Descriptor(media_type=content.media_type, digest=digest, size=len(data))
    return Document(descriptor=descriptor, data=data, content=content)


def _bad(reference: Reference, error: Malformed) -> IndexFailed:
    return IndexFailed(
        f"what the registry answers {error.what}",
        file=reference.familiar(),
        found=error.found,
        expected=error.expected,
    )


def _direct(environ: Mapping[str, str]) -> dict[str, str]:
    """The environment with this machine left out of proxies, as Docker does it."""
    said = {key: value for key, value in environ.items() if key.lower() == "no_proxy"}
    value = said.get("no_proxy", said.get("NO_PROXY", ""))
    rest = {key: value for key, value in environ.items() if key.lower() != "no_proxy"}
    return {**rest, "no_proxy": ",".join(part for part in (value, *_LOCAL) if part)}
