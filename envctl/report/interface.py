"""The seam of reports: a verification becomes text for people or for a program. An adapter is one file behind this."""

from __future__ import annotations

from typing import Protocol

from envctl.model.finding import Report


class Format(Protocol):
    """An adapter."""

    def __call__(self, report: Report) -> str:
        """The whole report, without a final newline."""
        ...
