"""SSH keys made by ssh-keygen, and what it signs with them."""

from __future__ import annotations

import subprocess
from pathlib import Path

LOCKFILE = "envctl-lockfile"


def key(folder: Path, name: str = "alice", kind: str = "ed25519", *options: str, passphrase: str = "") -> Path:
    """A private key in a file of that name, with its public one beside it."""
    place = folder / name
    folder.mkdir(parents=True, exist_ok=True)
    keygen("-t", kind, "-N", passphrase, "-C", name, "-f", place, *options)
    return place


def public(private: Path) -> str:
    """The public key's line, without its comment."""
    return " ".join(private.with_name(f"{private.name}.pub").read_text("utf-8").split()[:2])


def listed(place: Path, *lines: str) -> Path:
    """A list of allowed signers."""
    place.parent.mkdir(parents=True, exist_ok=True)
    place.write_text("".join(f"{line}\n" for line in lines), "utf-8")
    return place


def signed(private: Path, data: bytes, namespace: str = LOCKFILE) -> bytes:
    """A signature as ssh-keygen makes it."""
    command = ["ssh-keygen", "-Y", "sign", "-n", namespace, "-f", private]
    return subprocess.run(command, input=data, capture_output=True, check=True).stdout


def keygen(*arguments: object) -> None:
    """ssh-keygen, quiet."""
    subprocess.run(["ssh-keygen", "-q", *map(str, arguments)], check=True, capture_output=True)
