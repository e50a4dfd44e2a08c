"""What stands between uv and the indexes that packages are bound to.

uv's own bindings neither reach what is needed transitively nor know globs, so uv gets the router as its first indexes,
one for each bound index: for a distribution that is bound there the router answers with the page of the bound index,
empty where that has none; for any other it answers 404, and uv goes on to the next index. uv stops at the first index
that knows a distribution, so a bound one is never asked for, nor taken, anywhere else.

The router also reads the metadata of bound wheels, with the credentials and certificates that `envctl.system.http`
finds. Its addresses are the same in every run (see `envctl.resolve.addresses`); who may ask is not: each resolution has
a password of its own, given to uv through its environment.
"""

from __future__ import annotations

import contextlib
import hmac
import re
import secrets
import threading
from collections.abc import Iterator, Mapping
from concurrent.futures import Future
from typing import ClassVar

from envctl.errors import EnvctlError, IndexFailed
from envctl.model.profile import Index
from envctl.model.simple_api import ACCEPT, JSON_TYPE, parse_project_page, to_json
from envctl.resolve.addresses import Addresses, Metadata, Page
from envctl.resolve.binding import Bindings
from envctl.resolve.loopback import Answer, Loopback
from envctl.resolve.metadata import read_metadata
from envctl.system.credentials import index_credentials, redact, split_credentials
from envctl.system.http import Client

# A status that uv takes for final: it neither asks again nor goes on to the next index.
_FAILED = 400
_YEAR = 365 * 86400


class Session:
    """One resolution's view of a router: its credentials, and what went wrong or was missing while it asked.

    Attributes:
        failures: what to raise in place of uv's answer, in the order in which it was met.
        absent: distributions (normalised names) that their bound index does not have.
    """

    def __init__(self) -> None:
        self.user, self.password = secrets.token_hex(8), secrets.token_hex(16)
        self.failures: list[Exception] = []
        self.absent: set[str] = set()


class Router:
    """Serves the bound indexes of one set of bindings until it is closed."""

    _running: ClassVar[dict[str, Router]] = {}
    _gate: ClassVar[threading.Lock] = threading.Lock()

    def __init__(self, bindings: Bindings, environ: Mapping[str, str]) -> None:
        urls = {index.name: index.url for index in bindings.bound}
        self._client = Client(credentials=index_credentials(urls, environ), environ=environ)
        self._sessions: dict[str, Session] = {}
        self._made: dict[Page | Metadata, Future[tuple[Answer, bool]]] = {}
        self._lock = threading.Lock()
        addresses = Addresses(bindings)
        self._server = Loopback(self._answer, addresses.ports())
        self.addresses = Addresses(bindings, self._server.port)

    @classmethod
    @contextlib.contextmanager
    def session(cls, bindings: Bindings, environ: Mapping[str, str]) -> Iterator[tuple[Session, Addresses]]:
        """A view for one resolution. Resolutions that run at the same time and bind alike share a router."""
        key, session = Addresses(bindings).digest, Session()
        with cls._gate:
            router = cls._running.get(key)
            if router is None:
                router = cls._running[key] = cls(bindings, environ)
            router._sessions[session.user] = session
        try:
            yield session, router.addresses
        finally:
            with cls._gate:
                del router._sessions[session.user]
                if not router._sessions:
                    del cls._running[key]
                    router.close()

    def close(self) -> None:
        """End all requests and stop listening."""
        self._client.close()
        self._server.close()

    def _answer(self, user: str | None, password: str, path: str) -> Answer:
        session = self._sessions.get(user or "")
        if session is None or not hmac.compare_digest(session.password.encode(), password.encode()):
            return Answer(401)
        request = self.addresses.request(path)
        if request is None:
            return Answer(404)
        try:
            answer, absent = self._once(request)
        except Exception as error:  # noqa: BLE001  # whatever it is, `session.failures` raises it in the caller's thread
            session.failures.append(error)
            return Answer(_FAILED)
        if absent and isinstance(request, Page):
            session.absent.add(request.name)
        return answer

    def _once(self, request: Page | Metadata) -> tuple[Answer, bool]:
        """uv may ask for a thing again while the first answer is still being made, or for another platform."""
        with self._lock:
            made = self._made.get(request)
            if made is not None:
                mine = False
            else:
                mine, made = True, Future()
                self._made[request] = made
        if mine:
            try:
                made.set_result(self._page(request) if isinstance(request, Page) else self._metadata(request))
            except EnvctlError as error:
                made.set_exception(_of_index(error, request.index))
            except Exception as error:  # noqa: BLE001  # a defect: raised where the resolution ends, not in this thread
                made.set_exception(error)
        return made.result()

    def _page(self, request: Page) -> tuple[Answer, bool]:
        """The page with files at addresses of the router, and whether the index has none."""
        base = split_credentials(request.index.url)[0].rstrip("/")
        page = self._client.get(f"{base}/{request.name}/", accept=ACCEPT, expect=(200, 404))
        if page.status == 404:
            return Answer(200, to_json(request.name, ()), JSON_TYPE), True
        try:
            files = parse_project_page(page.body, page.content_type, page.url)
        except ValueError as error:
            raise IndexFailed("what it answers is no project page", file=redact(page.url), found=str(error)) from error
        served = [self.addresses.offered(request.index, file) for file in files]
        return Answer(200, to_json(request.name, served), JSON_TYPE), False

    def _metadata(self, request: Metadata) -> tuple[Answer, bool]:
        body = read_metadata(self._client, request.url, request.filename, beside=request.beside)
        return Answer(200, body, fresh=_YEAR if request.hashed else 600), False


def _of_index(error: EnvctlError, index: Index) -> IndexFailed:
    return IndexFailed(
        f"the index {index.name!r} failed: {error.what}",
        file=error.file or redact(index.url),
        found=error.found,
        expected=error.expected,
        details=error.details,
        hint=None if error.hint is None else error.hint.replace("<NAME>", re.sub("[^A-Z0-9]", "_", index.name.upper())),
    )
