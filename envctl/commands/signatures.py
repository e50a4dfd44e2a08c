"""Signatures that lie beside a lockfile: which there are, and whether they still are of it. Nobody is trusted here."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Iterator
from pathlib import Path

import msgspec

from envctl.errors import EnvctlError, InvalidFile
from envctl.lockfile.stale import Reason
from envctl.model.target import Target
from envctl.system.files import read_bytes
from envctl.trust import ssh
from envctl.trust.judgement import LIMIT, SIGSTORE, SSH


def beside(path: Path) -> list[Path]:
    """What lies under the name of a signature of this lockfile."""
    places = [path.with_name(path.name + suffix) for suffix in (SSH, SIGSTORE)]
    return [place for place in places if place.is_symlink() or place.exists()]


def carried(path: Path) -> dict[str, bytes]:
    """Name and bytes of each signature of a lockfile, for whoever takes it elsewhere; InvalidFile where one is none."""
    found = {}
    for place in beside(path):
        try:
            found[place.name] = read_bytes(place, limit=LIMIT)
        except FileNotFoundError as error:
            raise InvalidFile("leads nowhere", file=place) from error
    return found


def stale(project: Path, target: Target) -> tuple[list[Reason], list[str]]:
    """The signatures that are not of the target's lockfile as it is now, and notes on what could not be looked at."""
    path = project / target.lockfile
    try:
        data = read_bytes(path)
    except (FileNotFoundError, InvalidFile):
        return [], []  # what is wrong with the lockfile is said by others
    found, notes = [], []
    for place in beside(path):
        shown = str(target.lockfile.with_name(place.name))
        try:
            fits = _fits(data, place)
        except EnvctlError as error:
            notes.append(f"{shown} could not be looked at: {error.what}")
            continue
        if not fits:
            found.append(
                Reason(shown, f"is no signature of the lockfile as it is now; `envctl sign {target}` signs it")
            )
    return found, notes


def left_behind(path: Path, target: str) -> Iterator[str]:
    """Warnings for a lockfile that was written anew: its signatures are of the one before."""
    for place in beside(path):
        yield f"{place.name} is of the lockfile before this one; `envctl sign {target}` signs this one, once reviewed"


def _fits(data: bytes, place: Path) -> bool:
    try:
        signature = read_bytes(place, limit=LIMIT)
    except (FileNotFoundError, InvalidFile):
        return False
    if not place.name.endswith(SIGSTORE):
        return ssh.fits(data, signature)
    try:
        bundle = msgspec.json.decode(signature)
        said = base64.b64decode(bundle["messageSignature"]["messageDigest"]["digest"], validate=True)
    except (msgspec.MsgspecError, ValueError, KeyError, TypeError, RecursionError):
        return False
    return said == hashlib.sha256(data).digest()
