"""The report as JSON (docs/reference/report.md). Every key is always there; what does not apply is null."""

from __future__ import annotations

from pathlib import Path

import msgspec

from envctl.model.finding import Finding, Report
from envctl.report.interface import Places, cleaned

SCHEMA = Path(__file__).with_name("report.schema.json")
"""The JSON Schema of what `render` makes (draft 2020-12)."""


def render(report: Report, _: Places | None = None) -> str:
    """The report, indented, without a final newline."""
    report = cleaned(report)
    data = msgspec.to_builtins(report)
    data["findings"] = [{name: getattr(finding, name) for name in _KEYS} for finding in report.findings]
    return msgspec.json.format(msgspec.json.encode(data), indent=2).decode()


_KEYS = Finding.__struct_fields__
