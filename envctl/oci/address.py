"""Where a container engine listens, as the docker command finds it."""

from __future__ import annotations

import json
import socket
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from envctl.errors import UsageError

SECONDS = 120
"""How long an engine may take to answer."""
_DEFAULT = "unix:///var/run/docker.sock"


def address(environ: Mapping[str, str]) -> str:
    """Where the engine listens: DOCKER_HOST, else the current context of the docker command, else the usual socket.

    Raises:
        UsageError: DOCKER_CONTEXT, or the configuration's `currentContext`, names a context that there is not.
    """
    said = environ.get("DOCKER_HOST")
    if said:
        return said
    home = environ.get("HOME", "")
    folder = Path(environ.get("DOCKER_CONFIG") or Path(home, ".docker"))
    name = environ.get("DOCKER_CONTEXT") or _json(folder / "config.json").get("currentContext")
    if name and name != "default":
        for place in sorted(folder.glob("contexts/meta/*/meta.json")):
            context = _json(place)
            if context.get("Name") == name:
                host = ((context.get("Endpoints") or {}).get("docker") or {}).get("Host")
                if host:
                    return str(host)
        raise UsageError(
            "there is no such Docker context", found=ascii(name), hint="`docker context ls`, or set DOCKER_HOST"
        )
    own = Path(environ.get("XDG_RUNTIME_DIR") or "/nonexistent", "docker.sock")
    if not Path("/var/run/docker.sock").exists() and own.exists():
        return f"unix://{own}"
    return _DEFAULT


def knock(address: str) -> None:
    """Whether somebody listens on a local socket; OSError where nobody does. The SDK would leave its own open then."""
    if not address.startswith("unix://") or not hasattr(socket, "AF_UNIX"):
        return
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as knocking:
        knocking.settimeout(SECONDS)
        knocking.connect(address.removeprefix("unix://"))


def tls(environ: Mapping[str, str]) -> Any:
    """What DOCKER_TLS_VERIFY and DOCKER_CERT_PATH say, as the SDK has it; False without."""
    if not environ.get("DOCKER_TLS_VERIFY"):
        return False
    import docker

    folder = Path(environ.get("DOCKER_CERT_PATH") or Path(environ.get("HOME", ""), ".docker"))
    return docker.tls.TLSConfig(
        client_cert=(str(folder / "cert.pem"), str(folder / "key.pem")), ca_cert=str(folder / "ca.pem"), verify=True
    )


def _json(place: Path) -> dict[str, Any]:
    try:
        found = json.loads(place.read_bytes())
    except (OSError, ValueError, RecursionError):
        return {}
    return found if isinstance(found, dict) else {}
