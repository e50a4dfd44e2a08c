"""Golden files: whole outputs, compared byte for byte. `ENVCTL_GOLDEN=rewrite` (`make golden`) writes them anew."""

from __future__ import annotations

import os
from pathlib import Path

FOLDER = Path(__file__).parent.parent / "golden"


def assert_golden(name: str, text: str) -> None:
    """Compare with `tests/golden/<name>`."""
    path = FOLDER / name
    if os.environ.get("ENVCTL_GOLDEN") == "rewrite":
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8", newline="\n")
    assert path.is_file(), f"{path} does not exist: run `make golden` and review it"
    assert text == path.read_bytes().decode(), f"{path.name} differs: `make golden` rewrites it; review the change"
