"""Asking a registry as whoever the user logged in as: basic auth and bearer tokens, and only for their own host.

Sources: OCI distribution specification 1.1, the distribution project's token authentication (also its OAuth2 form).
The first request carries nothing; what a registry asks for is looked up then, and kept for its repository.
"""

from __future__ import annotations

import re
import threading
from collections.abc import Callable, Iterator, Mapping
from typing import TypeVar
from urllib.parse import urlencode, urlsplit

import msgspec

from envctl.errors import IndexFailed
from envctl.oci.challenge import Challenge, parse_challenges
from envctl.oci.docker_config import Login, find_login
from envctl.oci.reference import DEFAULT_REGISTRY
from envctl.oci.registries import Endpoint, is_loopback
from envctl.system.answers import Refused, Response
from envctl.system.credentials import origin, redact
from envctl.system.http import Client

T = TypeVar("T")

_TOKEN_LIMIT = 2**20
_TOKEN = re.compile(r"[\x21-\x7e]{1,65536}")
_ANSWERS = (200, 400, 401, 403, 404, 405)
_CLIENT = "envctl"


class Denied(IndexFailed):
    """A registry answers, but not with what it was asked for. `status`: that of HTTP."""

    def __init__(self, what: str, *, status: int, file: str, found: str | None = None, hint: str | None = None) -> None:
        super().__init__(what, file=file, found=found, hint=hint)
        self.status = status


class _Token(msgspec.Struct):
    token: str | None = None
    access_token: str | None = None


class _Error(msgspec.Struct):
    code: str = ""
    message: str | None = None


class _Errors(msgspec.Struct):
    errors: list[_Error] | None = None


class Access:
    """Asks endpoints, from any number of threads.

    Args:
        environ: where Docker's and podman's logins are found.
    """

    def __init__(self, client: Client, environ: Mapping[str, str]) -> None:
        self._client, self._environ = client, environ
        self._lock = threading.Lock()
        self._kept: dict[tuple[str, str], str] = {}

    def get(self, endpoint: Endpoint, repository: str, path: str, *, accept: str, limit: int) -> Response:
        """GET of `path` under the repository.

        Raises:
            Denied: the registry says no; `file` is the URL.
            IndexFailed: it cannot be reached, or answers what cannot be right.
        """
        url = f"{endpoint.root}{repository}/{path}"

        def ask(headers: Mapping[str, str]) -> Response:
            return self._client.get(url, headers=headers, accept=accept, limit=limit, expect=_ANSWERS)

        return self._answered(endpoint, repository, ask)

    def head(self, endpoint: Endpoint, repository: str, path: str, *, accept: str) -> Response:
        """HEAD, else as `get`."""
        url = f"{endpoint.root}{repository}/{path}"

        def ask(headers: Mapping[str, str]) -> Response:
            return self._client.head(url, headers={"accept": accept, **headers}, expect=_ANSWERS)

        return self._answered(endpoint, repository, ask)

    def chunks(self, endpoint: Endpoint, repository: str, path: str, *, limit: int) -> Iterator[bytes]:
        """The body of `path` as it comes, at most `limit` bytes, else as `get`."""
        url = f"{endpoint.root}{repository}/{path}"
        headers = self._headers(endpoint, repository)
        pieces = self._client.chunks(url, headers=headers, limit=limit)
        try:
            first = next(pieces, b"")
        except Refused as refused:
            if refused.status != 401:
                raise _denied(refused.status, refused.url, b"", endpoint) from refused
            headers = self._authorise(endpoint, repository, refused.url, refused.headers, headers)
            pieces = self._client.chunks(url, headers=headers, limit=limit)
            try:
                first = next(pieces, b"")
            except Refused as again:
                raise _denied(again.status, again.url, b"", endpoint) from again
        yield first
        yield from pieces

    def _answered(self, endpoint: Endpoint, repository: str, ask: Callable[[Mapping[str, str]], Response]) -> Response:
        headers = self._headers(endpoint, repository)
        try:
            response = ask(headers)
            if response.status == 401:
                headers = self._authorise(endpoint, repository, response.url, response.headers, headers)
                response = ask(headers)
        except Refused as refused:
            raise _denied(refused.status, refused.url, b"", endpoint) from refused
        if response.status != 200:
            raise _denied(response.status, response.url, response.body, endpoint, known=_is_login(headers))
        return response

    def _headers(self, endpoint: Endpoint, repository: str) -> Mapping[str, str]:
        value = self._kept.get((endpoint.root, repository))
        return {} if value is None else {"authorization": value}

    def _authorise(
        self, endpoint: Endpoint, repository: str, url: str, answer: Mapping[str, str], sent: Mapping[str, str]
    ) -> Mapping[str, str]:
        """What the registry wants to see in the next request for the repository."""
        if origin(url) != origin(endpoint.root):
            raise IndexFailed(
                "the registry sends to another server, which asks for a login",
                file=redact(url),
                found="HTTP status 401",
                hint="logins never leave the registry that they are for; ask whoever runs it",
            )
        with self._lock:
            now = self._headers(endpoint, repository)
            if now and now != sent:  # another thread was faster
                return now
            value = self._value(endpoint, repository, url, parse_challenges(answer.get("www-authenticate", "")))
            self._kept[endpoint.root, repository] = value
            return {"authorization": value}

    def _value(self, endpoint: Endpoint, repository: str, url: str, challenges: list[Challenge]) -> str:
        by_scheme = {challenge.scheme: challenge.parameters for challenge in reversed(challenges)}
        login = find_login(endpoint.name, repository, self._environ)
        if "bearer" in by_scheme:
            return "Bearer " + self._token(endpoint, repository, by_scheme["bearer"], login)
        if "basic" not in by_scheme:
            kinds = ", ".join(sorted(by_scheme)) or "nothing that says how"
            raise IndexFailed(
                "the registry asks for a login in an unknown way",
                file=redact(url),
                found=ascii(kinds)[1:-1][:100],
                expected="Basic or Bearer in WWW-Authenticate",
            )
        if login is None or login.identity_token:
            raise _denied(401, url, b"", endpoint)
        return login.basic

    def _token(self, endpoint: Endpoint, repository: str, said: Mapping[str, str], login: Login | None) -> str:
        realm = _realm(endpoint, said.get("realm", ""))
        fields = {"scope": said.get("scope") or f"repository:{repository}:pull"}
        if said.get("service"):
            fields["service"] = said["service"]
        expect = (200, 400, 401, 403, 404)
        if login is not None and login.identity_token:
            form = {"grant_type": "refresh_token", "client_id": _CLIENT, "refresh_token": login.identity_token}
            response = self._client.post_form(realm, {**form, **fields}, limit=_TOKEN_LIMIT, expect=expect)
        else:
            url = f"{realm}{'&' if urlsplit(realm).query else '?'}{urlencode(fields)}"
            headers = {} if login is None else {"authorization": login.basic}
            response = self._client.get(url, headers=headers, limit=_TOKEN_LIMIT, expect=expect)
        if response.status != 200:
            raise _denied(response.status, realm, response.body, endpoint, known=login is not None, token=True)
        try:
            answer = msgspec.json.decode(response.body, type=_Token)
        except (msgspec.MsgspecError, ValueError, RecursionError):
            answer = _Token()  # what the decoder says may quote a token
        token = answer.token or answer.access_token or ""
        if not _TOKEN.fullmatch(token):
            raise IndexFailed(
                "the registry's token server gives no token", file=redact(realm), expected="JSON with a key token"
            )
        return token


