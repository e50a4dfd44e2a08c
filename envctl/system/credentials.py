"""Who may ask an index: netrc, `UV_INDEX_<NAME>_USERNAME` and `_PASSWORD`, user and password of a URL.

Credentials go with a request to one origin (scheme, host, port) and never into a message, a file or another origin.
"""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from pathlib import Path
from urllib.parse import SplitResult, unquote, urlsplit

Secret = tuple[str, str]
"""User name and password."""

_PORTS = {"http": 80, "https": 443}


def origin(url: str) -> tuple[str, str, int | None]:
    """Scheme, host in lower case, and port; ValueError for a malformed URL."""
    parts = urlsplit(url)
    return parts.scheme.lower(), (parts.hostname or "").lower(), parts.port or _PORTS.get(parts.scheme.lower())


def split_credentials(url: str) -> tuple[str, Secret | None]:
    """The URL without user and password, and these two."""
    parts = urlsplit(url)
    userinfo, at, host = parts.netloc.rpartition("@")
    if not at:
        return url, None
    user, _, password = userinfo.partition(":")
    return parts._replace(netloc=host).geturl(), (unquote(user), unquote(password))


def redact(url: str) -> str:
    """The URL as it may be shown: without user, password, query and fragment (a query may hold a signature)."""
    try:
        parts = urlsplit(url)
        shown = SplitResult(parts.scheme, parts.netloc.rpartition("@")[2], parts.path, "…" if parts.query else "", "")
        return shown.geturl()
    except ValueError:
        return url.partition("://")[0] + "://…"


def index_credentials(indexes: Mapping[str, str], environ: Mapping[str, str] | None = None) -> dict[str, Secret]:
    """URL -> user and password of the named indexes (name -> URL) for which the environment has some, as uv reads it.

    `UV_INDEX_<NAME>_USERNAME` and `UV_INDEX_<NAME>_PASSWORD`, NAME being the index's name in upper case with
    everything but letters and digits as `_`. What is in the URL itself comes second.
    """
    environ = os.environ if environ is None else environ
    found: dict[str, Secret] = {}
    for name, url in indexes.items():
        key = "UV_INDEX_" + re.sub(r"[^A-Z0-9]", "_", name.upper())
        user, password = environ.get(f"{key}_USERNAME"), environ.get(f"{key}_PASSWORD")
        plain, inside = split_credentials(url)
        if user is not None or password is not None:
            found[plain] = (user or "", password or "")
        elif inside is not None:
            found[plain] = inside
    return found


class Credentials:
    """Finds the credentials of a URL: those given for a URL of the same origin, else the netrc file's.

    Attributes:
        problem: what is wrong with the netrc file, without its content; None when nothing is.
    """

    def __init__(self, given: Mapping[str, Secret] | None = None, environ: Mapping[str, str] | None = None) -> None:
        self._given = dict(given or {})
        self._environ = os.environ if environ is None else environ
        self._hosts: Mapping[str, Secret] | None = None
        self.problem: str | None = None

    def find(self, url: str) -> Secret | None:
        """User and password for the URL, of all given ones that of the longest common path."""
        here = origin(url)
        path = urlsplit(url).path.split("/")
        best: tuple[int, Secret] | None = None
        for prefix, secret in self._given.items():
            if origin(prefix) == here:
                theirs = urlsplit(prefix).path.rstrip("/").split("/")
                common = next((n for n, (a, b) in enumerate(zip(path, theirs, strict=False)) if a != b), len(theirs))
                if best is None or common > best[0]:
                    best = (common, secret)
        if best is not None:
            return best[1]
        hosts = self._netrc()
        return hosts.get(here[1], hosts.get("default"))

    def _netrc(self) -> Mapping[str, Secret]:
        if self._hosts is None:
            self._hosts = self._read_netrc()
        return self._hosts

    def _read_netrc(self) -> Mapping[str, Secret]:
        named = self._environ.get("NETRC")
        home = self._environ.get("HOME")
        place = Path(named) if named else Path(home, ".netrc") if home else Path("~/.netrc").expanduser()
        if not place.is_file():
            return {}
        import netrc

        try:
            hosts = netrc.netrc(str(place)).hosts
        except netrc.NetrcParseError as error:  # its text may quote the secret
            self.problem = f"{place}:{error.lineno} is malformed"
            return {}
        except (OSError, UnicodeDecodeError):
            self.problem = f"{place} cannot be read"
            return {}
        return {
            host.lower(): (login or account or "", password or "") for host, (login, account, password) in hosts.items()
        }
