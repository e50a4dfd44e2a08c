"""Write what was verified as an in-toto statement: the Python API of `envctl verify --attestation`."""

from __future__ import annotations

import os
from collections.abc import Mapping
from datetime import datetime, timezone
from pathlib import Path

import msgspec

from envctl import __version__
from envctl.errors import UsageError
from envctl.model.finding import Report
from envctl.report.statement import statement
from envctl.system.files import write_atomically

_LAST = 253402300799  # 9999-12-31: what a date can say


def attest(
    report: Report,
    place: Path,
    *,
    reader: str = "outside",
    environ: Mapping[str, str] | None = None,
) -> None:
    """Write the statement on a report, whatever its verdict is.

    Raises:
        UsageError: SOURCE_DATE_EPOCH is no number of seconds.
        ToolFailed: it could not be written.
    """
    when = moment(os.environ if environ is None else environ)
    said = statement(report, verified=when, version=__version__, reader=reader)
    data = msgspec.json.format(msgspec.json.encode(said), indent=2) + b"\n"
    write_atomically({place: data})


def moment(environ: Mapping[str, str]) -> datetime:
    """Now, or the moment that SOURCE_DATE_EPOCH names, in seconds since 1970; UsageError where that is none."""
    said = environ.get("SOURCE_DATE_EPOCH")
    if not said:
        return datetime.now(timezone.utc)
    if not (said.isascii() and said.isdigit()) or len(said) > len(str(_LAST)) or int(said) > _LAST:
        raise UsageError("SOURCE_DATE_EPOCH is no number of seconds since 1970", found=ascii(said)[:80])
    return datetime.fromtimestamp(int(said), timezone.utc)
