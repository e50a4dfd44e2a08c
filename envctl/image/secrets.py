"""What a build needs of the user's credentials, certificates and proxies, and nothing else of them. Pure but for `ca`.

It reaches the steps as secrets and as build arguments that engines know by name (proxies): neither is in a layer, the
history or the configuration of the image.
"""

from __future__ import annotations

import ipaddress
import re
import ssl
from collections.abc import Iterable, Mapping
from pathlib import Path
from urllib.parse import urlsplit

from envctl.errors import UsageError
from envctl.image.interface import Secrets
from envctl.system.credentials import Credentials, redact, split_credentials

# BuildKit's predefined build arguments: given or not, they change no step's cache key and no image.
_PROXIES = ("HTTP_PROXY", "HTTPS_PROXY", "FTP_PROXY", "NO_PROXY", "ALL_PROXY")
_TRUST = ("SSL_CERT_FILE", "REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE", "PIP_CERT")
_BUNDLES = ("/etc/ssl/certs/ca-certificates.crt", "/etc/pki/tls/certs/ca-bundle.crt", "/etc/ssl/cert.pem")
_WORD = re.compile(r"[!-~]+")
_LARGEST = 500_000  # of a secret, in bytes: BuildKit's limit


def secrets(
    urls: Iterable[str], *, mirror: str | None, credentials: Credentials, environ: Mapping[str, str]
) -> Secrets:
    """The secrets of a build that takes files from these addresses.

    Args:
        urls: of indexes and files; user and password in them are not looked at.
        mirror: the index in place of the default one, with its credentials where its address holds some.
        credentials: who may ask what.

    Raises:
        UsageError: credentials that a netrc file cannot say, or certificates that cannot be read.
    """
    plain = None if mirror is None else split_credentials(mirror)[0]
    texts = {}
    netrc = _netrc([*urls, *([] if plain is None else [plain])], credentials)
    if netrc:
        texts["netrc"] = netrc
    if plain is not None:
        texts["index"] = plain + "\n"
    bundle = _bundle(environ)
    return Secrets(texts=texts, files={} if bundle is None else {"ca": bundle})


def proxies(environ: Mapping[str, str]) -> tuple[str, ...]:
    """Names of the variables that say proxies, as far as they are set."""
    return tuple(name for upper in _PROXIES for name in (upper, upper.lower()) if environ.get(name))


def on_loopback(urls: Iterable[str]) -> bool:
    """Whether one of these addresses is this machine's own, which steps only reach through its network."""
    return any(_is_loopback(url) for url in urls)


def _is_loopback(url: str) -> bool:
    try:
        host = urlsplit(url if "://" in url else f"http://{url}").hostname or ""
        return host == "localhost" or host.endswith(".localhost") or ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def _netrc(urls: Iterable[str], credentials: Credentials) -> str:
    """A netrc file for the hosts of these addresses: a line for each for which there are credentials."""
    known: dict[str, tuple[str, str]] = {}
    for url in dict.fromkeys(urls):
        host = (urlsplit(url).hostname or "").lower()
        found = credentials.find(url)
        if not host or found is None:
            continue
        if known.setdefault(host, found) != found:
            raise UsageError(
                f"a build can have one user and password for {host}",
                found=f"others for {redact(url)}",
                hint="a build gets a netrc file, which knows hosts but no ports and paths: use one account",
            )
    for host, pair in known.items():
        if not all(_WORD.fullmatch(part) and not part.startswith(("#", '"')) for part in pair):
            raise UsageError(
                f"the user or password for {host} cannot be said in a netrc file",
                expected="printable ASCII without blanks that begins with neither # nor a quotation mark",
                hint="use a token in its place",
            )
    return "".join(f"machine {host} login {user} password {word}\n" for host, (user, word) in sorted(known.items()))


def _bundle(environ: Mapping[str, str]) -> Path | None:
    """The certificates that envctl itself trusts, as one file; None where the system has none as a file."""
    said = [(name, environ[name]) for name in _TRUST if environ.get(name)]
    for name, value in said[:1]:
        if Path(value).is_dir():
            continue
        if not Path(value).is_file():
            raise UsageError(f"{name} names no file", file=value, expected="a file of PEM certificates")
        return _fitting(Path(value))
    system = ssl.get_default_verify_paths().openssl_cafile
    places = (Path(place) for place in (*_BUNDLES, system))
    return next((_fitting(place) for place in places if place.is_file()), None)


def _fitting(bundle: Path) -> Path:
    if bundle.stat().st_size > _LARGEST:
        raise UsageError(
            "the file of certificates is too large for a build",
            file=bundle,
            found=f"{bundle.stat().st_size:,} bytes",
            expected=f"at most {_LARGEST:,}",
            hint="set SSL_CERT_FILE to a file of those that the build needs",
        )
    return bundle.absolute()
