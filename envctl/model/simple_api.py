"""Project pages of the simple repository API: HTML (PEP 503, 592, 714) and JSON (PEP 691, 700) read into one form.

An index may answer either form to any `Accept` header, so the content type decides, and where it says neither, the
first character of the body does. Pages are untrusted: whatever is wrong with one is a ValueError.
"""

from __future__ import annotations

import html
import re
from collections.abc import Iterable, Iterator, Mapping
from datetime import datetime, timezone
from typing import Any
from urllib.parse import unquote, urljoin, urlsplit

import msgspec

JSON_TYPE = "application/vnd.pypi.simple.v1+json"
# The order of preference that uv asks with: some indexes tell upload times only to those who know the JSON form.
ACCEPT = f"{JSON_TYPE}, application/vnd.pypi.simple.v1+html;q=0.2, text/html;q=0.01"

_SHA256 = re.compile(r"[0-9a-fA-F]{64}")
_SPACE = re.compile(r"[ \t\r\n\f]+")
_TAG = re.compile(r"<(a|base)(?=[ \t\r\n\f/>])|<!--", re.IGNORECASE)
_ATTRIBUTE = re.compile(
    r"""[ \t\r\n\f/]*(?:(>)|([^ \t\r\n\f/>=]+)"""
    r"""(?:[ \t\r\n\f]*=[ \t\r\n\f]*(?:"([^"]*)"|'([^']*)'|([^ \t\r\n\f>"']+)))?)"""
)
_CONTROL = re.compile(r"[\x00-\x1f\x7f]")
_TIME = re.compile(r"(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d)(?:\.(\d{1,6})\d*)?(Z|[+-]\d\d:\d\d)")


class SimpleFile(msgspec.Struct, frozen=True, kw_only=True):
    """One file that an index offers.

    Attributes:
        url: absolute, without fragment, user and password; http or https (file too on a page that is a local file).
        sha256: 64 lower-case hex digits, None where the index says none.
        size: bytes, None where the index says none.
        upload_time: with time zone (UTC), None where the index says none.
        yanked: True, or the reason given (PEP 592).
        core_metadata: whether METADATA is served beside the file (PEP 658, 714).
    """

    filename: str
    url: str
    sha256: str | None = None
    size: int | None = None
    upload_time: datetime | None = None
    yanked: bool | str = False
    requires_python: str | None = None
    core_metadata: bool = False


def parse_project_page(body: bytes, content_type: str, url: str) -> tuple[SimpleFile, ...]:
    """The files of a project page.

    Args:
        body: the answer, decompressed.
        content_type: its Content-Type; empty where it says none.
        url: the page's own address, after redirects: relative links start there.

    Raises:
        ValueError: it is no project page, or names a file where the page may not send anybody.
    """
    kind = content_type.partition(";")[0].strip().lower()
    if "json" in kind or (kind not in _HTML_TYPES and body.lstrip()[:1] == b"{"):
        return tuple(_json_files(body, url))
    if kind not in _HTML_TYPES and not body.lstrip()[:1] == b"<":
        raise ValueError(f"the page is neither HTML nor JSON but {kind or 'of no said type'}")
    try:
        text = body.decode("utf-8")
    except UnicodeDecodeError as error:
        raise ValueError(f"the page is not UTF-8 (byte {error.start})") from error
    return tuple(_html_files(text, url))


_HTML_TYPES = frozenset({"text/html", "application/vnd.pypi.simple.v1+html", "application/xhtml+xml"})


def to_json(name: str, files: Iterable[SimpleFile]) -> bytes:
    """The project page of these files, as JSON (PEP 691 with the fields of PEP 700)."""
    rows = []
    for file in files:
        row: dict[str, Any] = {
            "filename": file.filename,
            "url": file.url,
            "hashes": {"sha256": file.sha256} if file.sha256 else {},
            "yanked": file.yanked,
        }
        if file.requires_python is not None:
            row["requires-python"] = file.requires_python
        if file.size is not None:
            row["size"] = file.size
        if file.upload_time is not None:
            row["upload-time"] = file.upload_time.astimezone(timezone.utc).strftime("%Y-%m-%dT%H:%M:%S.%fZ")
        if file.core_metadata:
            row["core-metadata"] = True
        rows.append(row)
    return msgspec.json.encode({"meta": {"api-version": "1.0"}, "name": name, "files": rows})


class _File(msgspec.Struct, rename="kebab"):
    """A file of PEP 691; what other versions of the API add is ignored."""

    filename: str
    url: str
    hashes: dict[str, str] = {}
    size: int | None = None
    upload_time: str | None = None
    yanked: bool | str = False
    requires_python: str | None = None
    core_metadata: bool | dict[str, str] | None = None
    dist_info_metadata: bool | dict[str, str] | None = None


class _Meta(msgspec.Struct, rename="kebab"):
    api_version: str


class _Page(msgspec.Struct):
    meta: _Meta
    files: list[_File]


def _json_files(body: bytes, url: str) -> Iterator[SimpleFile]:
    try:
        page = msgspec.json.decode(body, type=_Page)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
        raise ValueError(f"the page is not the JSON form of the simple API: {error}") from error
    if page.meta.api_version.partition(".")[0] != "1":
        raise ValueError(f"the page speaks version {page.meta.api_version[:20]!r} of the simple API, not 1")
    resolve = _Resolver(url)
    for file in page.files:
        if file.size is not None and file.size < 0:
            raise ValueError(f"the size of {file.filename!r} is negative")
        metadata = file.core_metadata if file.core_metadata is not None else file.dist_info_metadata
        yield SimpleFile(
            filename=_filename(file.filename),
            url=resolve(file.url)[0],
            sha256=_sha256(file.hashes.get("sha256")),
            size=file.size,
            upload_time=_time(file.upload_time),
            yanked=file.yanked if isinstance(file.yanked, str) and file.yanked else file.yanked is not False,
            requires_python=file.requires_python or None,
            core_metadata=bool(metadata),
        )


