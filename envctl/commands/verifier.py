"""Write the verifier in one file: the Python API of `envctl verifier`."""

from __future__ import annotations

import hashlib
from pathlib import Path

import msgspec

import envctl
from envctl.bundle.archive import pack
from envctl.bundle.members import members
from envctl.system.files import write_atomically

NAME = "envctl-verify.pyz"


class Written(msgspec.Struct, frozen=True, kw_only=True):
    """The file that was written.

    Attributes:
        file: its place as the user named it; `-` for standard output.
        carried: the versions of other projects' distributions in it, by name.
    """

    schema: str = "envctl.verifier/1"
    file: str
    version: str
    sha256: str
    bytes: int
    carried: dict[str, str]


def verifier(project: Path, output: str = NAME) -> tuple[Written, bytes]:
    """Write it, and say what was written; with `-` nothing is written, and the bytes are there to be used.

    One version of envctl with the same versions of what it carries gives the same bytes on every machine.

    Args:
        output: relative to the project folder.

    Raises:
        ToolFailed: it cannot be written, or what it carries is not installed as it should be.
    """
    found, carried = members()
    data = pack(found)
    if output != "-":
        write_atomically({project / output: data})
        (project / output).chmod(0o755)
    digest = hashlib.sha256(data).hexdigest()
    return Written(file=output, version=envctl.__version__, sha256=digest, bytes=len(data), carried=carried), data
