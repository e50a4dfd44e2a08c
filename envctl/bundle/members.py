"""What goes into the verifier's archive: envctl as it is, the stand-in for msgspec, and pure-Python distributions."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Iterator
from importlib import metadata
from importlib.metadata import Distribution, PackagePath
from pathlib import Path

import envctl
from envctl.errors import ToolFailed

CARRIED = ("click", "packaging", "tomli")
_OWN = "envctl-ml"
_SUFFIXES = (".py", ".json", ".html", ".css", ".js")
_STANDIN = "bundle/standin/"
_BOOT = "cli/boot.py"
_HINT = "install envctl-ml into an environment of its own, with pip or uv"


def members() -> tuple[dict[str, bytes], dict[str, str]]:
    """All members by name, and the versions of what is carried by distribution.

    Raises:
        ToolFailed: a distribution is not installed as its wheel has it.
    """
    found = dict(_own())
    versions = {}
    for name in CARRIED:
        installed = _installed(name)
        versions[name] = installed.version
        found.update(_carried(installed, name))
    found.update(_licences(_installed(_OWN), _OWN))
    listed = {_OWN: envctl.__version__, **versions}
    found["CARRIED"] = "".join(f"{name}=={version}\n" for name, version in listed.items()).encode()
    return found, versions


def _own() -> Iterator[tuple[str, bytes]]:
    folder = Path(envctl.__file__).parent
    for path in folder.rglob("*"):
        name = path.relative_to(folder).as_posix()
        if path.suffix not in _SUFFIXES or "__pycache__" in name:
            continue
        data = path.read_bytes()
        if name.startswith(_STANDIN):
            yield f"msgspec/{name.removeprefix(_STANDIN)}", data
        else:
            yield "__main__.py" if name == _BOOT else f"envctl/{name}", data


def _installed(name: str) -> Distribution:
    try:
        return metadata.distribution(name)
    except metadata.PackageNotFoundError as error:
        raise ToolFailed(f"{name} is not installed", hint=_HINT) from error


def _carried(installed: Distribution, name: str) -> Iterator[tuple[str, bytes]]:
    """The modules, each as RECORD says it is, and the licences."""
    modules = [file for file in installed.files or () if file.parts[0] == name and file.suffix == ".py"]
    if not modules:
        raise ToolFailed(f"the modules of {name} are not where its RECORD says", hint=_HINT)
    for file in modules:
        yield str(file), _read(file, name)
    yield from _licences(installed, name)


def _licences(installed: Distribution, name: str) -> Iterator[tuple[str, bytes]]:
    """The texts of the licences (PEP 639 puts them into `licenses`, older tools beside METADATA)."""
    for file in installed.files or ():
        if file.parts[0].endswith(".dist-info") and file.name.upper().startswith(("LICENSE", "LICENCE", "COPYING")):
            yield f"LICENCES/{name}/{file.name}", _read(file, name)


def _read(file: PackagePath, name: str) -> bytes:
    try:
        data = Path(str(file.locate())).read_bytes()
    except OSError as error:
        raise ToolFailed(f"a file of {name} cannot be read", file=file, found=error.strerror, hint=_HINT) from error
    digest = base64.urlsafe_b64encode(hashlib.sha256(data).digest()).rstrip(b"=").decode()
    if file.hash is None or file.hash.value != digest:
        raise ToolFailed(f"a file of {name} is not what its RECORD says", file=file, hint=_HINT)
    return data