def _html_files(text: str, url: str) -> Iterator[SimpleFile]:
    resolve = _Resolver(url)
    found = useful = False
    for tag, attributes in _tags(text):
        if tag == "base":
            if not found and (base := attributes.get("href")):
                resolve = _Resolver(urljoin(url, base), page=url)
            continue
        href = attributes.get("href")
        if href is None:
            continue
        found = True
        target, fragment = resolve(href)
        if target.endswith("/"):
            continue  # folder listings link to the folder above
        filename = _filename(unquote(target.partition("?")[0].rpartition("/")[2]))
        useful = useful or filename.endswith(_DISTRIBUTIONS)
        yanked = attributes.get("data-yanked")
        metadata = attributes.get("data-core-metadata", attributes.get("data-dist-info-metadata"))
        yield SimpleFile(
            filename=filename,
            url=target,
            sha256=_fragment_sha256(fragment),
            upload_time=_time(attributes.get("data-upload-time")),
            yanked=False if yanked is None else yanked or True,
            requires_python=attributes.get("data-requires-python") or None,
            core_metadata=metadata not in (None, "false"),
        )
    if not found and not re.search(r"<(?:!doctype html|html|head|body)\b", text, re.IGNORECASE):
        raise ValueError("the page is not the HTML form of the simple API")
    if not useful and _says_something_else(text):
        raise ValueError("the page names no distribution, and is not an empty project page either")


_DISTRIBUTIONS = (".whl", ".tar.gz", ".zip", ".tar.bz2", ".tar.xz", ".tgz", ".egg", ".exe", ".msi", ".rpm")


def _says_something_else(text: str) -> bool:
    """Whether a page without files is for people: a login form, a message of a proxy."""
    shown = re.sub(r"<[^<>]*>", " ", text).strip().lower()
    if re.search(r"<(?:script|form|input)\b", text, re.IGNORECASE):
        return True
    return bool(shown) and not re.search(r"\blinks for\b|\bindex of\b|\bdirectory listing\b", shown)


def _tags(text: str) -> Iterator[tuple[str, Mapping[str, str]]]:
    """The `a` and `base` elements in order, with their attributes; each character is looked at once."""
    place = 0
    while (tag := _TAG.search(text, place)) is not None:
        place = tag.end()
        if tag[1] is None:
            place = text.find("-->", place)
            if place < 0:
                raise ValueError("a comment of the page has no end")
            continue
        attributes: dict[str, str] = {}
        while True:
            match = _ATTRIBUTE.match(text, place)
            if match is None:
                raise ValueError(f"a link of the page is malformed: {text[tag.start() : tag.start() + 80]!r}")
            place = match.end()
            if match[1]:
                break
            value = match[3] or match[4] or match[5] or ""
            attributes.setdefault(match[2].lower(), html.unescape(value) if "&" in value else value)
        yield tag[1].lower(), attributes


class _Resolver:
    """Makes links absolute, quickly where they are already, and refuses those that a page may not hold."""

    def __init__(self, base: str, page: str | None = None) -> None:
        self.base = base
        self.schemes = (
            {"http", "https"} if urlsplit(page or base).scheme in ("http", "https") else {"http", "https", "file"}
        )
        if urlsplit(base).scheme not in self.schemes:
            raise ValueError(f"the page's base {base[:200]!r} is no web address")

    def __call__(self, link: str) -> tuple[str, str]:
        """The absolute address and the fragment."""
        link = link.strip()
        if _CONTROL.search(link):
            raise ValueError(f"a link holds control characters: {link[:200]!r}")
        link, _, fragment = link.partition("#")
        target = link if link.startswith(("https://", "http://")) else urljoin(self.base, link)
        scheme, separator, rest = target.partition("://")
        if scheme not in self.schemes or not separator or (scheme != "file" and rest[:1] in ("", "/")):
            raise ValueError(f"a link leads to no web address: {link[:200]!r}")
        host = rest.partition("/")[0]
        if "@" in host or "[" in host:
            target = urlsplit(target)._replace(netloc=urlsplit(target).netloc.rpartition("@")[2]).geturl()
        return target, fragment


def _filename(name: str) -> str:
    if not name or name in (".", "..") or "/" in name or "\\" in name or _CONTROL.search(name):
        raise ValueError(f"{name[:200]!r} is no file name")
    return name


def _sha256(digest: str | None) -> str | None:
    if digest is None:
        return None
    if not _SHA256.fullmatch(digest):
        raise ValueError(f"{digest[:80]!r} is no sha256")
    return digest.lower()


def _fragment_sha256(fragment: str) -> str | None:
    for part in fragment.split("&"):
        if part.startswith("sha256="):
            return _sha256(part[7:])
    return None


def _time(text: str | None) -> datetime | None:
    """RFC 3339, as PEP 700 asks; ValueError for anything else."""
    if text is None:
        return None
    match = _TIME.fullmatch(text)
    if match is None:
        raise ValueError(f"{text[:80]!r} is no upload time")
    fraction = (match[2] or "").ljust(6, "0")
    moment = datetime.fromisoformat(f"{match[1]}.{fraction}{'+00:00' if match[3] == 'Z' else match[3]}")
    return moment if match[3] == "Z" else moment.astimezone(timezone.utc)
