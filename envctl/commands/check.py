"""`envctl lock --check`: are lockfiles and Dockerfiles those of their profiles? No network, nothing written."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timezone
from pathlib import Path

import msgspec

from envctl.commands.files import render_files
from envctl.commands.jobs import LockOptions, prepare, wanted
from envctl.commands.signatures import stale
from envctl.lockfile.stale import Reason
from envctl.model.target import Target


class Checked(msgspec.Struct, frozen=True, kw_only=True):
    """One target; fresh when there are no reasons."""

    target: str
    fresh: bool
    reasons: tuple[Reason, ...]
    notes: tuple[str, ...] = ()


class CheckResult(msgspec.Struct, frozen=True, kw_only=True):
    """What `envctl lock --check` found; the JSON of `--format json`."""

    schema: str = "envctl.check/1"
    fresh: bool
    targets: tuple[Checked, ...]


def check(project: Path, names: Sequence[str], *, signatures: bool = True) -> CheckResult:
    """Check targets, all when none is named; InvalidFile when a profile or lockfile cannot be read at all.

    Args:
        signatures: whether a signature that is not of the lockfile as it is counts as stale.
    """
    checked = tuple(_check(project, target, signatures=signatures) for target in wanted(project, names))
    return CheckResult(fresh=all(one.fresh for one in checked), targets=checked)


def _check(project: Path, target: Target, *, signatures: bool) -> Checked:
    epoch = datetime(2000, 1, 1, tzinfo=timezone.utc)  # spans count from now only when something is resolved
    job = prepare(project, target, LockOptions(), now=epoch, python_release=lambda minor: f"{minor}.0")
    found = list(job.stale)
    if not found and job.previous is not None:
        files = render_files(project, target, job.previous, resolved=False)
        for path, data in files.items():
            place = str(path.relative_to(project))
            if not path.is_file():
                found.append(Reason(place, "is missing"))
            elif path.read_bytes() != data:
                found.append(
                    Reason(place, "is not what the lockfile renders to: it was edited, or written by another envctl")
                )
    old, notes = stale(project, target) if signatures else ([], [])
    found += old
    return Checked(target=str(target), fresh=not found, reasons=tuple(found), notes=tuple(notes))
