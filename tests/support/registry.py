"""A registry on 127.0.0.1 with tokens, basic auth, and faults on demand (those of `support.server`)."""

from __future__ import annotations

import base64
import json
import re
import time
import urllib.parse
from dataclasses import dataclass
from pathlib import Path

from support.faulty import Fault, FaultyHandler, FaultyServer
from support.oci_images import Content, digest

_PATH = re.compile(r"/v2/(?P<name>[a-z0-9/._-]+)/(?P<kind>manifests|blobs)/(?P<what>[^/]+)")


@dataclass
class Asked:
    """One request. Header names in lower case."""

    method: str
    path: str
    query: dict[str, str]
    headers: dict[str, str]
    body: bytes = b""


class RegistryServer(FaultyServer):
    """`with RegistryServer() as registry:`; `registry.name` is what references begin with.

    Args:
        user, password: who may ask; None: anybody.
        token: who asks must show a bearer token of the token server, which lies at `/token` of this server.
        realm: another URL of the token server.
        identity_token: a refresh token that the token server takes for a POST.
        open: the token server gives a token to anybody.
        tls: certificate and key in one PEM file.
        host: the name in `name`.
    """

    def __init__(
        self,
        user: str | None = None,
        password: str | None = None,
        *,
        token: bool = False,
        realm: str | None = None,
        identity_token: str | None = None,
        open: bool = False,  # noqa: A002
        tls: Path | None = None,
        host: str = "127.0.0.1",
    ) -> None:
        super().__init__(_handler(self), tls, host)
        self.user, self.password, self.token = user, password, token
        self.identity_token, self.open = identity_token, open
        self.issued: set[str] = set()
        self.requests: list[Asked] = []
        self.blobs: dict[str, bytes] = {}
        self.manifests: dict[tuple[str, str], tuple[str, bytes]] = {}
        self.name = self.address
        self.realm = realm or f"{self.root}/token"

    def push(self, name: str, content: Content) -> str:
        """Keep an image or an index under `REPOSITORY:TAG`, and return its whole reference."""
        repository, _, tag = name.partition(":")
        self.blobs |= content.blobs
        for inner, kept in {**content.manifests, content.digest: (content.media_type, content.data)}.items():
            self.manifests[repository, inner] = kept
        self.manifests[repository, tag or "latest"] = (content.media_type, content.data)
        return f"{self.name}/{name}"

    def asked(self, part: str = "") -> list[str]:
        """`METHOD path` of the requests so far that have this in it."""
        return [line for line in (f"{asked.method} {asked.path}" for asked in self.requests) if part in line]


def _handler(registry: RegistryServer) -> type[FaultyHandler]:
    class Handler(FaultyHandler):
        def respond(self) -> None:
            path, _, query = self.path.partition("?")
            body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
            asked = Asked(
                self.command,
                path,
                dict(urllib.parse.parse_qsl(query)),
                {k.lower(): v for k, v in self.headers.items()},
                body,
            )
            registry.requests.append(asked)
            fault = registry.take_fault(self.command, path)
            if fault.delay:
                time.sleep(fault.delay)
            if fault.drop:
                self.close_connection = True
            elif fault.redirect is not None:
                self.answer(fault.status or 307, b"", {"Location": fault.redirect}, fault)
            elif fault.status is not None:
                self.answer(fault.status, fault.body or b"", {"Content-Type": "application/json"}, fault)
            elif path == "/token":
                self._token(asked, fault)
            elif not self._allowed(asked):
                self.answer(401, _error("UNAUTHORIZED", "authentication required"), self._challenge(path), fault)
            else:
                self._serve(path, fault)

        def _challenge(self, path: str) -> dict[str, str]:
            if not registry.token:
                return {"WWW-Authenticate": 'Basic realm="registry"'}
            match = _PATH.fullmatch(path)
            scope = f"repository:{match['name']}:pull" if match else ""
            return {"WWW-Authenticate": f'Bearer realm="{registry.realm}",service="tests",scope="{scope}"'}

        def _is_user(self, asked: Asked) -> bool:
            secret = base64.b64encode(f"{registry.user}:{registry.password}".encode()).decode()
            return asked.headers.get("authorization") == f"Basic {secret}"

        def _allowed(self, asked: Asked) -> bool:
            if registry.token:
                return asked.headers.get("authorization", "").removeprefix("Bearer ") in registry.issued
            return registry.user is None or self._is_user(asked)

        def _token(self, asked: Asked, fault: Fault) -> None:
            form = dict(urllib.parse.parse_qsl(asked.body.decode()))
            known = (
                asked.method == "POST"
                and registry.identity_token
                and (form.get("refresh_token") == registry.identity_token and form.get("grant_type") == "refresh_token")
            )
            known = known or (asked.method == "GET" and (registry.open or self._is_user(asked)))
            if not known:
                self.answer(401, _error("UNAUTHORIZED", "who are you?"), {}, fault)
                return
            token = f"token-{len(registry.issued)}"
            registry.issued.add(token)
            key = "access_token" if asked.method == "POST" else "token"
            body = json.dumps({key: token, "expires_in": 300}).encode() if fault.body is None else fault.body
            self.answer(200, body, {"Content-Type": "application/json"}, fault)

        def _serve(self, path: str, fault: Fault) -> None:
            match = _PATH.fullmatch(path)
            if match is not None and match["kind"] == "manifests":
                found = registry.manifests.get((match["name"], match["what"]))
                if found is not None:
                    kind, data = found
                    headers = {"Content-Type": kind, "Docker-Content-Digest": digest(data)}
                    self.answer(200, data if fault.body is None else fault.body, headers, fault)
                    return
                self.answer(404, _error("MANIFEST_UNKNOWN", "manifest unknown"), {}, fault)
            elif match is not None and match["what"] in registry.blobs:
                data = registry.blobs[match["what"]] if fault.body is None else fault.body
                asked = re.fullmatch(r"bytes=(\d+)-", self.headers.get("Range", ""))
                status, headers = 200, {"Content-Type": "application/octet-stream"}
                if asked is not None and not fault.no_ranges:
                    status, first = 206, int(asked[1])
                    headers["Content-Range"] = f"bytes {first}-{len(data) - 1}/{len(data)}"
                    data = data[first:]
                self.answer(status, data, headers, fault)
            else:
                self.answer(404, _error("BLOB_UNKNOWN", "blob unknown to registry"), {}, fault)

    return Handler


def _error(code: str, message: str) -> bytes:
    return json.dumps({"errors": [{"code": code, "message": message}]}).encode()
