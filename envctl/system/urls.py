"""Addresses of requests: checked, followed, and with credentials for their own origin only."""

from __future__ import annotations

import base64
import re
from collections.abc import Mapping
from urllib.parse import urljoin

from envctl.errors import IndexFailed
from envctl.system.credentials import Secret, origin, redact, split_credentials

_UNSAFE = re.compile(r"[\x00-\x20\x7f]")


def with_secret(headers: Mapping[str, str], secret: Secret | None, *, own: bool) -> Mapping[str, str]:
    """The headers for one origin: `Authorization` only at home."""
    if not own:
        return {name: value for name, value in headers.items() if name not in ("authorization", "cookie")}
    if secret is None or "authorization" in headers:
        return headers
    token = base64.b64encode(":".join(secret).encode()).decode()
    return {**headers, "authorization": f"Basic {token}"}


def checked(url: str) -> tuple[str, Secret | None]:
    """The URL without credentials and fragment, and the credentials; IndexFailed when it is no web address."""
    try:
        plain, secret = split_credentials(url)
        scheme, host, _ = origin(plain)
        good = scheme in ("http", "https") and host and "%" not in host and not _UNSAFE.search(plain)
        host.encode("idna" if not host.isascii() else "ascii")
    except (ValueError, UnicodeError):
        good = False
    if not good:
        raise IndexFailed("is no web address", file=redact(url), expected="an http:// or https:// URL")
    return plain.partition("#")[0], secret


def redirected(url: str, location: str, asked: str) -> str:
    """Where a redirect leads; its own credentials do not count."""
    try:
        joined = urljoin(url, location.strip().replace(" ", "%20"))
    except ValueError:
        joined = ""
    target = checked(joined)[0]
    if url.startswith("https:") and not target.startswith("https:"):
        raise IndexFailed(
            "redirects from https to http", file=redact(asked), found=redact(target), expected="an https:// URL"
        )
    return target


def retry_after(headers: Mapping[str, str]) -> float | None:
    """Seconds of a Retry-After header; a date counts as nothing said."""
    said = headers.get("retry-after", "").strip()
    return float(said) if said.isdecimal() and len(said) < 9 else None
