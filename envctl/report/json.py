"""The report as JSON (docs/reference/report.md). Every key is always there; what does not apply is null."""

from __future__ import annotations

import msgspec

from envctl.model.finding import Finding, Report


def render(report: Report) -> str:
    """The report, indented, without a final newline."""
    data = msgspec.to_builtins(report)
    data["findings"] = [{name: getattr(finding, name) for name in _KEYS} for finding in report.findings]
    return msgspec.json.format(msgspec.json.encode(data), indent=2).decode()


_KEYS = Finding.__struct_fields__
