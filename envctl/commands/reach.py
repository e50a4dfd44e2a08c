"""Ask the servers of a target's wheels and base image whether they would give what is locked, without loading it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from concurrent.futures import TimeoutError as Late
from urllib.parse import urlsplit

from envctl.doctor.reach import Asked
from envctl.errors import EnvctlError
from envctl.index.mirrors import credentials
from envctl.model.lockfile import Lockfile, Wheel
from envctl.model.platform import Platform
from envctl.oci.reference import Reference
from envctl.oci.registry import Registry
from envctl.system.http import Client

SECONDS = 8.0
_MOST = 8


def indexes(lockfile: Lockfile, platform: Platform, environ: Mapping[str, str]) -> tuple[Asked, ...]:
    """Each server of the platform's wheels, asked for the smallest of those that it has."""
    smallest: dict[str, Wheel] = {}
    for _, wheel in lockfile.select(platform):
        server = _server(wheel.url)
        if server is not None and (server not in smallest or (wheel.size or 0) < (smallest[server].size or 0)):
            smallest[server] = wheel
    known = {index.name: index.url for index in lockfile.envctl.indexes}
    with Client(credentials=credentials(known, environ), attempts=1, patience=SECONDS / 2, environ=environ) as client:
        return _all(
            [(server, _head(client, str(wheel.url))) for server, wheel in sorted(smallest.items())], client.close
        )


def registry(lockfile: Lockfile, platform: Platform, environ: Mapping[str, str]) -> tuple[Asked, ...]:
    """The base image's registry, asked for the base as it is pinned."""
    image = lockfile.envctl.image
    if image is None:
        return ()
    try:
        reference = Reference.parse(image.base)
    except EnvctlError as error:
        return (Asked(server=ascii(image.base), failure=error.what),)
    pin = lockfile.envctl.platforms[str(platform)].base_digest
    pinned = reference if reference.digest is not None or pin is None else reference.at(pin)
    with Registry(environ=environ) as asked:
        return _all([(reference.registry, lambda: asked.resolve(pinned))], asked.close)


def _head(client: Client, url: str) -> Callable[[], object]:
    return lambda: client.head(url)


def _all(jobs: list[tuple[str, Callable[[], object]]], give_up: Callable[[], None]) -> tuple[Asked, ...]:
    """Ask all at the same time; who has not answered in SECONDS has not."""
    found = []
    with ThreadPoolExecutor(_MOST, "envctl-reach") as pool:
        futures = [(server, pool.submit(job)) for server, job in jobs[:_MOST]]
        for server, future in futures:
            try:
                future.result(SECONDS)
                found.append(Asked(server=server))
            except Late:
                give_up()
                found.append(Asked(server=server, failure=f"no answer within {SECONDS:.0f} s"))
            except EnvctlError as error:
                what = error.what.removeprefix("the registry: ")
                reason = what if error.found is None else f"{what} ({error.found})"
                found.append(Asked(server=server, failure=reason, hint=error.hint))
    return tuple(found)


def _server(url: str | None) -> str | None:
    """The host of a URL, with its port; None for what is no web address."""
    try:
        parts = urlsplit(url or "")
        return parts.netloc.rpartition("@")[2] if parts.scheme in {"http", "https"} else None
    except ValueError:
        return None
