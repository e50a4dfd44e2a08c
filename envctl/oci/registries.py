"""Mirrors and plain HTTP: what the user's own configuration says of registries (docs/reference/environment.md).

`$XDG_CONFIG_HOME/envctl/config.toml`, else `~/.config/envctl/config.toml`. It decides where bytes come from, never what
is pinned.
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Mapping

import msgspec

from envctl.errors import InvalidFile
from envctl.oci.reference import DEFAULT_REGISTRY
from envctl.system.user_config import user_table

_HOST = re.compile(r"(?:[A-Za-z0-9](?:[A-Za-z0-9.-]*[A-Za-z0-9])?|\[[0-9A-Fa-f:.]+\])(?::[0-9]{1,5})?")
_PREFIX = re.compile(r"(?:/[a-z0-9]+(?:[._-]+[a-z0-9]+)*)*/?")
_API = {DEFAULT_REGISTRY: "registry-1.docker.io"}
"""Registries that answer at another host than their name."""


class RegistryTable(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """`[registries."NAME"]`. `insecure`: whether plain HTTP is spoken; None for what is usual (loopback only)."""

    mirrors: tuple[str, ...] = ()
    insecure: bool | None = None


class Endpoint(msgspec.Struct, frozen=True):
    """Where a registry, or a mirror of it, is asked.

    Attributes:
        name: whose login counts: the registry's or the mirror's name.
        root: URL up to the repository's name, such as `https://registry.example/v2/`.
        mirror: whether it stands for another registry.
    """

    name: str
    root: str
    mirror: bool = False

    @property
    def secure(self) -> bool:
        """Whether it is asked by HTTPS."""
        return self.root.startswith("https:")


def read_registries(environ: Mapping[str, str] | None = None) -> dict[str, RegistryTable]:
    """The table `registries` of the user's configuration, by registry; empty where there is no such file.

    Raises:
        InvalidFile: it is malformed; with file and key.
    """
    expected = '[registries."NAME"] with mirrors = ["HOST[/PREFIX]", …] and insecure = true or false'
    place, tables = user_table("registries", dict[str, RegistryTable], expected=expected, environ=environ)
    if tables is None:
        return {}
    for name, table in tables.items():
        key = f'registries."{name}"'
        if not _HOST.fullmatch(name):
            raise InvalidFile("names no registry", file=place, key=key, expected="HOST or HOST:PORT")
        for mirror in table.mirrors:
            host, slash, rest = mirror.partition("/")
            if not _HOST.fullmatch(host) or not _PREFIX.fullmatch(slash + rest):
                raise InvalidFile(
                    "names no mirror", file=place, key=f"{key}.mirrors", found=mirror, expected="HOST[:PORT][/PREFIX]"
                )
    return tables


def endpoints(registry: str, tables: Mapping[str, RegistryTable]) -> tuple[Endpoint, ...]:
    """Where to ask for what a registry has, in order: its mirrors, then the registry itself."""
    found = []
    for mirror in tables.get(registry, RegistryTable()).mirrors:
        host, _, prefix = mirror.strip("/").partition("/")
        root = f"{_scheme(host, tables)}://{host}/v2/" + (f"{prefix}/" if prefix else "")
        found.append(Endpoint(host, root, mirror=True))
    root = f"{_scheme(registry, tables)}://{_API.get(registry, registry)}/v2/"
    return (*found, Endpoint(registry, root))


def is_loopback(host: str) -> bool:
    """Whether a host, with or without a port, is this machine: localhost, 127.0.0.0/8, ::1."""
    if host.startswith("["):
        host = host[1:].partition("]")[0]
    elif host.count(":") == 1:
        host = host.partition(":")[0]
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def _scheme(host: str, tables: Mapping[str, RegistryTable]) -> str:
    said = tables.get(host, RegistryTable()).insecure
    return "http" if (is_loopback(host) if said is None else said) else "https"
