"""A package index on 127.0.0.1: simple API as JSON and HTML, range requests, basic auth, and faults on demand."""

from __future__ import annotations

import base64
import hashlib
import html
import json
import re
import time
import urllib.parse
from dataclasses import dataclass
from pathlib import Path

from packaging.utils import canonicalize_name, parse_wheel_filename
from support.faulty import Fault, FaultyHandler, FaultyServer

JSON = "application/vnd.pypi.simple.v1+json"


@dataclass
class _File:
    path: Path
    sha256: str
    size: int
    upload_time: str | None
    hashed: bool
    yanked: bool | str
    requires_python: str | None


class IndexServer(FaultyServer):
    """`with IndexServer() as index:`; `index.url` is the simple index, files lie beside it under `/files/`.

    Args:
        user, password: where given, every request must carry them (basic auth).
        json_form: False for an index that knows HTML only.
        relative: whether pages name files by relative URLs.
        sizes: whether JSON pages tell sizes.
        tls: certificate and key in one PEM file; then `url` is https.
        host: the name in `url`; "localhost" makes another host of the same server.
    """

    def __init__(
        self,
        user: str | None = None,
        password: str | None = None,
        *,
        json_form: bool = True,
        relative: bool = False,
        sizes: bool = True,
        tls: Path | None = None,
        host: str = "127.0.0.1",
    ) -> None:
        super().__init__(_handler(self), tls, host)
        self.requests: list[tuple[str, str, dict[str, str]]] = []
        self.files: dict[str, dict[str, _File]] = {}
        self.pages: dict[str, tuple[str, bytes]] = {}
        self.user, self.password = user, password
        self.json_form, self.relative, self.sizes = json_form, relative, sizes
        self.url = f"{self.root}/simple"

    def with_credentials(self, user: str | None = None, password: str | None = None) -> str:
        """`url` with credentials in it: those of the server, or others."""
        secret = f"{user or self.user}:{password or self.password}@"
        return self.url.replace("://", f"://{secret}", 1)

    def add(
        self,
        wheel: Path,
        *,
        upload_time: str | None = "2026-01-01T00:00:00Z",
        hashed: bool = True,
        yanked: bool | str = False,
        requires_python: str | None = None,
        sha256: str | None = None,
        size: int | None = None,
    ) -> str:
        """Serve a wheel and return its URL. `sha256` and `size` say something else than the truth."""
        data = wheel.read_bytes()
        name = canonicalize_name(_project(wheel.name))
        self.files.setdefault(name, {})[wheel.name] = _File(
            path=wheel,
            sha256=sha256 or hashlib.sha256(data).hexdigest(),
            size=len(data) if size is None else size,
            upload_time=upload_time,
            hashed=hashed,
            yanked=yanked,
            requires_python=requires_python,
        )
        return self.file_url(wheel.name)

    def file_url(self, filename: str) -> str:
        """Where a file of that name is served."""
        return f"{self.root}/files/{urllib.parse.quote(filename)}"

    def page(self, path: str, body: bytes, content_type: str = "text/html") -> None:
        """Answer a path with fixed bytes."""
        self.pages[path] = (content_type, body)

    def asked(self, prefix: str) -> list[tuple[str, str, dict[str, str]]]:
        """The requests so far whose path begins so."""
        return [request for request in self.requests if request[1].startswith(prefix)]

    def render(self, name: str, accept: str) -> tuple[str, bytes]:
        base = "../../files/" if self.relative else f"{self.root}/files/"
        files = self.files[name]
        if self.json_form and JSON in accept:
            return JSON, json.dumps(self._json(name, files, base)).encode()
        lines = []
        for filename, file in files.items():
            fragment = f"#sha256={file.sha256}" if file.hashed else ""
            attributes = ""
            if file.yanked is not False:
                attributes += f' data-yanked="{"" if file.yanked is True else html.escape(file.yanked)}"'
            if file.requires_python is not None:
                attributes += f' data-requires-python="{html.escape(file.requires_python)}"'
            lines.append(f'<a href="{base}{urllib.parse.quote(filename)}{fragment}"{attributes}>{filename}</a><br/>')
        page = f"<!DOCTYPE html><html><body><h1>Links for {name}</h1>\n" + "\n".join(lines) + "\n</body></html>"
        return "text/html; charset=utf-8", page.encode()

    def _json(self, name: str, files: dict[str, _File], base: str) -> dict[str, object]:
        rows = []
        for filename, file in files.items():
            row: dict[str, object] = {
                "filename": filename,
                "url": base + urllib.parse.quote(filename),
                "hashes": {"sha256": file.sha256} if file.hashed else {},
                "yanked": file.yanked,
            }
            if self.sizes:
                row["size"] = file.size
            if file.upload_time is not None:
                row["upload-time"] = file.upload_time
            if file.requires_python is not None:
                row["requires-python"] = file.requires_python
            rows.append(row)
        versions = sorted({str(_version(filename)) for filename in files})
        return {"meta": {"api-version": "1.1"}, "name": name, "versions": versions, "files": rows}


