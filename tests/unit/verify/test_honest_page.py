"""docs/reference/honest.md is what the campaign's rows say."""

from __future__ import annotations

import os
from pathlib import Path

from support import honest_pages

PAGE = Path(__file__).parents[3] / "docs/reference/honest.md"


def test_the_golden_page_of_honest_environments_is_made_from_the_tests() -> None:
    if os.environ.get("ENVCTL_GOLDEN") == "rewrite":
        PAGE.write_text(honest_pages.page(), encoding="utf-8", newline="\n")
    assert PAGE.read_text("utf-8") == honest_pages.page(), "`make golden` writes it anew; review the change"
