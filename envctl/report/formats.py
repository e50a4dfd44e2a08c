"""The formats by name, each loaded when it is asked for, and which of them a file's name asks for."""

from __future__ import annotations

import importlib
from typing import cast

from envctl.report.interface import Format

FORMATS = ("text", "json", "junit", "sarif", "html")
_ENDINGS = {
    ".json": "json",
    ".xml": "junit",
    ".sarif": "sarif",
    ".sarif.json": "sarif",
    ".html": "html",
    ".htm": "html",
}


def adapter(name: str) -> Format:
    """The adapter of one of FORMATS."""
    return cast("Format", importlib.import_module(f"envctl.report.{name}").render)


def meant_by(file: str) -> str:
    """The format that a file's ending asks for; text where it asks for none."""
    endings = [ending for ending in _ENDINGS if file.lower().endswith(ending)]
    return _ENDINGS[max(endings, key=len)] if endings else "text"
