"""Who may ask a registry: what `docker login` or `podman login` left on this machine. Read only, and never shown.

Sources: Docker's config.json (`auths`, `credsStore`, `credHelpers`), the protocol of docker-credential-helpers,
containers-auth.json(5). Docker's file comes first, then podman's.
"""

from __future__ import annotations

import base64
import binascii
import os
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import msgspec

from envctl.errors import IndexFailed, InvalidFile, ToolFailed
from envctl.oci.reference import DEFAULT_REGISTRY
from envctl.system.files import read_bytes
from envctl.system.process import program as find_program
from envctl.system.process import run

LEGACY_KEY = "https://index.docker.io/v1/"
"""Under which Docker keeps the login of docker.io."""

_LIMIT = 4 * 2**20
_HELPER = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*")
_HELPER_SECONDS = 30.0
_NOT_FOUND = "credentials not found in native keychain"
_TOKEN_USER = "<token>"  # noqa: S105  # what helpers say in place of a user where the secret is an identity token


class Login(msgspec.Struct, frozen=True, kw_only=True):
    """User and password, or an identity token. Its text form shows neither."""

    username: str = ""
    password: str = ""
    identity_token: str = ""

    def __repr__(self) -> str:
        return "Login(…)"

    def __rich_repr__(self) -> list[tuple[str, Any]]:
        return []

    @property
    def basic(self) -> str:
        """The value of an Authorization header."""
        return "Basic " + base64.b64encode(f"{self.username}:{self.password}".encode()).decode()


class _Auth(msgspec.Struct):
    auth: str | None = None
    username: str | None = None
    password: str | None = None
    identitytoken: str | None = None


class _Config(msgspec.Struct, rename="camel"):
    auths: dict[str, _Auth] | None = None
    creds_store: str | None = None
    cred_helpers: dict[str, str] | None = None


def find_login(registry: str, repository: str, environ: Mapping[str, str] | None = None) -> Login | None:
    """The login for a repository of a registry; None where there is none.

    Raises:
        IndexFailed: a file is malformed, or a credential helper failed; without anything that they hold.
    """
    environ = os.environ if environ is None else environ
    for place in _places(environ):
        config = _read(place)
        if config is None:
            continue
        login = _from_helpers(config, registry, place, environ) or _from_file(config, registry, repository, place)
        if login is not None:
            return login
    return None


def _places(environ: Mapping[str, str]) -> Iterator[Path]:
    home = environ.get("HOME")
    folder = environ.get("DOCKER_CONFIG")
    if folder:
        yield Path(folder, "config.json")
    elif home:
        yield Path(home, ".docker", "config.json")
    named, runtime = environ.get("REGISTRY_AUTH_FILE"), environ.get("XDG_RUNTIME_DIR")
    if named:
        yield Path(named)
        return
    if runtime:
        yield Path(runtime, "containers", "auth.json")
    config = environ.get("XDG_CONFIG_HOME") or (str(Path(home, ".config")) if home else None)
    if config:
        yield Path(config, "containers", "auth.json")


def _read(place: Path) -> _Config | None:
    try:
        data = read_bytes(place, limit=_LIMIT)
    except FileNotFoundError:
        return None
    except InvalidFile as error:
        raise IndexFailed("the logins of registries cannot be read", file=place, found=error.found) from error
    if not data.strip():
        return None
    try:
        return msgspec.json.decode(data, type=_Config)
    except (msgspec.MsgspecError, ValueError, RecursionError):
        # what the decoder says may quote a secret
        raise IndexFailed(
            "the logins of registries cannot be read", file=place, found="no valid configuration of Docker or podman"
        ) from None


def _keys(registry: str) -> tuple[str, ...]:
    if registry == DEFAULT_REGISTRY:
        return (LEGACY_KEY, "index.docker.io", DEFAULT_REGISTRY)
    return (registry,)


def _from_helpers(config: _Config, registry: str, place: Path, environ: Mapping[str, str]) -> Login | None:
    for key in _keys(registry):
        name = (config.cred_helpers or {}).get(key)
        if name:
            return _ask_helper(name, key, place, environ)
    return _ask_helper(config.creds_store, _keys(registry)[0], place, environ) if config.creds_store else None


def _ask_helper(name: str, server: str, place: Path, environ: Mapping[str, str]) -> Login | None:
    program = f"docker-credential-{name}"
    path = find_program(program, environ) if _HELPER.fullmatch(name) else None
    if path is None:
        raise IndexFailed(
            f"the credential helper {ascii(program)[1:-1][:80]} is not on PATH",
            file=place,
            hint="install it, or take it out of credsStore or credHelpers",
        )
    try:
        done = run([path, "get"], env=environ, stdin=server, timeout=_HELPER_SECONDS)
    except ToolFailed as error:
        raise IndexFailed(error.what, file=place, found=error.found) from error
    if done.status != 0:
        if _NOT_FOUND in done.stdout:
            return None
        raise _helper_failed(program, place, f"exit {done.status}", server)
    try:
        answer = msgspec.json.decode(done.stdout.encode(), type=dict[str, Any])
    except (msgspec.MsgspecError, ValueError, RecursionError):
        raise _helper_failed(program, place, "an answer that is no JSON object", server) from None
    user, secret = answer.get("Username"), answer.get("Secret")
    if not isinstance(user, str) or not isinstance(secret, str):
        raise _helper_failed(program, place, "an answer without Username and Secret", server)
    if user == _TOKEN_USER:
        return Login(identity_token=secret)
    return Login(username=user, password=secret) if user or secret else None


def _helper_failed(program: str, place: Path, found: str, server: str) -> IndexFailed:
    # what it wrote is not shown: it may hold the secret
    hint = f"`echo {server} | {program} get` shows what is wrong"
    return IndexFailed(f"the credential helper {program} failed", file=place, found=found, hint=hint)


def _from_file(config: _Config, registry: str, repository: str, place: Path) -> Login | None:
    auths = {_host(key): auth for key, auth in (config.auths or {}).items()}
    auths |= {key: auth for key, auth in (config.auths or {}).items() if "://" not in key}
    parts = repository.split("/")
    # podman keeps logins of single repositories and of what they lie in; the closest one counts
    names = [f"{registry}/{'/'.join(parts[:n])}" for n in range(len(parts), 0, -1)]
    for name in [*names, *(_host(key) for key in _keys(registry))]:
        auth = auths.get(name)
        login = None if auth is None else _login(auth, place, name)
        if login is not None:
            return login
    return None


def _host(key: str) -> str:
    """The host of a key, which old versions of Docker wrote as a URL."""
    return key.partition("://")[2].partition("/")[0] if "://" in key else key.partition("/")[0]


def _login(auth: _Auth, place: Path, name: str) -> Login | None:
    username, password = auth.username or "", auth.password or ""
    if auth.auth:
        try:
            username, colon, password = base64.b64decode(auth.auth, validate=True).decode().partition(":")
        except (binascii.Error, UnicodeDecodeError):
            colon = ""
        if not colon:
            raise IndexFailed(
                "a registry's login cannot be read",
                file=place,
                key=f"auths.{ascii(name)[1:-1]}.auth",
                expected="USER:PASSWORD in base64",
                hint=f"`docker login {ascii(name)[1:-1]}` writes it anew",
            ) from None
        password = password.rstrip("\0")
    if auth.identitytoken:
        return Login(username=username, identity_token=auth.identitytoken)
    return Login(username=username, password=password) if username or password else None