def _realm(endpoint: Endpoint, realm: str) -> str:
    """The token server's URL, where a login for the endpoint may be sent."""
    try:
        scheme, host, _ = origin(realm)
    except ValueError:
        scheme, host = "", ""
    safe = scheme == "https" or (
        scheme == "http" and not endpoint.secure and (is_loopback(host) or host == origin(endpoint.root)[1])
    )
    if not host or not safe or "@" in realm or not realm.isprintable() or " " in realm:
        raise IndexFailed(
            "the registry names a token server that no login may be sent to",
            file=endpoint.root,
            found=ascii(redact(realm))[1:-1][:200],
            expected="an https:// URL",
        )
    return realm.partition("#")[0]


def _is_login(headers: Mapping[str, str]) -> bool:
    return headers.get("authorization", "").startswith("Basic ")


def _denied(
    status: int, url: str, body: bytes, endpoint: Endpoint, *, known: bool = False, token: bool = False
) -> Denied:
    """What a status means. `known`: a login was sent; `token`: it is the token server that answers."""
    login = "`docker login`" if endpoint.name == DEFAULT_REGISTRY else f"`docker login {endpoint.name}`"
    hint: str | None
    if status == 401 or (token and status in (400, 403)):
        what = "the registry refuses the login" if known else "the registry wants a login"
        hint = f"{login}, or check the name: registries say the same of images that do not exist"
    elif status == 403:
        what, hint = "the registry denies access", f"{login} as somebody who may read it"
    elif status in (404, 410):
        what, hint = "the registry does not have it", "check name and tag"
    elif status == 429:
        what = "the registry has had too many requests"
        hint = f"wait, use a mirror, or {login}: known users may ask more often"
    elif status >= 500:
        what, hint = "the registry has a problem of its own", "try again later, or use a mirror"
    else:
        what, hint = "the registry refuses", None
    found = f"HTTP status {status}{_told(body)}"
    return Denied(what, status=status, file=redact(url), found=found, hint=hint)


def _told(body: bytes) -> str:
    """What a registry says of an error (distribution specification, error codes), for people."""
    try:
        errors = msgspec.json.decode(body, type=_Errors).errors or []
    except (msgspec.MsgspecError, ValueError, RecursionError):
        return ""
    texts = [f"{error.code}: {error.message}" if error.message else error.code for error in errors[:3]]
    text = "; ".join(text for text in texts if text)[:200]
    return f", {''.join(char if char.isprintable() else '?' for char in text)}" if text else ""