def _project(filename: str) -> str:
    if filename.endswith(".whl"):
        return parse_wheel_filename(filename)[0]
    return filename.removesuffix(".tar.gz").rpartition("-")[0]


def _version(filename: str) -> object:
    if filename.endswith(".whl"):
        return parse_wheel_filename(filename)[1]
    return filename.removesuffix(".tar.gz").rpartition("-")[2]


def _handler(index: IndexServer) -> type[FaultyHandler]:
    class Handler(FaultyHandler):
        def respond(self) -> None:
            path = self.path.partition("?")[0]
            index.requests.append((self.command, path, {k.lower(): v for k, v in self.headers.items()}))
            fault = index.take_fault(self.command, path)
            if fault.delay:
                time.sleep(fault.delay)
            if fault.drop:
                self.close_connection = True
                return
            if not self._allowed():
                self.answer(401, b"who are you?", {"WWW-Authenticate": 'Basic realm="index"'}, Fault(""))
            elif fault.redirect is not None:
                self.answer(fault.status or 302, b"", {"Location": fault.redirect}, fault)
            elif fault.status is not None:
                self.answer(fault.status, fault.body or b"", {"Content-Type": "text/plain"}, fault)
            else:
                self._serve(path, fault)

        def _allowed(self) -> bool:
            if index.user is None:
                return True
            secret = base64.b64encode(f"{index.user}:{index.password}".encode()).decode()
            return self.headers.get("Authorization") == f"Basic {secret}"

        def _serve(self, path: str, fault: Fault) -> None:
            parts = path.strip("/").split("/")
            if path in index.pages:
                kind, body = index.pages[path]
                self.answer(200, body if fault.body is None else fault.body, {"Content-Type": kind}, fault)
            elif len(parts) == 2 and parts[0] == "simple" and parts[1] in index.files:
                if not path.endswith("/"):
                    self.answer(301, b"", {"Location": f"{path}/"}, fault)
                    return
                kind, body = index.render(parts[1], self.headers.get("Accept", ""))
                self.answer(200, body if fault.body is None else fault.body, {"Content-Type": kind}, fault)
            elif len(parts) == 2 and parts[0] == "files" and (file := self._file(parts[1])) is not None:
                self._serve_file(file.path.read_bytes() if fault.body is None else fault.body, fault)
            else:
                self.answer(404, b"no such page", {"Content-Type": "text/plain"}, fault)

        def _file(self, quoted: str) -> _File | None:
            filename = urllib.parse.unquote(quoted)
            return next((files[filename] for files in index.files.values() if filename in files), None)

        def _serve_file(self, data: bytes, fault: Fault) -> None:
            headers = {"Content-Type": "application/octet-stream", "Accept-Ranges": "bytes"}
            asked = re.fullmatch(r"bytes=(\d*)-(\d*)", self.headers.get("Range", ""))
            if asked is None or fault.no_ranges:
                if fault.no_ranges:
                    del headers["Accept-Ranges"]
                self.answer(200, data, headers, fault)
                return
            size = len(data)
            if not asked[1]:
                first, last = max(0, size - int(asked[2])), size - 1
            else:
                first, last = int(asked[1]), min(int(asked[2] or size), size - 1)
            if first > last:
                self.answer(416, b"", {"Content-Range": f"bytes */{size}"}, fault)
                return
            first, last = max(0, first - fault.wrong_range), max(0, last - fault.wrong_range)
            headers["Content-Range"] = f"bytes {first}-{last}/{size}"
            self.answer(206, data[first : last + 1], headers, fault)

    return Handler
